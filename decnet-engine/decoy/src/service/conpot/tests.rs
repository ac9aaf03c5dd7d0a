use serde_json::{Value, json};

use super::super::{
    dialogue::Next,
    event::{Event, Request},
    testing::{Visitor, fields_have_an_effect, survives},
};

fn hex(text: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    text.as_bytes().chunks(2).map(byte).collect()
}

fn connect(port: u16) -> Visitor {
    Visitor::connect("conpot", port, fields())
}

fn fields() -> Value {
    json!({"template": "s7-1200", "device_name": "Mill 3", "serial_number": "S C-123"})
}

fn modbus(message: &str) -> Vec<u8> {
    connect(502).send(hex(message))
}

#[test]
fn registers_and_coils_are_read_and_have_the_same_values_each_time() {
    let registers = modbus("000100000006010300000004");
    assert_eq!(registers[..9], hex("00010000000b010308"));
    assert_eq!((registers.len(), &registers), (17, &modbus("000100000006010300000004")));
    assert!(registers[9..].iter().any(|byte| *byte != 0), "{registers:?}");
    let coils = modbus("00020000000601010000000a");
    assert_eq!((&coils[..9], coils.len()), (&hex("000200000005010102")[..], 11));
    assert_eq!(coils[10] & 0xfc, 0, "bits after the last one are not set");
}

#[test]
fn what_is_written_is_read_back_and_reported() {
    let mut visitor = connect(502);
    assert_eq!(
        visitor.send(hex("000100000006010600050102")),
        hex("000100000006010600050102")
    );
    assert_eq!(
        visitor.send(hex("00020000000b0110000600020400070008")),
        hex("000200000006011000060002")
    );
    assert_eq!(
        visitor.send(hex("000300000006010300050003")),
        hex("000300000009010306010200070008")
    );
    assert_eq!(
        visitor.send(hex("00040000000601050009ff00")),
        hex("00040000000601050009ff00")
    );
    assert_eq!(
        visitor.send(hex("000500000008010f000a00020103")),
        hex("000500000006010f000a0002")
    );
    assert_eq!(
        visitor.send(hex("000600000006010100090003")),
        hex("00060000000401010107")
    );
    let request = |method: &str, target: &str, body: Option<&str>| {
        Event::Request(Request {
            method: method.into(),
            target: Some(target.into()),
            status: Some(0),
            body: body.map(Into::into),
            ..Request::default()
        })
    };
    assert_eq!(
        visitor.events[0],
        request("write register", "unit 1 address 5 value 258", None)
    );
    assert_eq!(
        visitor.events[1],
        request("write registers", "unit 1 address 6 count 2", Some("00070008"))
    );
    assert_eq!(visitor.events.len(), 6);
}

#[test]
fn wrong_requests_get_an_exception() {
    for (message, exception) in [
        ("00010000000201 07", "00010000000301 8701"),
        ("00010000000201 11", "00010000000301 9101"),
        ("000100000006010300000000", "000100000003018303"),
        ("00010000000601030000007e", "000100000003018303"),
        ("0001000000060103270f0002", "000100000003018302"),
        ("000100000006010500000001", "000100000003018503"),
        ("00010000000301 0300", "00010000000301 8303"),
        ("000100000009011000060002020007", "000100000003019003"),
        ("000100000005012b0e0480", "00010000000301ab02"),
    ] {
        let [message, exception] = [message, exception].map(|text| text.replace(' ', ""));
        let mut visitor = connect(502);
        assert_eq!(visitor.send(hex(&message)), hex(&exception), "{message}");
        assert_eq!(visitor.next, Next::Continue);
    }
}

#[test]
fn other_protocols_on_the_port_of_modbus_get_an_exception_and_the_end() {
    for (message, answer) in [
        (&b"GET / HTTP/1.0\r\n\r\n"[..], &b"GET \0\x03H\xd4\x01"[..]),
        (b"\x16\x03\0\0S\x01\0\0O\x03\0", b"\x16\x03\0\0\0\x03\0\x81\x01"),
    ] {
        let mut visitor = connect(502);
        assert_eq!(visitor.send(message)[..4], answer[..4]);
        assert_eq!(visitor.next, Next::Close);
        assert!(matches!(&visitor.events[..], [Event::Probe(_)]));
    }
    assert_eq!(connect(502).send(b"GET / HTTP/1.0\r\n\r\n"), b"GET \0\x03H\xd4\x01");
}

#[test]
fn the_device_is_identified_over_modbus() {
    let answer = modbus("000100000005012b0e0100");
    let text = String::from_utf8_lossy(&answer);
    assert_eq!(answer[7..14], hex("2b0e0182000003"));
    assert!(text.contains("Siemens") && text.contains("6ES7 21"), "{text}");
    assert!(String::from_utf8_lossy(&modbus("000100000005012b0e0200")).contains("Mill 3"));
}

const S7_CONNECT: &str = "0300001611e00000001400c1020100c2020102c0010a";
const S7_SETUP: &str = "0300001902f08032010000000000080000f0000001000101e0";
const S7_MODULES: &str = "0300002102f080320700000000000800080001120411440100ff09000400110001";
const S7_COMPONENTS: &str = "0300002102f080320700000000000800080001120411440100ff090004001c0001";

#[test]
fn the_device_is_identified_over_s7_as_nmaps_script_asks() {
    let mut visitor = connect(102);
    assert_eq!(
        visitor.send(hex(S7_CONNECT)),
        hex("0300001611d00014000200c1020100c2020102c0010a")
    );
    assert_eq!(
        visitor.send(hex(S7_SETUP)),
        hex("0300001b02f080320300000000000800000000f0000001000100f0")
    );
    let text = |answer: &[u8], at: usize| {
        let rest = &answer[at - 1..];
        let end = rest.iter().position(|byte| *byte == 0).unwrap();
        String::from_utf8(rest[..end].to_vec()).unwrap()
    };
    let modules = visitor.send(hex(S7_MODULES));
    assert_eq!(usize::from(modules[3]), modules.len());
    assert!(text(&modules, 44).starts_with("6ES7 21"), "{modules:?}");
    assert_eq!((modules[121], modules[122]), (b'V', 4));
    let components = visitor.send(hex(S7_COMPONENTS));
    assert_eq!(text(&components, 44), "S7-1200 station_1");
    assert_eq!(text(&components, 78), "PLC_1");
    assert_eq!(text(&components, 112), "Mill 3");
    assert_eq!(text(&components, 146), "Original Siemens Equipment");
    assert_eq!(text(&components, 180), "S C-123");
    let methods: Vec<&str> = visitor
        .events
        .iter()
        .map(|event| match event {
            Event::Request(request) => request.method.as_str(),
            _ => panic!("{event:?}"),
        })
        .collect();
    assert_eq!(methods, ["connect", "setup communication", "read list", "read list"]);
}

#[test]
fn jobs_over_s7_are_refused_and_reported() {
    let mut visitor = connect(102);
    visitor.send(hex(S7_CONNECT));
    visitor.send(hex(S7_SETUP));
    let stop = "0300002102f0803201000000000010000029000000000009505f50524f4752414d";
    assert_eq!(
        visitor.send(hex(stop)),
        hex("0300001502f08032030000000000020000810429 00".replace(' ', "").as_str())
    );
    let Some(Event::Request(request)) = visitor.events.last() else {
        panic!("{:?}", visitor.events)
    };
    assert_eq!(request.method.as_str(), "stop");
}

#[test]
fn input_that_is_not_s7_closes_the_connection() {
    for message in [
        &b"GET / HTTP/1.0\r\n\r\n"[..],
        b"\x03\0\0\x03",
        b"\x03\0\xff\xff",
        &hex(S7_SETUP),
    ] {
        let mut visitor = connect(102);
        assert_eq!(visitor.send(message), b"");
        assert_eq!(visitor.next, Next::Close);
        assert!(matches!(&visitor.events[..], [Event::Probe(_)]));
    }
    let mut visitor = Visitor::connect("conpot", 102, json!({"template": "ipmi"}));
    assert_eq!(visitor.send(hex(S7_CONNECT)), b"");
}

#[test]
fn the_web_page_moves_the_visitor_to_the_portal_and_takes_logins() {
    let moved = "HTTP/1.0 302 Object Moved\r\nContent-Type:text/html\r\nContent-Length: 0\r\nConnection: close\r\n\
                 Location: /Default.mwsl\r\n\r\n";
    assert_eq!(connect(80).send("GET / HTTP/1.0\r\n\r\n"), moved.as_bytes());
    let page = connect(80).send("GET /Portal/Portal.mwsl?PriNav=Start HTTP/1.1\r\nHost: x\r\n\r\n");
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains("Mill 3") && page.contains("S C-123"), "{page}");
    let mut visitor = connect(80);
    visitor.send("POST /FormLogin HTTP/1.1\r\nContent-Length: 28\r\n\r\nLogin=admin&Password=a%26b+c");
    assert_eq!(visitor.events[0], Event::password("form", b"admin", b"a&b c", false));
    assert!(matches!(&visitor.events[1], Event::Request(request) if request.body.is_none()));
    let mut visitor = connect(80);
    visitor.send("GET /x HTTP/1.1\r\nAuthorization: Basic YTpi\r\nUser-Agent: curl\r\n\r\n");
    assert_eq!(visitor.events[0], Event::password("basic", b"a", b"b", false));
    let answer = connect(80).send("\x16\x03\x01\0\0");
    assert!(answer.starts_with(b"HTTP/1.0 400"), "{answer:?}");
}

#[test]
fn published_defaults_of_other_programs_are_not_sent() {
    let mut visitor = Visitor::connect("conpot", 102, json!({}));
    visitor.send(hex(S7_CONNECT));
    let text = String::from_utf8_lossy(&visitor.send(hex(S7_COMPONENTS))).into_owned();
    assert!(!text.contains("Technodrome") && !text.contains("88111222"), "{text}");
    assert!(text.contains("S C-"), "{text}");
}

#[test]
fn recorded_messages_are_survived_in_pieces_and_changed() {
    let all = |messages: &[&str]| messages.iter().map(|text| hex(text)).collect::<Vec<_>>();
    for (port, messages) in [
        (
            502,
            all(&[
                "000100000006010300000004",
                "00020000000601010000000a",
                "00020000000b0110000600020400070008",
                "000500000008010f000a00020103",
                "000100000005012b0e0100",
            ]),
        ),
        (102, all(&[S7_CONNECT, S7_SETUP, S7_MODULES, S7_COMPONENTS])),
        (
            80,
            vec![b"POST /FormLogin HTTP/1.1\r\nContent-Length: 28\r\n\r\nLogin=admin&Password=a%26b+c".to_vec()],
        ),
    ] {
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        survives(&|| connect(port), &messages, 8192);
    }
    let get = hex("302702010104067075626c6963a01a02021234020100020100300e300c06082b060102010105000500");
    survives(&|| Visitor::datagrams("conpot", 161, fields()), &[&get], 4096);
}

#[test]
fn each_field_has_an_effect() {
    let components: Vec<Vec<u8>> = [S7_CONNECT, S7_COMPONENTS].iter().map(|text| hex(text)).collect();
    let components: Vec<&[u8]> = components.iter().map(Vec::as_slice).collect();
    let modules: Vec<Vec<u8>> = [S7_CONNECT, S7_MODULES].iter().map(|text| hex(text)).collect();
    let modules: Vec<&[u8]> = modules.iter().map(Vec::as_slice).collect();
    let description = hex("302702010104067075626c6963a01a02021234020100020100300e300c06082b060102010101000500");
    fields_have_an_effect(
        "conpot",
        &json!({}),
        &[
            ("template", json!("guardian-ast"), 161, &[&description]),
            ("version", json!("V4.7.9"), 102, &modules),
            ("device_name", json!("Mill"), 102, &components),
            ("serial_number", json!("S C-1"), 102, &components),
        ],
    );
}
