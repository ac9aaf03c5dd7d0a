use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::service::dialogue::Next;
use crate::{
    protocol::Protocol,
    service::{
        event::{File, Request, Text},
        testing::{self, Visitor},
    },
};

fn connect(fields: serde_json::Value) -> Visitor {
    Visitor::connect("smtp", 25, fields)
}

fn relay(fields: serde_json::Value) -> Visitor {
    Visitor::connect("smtp_relay", 25, fields)
}

fn client(name: &str) -> Event {
    Event::Fingerprint(Fingerprint {
        method: "client-name",
        value: name.into(),
        server_name: None,
    })
}

/// Sends lines, and checks the last line of each answer.
fn expect(visitor: &mut Visitor, exchange: &[(&str, &str)]) {
    for (line, answer) in exchange {
        assert_eq!(visitor.line(line), format!("{answer}\r\n"), "{line}");
    }
}

const CAPABILITIES: &str = "250-web-01.corp.local\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-VRFY\r\n250-ETRN\r\n\
                            250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n\
                            250-SMTPUTF8\r\n250 CHUNKING\r\n";

#[test]
fn it_greets_as_postfix_of_its_system() {
    assert_eq!(
        connect(json!({})).greeting,
        b"220 web-01.corp.local ESMTP Postfix (Debian/GNU)\r\n"
    );
    let ubuntu = testing::context_on(Os::Ubuntu2204, "smtp", 25, Protocol::Tcp, json!({"domain": "x.org"}));
    assert_eq!(
        Visitor::start(ubuntu).greeting,
        b"220 web-01.x.org ESMTP Postfix (Ubuntu)\r\n"
    );
    let mut visitor = connect(json!({"banner": "220 mail.x.org ESMTP"}));
    assert_eq!(visitor.greeting, b"220 mail.x.org ESMTP\r\n");
    assert_eq!(visitor.line("HELO me"), "250 mail.x.org\r\n");
}

#[test]
fn wrong_logins_are_answered_after_a_pause() {
    let mut visitor = connect(json!({}));
    assert_eq!(visitor.line("EHLO me"), CAPABILITIES);
    let (mut turn, mut input) = (
        Turn::new(Timestamp::UNIX_EPOCH),
        Input::from(&b"AUTH PLAIN AGFsaWNlAGJhZA==\r\n"[..]),
    );
    visitor.turn(|dialogue, _, _| dialogue.receive(&mut input, &mut turn));
    assert_eq!(
        turn.sent.concat(),
        b"535 5.7.8 Error: authentication failed: (reason unavailable)\r\n"
    );
    assert!(turn.pause >= Duration::from_secs(2) && turn.pause < Duration::from_secs(4));
    assert_eq!(turn.events, [Event::password("plain", b"alice", b"bad", false)]);
    expect(
        &mut visitor,
        &[
            ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
            ("YWxpY2U=", "334 UGFzc3dvcmQ6"),
            ("YmFk", "535 5.7.8 Error: authentication failed: (reason unavailable)"),
            ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
            ("*", "501 5.7.0 Authentication aborted"),
            ("AUTH PLAIN", "334 "),
            (
                "!!!!",
                "535 5.7.8 Error: authentication failed: Invalid base64 data in continued response",
            ),
            (
                "AUTH CRAM-MD5",
                "535 5.7.8 Error: authentication failed: Invalid authentication mechanism",
            ),
            ("AUTH", "501 5.5.4 Syntax: AUTH mechanism"),
        ],
    );
    assert_eq!(
        visitor.events,
        [client("me"), Event::password("login", b"alice", b"bad", false)]
    );
}

#[test]
fn after_a_login_mail_to_any_domain_is_recorded() {
    let mut visitor = connect(json!({"user": "alice", "password": "bad"}));
    visitor.line("EHLO me");
    assert_eq!(
        visitor.send(
            b"AUTH PLAIN AGFsaWNlAGJhZA==\r\nMAIL FROM:<a@x.org> SIZE=20\r\nRCPT TO:<b@y.org>\r\nRCPT TO:<c@z.org>\r\nDATA\r\n"
        ),
        b"235 2.7.0 Authentication successful\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.1.5 Ok\r\n\
          354 End data with <CR><LF>.<CR><LF>\r\n"
    );
    let answer = visitor.line("Subject: x\r\n\r\n..abc\r\n.");
    assert!(
        answer.starts_with("250 2.0.0 Ok: queued as ") && answer.len() > 32,
        "{answer}"
    );
    let mut digest = crate::service::wire::digest::Digest::default();
    digest.add(b"Subject: x\r\n\r\n.abc\r\n");
    assert_eq!(
        visitor.events,
        [
            client("me"),
            Event::password("plain", b"alice", b"bad", true),
            Event::command("MAIL FROM:<a@x.org> SIZE=20"),
            Event::command("RCPT TO:<b@y.org>"),
            Event::command("RCPT TO:<c@z.org>"),
            Event::Request(Request {
                method: "DATA".into(),
                target: Some("b@y.org, c@z.org".into()),
                status: Some(250),
                body: Some(Text::from("Subject: x\r\n\r\n.abc\r\n")),
                ..Request::default()
            }),
            digest.file("mail from a@x.org", true),
        ]
    );
    expect(
        &mut visitor,
        &[
            ("DATA", "503 5.5.1 Error: need RCPT command"),
            ("AUTH PLAIN", "503 5.5.1 Error: already authenticated"),
            ("QUIT", "221 2.0.0 Bye"),
        ],
    );
    assert_eq!(visitor.next, Next::Close);
}

#[test]
fn without_a_login_only_known_users_of_the_domain_get_mail() {
    let mut visitor = connect(json!({"user": "alice"}));
    expect(
        &mut visitor,
        &[
            ("RCPT TO:<a@b>", "503 5.5.1 Error: need MAIL command"),
            ("MAIL FROM:a@b.c", "250 2.1.0 Ok"),
            ("MAIL FROM:<a@b.c>", "503 5.5.1 Error: nested MAIL command"),
            ("RCPT TO:<x@y.z>", "454 4.7.1 <x@y.z>: Relay access denied"),
            (
                "RCPT TO:<bob@corp.local>",
                "550 5.1.1 <bob@corp.local>: Recipient address rejected: User unknown in local recipient table",
            ),
            ("RCPT TO:<>", "501 5.1.3 Bad recipient address syntax"),
            ("RCPT", "501 5.5.4 Syntax: RCPT TO:<address>"),
            ("RCPT TO:<alice> X=1", "555 5.5.4 Unsupported option: X"),
            ("RCPT TO:<Alice@CORP.local>", "250 2.1.5 Ok"),
            ("RCPT TO:root", "250 2.1.5 Ok"),
            ("VRFY alice", "252 2.0.0 alice"),
            (
                "VRFY bob",
                "550 5.1.1 <bob>: Recipient address rejected: User unknown in local recipient table",
            ),
            ("DATA x", "501 5.5.4 Syntax: DATA"),
            ("RSET", "250 2.0.0 Ok"),
            ("MAIL FROM:<a b>", "501 5.1.7 Bad sender address syntax"),
            (
                "MAIL FROM:<a> SIZE=99999999",
                "552 5.3.4 Message size exceeds fixed limit",
            ),
        ],
    );
    let mut open = connect(json!({"auth": false}));
    assert!(!open.line("EHLO me").contains("AUTH"));
    expect(
        &mut open,
        &[
            ("AUTH PLAIN AGEAYg==", "503 5.5.1 Error: authentication not enabled"),
            ("MAIL FROM:<>", "250 2.1.0 Ok"),
            ("RCPT TO:<x@y.z>", "250 2.1.5 Ok"),
        ],
    );
    assert_eq!(open.events[1], Event::password("plain", b"a", b"b", false));
}

#[test]
fn tls_starts_once_and_forgets_what_was_before() {
    let mut visitor = connect(json!({}));
    visitor.line("MAIL FROM:<a@b.c>");
    assert_eq!(visitor.line("STARTTLS"), "220 2.0.0 Ready to start TLS\r\n");
    assert_eq!(visitor.next, Next::StartTls);
    assert_eq!(visitor.secure(), b"");
    assert_eq!(visitor.line("EHLO me"), CAPABILITIES.replace("250-STARTTLS\r\n", ""));
    assert_eq!(visitor.line("STARTTLS"), "554 5.5.1 Error: TLS already active\r\n");
    assert_eq!(visitor.line("RCPT TO:<root>"), "503 5.5.1 Error: need MAIL command\r\n");
}

#[test]
fn what_is_not_smtp_ends_the_connection() {
    for line in [
        "GET / HTTP/1.0",
        "Subject: x",
        "\x16\x03\x01",
        "CONNECT 1.2.3.4:25 HTTP/1.0",
    ] {
        let mut visitor = connect(json!({}));
        assert_eq!(
            visitor.line(line),
            "221 2.7.0 Error: I can break rules, too. Goodbye.\r\n"
        );
        assert_eq!(visitor.next, Next::Close);
        assert_eq!(visitor.events, [Event::probe("not this protocol", line.as_bytes())]);
    }
    let mut visitor = connect(json!({}));
    expect(
        &mut visitor,
        &[
            ("", "500 5.5.2 Error: bad syntax"),
            ("HELP", "500 5.5.2 Error: command not recognized"),
            ("EHLO", "501 Syntax: EHLO hostname"),
            ("ETRN x", "459 <x>: service unavailable"),
        ],
    );
    visitor.send(b"\x16\x03\x01\x02");
    visitor.finish();
    assert_eq!(
        visitor.events.last(),
        Some(&Event::probe("tls on a plain port", b"\x16\x03\x01\x02"))
    );
}

#[test]
fn many_errors_are_slowed_down_and_end_the_connection() {
    let mut visitor = connect(json!({}));
    for _ in 0..10 {
        visitor.line("FOO");
    }
    let (mut turn, mut input) = (Turn::new(Timestamp::UNIX_EPOCH), Input::from(&b"FOO\r\n"[..]));
    visitor.turn(|dialogue, _, _| dialogue.receive(&mut input, &mut turn));
    assert_eq!(turn.pause, Duration::from_secs(1));
    for _ in 0..8 {
        visitor.line("FOO");
    }
    assert_eq!(
        visitor.line("FOO"),
        "500 5.5.2 Error: command not recognized\r\n421 4.7.0 web-01.corp.local Error: too many errors\r\n"
    );
    assert_eq!(visitor.next, Next::Close);
}

#[test]
fn a_long_line_is_cut_as_postfix_does() {
    let mut visitor = connect(json!({}));
    assert_eq!(visitor.line(&format!("NOOP {}", "x".repeat(3000))), "250 2.0.0 Ok\r\n");
    assert_eq!(visitor.line("NOOP"), "250 2.0.0 Ok\r\n");
}

#[test]
fn the_relay_takes_mail_of_anyone_to_anyone_in_chunks_too() {
    let mut visitor = relay(json!({"max_recipients": 2}));
    assert!(!visitor.line("EHLO me").contains("AUTH"));
    expect(
        &mut visitor,
        &[
            ("MAIL FROM:<a@x.org>", "250 2.1.0 Ok"),
            ("RCPT TO:<b@y.org>", "250 2.1.5 Ok"),
            ("RCPT TO:<c@y.org>", "250 2.1.5 Ok"),
            ("RCPT TO:<d@y.org>", "452 4.5.3 Error: too many recipients"),
        ],
    );
    assert_eq!(visitor.send(b"BDAT 3\r\nabc"), b"250 2.0.0 Ok: 3 bytes\r\n");
    let answer = String::from_utf8(visitor.send(b"BDAT 0 LAST\r\n")).unwrap();
    assert!(answer.starts_with("250 2.0.0 Ok: queued as "), "{answer}");
    let Some(Event::File(File { bytes, sha256, .. })) = visitor.events.last() else {
        panic!("{:?}", visitor.events)
    };
    assert_eq!((*bytes, &sha256.as_ref().unwrap()[..8]), (3, "ba7816bf"));
    let mut visitor = relay(json!({}));
    assert_eq!(
        visitor.send(b"BDAT 3 LAST\r\nabc"),
        b"503 5.5.1 Error: need RCPT command\r\n"
    );
    assert_eq!(visitor.line("BDAT x"), "521 5.5.4 Syntax: BDAT count [LAST]\r\n");
    assert_eq!(visitor.next, Next::Close);
}

#[test]
fn a_mail_that_is_too_big_or_not_complete_is_reported() {
    let mut visitor = relay(json!({}));
    visitor.send(b"MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n");
    let line = format!("{}\r\n", "x".repeat(60_000));
    for _ in 0..200 {
        assert_eq!(visitor.send(&line), b"");
    }
    assert_eq!(visitor.line("."), "552 5.3.4 Error: message file too big\r\n");
    visitor.send(b"MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\nabc");
    visitor.events.clear();
    visitor.finish();
    assert!(matches!(&visitor.events[..], [Event::Request(_), Event::File(file)] if file.bytes == 3));
}

#[test]
fn it_survives_any_input() {
    let session: &[&[u8]] = &[
        b"EHLO me\r\nAUTH LOGIN\r\nYWxpY2U=\r\nYmFk\r\n",
        b"MAIL FROM:<a@x.org> SIZE=20 BODY=8BITMIME\r\nRCPT TO:<b@y.org> NOTIFY=NEVER\r\nVRFY x\r\n",
        b"DATA\r\nSubject: x\r\n\r\n..abc\r\n.\n",
        b"MAIL FROM:<a>\r\nRCPT TO:<root>\r\nBDAT 4\r\nabc\nBDAT 2 LAST\r\nx\n",
        b"RSET\r\nNOOP\r\nQUIT\r\n",
    ];
    let fields = json!({"user": "alice", "password": "bad"});
    testing::survives(&|| connect(fields.clone()), session, 100_000);
    testing::survives(&|| relay(json!({})), session, 100_000);
}

#[test]
fn every_field_has_an_effect() {
    let login: &[&[u8]] = &[b"EHLO me\r\nAUTH PLAIN AGFkbWluAGJhZA==\r\n"];
    let mail: &[&[u8]] = &[b"MAIL FROM:<a>\r\nRCPT TO:<b@x.org>\r\nRCPT TO:<c@x.org>\r\n"];
    testing::fields_have_an_effect(
        "smtp",
        &json!({"password": "bad"}),
        &[
            ("banner", json!("220 x ESMTP"), 25, &[]),
            ("version", json!("3.7.11"), 25, &[]),
            ("domain", json!("x.org"), 25, mail),
            ("auth", json!(false), 587, mail),
            ("user", json!("bob"), 25, login),
            ("password", json!("bad"), 587, login),
        ],
    );
    testing::fields_have_an_effect(
        "smtp_relay",
        &json!({}),
        &[
            ("banner", json!("220 x ESMTP"), 25, &[]),
            ("version", json!("3.7.11"), 25, &[]),
            ("domain", json!("x.org"), 587, &[b"HELO me\r\n"]),
            ("max_recipients", json!(1), 25, mail),
        ],
    );
}

#[test]
fn a_mail_whose_last_chunk_does_not_come_is_reported_once() {
    for (line, answer) in [
        ("RSET", "250 2.0.0 Ok"),
        ("HELO me", "250 web-01.corp.local"),
        ("QUIT", "221 2.0.0 Bye"),
        ("STARTTLS", "220 2.0.0 Ready to start TLS"),
    ] {
        let mut visitor = relay(json!({}));
        visitor.send(b"MAIL FROM:<a>\r\nRCPT TO:<b>\r\nBDAT 3\r\nabc");
        expect(
            &mut visitor,
            &[
                ("MAIL FROM:<a>", "503 5.5.1 Error: MAIL after BDAT"),
                ("RCPT TO:<c>", "503 5.5.1 Error: RCPT after BDAT"),
                ("DATA", "503 5.5.1 Error: DATA after BDAT"),
            ],
        );
        visitor.events.clear();
        expect(&mut visitor, &[(line, answer)]);
        if visitor.next == Next::StartTls {
            visitor.secure();
        }
        visitor.finish();
        let mut digest = crate::service::wire::digest::Digest::default();
        digest.add(b"abc");
        let mail = Event::Request(Request {
            method: "DATA".into(),
            target: Some("b".into()),
            body: Some("abc".into()),
            ..Request::default()
        });
        let mails: Vec<&Event> = visitor
            .events
            .iter()
            .filter(|event| matches!(event, Event::Request(_) | Event::File(_)))
            .collect();
        assert_eq!(mails, [&mail, &digest.file("mail from a", true)], "{line}");
    }
}

#[test]
fn a_login_before_tls_does_not_count_after_it() {
    let mut visitor = connect(json!({"user": "alice", "password": "bad"}));
    expect(
        &mut visitor,
        &[
            ("AUTH PLAIN AGFsaWNlAGJhZA==", "235 2.7.0 Authentication successful"),
            ("STARTTLS", "220 2.0.0 Ready to start TLS"),
        ],
    );
    visitor.secure();
    expect(
        &mut visitor,
        &[
            ("MAIL FROM:<a@x.org>", "250 2.1.0 Ok"),
            ("RCPT TO:<b@y.org>", "454 4.7.1 <b@y.org>: Relay access denied"),
        ],
    );
}

#[test]
fn a_size_that_is_too_large_is_refused_until_the_transaction_ends() {
    expect(
        &mut connect(json!({})),
        &[
            (
                "MAIL FROM:<a@b.org> SIZE=99999999",
                "552 5.3.4 Message size exceeds fixed limit",
            ),
            ("MAIL FROM:<a@b.org>", "552 5.3.4 Message size exceeds fixed limit"),
            ("RSET", "250 2.0.0 Ok"),
            ("MAIL FROM:<a@b.org>", "250 2.1.0 Ok"),
        ],
    );
}

#[test]
fn a_line_that_is_not_utf_8_is_refused() {
    assert_eq!(
        connect(json!({})).send(b"\xff\xfe\r\n"),
        b"500 5.5.2 Error: bad UTF-8 syntax\r\n"
    );
}
