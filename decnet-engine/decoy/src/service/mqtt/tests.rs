//! The answers were recorded from Mosquitto 2.0.11 of Debian 12.

use serde_json::{Value, json};

use super::super::{
    dialogue::Next,
    event::{Auth, Event, Proof, Request},
    testing::{Visitor, fields_have_an_effect, survives},
};
use super::{
    connect,
    packet::{packet, string},
};

fn fields() -> Value {
    json!({"anonymous": false, "user": "bob", "password": "secret", "topics": "plant/line1/temp 21.5\nplant/line1/state run"})
}

fn open() -> Value {
    json!({"topics": "plant/line1/temp 21.5\nplant/line1/state run"})
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    text.as_bytes().chunks(2).map(byte).collect()
}

fn connect_as(version: u8, flags: u8, rest: &[&[u8]]) -> Vec<u8> {
    let name: &[u8] = if version == 3 { b"MQIsdp" } else { b"MQTT" };
    let properties: &[u8] = if version == 5 { &[0] } else { &[] };
    let strings: Vec<u8> = rest.iter().flat_map(|text| string(text)).collect();
    packet(
        0x10,
        &[&string(name)[..], &[version, flags, 0, 30], properties, &strings].concat(),
    )
}

fn subscribe(version: u8, filter: &str, options: u8) -> Vec<u8> {
    let properties: &[u8] = if version == 5 { &[0] } else { &[] };
    packet(
        0x82,
        &[&[0, 1], properties, &string(filter.as_bytes()), &[options]].concat(),
    )
}

fn publish(first: u8, version: u8, topic: &[u8], id: &[u8]) -> Vec<u8> {
    let properties: &[u8] = if version == 5 { &[0] } else { &[] };
    packet(first, &[&string(topic), id, properties, b"hello"].concat())
}

/// Connects and sends one packet.
fn after_connect(version: u8, message: &[u8]) -> (Vec<u8>, bool) {
    let mut visitor = Visitor::connect("mqtt", 1883, open());
    assert!(visitor.send(connect_as(version, 2, &[b"nmap"])).starts_with(&[0x20]));
    let answer = visitor.send(message);
    (answer, visitor.next == Next::Close)
}

#[test]
fn each_version_gets_its_own_answer_to_a_login() {
    for (version, accepted, refused) in [
        (3, "20020000", "20020005"),
        (4, "20020000", "20020005"),
        (5, "200900000622000a210014", "2003008700"),
    ] {
        for (flags, rest, is_accepted) in [
            (0x02, &[&b"nmap"[..]][..], false),
            (0x82, &[b"nmap", b"bob"], false),
            (0xc2, &[b"nmap", b"bob", b"bad"], false),
            (0xc2, &[b"nmap", b"eve", b"secret"], false),
            (0xc2, &[b"nmap", b"bob", b"secret"], true),
        ] {
            let mut visitor = Visitor::connect("mqtt", 1883, fields());
            let expected = hex(if is_accepted { accepted } else { refused });
            assert_eq!(
                visitor.send(connect_as(version, flags, rest)),
                expected,
                "{version} {rest:?}"
            );
            assert_eq!(visitor.next == Next::Close, !is_accepted);
        }
    }
}

#[test]
fn logins_are_reported_with_the_password_and_the_name_of_the_client() {
    let mut visitor = Visitor::connect("mqtt", 1883, fields());
    visitor.send(connect_as(4, 0xc6, &[b"nmap", b"w/t", b"gone", b"bob", b"bad"]));
    let Event::Fingerprint(client) = &visitor.events[0] else {
        panic!("{:?}", visitor.events)
    };
    assert_eq!((client.method, client.value.as_str()), ("client-name", "nmap"));
    let will = Request {
        method: "WILL".into(),
        target: Some("w/t".into()),
        body: Some("gone".into()),
        ..Request::default()
    };
    assert_eq!(
        visitor.events[1..],
        [Event::password("password", b"bob", b"bad", false), Event::Request(will)]
    );
    let mut visitor = Visitor::connect("mqtt", 1883, open());
    visitor.send(connect_as(4, 2, &[b""]));
    let anonymous = Auth {
        method: "anonymous",
        proof: Proof::None,
        accepted: true,
        ..Auth::default()
    };
    assert_eq!(visitor.events, [Event::Auth(anonymous)]);
}

#[test]
fn a_client_without_a_name_gets_one_if_its_session_does_not_last() {
    for (version, flags, expected) in [(3, 2, "20020002"), (4, 0, "20020002"), (4, 2, "20020000")] {
        let answer = Visitor::connect("mqtt", 1883, open()).send(connect_as(version, flags, &[b""]));
        assert_eq!(answer, hex(expected), "{version} {flags}");
    }
    let answer = Visitor::connect("mqtt", 1883, open()).send(connect_as(5, 2, &[b""]));
    assert_eq!(answer[..15], [&hex("203500003222000a120029")[..], b"auto"].concat());
    assert_eq!(answer[52..], hex("210014"));
}

#[test]
fn a_first_packet_that_is_wrong_is_refused_or_closes_the_connection() {
    for (message, expected) in [
        (hex("101000044d5154540602001e00046e6d6170"), "20020001"),
        (hex("101200064d51497364700402001e00046e6d6170"), "20020001"),
        (hex("101000044d5154580402001e00046e6d6170"), ""),
        (hex("101000044d5154540403001e00046e6d6170"), ""),
        (hex("101000044d515454040a001e00046e6d6170"), ""),
        (hex("101400044d5154540442001e00046e6d617000027077"), ""),
        (hex("111000044d5154540402001e00046e6d6170"), ""),
        (
            hex("101900044d5154540502001e08150005534352414d00046e6d6170"),
            "2003008c00",
        ),
        (hex("101300044d5154540502001e02ff0000046e6d6170"), ""),
        (hex("1000"), ""),
        (hex("10ffffffff01"), ""),
        (hex("c000"), ""),
        (b"GET / HTTP/1.0\r\n\r\n".to_vec(), ""),
        (b"\r\n".to_vec(), ""),
    ] {
        let mut visitor = Visitor::connect("mqtt", 1883, open());
        assert_eq!(visitor.send(&message), hex(expected), "{message:?}");
        assert_eq!(visitor.next, Next::Close, "{message:?}");
        assert!(!visitor.events.is_empty(), "{message:?}");
    }
    assert_eq!(
        connect::Connect::read(0x10, b"").unwrap_err(),
        connect::Refusal::Malformed
    );
}

#[test]
fn subscriptions_get_the_messages_that_are_kept() {
    for (version, filter, quality, expected) in [
        (
            4,
            "plant/#",
            0,
            "900300010031160010706c616e742f6c696e65312f74656d7032312e3531160011706c616e742f6c696e65312f737461746572756e",
        ),
        (
            4,
            "plant/+/temp",
            1,
            "900300010131160010706c616e742f6c696e65312f74656d7032312e35",
        ),
        (4, "nothing", 2, "9003000102"),
        (
            5,
            "plant/+/temp",
            1,
            "90040001000131170010706c616e742f6c696e65312f74656d700032312e35",
        ),
        (5, "nothing", 2, "900400010002"),
    ] {
        let answer = after_connect(version, &subscribe(version, filter, quality));
        assert_eq!(answer, (hex(expected), false), "{version} {filter}");
    }
    let (answer, _) = after_connect(4, &subscribe(4, "$SYS/#", 0));
    let start = b"\x90\x03\0\x01\0\x31\x2d\0\x13$SYS/broker/versionmosquitto version 2.0.11\x31";
    assert_eq!(answer[..start.len()], start[..]);
    assert!(String::from_utf8_lossy(&answer).contains("$SYS/broker/uptime"));
}

#[test]
fn published_messages_are_acknowledged_and_come_back_to_subscribers() {
    for (version, message, expected) in [
        (4, publish(0x30, 4, b"a/b", b""), ""),
        (4, publish(0x32, 4, b"a/b", b"\0\x05"), "40020005"),
        (5, publish(0x32, 5, b"a/b", b"\0\x05"), "4003000510"),
        (4, publish(0x34, 4, b"a/b", b"\0\x06"), "50020006"),
        (4, publish(0x32, 4, b"$SYS/x", b"\0\x07"), "40020007"),
        (5, publish(0x32, 5, b"$SYS/x", b"\0\x07"), "4003000787"),
        (4, hex("62020009"), "70020009"),
        (4, hex("50020001"), "62020001"),
        (4, hex("40020001"), ""),
        (4, hex("a2050008000161"), "b0020008"),
        (5, hex("a206000800000161"), "b00400080011"),
        (4, hex("c000"), "d000"),
        (4, hex("c00178"), "d000"),
        (4, hex("d000"), ""),
    ] {
        assert_eq!(after_connect(version, &message), (hex(expected), false), "{message:?}");
    }
    let mut visitor = Visitor::connect("mqtt", 1883, open());
    visitor.send(connect_as(4, 2, &[b"nmap"]));
    assert_eq!(visitor.send(subscribe(4, "a/#", 1)), hex("9003000101"));
    let answer = visitor.send(publish(0x32, 4, b"a/b", b"\0\x05"));
    assert_eq!(answer, hex("320c0003612f62000168656c6c6f40020005"));
    assert_eq!(visitor.send(publish(0x34, 4, b"a/b", b"\0\x06")), hex("50020006"));
    assert_eq!(
        visitor.send(hex("62020006")),
        hex("320c0003612f62000268656c6c6f70020006")
    );
    let Some(Event::Request(request)) = visitor.events.last() else {
        panic!("{:?}", visitor.events)
    };
    assert_eq!(request.body, Some("hello".into()));
    visitor.send(publish(0x31, 4, b"kept", b""));
    assert_eq!(
        visitor.send(subscribe(4, "kept", 0)),
        hex("9003000100310b00046b65707468656c6c6f")
    );
    visitor.send(hex("e000"));
    assert_eq!(visitor.next, Next::Close);
}

#[test]
fn packets_that_are_wrong_close_the_connection_with_a_reason_for_version_five() {
    for (version, message, expected) in [
        (4, subscribe(4, "pl#", 0), ""),
        (5, subscribe(5, "pl#", 0), "e00181"),
        (5, subscribe(5, "", 0), "e00181"),
        (5, subscribe(5, "a", 3), "e00181"),
        (4, hex("8006000100016100"), ""),
        (4, hex("82020001"), ""),
        (5, hex("8203000100"), "e00181"),
        (5, hex("a203000800"), "e00181"),
        (5, publish(0x36, 5, b"a/b", b"\0\x06"), "e00181"),
        (4, publish(0x30, 4, b"a/#", b""), ""),
        (5, publish(0x30, 5, b"a/#", b""), "e00182"),
        (5, publish(0x30, 5, b"", b""), "e00182"),
        (5, publish(0x30, 5, b"a\0b", b""), "e00181"),
        (5, publish(0x30, 5, b"a\xff", b""), "e00181"),
        (5, hex("300400ff6162"), "e00181"),
        (5, hex("0000"), "e00182"),
        (4, hex("f000"), ""),
        (5, hex("20020000"), ""),
        (5, hex("40020000"), ""),
        (5, hex("30ffffffff01"), ""),
        (5, hex("30ffffff7f"), "e00195"),
        (4, connect_as(4, 2, &[b"nmap"]), ""),
    ] {
        assert_eq!(
            after_connect(version, &message),
            (hex(expected), true),
            "{version} {message:?}"
        );
    }
}

#[test]
fn a_subscription_gets_at_most_64_kib_of_kept_messages() {
    let mut visitor = Visitor::connect("mqtt", 1883, open());
    visitor.send(connect_as(4, 2, &[b"nmap"]));
    for number in 0..64 {
        let topic = format!("kept/{number}");
        visitor.send(packet(0x31, &[&string(topic.as_bytes())[..], &[b'x'; 1000]].concat()));
    }
    let filters = |count: usize| packet(0x82, &[&[0, 1][..], &b"\0\x01#\0".repeat(count)].concat());
    let answer = visitor.send(filters(64));
    assert!(
        (60_000..66_000).contains(&answer.len()),
        "{} bytes of an answer",
        answer.len()
    );
    assert!(visitor.send(filters(1)).len() > 60_000);
    assert_eq!(visitor.next, Next::Continue);
    assert_eq!(visitor.send(filters(65)), b"");
    assert_eq!(visitor.next, Next::Close);
}

#[test]
fn recorded_messages_are_survived_in_pieces_and_changed() {
    let start = || Visitor::connect("mqtt", 1883, open());
    for version in [4, 5] {
        let messages = [
            connect_as(version, 0xc2, &[b"nmap", b"bob", b"secret"]),
            subscribe(version, "#", 1),
            publish(0x32, version, b"a/b", b"\0\x05"),
            publish(0x34, version, b"a/b", b"\0\x06"),
            hex("62020006"),
            hex("c000"),
            hex("a20500080001610000"),
        ];
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        survives(&start, &messages, 16384);
    }
}

#[test]
fn each_field_has_an_effect() {
    let anyone = connect_as(4, 2, &[b"nmap"]);
    let bob = connect_as(4, 0xc2, &[b"nmap", b"bob", b"secret"]);
    fields_have_an_effect(
        "mqtt",
        &json!({"user": "bob", "password": "secret"}),
        &[
            ("anonymous", json!(false), 1883, &[&anyone]),
            ("user", json!("bob"), 1883, &[&bob]),
            ("password", json!("other"), 1883, &[&bob]),
            ("version", json!("2.0.9"), 1883, &[&bob, &subscribe(4, "$SYS/#", 0)]),
            ("topics", json!("a/b"), 1883, &[&bob, &subscribe(4, "#", 0)]),
        ],
    );
}
