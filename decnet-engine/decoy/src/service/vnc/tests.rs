use crate::service::dialogue::Next;
use serde_json::{Value, json};

use super::{
    super::testing::{Visitor, context, fields_have_an_effect, survives},
    *,
};
use crate::protocol::Protocol;

fn connect(fields: Value) -> Visitor {
    Visitor::connect("vnc", 5900, fields)
}

fn challenge() -> [u8; 16] {
    context("vnc", 5900, Protocol::Tcp, json!({})).fresh("challenge")
}

/// Logs in with a password that is right.
fn screen(fields: Value) -> Visitor {
    let mut visitor = connect(fields);
    visitor.send(b"RFB 003.008\n");
    visitor.send([2]);
    assert_eq!(visitor.send(encrypt(b"secret12", challenge())), [0; 4]);
    visitor
}

fn key(key: u32) -> Vec<u8> {
    [&[4, 1, 0, 0][..], &key.to_be_bytes()].concat()
}

#[test]
fn a_challenge_is_encrypted_as_clients_do() {
    // DES of FIPS 81 with the key 0123456789abcdef, whose bytes are reversed here.
    let key = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef].map(u8::reverse_bits);
    let block = *b"Now is the time ";
    let expected = [
        0x3f, 0xa4, 0x0e, 0x8a, 0x98, 0x4d, 0x48, 0x15, 0x6a, 0x27, 0x17, 0x87, 0xab, 0x88, 0x83, 0xf9,
    ];
    assert_eq!(encrypt(&key, block), expected);
    assert_eq!(encrypt(b"secret12", block), encrypt(b"secret12345", block));
}

#[test]
fn a_wrong_password_is_reported_and_refused_after_a_pause() {
    let mut visitor = connect(json!({"password": "other"}));
    assert_eq!(visitor.greeting, b"RFB 003.008\n");
    assert_eq!(visitor.send(b"RFB 003.008\n"), [1, 2]);
    assert_eq!(visitor.send([2]), challenge());
    let mut pause = Duration::ZERO;
    let answer = visitor.turn(|dialogue, _, turn| {
        let response = encrypt(b"secret12", challenge());
        dialogue.receive(&mut Input::from(&response[..]), turn);
        pause = turn.pause;
    });
    assert_eq!(answer, b"\0\0\0\x01\0\0\0\x16Authentication failure");
    assert_eq!(pause, Duration::from_millis(100));
    assert!(visitor.next == Next::Close);
    let [
        _,
        Event::Auth(Auth {
            method: "vnc",
            proof: Proof::Hash(hash),
            accepted: false,
            ..
        }),
    ] = &visitor.events[..]
    else {
        panic!("{:?}", visitor.events);
    };
    let expected = [challenge(), encrypt(b"secret12", challenge())]
        .map(|part| hex(&part).to_uppercase())
        .join("*");
    assert_eq!(hash.as_str(), format!("$vnc$*{expected}"));
}

#[test]
fn older_versions_have_their_own_login() {
    let mut visitor = connect(json!({}));
    assert_eq!(
        visitor.send(b"RFB 003.003\n"),
        [&[0, 0, 0, 2][..], &challenge()].concat()
    );
    assert_eq!(visitor.send([0; 16]), [0, 0, 0, 1]);
    let mut visitor = connect(json!({}));
    assert_eq!(visitor.send(b"RFB 003.007\n"), [1, 2]);
    visitor.send([2]);
    assert_eq!(visitor.send([0; 16]), [0, 0, 0, 1]);
    assert_eq!(connect(json!({})).send(b"RFB 003.005\n")[..4], [0, 0, 0, 2]);
    assert_eq!(
        connect(json!({"banner": "RFB 003.003"})).send(b"RFB 003.008\n")[..4],
        [0, 0, 0, 2]
    );
    let mut visitor = connect(json!({}));
    visitor.send(b"RFB 003.008\n");
    assert!(visitor.send([1]).ends_with(b"Requested security type not available"));
}

#[test]
fn the_right_password_shows_an_empty_screen() {
    let mut visitor = screen(json!({"password": "secret12"}));
    let start = b"\x04\0\x03\0\x20\x18\0\x01\0\xff\0\xff\0\xff\x10\x08\0\0\0\0\0\0\0\x08web-01:1";
    assert_eq!(visitor.send([1]), start);
    let whole = b"\x03\0\0\0\0\0\x04\0\x03\0";
    let raw = visitor.send(whole);
    assert_eq!(raw[..16], *b"\0\0\0\x01\0\0\0\0\x04\0\0\x20\0\0\0\0");
    assert_eq!(raw.len(), 16 + 128 * 1024);
    assert_eq!(visitor.send(b"\x02\0\0\x02\0\0\0\x10\0\0\0\x02"), b"");
    assert_eq!(
        visitor.send(whole),
        b"\0\0\0\x01\0\0\0\0\x04\0\x03\0\0\0\0\x02\0\0\0\0\0\0\0\0"
    );
    assert_eq!(visitor.send(b"\x03\x01\0\0\0\0\x04\0\x03\0"), b"");
    for letter in "cmd".chars().map(u32::from).chain([0xff0d, 0x78]) {
        assert_eq!(visitor.send(key(letter)), b"");
    }
    visitor.send(b"\x06\0\0\0\0\0\0\x04calc");
    visitor.finish();
    let reported = [
        Event::command("cmd"),
        Event::request("clipboard", "calc"),
        Event::command("x"),
    ];
    assert_eq!(visitor.events[2..], reported);
}

#[test]
fn other_input_ends_the_connection() {
    for input in [&b"GET / HTTP/1.0\r\n\r\n"[..], b"RFB 004.001\n", b"RFB 0x3.008\n"] {
        let mut visitor = connect(json!({}));
        assert_eq!(visitor.send(input), b"");
        assert_eq!(visitor.events, [Event::probe("not this protocol", input)]);
        assert!(visitor.next == Next::Close);
    }
    let mut visitor = screen(json!({"password": "secret12"}));
    visitor.send([1]);
    visitor.send([0x99]);
    assert!(visitor.next == Next::Close);
}

#[test]
fn all_phases_survive_bad_input() {
    let response = encrypt(b"secret12", challenge());
    let messages: [&[u8]; 7] = [
        b"RFB 003.008\n",
        &[2],
        &response,
        &[1],
        b"\x02\0\0\x02\0\0\0\x10\0\0\0\x02",
        b"\x03\0\0\0\0\0\x04\0\x03\0",
        b"\x06\0\0\0\0\0\0\x04calc",
    ];
    survives(&|| connect(json!({"password": "secret12"})), &messages, 3_000_000);
}

#[test]
fn every_field_has_an_effect() {
    let response = encrypt(b"secret12", challenge());
    let login: &[&[u8]] = &[b"RFB 003.008\n", &[2], &response, &[1]];
    fields_have_an_effect(
        "vnc",
        &json!({"password": "secret12"}),
        &[
            ("banner", json!("RFB 003.007"), 5900, login),
            ("desktop_name", json!("accounting"), 5900, login),
            ("password", json!("secret12"), 5900, login),
        ],
    );
}
