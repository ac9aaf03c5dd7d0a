//! The answers were recorded from Net-SNMP 5.9.3 of Debian 12.

use serde_json::{Value, json};

use super::super::{
    event::{Auth, Event, Proof, Request},
    testing::{Visitor, context_on, fields_have_an_effect, survives},
    wire::ber::Writer,
};
use crate::protocol::{Os, Protocol};

fn fields() -> Value {
    json!({"location": "Server room", "contact": "ops@corp.local"})
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    text.as_bytes().chunks(2).map(byte).collect()
}

fn ask(request: &str) -> Vec<u8> {
    Visitor::datagrams("snmp", 161, fields()).send(hex(request))
}

const GET_NAME: &str = "302702010104067075626c6963a01a02021234020100020100300e300c06082b060102010105000500";

#[test]
fn requests_are_answered_as_net_snmp_answers_them() {
    for (request, expected) in [
        (
            "302702010004067075626c6963a01a02021234020100020100300e300c06082b060102010105000500",
            "302d02010004067075626c6963a220020212340201000201003014301206082b0601020101050004067765622d3031",
        ),
        (
            "302702010004067075626c6963a01a02021234020100020100300e300c06082b06010201014d000500",
            "302702010004067075626c6963a21a02021234020102020101300e300c06082b06010201014d000500",
        ),
        (
            "303502010004067075626c6963a02802021234020100020100301c300c06082b060102010105000500300c06082b06010201014d000500",
            "303502010004067075626c6963a22802021234020102020102301c300c06082b060102010105000500300c06082b06010201014d000500",
        ),
        (
            "302702010004067075626c6963a11a02021234020100020100300e300c06082b060102010104000500",
            "302d02010004067075626c6963a220020212340201000201003014301206082b0601020101050004067765622d3031",
        ),
        (
            "302002010004067075626c6963a11302021234020100020100300730050601310500",
            "302002010004067075626c6963a21302021234020102020101300730050601310500",
        ),
        (
            "302802010004067075626c6963a31b02021234020100020100300f300d06082b06010201010500040178",
            "302802010004067075626c6963a21b02021234020102020101300f300d06082b06010201010500040178",
        ),
        (
            "302002010004067075626c6963a51302021234020100020103300730050601310500",
            "302002010004067075626c6963a21302021234020102020101300730050601310500",
        ),
        (
            "301902010004067075626c6963a00c020212340201000201003000",
            "301902010004067075626c6963a20c020212340201000201003000",
        ),
        (
            GET_NAME,
            "302d02010104067075626c6963a220020212340201000201003014301206082b0601020101050004067765622d3031",
        ),
        (
            "302702010104067075626c6963a01a02021234020100020100300e300c06082b06010201014d000500",
            "302702010104067075626c6963a21a02021234020100020100300e300c06082b06010201014d008000",
        ),
        (
            "302702010104067075626c6963a01a02021234020100020100300e300c06082b060102010105010500",
            "302702010104067075626c6963a21a02021234020100020100300e300c06082b060102010105018100",
        ),
        (
            "302002010104067075626c6963a11302021234020100020100300730050601310500",
            "302002010104067075626c6963a21302021234020100020100300730050601318200",
        ),
        (
            "302802010104067075626c6963a31b02021234020100020100300f300d06082b06010201010500040178",
            "302802010104067075626c6963a21b02021234020106020101300f300d06082b06010201010500040178",
        ),
        (
            "303402010104067075626c6963a52702021234020101020102301b300c06082b060102010105000500300b06072b0601020101040500",
            "306202010104067075626c6963a255020212340201000201003049301706082b06010201010600040b53657276657220726f6f6d\
             301a06082b06010201010400040e6f707340636f72702e6c6f63616c301206082b0601020101050004067765622d3031",
        ),
        (
            "302002010104067075626c6963a51302021234020100020103300730050601310500",
            "302002010104067075626c6963a21302021234020100020100300730050601318200",
        ),
        // Not a request, a wrong community, a version that is not known, and no SNMP.
        (
            "302702010104067075626c6963a21a02021234020100020100300e300c06082b060102010105000500",
            "",
        ),
        (
            "3028020101040770726976617465a01a02021234020100020100300e300c06082b060102010105000500",
            "",
        ),
        (
            "302702010204067075626c6963a01a02021234020100020100300e300c06082b060102010105000500",
            "",
        ),
        ("68656c6c6f", ""),
    ] {
        assert_eq!(ask(request), hex(expected), "{request}");
    }
}

#[test]
fn an_answer_that_would_be_too_long_is_too_big_or_has_fewer_objects() {
    let bulk = "302602010104067075626c6963a51902021234020100020103300d300b06072b0601020101040500";
    let expected = "304902010104067075626c6963a23c020212340201000201003030301a06082b06010201010400040e6f707340636f72702e6c6f63616c\
                    301206082b0601020101050004067765622d3031";
    assert_eq!(ask(bulk), hex(expected));
    let mut visitor = Visitor::datagrams("snmp", 161, json!({"system_name": "x".repeat(60)}));
    let answer = visitor.send(hex(GET_NAME));
    assert_eq!(answer, hex("301902010104067075626c6963a20c020212340201010201003000"));
}

#[test]
fn a_walk_visits_all_objects_and_ends() {
    for os in [
        Os::Debian12,
        Os::WindowsServer2019,
        Os::NetworkDevice,
        Os::Printer,
        Os::Controller,
    ] {
        let mut visitor = Visitor::start(context_on(os, "snmp", 161, Protocol::Udp, json!({})));
        let mut name = hex("06062b0601020101");
        let mut count = 0;
        loop {
            let mut inner = name.clone();
            inner.extend(hex("0500"));
            let list = [&[0x30, u8::try_from(inner.len()).unwrap()][..], &inner].concat();
            let body = [
                &hex("020101020100020100")[..],
                &[0x30, u8::try_from(list.len()).unwrap()],
                &list,
            ]
            .concat();
            let rest = [
                &hex("02010104067075626c6963a1")[..],
                &[u8::try_from(body.len()).unwrap()],
                &body,
            ]
            .concat();
            let request = [&[0x30, u8::try_from(rest.len()).unwrap()][..], &rest].concat();
            let answer = visitor.send(&request);
            assert!(
                answer.len() > 30 && answer.len() <= 2 * request.len(),
                "{os:?} {request:?} {answer:?}"
            );
            assert_eq!(answer[20], 0, "no error: {os:?} {answer:?}");
            let at = 28;
            let next = &answer[at..at + 2 + usize::from(answer[at + 1])];
            if answer[at + next.len()] == super::END_OF_MIB_VIEW {
                break;
            }
            name = next.to_vec();
            count += 1;
        }
        assert!(count >= 30, "{os:?} {count}");
    }
}

#[test]
fn the_engine_of_version_three_is_found_and_its_users_are_not_known() {
    let discovery = "303a020103300f02024a69020300ffe30401040201030410300e0400020100020100040004000400301204000400a00c020237f0\
                     0201000201003000";
    let mut visitor = Visitor::datagrams("snmp", 161, json!({}));
    let answer = visitor.send(hex(discovery));
    assert!(answer.len() <= 120, "{}", answer.len());
    let start = hex("020103300f02024a69020300ffe3040100020103");
    assert_eq!(answer[2..2 + start.len()], start[..]);
    assert_eq!(answer[28..33], hex("80001f8880"));
    let report = hex("300f060a2b060106030f0101040041");
    assert!(
        answer.windows(report.len()).any(|window| window == report),
        "{answer:?}"
    );
    let engine = &answer[28..45];
    let again = Visitor::datagrams("snmp", 161, json!({})).send(hex(discovery));
    assert_eq!(&again[28..45], engine);

    // A user with a proof of 12 bytes; the request is encrypted.
    let security = [
        &hex("0411")[..],
        engine,
        &hex("0201010201050403626f62040c"),
        &[0xaa; 12],
        &hex("0400"),
    ]
    .concat();
    let security = [&[0x30, u8::try_from(security.len()).unwrap()][..], &security].concat();
    let security = [&[4, u8::try_from(security.len()).unwrap()][..], &security].concat();
    let body = [
        &hex("020103300f02024a69020300ffe3040107020103")[..],
        &security,
        &hex("040401020304"),
    ]
    .concat();
    let request = [&[0x30, u8::try_from(body.len()).unwrap()][..], &body].concat();
    let answer = visitor.send(&request);
    let report = hex("300f060a2b060106030f0101030041");
    assert!(
        answer.windows(report.len()).any(|window| window == report),
        "{answer:?}"
    );
    let Some(Event::Auth(auth)) = visitor.events.last() else {
        panic!("{:?}", visitor.events)
    };
    let Proof::Hash(hash) = &auth.proof else {
        panic!("{auth:?}")
    };
    assert_eq!((auth.method, auth.user.clone()), ("usm", Some("bob".into())));
    assert!(hash.as_str().starts_with("$SNMPv3$0$19049$30"), "{hash:?}");
    assert!(hash.as_str().ends_with("$aaaaaaaaaaaaaaaaaaaaaaaa"), "{hash:?}");
}

#[test]
fn communities_are_reported_once_and_requests_each_time() {
    let mut visitor = Visitor::datagrams("snmp", 161, json!({}));
    visitor.send(hex(
        "3028020101040770726976617465a01a02021234020100020100300e300c06082b060102010105000500",
    ));
    visitor.send(hex(GET_NAME));
    visitor.send(hex(
        "302802010104067075626c6963a31b02021234020100020100300f300d06082b06010201010500040178",
    ));
    let community = |text: &str, accepted| {
        Event::Auth(Auth {
            method: "community",
            proof: Proof::Password(text.into()),
            accepted,
            ..Auth::default()
        })
    };
    let request = |method: &str, status, body: Option<&str>| {
        Event::Request(Request {
            method: method.into(),
            target: Some("1.3.6.1.2.1.1.5.0".into()),
            status: Some(status),
            body: body.map(Into::into),
            ..Request::default()
        })
    };
    assert_eq!(
        visitor.events,
        [
            community("private", false),
            community("public", true),
            request("get", 0, None),
            request("set", 6, Some("x")),
        ]
    );
}

#[test]
fn recorded_messages_are_survived_when_they_are_changed() {
    let messages = [
        hex(GET_NAME),
        hex(
            "303402010104067075626c6963a52702021234020101020102301b300c06082b060102010105000500300b06072b0601020101040500",
        ),
        hex(
            "303a020103300f02024a69020300ffe30401040201030410300e0400020100020100040004000400301204000400a00c020237f00201000201003000",
        ),
    ];
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    survives(&|| Visitor::datagrams("snmp", 161, json!({})), &messages, 4096);
}

#[test]
fn each_field_has_an_effect() {
    let get = |last: u8| {
        let mut request = hex(GET_NAME);
        request[37] = last;
        request
    };
    fields_have_an_effect(
        "snmp",
        &json!({}),
        &[
            ("community", json!("secret"), 161, &[&get(5)]),
            ("system_name", json!("core"), 161, &[&get(5)]),
            ("system_description", json!("Linux"), 161, &[&get(1)]),
            ("version", json!("Linux 4.19"), 161, &[&get(1)]),
            ("location", json!("Lab"), 161, &[&get(6)]),
            ("contact", json!("ops"), 161, &[&get(4)]),
        ],
    );
}

#[test]
fn a_long_proof_is_reported_whole() {
    let mut security = Writer::new();
    security.sequence(|security| {
        security.octets([1; 17]).integer(1).integer(5).octets([b'b'; 700]);
        security.octets([0xaa; 12]).octets([]);
    });
    let security = security.finish();
    let mut message = Writer::new();
    message.sequence(|message| {
        message.integer(3);
        message.sequence(|header| _ = header.integer(7).integer(65_507).octets([3]).integer(3));
        message.octets(&security).octets([1]);
    });
    let mut visitor = Visitor::datagrams("snmp", 161, json!({}));
    visitor.send(message.finish());
    let Some(Event::Auth(Auth {
        proof: Proof::Hash(hash),
        ..
    })) = visitor.events.last()
    else {
        panic!("{:?}", visitor.events)
    };
    assert!(hash.as_str().ends_with("$aaaaaaaaaaaaaaaaaaaaaaaa"), "{hash:?}");
}
