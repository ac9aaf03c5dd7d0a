use crate::service::dialogue::Next;
use jiff::Timestamp;
use serde_json::json;

use super::{super::event::Fingerprint, *};
use crate::service::testing::{self, Visitor};

fn connect(fields: serde_json::Value) -> Visitor {
    Visitor::connect("imap", 143, fields)
}

/// Logs in as `bob`, and returns without the events of the login.
fn logged_in() -> Visitor {
    let mut visitor = connect(json!({"user": "bob", "password": "hunter2"}));
    let answer = visitor.line("a LOGIN bob hunter2");
    assert!(
        answer.starts_with("a OK [CAPABILITY IMAP4rev1 SASL-IR ") && answer.ends_with(" SPECIAL-USE] Logged in\r\n"),
        "{answer}"
    );
    visitor.events.clear();
    visitor
}

/// Sends lines, and checks the whole answers. `$` stands for the time that a command took.
fn expect(visitor: &mut Visitor, exchange: &[(&str, &str)]) {
    for (line, answer) in exchange {
        assert_eq!(
            visitor.line(line),
            format!("{}\r\n", answer.replace('$', "(0.001 + 0.000 secs).")),
            "{line}"
        );
    }
}

const READY: &str = "* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ STARTTLS AUTH=PLAIN] Dovecot (Debian) \
                     ready.\r\n";

#[test]
fn a_wrong_login_is_answered_after_a_pause() {
    let mut visitor = connect(json!({}));
    assert_eq!(visitor.greeting, READY.as_bytes());
    let (mut turn, mut input) = (
        Turn::new(Timestamp::UNIX_EPOCH),
        Input::from(&b"a LOGIN \"bob\" \"hun\\\"ter\"\r\n"[..]),
    );
    visitor.turn(|dialogue, _, _| dialogue.receive(&mut input, &mut turn));
    assert_eq!(
        turn.sent.concat(),
        b"a NO [AUTHENTICATIONFAILED] Authentication failed.\r\n"
    );
    assert!(turn.pause >= Duration::from_secs(2) && turn.pause < Duration::from_secs(4));
    assert_eq!(turn.events, [Event::password("password", b"bob", b"hun\"ter", false)]);
    expect(
        &mut visitor,
        &[
            ("b LOGIN bob {3}", "+ OK"),
            ("bad", "b NO [AUTHENTICATIONFAILED] Authentication failed."),
            (
                "c AUTHENTICATE PLAIN AGFsaWNlAGJhZA==",
                "c NO [AUTHENTICATIONFAILED] Authentication failed.",
            ),
            ("d AUTHENTICATE PLAIN", "+ "),
            ("!!!", "d NO [ALERT] Invalid base64 in response"),
            ("d AUTHENTICATE PLAIN", "+ "),
            ("*", "d BAD Authentication aborted by client."),
            (
                "e AUTHENTICATE LOGIN",
                "e NO [ALERT] Unsupported authentication mechanism.",
            ),
            (
                "f AUTHENTICATE PLAIN =",
                "f NO [AUTHENTICATIONFAILED] Authentication failed.",
            ),
        ],
    );
    assert_eq!(
        visitor.events,
        [
            Event::password("password", b"bob", b"bad", false),
            Event::password("plain", b"alice", b"bad", false)
        ]
    );
}

#[test]
fn before_the_login_few_commands_are_answered() {
    let mut visitor = connect(json!({}));
    expect(
        &mut visitor,
        &[
            (
                "a CAPABILITY",
                "* CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ STARTTLS AUTH=PLAIN\r\n\
                 a OK Pre-login capabilities listed, post-login capabilities have more.",
            ),
            ("a NOOP", "a OK NOOP completed."),
            (
                "a ID (\"name\" \"x y\")",
                "* ID (\"name\" \"Dovecot\")\r\na OK ID completed.",
            ),
            ("a ID foo", "a BAD Invalid ID parameters"),
            ("a LOGIN \"a", "a BAD Missing '\"'"),
            ("a SELECT INBOX", "a BAD Error in IMAP command received by server."),
            ("a STARTTLS", "a OK Begin TLS negotiation now."),
        ],
    );
    assert_eq!(visitor.next, Next::StartTls);
    visitor.secure();
    expect(
        &mut visitor,
        &[
            ("a STARTTLS", "a BAD TLS is already active."),
            (
                "a ENABLE X",
                "* ENABLED\r\na OK ENABLE ignored in non-authenticated state.",
            ),
            ("a LOGOUT", "* BYE Logging out\r\na OK Logout completed."),
        ],
    );
    assert_eq!(visitor.next, Next::Close);
    let client = Event::Fingerprint(Fingerprint {
        method: "client-name",
        value: "name x y".into(),
        server_name: None,
    });
    assert_eq!(visitor.events[2], client);
}

#[test]
fn what_is_not_imap_ends_the_connection_at_the_third_line() {
    let mut visitor = connect(json!({}));
    assert_eq!(
        visitor.send(b"GET / HTTP/1.0\r\n\r\n"),
        b"GET BAD Error in IMAP command received by server.\r\n* BAD Error in IMAP command received by server.\r\n"
    );
    assert_eq!(visitor.line(""), "* BYE Too many invalid IMAP commands.\r\n");
    assert_eq!(visitor.next, Next::Close);
    for (sent, answer) in [
        (vec![b'A'; 9000], "* BYE Input buffer full, aborting\r\n"),
        (b"a LOGIN {99999+}\r\n".to_vec(), "* BYE Literal size too large\r\n"),
    ] {
        let mut visitor = connect(json!({}));
        assert_eq!(visitor.send(sent), answer.as_bytes());
        assert_eq!(visitor.next, Next::Close);
    }
    let mut visitor = connect(json!({}));
    visitor.send(b"\x16\x03\x01");
    visitor.finish();
    assert_eq!(visitor.events, [Event::probe("tls on a plain port", b"\x16\x03\x01")]);
    assert_eq!(
        visitor.turn(|dialogue, _, turn| dialogue.expire(turn)),
        b"* BYE Disconnected for inactivity during authentication.\r\n"
    );
}

#[test]
fn the_capabilities_follow_the_login_if_they_were_asked_for() {
    let mut visitor = connect(json!({"password": "p"}));
    visitor.line("a CAPABILITY");
    let answer = visitor.line("a AUTHENTICATE PLAIN AGFkbWluQGNvcnAubG9jYWwAcA==");
    assert!(
        answer.starts_with("* CAPABILITY IMAP4rev1 ") && answer.ends_with("\r\na OK Logged in\r\n"),
        "{answer}"
    );
    assert_eq!(
        visitor.events.last(),
        Some(&Event::password("plain", b"admin@corp.local", b"p", true))
    );
}

#[test]
fn a_session_reads_the_mailbox() {
    let mut visitor = logged_in();
    expect(
        &mut visitor,
        &[
            (
                "a LIST \"\" \"*\"",
                "* LIST (\\HasNoChildren) \"/\" INBOX\r\na OK List completed $",
            ),
            (
                "a LIST \"\" \"\"",
                "* LIST (\\Noselect) \"/\" \"\"\r\na OK List completed $",
            ),
            ("a LSUB \"\" *", "a OK Lsub completed $"),
            (
                "a NAMESPACE",
                "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\na OK Namespace completed $",
            ),
            ("a FETCH 1 FLAGS", "a BAD No mailbox selected $"),
            ("a SELECT nope", "a NO Mailbox doesn't exist: nope $"),
        ],
    );
    let answer = visitor.line("a select inbox");
    assert!(
        answer.contains("\r\n* 2 EXISTS\r\n* 0 RECENT\r\n* OK [UNSEEN 1] First unseen.\r\n* OK [UIDVALIDITY "),
        "{answer}"
    );
    assert!(
        answer.ends_with("a OK [READ-WRITE] Select completed (0.001 + 0.000 secs).\r\n"),
        "{answer}"
    );
    let header = visitor.line("a FETCH 2 BODY.PEEK[HEADER.FIELDS (From Subject)]");
    assert!(
        header.starts_with("* 2 FETCH (BODY[HEADER.FIELDS (FROM SUBJECT)] {"),
        "{header}"
    );
    assert!(
        header.contains("\r\nFrom: root@web-01.corp.local (Cron Daemon)\r\nSubject: Cron <root@web-01> test"),
        "{header}"
    );
    let body = visitor.line("a FETCH 2 BODY[TEXT]");
    let text = "/etc/cron.weekly/man-db:\r\n/usr/bin/mandb: the setuid man user does not exist\r\n";
    assert_eq!(
        body,
        format!(
            "* 2 FETCH (FLAGS (\\Seen) BODY[TEXT] {{{}}}\r\n{text})\r\na OK Fetch completed (0.001 + 0.000 secs).\r\n",
            text.len()
        )
    );
    let envelope = visitor.line("a FETCH 1 (UID ENVELOPE BODYSTRUCTURE INTERNALDATE)");
    assert!(
        envelope.contains("((\"Cron Daemon\" NIL \"root\" \"web-01.corp.local\"))"),
        "{envelope}"
    );
    assert!(
        envelope.contains("(\"text\" \"plain\" (\"charset\" \"UTF-8\") NIL NIL \"8bit\" 78 2 NIL NIL NIL NIL)"),
        "{envelope}"
    );
    assert!(envelope.contains("INTERNALDATE \"22-Feb-2026 06:47:"), "{envelope}");
    expect(
        &mut visitor,
        &[
            ("a SEARCH UNSEEN SUBJECT cron", "* SEARCH 1\r\na OK Search completed $"),
            (
                "a FETCH 3 FLAGS",
                "a BAD Error in IMAP command FETCH: Invalid messageset $",
            ),
            (
                "a FETCH 1 FOO",
                "a BAD Error in IMAP command FETCH: Unknown parameter: FOO $",
            ),
            (
                "a STORE 1 +FLAGS (\\Deleted)",
                "* 1 FETCH (FLAGS (\\Deleted))\r\na OK Store completed $",
            ),
            ("a EXPUNGE", "* 1 EXPUNGE\r\na OK Expunge completed $"),
            (
                "a FETCH 1:* FLAGS",
                "* 1 FETCH (FLAGS (\\Seen))\r\na OK Fetch completed $",
            ),
            ("a COPY 1 Trash", "a NO [TRYCREATE] Mailbox doesn't exist: Trash $"),
            (
                "a STATUS INBOX (MESSAGES UNSEEN)",
                "* STATUS INBOX (MESSAGES 1 UNSEEN 0)\r\na OK Status completed $",
            ),
            ("a IDLE", "+ idling"),
            ("DONE", "a OK Idle completed $"),
            ("a FOO", "a BAD Error in IMAP command FOO: Unknown command $"),
            ("a UID FOO", "a BAD Error in IMAP command UID FOO: Unknown command $"),
            ("a", "a BAD Error in IMAP command: Invalid command name $"),
            ("", "* BAD Error in IMAP tag: Invalid tag $"),
            ("a LOGOUT", "* BYE Logging out\r\na OK Logout completed $"),
        ],
    );
    assert_eq!(visitor.next, Next::Close);
    assert_eq!(visitor.events[0], Event::command("a LIST \"\" \"*\""));
    assert_eq!(visitor.events.len(), 23);
}

#[test]
fn a_mail_that_the_visitor_stores_is_hashed_and_shown() {
    let mut visitor = logged_in();
    assert_eq!(visitor.line("a APPEND INBOX (\\Seen) {3}"), "+ OK\r\n");
    let answer = visitor.line("abc");
    assert!(answer.starts_with("a OK [APPENDUID "), "{answer}");
    let mut digest = crate::service::wire::digest::Digest::default();
    digest.add(b"abc");
    assert_eq!(visitor.events, [digest.file("mail for INBOX", true)]);
    assert!(visitor.line("a EXAMINE INBOX").contains("* 3 EXISTS\r\n"));
    expect(
        &mut visitor,
        &[
            ("a CREATE Sent Mail", "a OK Create completed $"),
            ("a SELECT Sent", "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] Flags permitted.\r\n* 0 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY #] UIDs valid\r\n* OK [UIDNEXT 1] Predicted next UID\r\na OK [READ-WRITE] Select completed $"),
            ("a DELETE Sent", "a OK Delete completed $"),
            ("a DELETE Sent", "a NO [NONEXISTENT] Mailbox doesn't exist: Sent $"),
        ]
        .map(|(line, answer)| (line, answer.replace('#', &validity(&answer_of_status()))))
        .iter()
        .map(|(line, answer)| (*line, answer.as_str()))
        .collect::<Vec<_>>(),
    );
}

fn answer_of_status() -> String {
    logged_in().line("a STATUS INBOX (UIDVALIDITY)")
}

fn validity(status: &str) -> String {
    status.split(['(', ')']).nth(1).unwrap().replace("UIDVALIDITY ", "")
}

#[test]
fn it_survives_any_input() {
    let session: &[&[u8]] = &[
        b"a ID (\"name\" \"x\")\r\na LOGIN {3+}\r\nbob {1}\r\np\r\n",
        b"a SELECT INBOX\r\na FETCH 1:* (FULL BODY.PEEK[HEADER.FIELDS (\"FROM\")] BODY[])\r\na UID FETCH 1:* RFC822\r\n",
        b"a STORE 1,2 -FLAGS.SILENT (\\Seen)\r\na SEARCH FROM root NOT DELETED\r\na APPEND INBOX {5+}\r\nhello\r\n",
        b"a CREATE x\r\na RENAME x y\r\na LIST \"\" %\r\na IDLE\r\nDONE\r\na EXPUNGE\r\na CLOSE\r\na LOGOUT\r\n",
    ];
    testing::survives(&|| connect(json!({"user": "bob", "password": "p"})), session, 2_000_000);
}

#[test]
fn every_field_has_an_effect() {
    let login: &[&[u8]] = &[b"a LOGIN admin p\r\n"];
    testing::fields_have_an_effect(
        "imap",
        &json!({"password": "p"}),
        &[
            ("banner", json!("* OK mail"), 143, &[]),
            ("domain", json!("x.org"), 143, &[b"a LOGIN admin@x.org p\r\n"]),
            ("user", json!("bob"), 993, login),
            ("password", json!("p"), 143, login),
        ],
    );
}

#[test]
fn a_line_that_is_too_long_is_reported_and_an_end_without_any_byte_is_not() {
    let mut visitor = connect(json!({}));
    visitor.send(vec![b'A'; 9000]);
    assert_eq!(visitor.events, [Event::probe("long line", &[b'A'; 2000])]);
    let mut visitor = Visitor::connect("imap", 993, json!({}));
    visitor.turn(|dialogue, _, turn| dialogue.unsecured(&mut Input::default(), turn));
    assert_eq!(visitor.events, []);
}
