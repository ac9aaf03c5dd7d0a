use serde_json::{Value, json};

use super::super::{
    dialogue::{Dialogue as _, Input, Next, Turn},
    event::{Event, Request},
    testing::{NOW, Visitor, context, context_on, fields_have_an_effect, survives},
};
use super::{
    Dns,
    recorded::{ANSWERS, RECORDS},
};
use crate::protocol::{Os, Protocol};

fn fields() -> Value {
    json!({"records": RECORDS, "server_version": "9.18.49-1~deb12u3-Debian"})
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn query(name: &str, kind: u8, class: u8) -> Vec<u8> {
    let mut message = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0".to_vec();
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, kind, 0, class]);
    message
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

/// Asks over TCP, where answers are whole.
fn over_tcp(message: &[u8]) -> Vec<u8> {
    let mut visitor = Visitor::connect("dns", 53, fields());
    let answer = visitor.send(framed(message));
    assert_eq!(visitor.next, Next::Continue);
    answer.get(2..).unwrap_or_default().to_vec()
}

fn over_udp(message: &[u8]) -> Vec<u8> {
    Visitor::datagrams("dns", 53, fields()).send(message)
}

#[test]
fn questions_are_answered_as_bind_answers_them() {
    for (name, kind, class, flags_and_counts, rest) in ANSWERS {
        let message = query(name, *kind, *class);
        let expected = [&[0x12, 0x34], &hex(flags_and_counts)[..], &message[12..], &hex(rest)].concat();
        assert_eq!(over_tcp(&message), expected, "{name} {kind}");
        if expected.len() <= 2 * message.len() && *kind != 252 {
            assert_eq!(over_udp(&message), expected, "{name} {kind} over UDP");
        }
    }
}

#[test]
fn only_a_question_makes_the_zones_and_few_records_are_read() {
    let dns = |fields: Value| Dns::new(&context("dns", 53, Protocol::Udp, fields));
    let mut turn = Turn::new(NOW.parse().unwrap());
    let mut new = dns(fields());
    for message in [&b"GET / HTTP/1.0\r\n\r\n"[..], &[0xff; 40], &query("a", 1, 1)[..18]] {
        new.receive(&mut Input::from(message), &mut turn);
        assert!(new.zones.get().is_none(), "{message:?}");
    }
    new.receive(&mut Input::from(&query("a", 1, 1)[..]), &mut turn);
    assert!(new.zones.get().is_some());
    let new = dns(json!({"records": "a A 10.0.0.1\n".repeat(5000)}));
    assert_eq!(new.zones()[0].records.len(), 1003);
}

#[test]
fn a_visitor_who_wants_no_recursion_gets_the_name_servers_too() {
    let mut message = query("corp.local", 1, 1);
    message[2] = 0;
    let expected = "1234 8400 0001 0001 0001 0001 04636f7270056c6f63616c0000010001 c00c000100010001518000040a090002\
                    c00c00020001000151800006036e7331c00c c038000100010001518000040a090002";
    assert_eq!(over_tcp(&message), hex(expected));
}

#[test]
fn an_answer_over_udp_that_is_longer_than_two_questions_has_no_records_and_the_bit_tc() {
    let message = query("version.bind", 16, 3);
    let expected = [&hex("1234 8700 0001 0000 0000 0000")[..], &message[12..]].concat();
    assert_eq!(over_udp(&message), expected);
    // Addresses of mail servers are left out before.
    let mut visitor = Visitor::datagrams(
        "dns",
        53,
        json!({"records": "@ MX 10 mail\nmail AAAA ::1\nmail A 10.0.0.1"}),
    );
    let message = query("corp.local", 15, 1);
    let answer = visitor.send(&message);
    assert_eq!(answer[2..12], hex("8500 0001 0001 0000 0000")[..]);
    assert!(answer.len() <= 2 * message.len());
}

#[test]
fn the_own_address_is_sent_over_tcp_because_a_datagram_does_not_show_it() {
    let message = query("web-01.corp.local", 1, 1);
    let mut visitor = Visitor::connect("dns", 53, json!({}));
    let answer = visitor.send(framed(&message));
    assert!(answer.ends_with(&[0, 4, 10, 9, 0, 2]), "{answer:?}");
    let mut context = super::super::testing::context("dns", 53, Protocol::Udp, json!({}));
    context.session.local = std::net::Ipv4Addr::UNSPECIFIED;
    let answer = Visitor::start(context).send(&message);
    assert_eq!(answer[2..12], hex("8700 0001 0000 0000 0000")[..]);
}

#[test]
fn options_are_answered_as_bind_answers_them() {
    let with = |options: &str, count: u8| {
        let mut message = query("corp.local", 1, 1);
        message[11] = count;
        [message, hex(options)].concat()
    };
    let question = "04636f7270056c6f63616c0000010001";
    let address = "c00c000100010001518000040a090002";
    for (options, count, expected) in [
        (
            "00002904d0000000000000",
            1,
            format!("12348500000100010000000 1{question}{address}00002904d0000000000000"),
        ),
        (
            "00002904d0000080000000",
            1,
            format!("12348500000100010000000 1{question}{address}00002904d0000080000000"),
        ),
        (
            "0000290200000000000000",
            1,
            format!("12348500000100010000000 1{question}{address}00002904d0000000000000"),
        ),
        (
            "00002904d0000100000000",
            1,
            format!("123481000001000000000001{question}00002904d0010000000000"),
        ),
        (
            "00002904d0000000000007000a0003010203",
            1,
            format!("123481010001000000000001{question}00002904d0000000000000"),
        ),
        (
            "00002904d000000000000000002904d0000000000000",
            2,
            format!("123481010001000000000000{question}"),
        ),
    ] {
        assert_eq!(over_udp(&with(options, count)), hex(&expected), "{options}");
    }
    let answer = over_udp(&with("00002904d000000000000c000a00080102030405060708", 1));
    let start = hex(&format!(
        "123485000001000100000001{question}{address}00002904d000000000001c000a0018010203040506070801000000 69a7bdbf"
    ));
    assert_eq!((&answer[..75], answer.len()), (&start[..], 83));
}

#[test]
fn messages_that_are_wrong_get_the_answer_of_bind() {
    for (message, expected) in [
        ("0000 1000 0000 0000 0000 0000", "0000 9004 0000 0000 0000 0000"),
        ("0001 0100 0000 0000 0000 0000", "0001 8101 0000 0000 0000 0000"),
        ("0001 0100 0001 0000 0000 0000", "0001 8101 0000 0000 0000 0000"),
        (
            "1234 0100 0001 0000 0000 0000 c00c 0001 0001",
            "1234 8101 0000 0000 0000 0000",
        ),
        ("68656c6c6f20776f726c6420313233343536", "6865e8010000000000000000"),
        (
            "1234 0800 0001 0000 0000 0000 04636f7270056c6f63616c0000060001",
            "123488040000000000000000",
        ),
        (
            "1234 2000 0001 0000 0000 0000 04636f7270056c6f63616c0000060001",
            "1234 a400 0001 0000 0000 0000 04636f7270056c6f63616c0000060001",
        ),
        (
            "1234 2800 0001 0000 0000 0000 04636f7270056c6f63616c0000060001",
            "1234 a805 0001 0000 0000 0000 04636f7270056c6f63616c0000060001",
        ),
        (
            "1234 2000 0001 0000 0000 0000 076578616d706c6503636f6d0000060001",
            "1234 a009 0001 0000 0000 0000 076578616d706c6503636f6d0000060001",
        ),
        ("68656c6c6f", ""),
        ("1234 8100 0001 0000 0000 0000 04636f7270056c6f63616c0000010001", ""),
    ] {
        assert_eq!(over_udp(&hex(message)), hex(expected), "{message}");
        // Over TCP, a message without an answer ends the connection.
        if !expected.is_empty() {
            assert_eq!(over_tcp(&hex(message)), hex(expected), "{message} over TCP");
        }
    }
}

#[test]
fn a_whole_zone_is_sent_over_tcp_and_reported() {
    let mut visitor = Visitor::connect("dns", 53, fields());
    let answer = visitor.send(framed(&query("corp.local", 252, 1)));
    assert_eq!(answer[2..14], hex("1234 8400 0001 000d 0000 0000")[..]);
    let text = String::from_utf8_lossy(&answer);
    for name in ["_ldap", "mail", "web-01", "wild", "www"] {
        assert!(text.contains(name), "{name}");
    }
    let request = Request {
        method: "AXFR".into(),
        target: Some("corp.local".into()),
        status: Some(0),
        ..Request::default()
    };
    assert_eq!(visitor.events, [Event::Request(request)]);
    assert_eq!(over_udp(&query("corp.local", 252, 1))[2..4], [0x81, 0x01]);
}

#[test]
fn questions_are_reported_once_with_their_type_and_the_code_of_the_answer() {
    let mut visitor = Visitor::datagrams("dns", 53, fields());
    visitor.send(query("nope.corp.local", 28, 1));
    visitor.send(query("version.bind", 16, 3));
    visitor.send("GET / HTTP/1.0\r\n\r\n");
    let request = |method: &str, target: &str, status| {
        Event::Request(Request {
            method: method.into(),
            target: Some(target.into()),
            status: Some(status),
            ..Request::default()
        })
    };
    assert_eq!(
        visitor.events,
        [
            request("AAAA", "nope.corp.local", 3),
            request("CH TXT", "version.bind", 0),
            Event::probe("not this protocol", b"GET / HTTP/1.0\r\n\r\n"),
        ]
    );
}

#[test]
fn recursion_is_offered_but_other_names_cannot_be_resolved() {
    let mut visitor = Visitor::datagrams("dns", 53, json!({"recursion": true}));
    assert_eq!(visitor.send(query("example.com", 1, 1))[2..4], [0x81, 0x82]);
    assert_eq!(visitor.send(query("localhost", 1, 1))[2..4], [0x85, 0x80]);
}

#[test]
fn pointers_of_other_zones_are_answered() {
    let mut visitor = Visitor::datagrams(
        "dns",
        53,
        json!({"records": "5.0.9.10.in-addr.arpa. PTR db\n6.0.9.10.in-addr.arpa. PTR x"}),
    );
    let answer = visitor.send(query("5.0.9.10.in-addr.arpa", 12, 1));
    assert_eq!(answer[2..8], hex("8500 0001 0001")[..]);
    assert_eq!(visitor.send(query("7.0.9.10.in-addr.arpa", 12, 1))[3] & 0xf, 3);
}

#[test]
fn the_version_is_that_of_the_system() {
    let version = |os| {
        let mut visitor = Visitor::start(context_on(os, "dns", 53, Protocol::Tcp, json!({})));
        let answer = visitor.send(framed(&query("version.bind", 16, 3)));
        String::from_utf8_lossy(&answer[45..]).into_owned()
    };
    assert!(version(Os::Debian12).ends_with("Debian"));
    assert!(version(Os::Ubuntu2404).contains("ubuntu0.24.04"));
    assert!(version(Os::WindowsServer2019).starts_with("Microsoft DNS 10.0.17763 (4563"));
}

#[test]
fn recorded_messages_are_survived_in_pieces_and_changed() {
    let messages: Vec<Vec<u8>> = [
        query("corp.local", 1, 1),
        query("www.corp.local", 28, 1),
        query("version.bind", 16, 3),
        [
            query("corp.local", 255, 1),
            hex("00002904d000000000000c000a00080102030405060708"),
        ]
        .concat(),
        query("corp.local", 252, 1),
    ]
    .into();
    let datagrams: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    survives(&|| Visitor::datagrams("dns", 53, fields()), &datagrams, 4096);
    let framed: Vec<Vec<u8>> = messages.iter().map(|message| framed(message)).collect();
    let segments: Vec<&[u8]> = framed.iter().map(Vec::as_slice).collect();
    survives(&|| Visitor::connect("dns", 53, fields()), &segments, 16384);
}

#[test]
fn each_field_has_an_effect() {
    let own = framed(&query("corp.local", 6, 1));
    let version = framed(&query("version.bind", 16, 3));
    let other = framed(&query("example.com", 1, 1));
    let www = framed(&query("www.corp.local", 1, 1));
    fields_have_an_effect(
        "dns",
        &json!({}),
        &[
            ("domain", json!("lab.example"), 53, &[&own]),
            ("server_version", json!("9.16.1"), 53, &[&version]),
            ("version", json!("9.16.2"), 53, &[&version]),
            ("recursion", json!(true), 53, &[&other]),
            ("records", json!("www A 10.0.0.1"), 53, &[&www]),
        ],
    );
}

#[test]
fn a_connection_ends_after_a_message_that_is_not_a_query() {
    for message in [
        &b""[..],
        b"\x12\x34\x01",
        b"\x12\x34\x81\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01",
    ] {
        let mut visitor = Visitor::connect("dns", 53, fields());
        assert_eq!(visitor.send(framed(message)), b"");
        assert_eq!(visitor.next, Next::Close);
        assert_eq!(visitor.events, [Event::probe("not a query", message)]);
    }
}

#[test]
fn a_transfer_of_changes_needs_the_version_that_the_visitor_has() {
    let answer = over_tcp(&query("corp.local", 251, 1));
    assert_eq!(answer[2..12], [0x81, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn the_authors_of_bind_are_known() {
    let answer = over_tcp(&query("authors.bind", 16, 3));
    assert_eq!(answer[2..12], [0x85, 0, 0, 1, 0, 20, 0, 0, 0, 0]);
}
