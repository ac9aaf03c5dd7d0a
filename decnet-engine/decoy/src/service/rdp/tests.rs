use crate::service::dialogue::Next;
use serde_json::{Value, json};

use super::{
    super::{
        event::{Auth, Proof},
        testing::{Visitor, context_on, fields_have_an_effect, survives},
        wire::ntlm,
    },
    *,
};
use crate::protocol::{Os, Protocol};

fn on(os: Os, fields: Value) -> Context {
    context_on(os, "rdp", 3389, Protocol::Tcp, fields)
}

fn windows(fields: Value) -> Visitor {
    Visitor::start(on(Os::WindowsServer2019, fields))
}

/// The request of nmap for a connection: TLS or network level authentication.
const NMAP: &[u8] = b"\x03\0\0*%\xe0\0\0\0\0\0Cookie: mstshash=nmap\r\n\x01\0\x08\0\x03\0\0\0";

/// A request without a choice of protocols.
const OLD: &[u8] = b"\x03\0\0\x0b\x06\xe0\0\0\0\0\0";

fn asking(protocols: u8) -> Vec<u8> {
    [
        &b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0"[..],
        &[protocols, 0, 0, 0],
    ]
    .concat()
}

/// The settings of a client: `KALI`, with one channel.
fn initial() -> Vec<u8> {
    let mut blocks = b"\x01\xc0\x38\0\x04\0\x08\0".to_vec();
    blocks.extend([0; 16]);
    blocks.extend(ntlm::utf16("KALI"));
    blocks.resize(56, 0);
    blocks.extend(b"\x03\xc0\x14\0\x01\0\0\0rdpdr\0\0\0\0\0\0\0");
    let mut message = b"\x7f\x65\x82\x01\0\x04\x01\x01Duca\x80\x4c".to_vec();
    message.extend(blocks);
    packet(&message)
}

fn packet(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(7 + message.len()).unwrap().to_be_bytes();
    [&[3, 0][..], &length, &[2, 0xf0, 0x80], message].concat()
}

/// The settings of a user: CORP\bob, hunter2.
fn info() -> Vec<u8> {
    let mut info = b"\x40\0\0\0\0\0\0\0\x33\0\0\0\x08\0\x06\0\x0e\0\0\0\0\0".to_vec();
    for text in ["CORP\0", "bob\0", "hunter2\0", "\0", "\0"] {
        info.extend(ntlm::utf16(text));
    }
    let length = u8::try_from(info.len()).unwrap();
    packet(&[&[0x64, 0, 6, 3, 0xeb, 0x70, length][..], &info].concat())
}

fn credssp(version: i64, token: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.sequence(|w| {
        w.inside(0xa0, |w| _ = w.integer(version));
        w.inside(0xa1, |w| {
            w.sequence(|w| {
                w.sequence(|w| {
                    w.inside(0xa0, |w| _ = w.octets(token));
                });
            });
        });
    });
    writer.finish()
}

#[test]
fn the_answer_to_nmap_is_that_of_windows() {
    let mut visitor = windows(json!({}));
    assert_eq!(
        visitor.send(NMAP),
        b"\x03\0\0\x13\x0e\xd0\0\0\x124\0\x02\x1f\x08\0\x02\0\0\0"
    );
    assert!(visitor.next == Next::StartTls);
    assert_eq!(visitor.events, [Event::request("connect", "mstshash=nmap")]);
    assert_eq!(windows(json!({})).send(OLD), b"\x03\0\0\x0b\x06\xd0\0\0\x124\0");
}

#[test]
fn the_field_decides_on_the_protocol() {
    for (security, asked, answer) in [
        ("nla", 0x0b, &b"\x02\x1f\x08\0\x08\0\0\0"[..]),
        ("nla", 0x01, b"\x03\0\x08\0\x05\0\0\0"),
        ("nla", 0x00, b"\x03\0\x08\0\x05\0\0\0"),
        ("tls", 0x03, b"\x02\x1f\x08\0\x01\0\0\0"),
        ("tls", 0x00, b"\x03\0\x08\0\x01\0\0\0"),
        ("rdp", 0x03, b"\x03\0\x08\0\x02\0\0\0"),
        ("rdp", 0x00, b"\x02\x1f\x08\0\0\0\0\0"),
    ] {
        let mut visitor = windows(json!({"security": security}));
        let expected = [b"\x03\0\0\x13\x0e\xd0\0\0\x124\0", answer].concat();
        assert_eq!(visitor.send(asking(asked)), expected, "{security} {asked}");
        assert_eq!(visitor.next == Next::Close, answer[0] == 3, "{security} {asked}");
    }
}

/// Puts an NTLM message into a token.
type Wrap = fn(&[u8]) -> Vec<u8>;

#[test]
fn a_login_with_credssp_is_reported_as_a_hash_and_refused() {
    let context = on(Os::Windows10, json!({}));
    let challenge = context.fresh("challenge");
    let wraps: [Wrap; 2] = [<[u8]>::to_vec, spnego::initial];
    for wrap in wraps {
        let mut visitor = Visitor::start(context.clone());
        visitor.send(asking(3));
        visitor.secure();
        let answer = visitor.send(credssp(6, &wrap(&ntlm::client::negotiate())));
        assert!(answer.windows(8).any(|window| window == challenge));
        let length = u8::try_from(answer.len() - 3).unwrap();
        assert_eq!(answer[..8], [0x30, 0x81, length, 0xa0, 3, 2, 1, 6]);
        let response = ntlm::client::authenticate("bob", "CORP", "hunter2", challenge, 1);
        let refused = visitor.send(credssp(6, &wrap(&response)));
        assert_eq!(refused, b"\x30\x0d\xa0\x03\x02\x01\x06\xa4\x06\x02\x04\xc0\0\0\x6d");
        assert!(visitor.next == Next::Close);
        let [Event::Auth(attempt), Event::Fingerprint(_)] = &visitor.events[..] else {
            panic!("{:?}", visitor.events);
        };
        assert!(matches!(&attempt.proof, Proof::Hash(hash) if hash.as_str().starts_with("bob::CORP:")));
    }
    let mut visitor = Visitor::start(context.clone());
    visitor.send(asking(3));
    visitor.secure();
    visitor.send(credssp(2, &ntlm::client::negotiate()));
    let response = ntlm::client::authenticate("bob", "CORP", "hunter2", challenge, 1);
    assert_eq!(visitor.send(credssp(2, &response)), b"");
}

#[test]
fn a_password_in_the_settings_is_reported() {
    let mut visitor = windows(json!({"security": "rdp"}));
    visitor.send(OLD);
    let answer = visitor.send(initial());
    assert!(
        answer.starts_with(b"\x03\0\0\x71\x02\xf0\x80\x7f\x66\x82\0\x65\x0a\x01\0\x02\x01\0\x30\x1a"),
        "{answer:02x?}"
    );
    assert!(answer.ends_with(b"\x03\x0c\x0c\0\xeb\x03\x01\0\xec\x03\0\0\x02\x0c\x0c\0\0\0\0\0\0\0\0\0"));
    assert_eq!(visitor.send(packet(&[0x04, 1, 0, 1, 0])), b"");
    assert_eq!(visitor.send(packet(&[0x28])), b"\x03\0\0\x0b\x02\xf0\x80\x2e\0\0\x06");
    assert_eq!(
        visitor.send(packet(&[0x38, 0, 6, 3, 0xeb])),
        b"\x03\0\0\x0f\x02\xf0\x80\x3e\0\0\x06\x03\xeb\x03\xeb"
    );
    assert_eq!(visitor.send(info()), b"\x03\0\0\x09\x02\xf0\x80\x21\x80");
    let attempt = Auth {
        method: "password",
        user: Some("bob".into()),
        domain: Some("CORP".into()),
        proof: Proof::Password("hunter2".into()),
        accepted: false,
    };
    assert_eq!(visitor.events, [Event::client_name("KALI"), Event::Auth(attempt)]);
    assert!(visitor.next == Next::Close);
    let mut visitor = windows(json!({}));
    visitor.send(OLD);
    assert_eq!(visitor.send(initial()), b"");
    assert!(visitor.next == Next::Close);
}

#[test]
fn other_input_ends_the_connection() {
    for input in [
        &b"GET / HTTP/1.0\r\n\r\n"[..],
        b"\x03\0\0\x04",
        b"\x03\0\0\x08\x02\xf0\x80\0",
        b"\x16\x03\x01\x02\0",
    ] {
        let mut visitor = windows(json!({}));
        assert_eq!(visitor.send(input), b"");
        assert_eq!(visitor.events, [Event::probe("not this protocol", input)]);
        assert!(visitor.next == Next::Close);
    }
    let mut visitor = windows(json!({}));
    assert_eq!(visitor.send(&NMAP[..20]), b"");
    assert!(visitor.next == Next::Continue);
}

#[test]
fn all_phases_survive_bad_input() {
    let response = ntlm::client::authenticate("bob", "CORP", "hunter2", [0; 8], 1);
    let login = [
        NMAP.to_vec(),
        credssp(6, &ntlm::client::negotiate()),
        credssp(6, &response),
    ];
    let session = [
        OLD.to_vec(),
        initial(),
        packet(&[0x28]),
        packet(&[0x38, 0, 6, 3, 0xeb]),
        info(),
    ];
    let login: Vec<&[u8]> = login.iter().map(Vec::as_slice).collect();
    let session: Vec<&[u8]> = session.iter().map(Vec::as_slice).collect();
    survives(&|| windows(json!({})), &login, 2000);
    survives(&|| windows(json!({"security": "rdp"})), &session, 2000);
}

#[test]
fn every_field_has_an_effect() {
    let (request, first) = (asking(3), credssp(6, &ntlm::client::negotiate()));
    fields_have_an_effect(
        "rdp",
        &json!({"security": "nla"}),
        &[
            ("hostname", json!("desk-07"), 3389, &[&request, &first]),
            ("domain", json!("ACME"), 3389, &[&request, &first]),
            ("security", json!("rdp"), 3389, &[&request]),
        ],
    );
}

#[test]
fn a_part_of_a_message_is_reported_at_the_end() {
    let mut visitor = windows(json!({}));
    visitor.send(&NMAP[..20]);
    visitor.finish();
    assert_eq!(visitor.events, [Event::probe("partial message", &NMAP[..20])]);
    let mut visitor = windows(json!({}));
    visitor.finish();
    assert_eq!(visitor.events, []);
}
