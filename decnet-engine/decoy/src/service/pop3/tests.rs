use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::service::dialogue::Next;
use crate::{
    protocol::{Os, Protocol},
    service::testing::{self, Visitor},
};

fn connect(fields: serde_json::Value) -> Visitor {
    Visitor::connect("pop3", 110, fields)
}

fn expect(visitor: &mut Visitor, exchange: &[(&str, &str)]) {
    for (line, answer) in exchange {
        assert_eq!(visitor.line(line), format!("{answer}\r\n"), "{line}");
    }
}

#[test]
fn it_greets_as_dovecot_of_its_system() {
    assert_eq!(connect(json!({})).greeting, b"+OK Dovecot (Debian) ready.\r\n");
    let device = testing::context_on(Os::EmbeddedLinux, "pop3", 110, Protocol::Tcp, json!({}));
    assert_eq!(Visitor::start(device).greeting, b"+OK Dovecot ready.\r\n");
}

#[test]
fn wrong_logins_are_answered_after_longer_and_longer_pauses() {
    let mut visitor = connect(json!({}));
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let (mut turn, mut input) = (
            Turn::new(Timestamp::UNIX_EPOCH),
            Input::from(&b"USER bob\r\nPASS hunter 2\r\n"[..]),
        );
        visitor.turn(|dialogue, _, _| dialogue.receive(&mut input, &mut turn));
        assert_eq!(turn.sent.concat(), b"+OK\r\n-ERR [AUTH] Authentication failed.\r\n");
        assert_eq!(turn.events, [Event::password("password", b"bob", b"hunter 2", false)]);
        pauses.push(turn.pause.as_secs());
    }
    assert!(
        pauses[0] < 4 && pauses[3] >= 10 && pauses[5] >= 17 && pauses[5] < 19,
        "{pauses:?}"
    );
}

#[test]
fn sasl_logins_are_read_and_reported() {
    let mut visitor = connect(json!({}));
    expect(
        &mut visitor,
        &[
            (
                "CAPA",
                "+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\nSTLS\r\nUSER\r\nSASL PLAIN\r\n.",
            ),
            ("AUTH", "+OK\r\nPLAIN\r\n."),
            ("AUTH PLAIN", "+ "),
            ("*", "-ERR Authentication aborted by client."),
            ("AUTH PLAIN", "+ "),
            ("!!!", "-ERR [AUTH] Invalid base64 in response"),
            ("AUTH LOGIN", "-ERR [AUTH] Unsupported authentication mechanism."),
            ("AUTH PLAIN =", "-ERR [AUTH] Authentication failed."),
            ("AUTH PLAIN AGFsaWNlAGJhZA==", "-ERR [AUTH] Authentication failed."),
            ("PASS x", "-ERR No username given."),
            ("APOP bob 0123", "-ERR Unknown command."),
        ],
    );
    assert_eq!(visitor.events.pop(), Some(Event::command("APOP bob 0123")));
    assert_eq!(
        visitor.events,
        [
            Event::command("CAPA"),
            Event::password("plain", b"alice", b"bad", false)
        ]
    );
}

#[test]
fn a_session_shows_the_mailbox() {
    let mut visitor = connect(json!({"user": "bob", "password": "hunter2"}));
    visitor.line("USER bob@corp.local");
    assert_eq!(visitor.line("PASS hunter2"), "+OK Logged in.\r\n");
    visitor.events.clear();
    let stat = visitor.line("STAT");
    let total: usize = stat.trim().strip_prefix("+OK 2 ").unwrap().parse().unwrap();
    let message = visitor.line("RETR 1");
    let (first, message) = message.split_once("\r\n").unwrap();
    let size = message.len() - ".\r\n".len();
    assert_eq!(first, format!("+OK {size} octets"));
    assert_eq!(visitor.line("LIST 1"), format!("+OK 1 {size}\r\n"));
    assert_eq!(
        visitor.line("LIST"),
        format!("+OK 2 messages:\r\n1 {size}\r\n2 {}\r\n.\r\n", total - size)
    );
    assert!(
        message.starts_with(
            visitor
                .line("TOP 1 0")
                .strip_prefix("+OK\r\n")
                .unwrap()
                .strip_suffix(".\r\n")
                .unwrap()
        )
    );
    let uid = visitor.line("UIDL 2");
    assert!(visitor.line("UIDL").contains(uid.trim().strip_prefix("+OK ").unwrap()));
    expect(
        &mut visitor,
        &[
            (
                "CAPA",
                "+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\n.",
            ),
            ("RETR 3", "-ERR There's no message 3."),
            ("DELE", "-ERR Invalid message number: "),
            ("DELE 1", "+OK Marked to be deleted."),
            ("RETR 1", "-ERR There's no message 1."),
            ("RSET", "+OK"),
            ("foo", "-ERR Unknown command: FOO"),
            ("", "-ERR Unknown command."),
            ("NOOP", "+OK"),
            ("DELE 2", "+OK Marked to be deleted."),
            ("QUIT", "+OK Logging out, messages deleted."),
        ],
    );
    assert_eq!(visitor.next, Next::Close);
    assert_eq!(visitor.events[0], Event::command("STAT"));
    assert_eq!(visitor.events.len(), 17);
}

#[test]
fn three_mistakes_and_long_lines_end_the_connection() {
    let mut visitor = connect(json!({}));
    assert_eq!(visitor.line(""), "-ERR Unknown command.\r\n");
    assert_eq!(visitor.line("GET / HTTP/1.0"), "-ERR Unknown command.\r\n");
    assert_eq!(
        visitor.line("FOO"),
        "-ERR Unknown command.\r\n-ERR Too many invalid bad commands.\r\n"
    );
    assert_eq!(visitor.next, Next::Close);
    assert_eq!(
        connect(json!({})).send(vec![b'A'; 9000]),
        b"-ERR Input buffer full, aborting\r\n"
    );
}

#[test]
fn tls_starts_once() {
    let mut visitor = connect(json!({}));
    assert_eq!(visitor.line("STLS"), "+OK Begin TLS negotiation now.\r\n");
    assert_eq!(visitor.next, Next::StartTls);
    visitor.secure();
    assert_eq!(visitor.line("STLS"), "-ERR TLS is already active.\r\n");
    assert!(!visitor.line("CAPA").contains("STLS"));
}

#[test]
fn silence_and_foreign_input_are_answered_and_reported() {
    let mut visitor = connect(json!({}));
    assert_eq!(
        visitor.turn(|dialogue, _, turn| dialogue.expire(turn)),
        b"-ERR Disconnected for inactivity during authentication.\r\n"
    );
    visitor.send(b"\x16\x03\x01");
    visitor.finish();
    assert_eq!(visitor.events, [Event::probe("tls on a plain port", b"\x16\x03\x01")]);
    let mut visitor = connect(json!({}));
    let mut input = Input::from(&b"CAPA\r\n"[..]);
    visitor.turn(|dialogue, _, turn| dialogue.unsecured(&mut input, turn));
    assert_eq!(visitor.events, [Event::probe("plain text on a tls port", b"CAPA\r\n")]);
}

#[test]
fn it_survives_any_input() {
    let session: &[&[u8]] = &[
        b"CAPA\r\nAUTH PLAIN AGFsaWNlAGJhZA==\r\nAUTH PLAIN\r\nAAAA\r\n",
        b"USER bob\r\nPASS p\r\n",
        b"STAT\r\nLIST 2\r\nUIDL 0\r\nRETR 1\r\nTOP 2 99999999999999999999\r\nTOP 2 1\r\n",
        b"DELE 1\r\nDELE 18446744073709551615\r\nRSET\r\nQUIT\r\n",
    ];
    testing::survives(&|| connect(json!({"user": "bob", "password": "p"})), session, 100_000);
}

#[test]
fn every_field_has_an_effect() {
    let login: &[&[u8]] = &[b"USER admin\r\nPASS p\r\n"];
    testing::fields_have_an_effect(
        "pop3",
        &json!({"password": "p"}),
        &[
            ("banner", json!("+OK mail"), 110, &[]),
            ("user", json!("bob"), 995, login),
            ("password", json!("p"), 110, login),
        ],
    );
}

#[test]
fn a_user_before_tls_is_reported_and_forgotten() {
    let mut visitor = connect(json!({"user": "bob", "password": "p"}));
    expect(
        &mut visitor,
        &[("USER bob", "+OK"), ("STLS", "+OK Begin TLS negotiation now.")],
    );
    visitor.secure();
    let attempt = Event::Auth(Auth {
        method: "password",
        user: Some("bob".into()),
        ..Auth::default()
    });
    assert_eq!(visitor.events, [Event::command("STLS"), attempt]);
    expect(&mut visitor, &[("PASS p", "-ERR No username given.")]);
}

#[test]
fn an_end_without_any_byte_is_no_probe() {
    let mut visitor = Visitor::connect("pop3", 995, json!({}));
    visitor.turn(|dialogue, _, turn| dialogue.unsecured(&mut Input::default(), turn));
    assert_eq!(visitor.events, []);
}
