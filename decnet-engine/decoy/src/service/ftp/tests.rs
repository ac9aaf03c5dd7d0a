use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::service::dialogue::Next;
use crate::service::testing::{self, Visitor};

fn connect(fields: serde_json::Value) -> Visitor {
    Visitor::connect("ftp", 21, fields)
}

/// Logs in as `bob`, and returns without the events of the login.
fn logged_in() -> Visitor {
    let mut visitor = connect(json!({"user": "bob", "password": "hunter2"}));
    visitor.line("USER bob");
    assert_eq!(visitor.line("PASS hunter2"), "230 Login successful.\r\n");
    visitor.events.clear();
    visitor
}

/// Opens port 40001 for a transfer.
fn passive(visitor: &mut Visitor, command: &str) -> String {
    assert_eq!(visitor.line(command), "");
    assert_eq!(visitor.next, Next::OpenPort);
    let answer = visitor.turn(|dialogue, _, turn| dialogue.port_opened(Some(40001), turn));
    String::from_utf8(answer).unwrap()
}

/// Ends a transfer, and returns what the decky sent.
fn transfer(visitor: &mut Visitor, received: Option<&[u8]>) -> (String, String) {
    let Next::Transfer(transfer) = visitor.next.clone() else {
        panic!("no transfer but {:?}", visitor.next)
    };
    let sent = match transfer {
        Transfer::Send(bytes) => String::from_utf8(bytes).unwrap(),
        Transfer::Receive(most) => {
            visitor.turn(|dialogue, _, _| dialogue.received(received.unwrap_or_default()));
            most.to_string()
        }
    };
    let answer = visitor.turn(|dialogue, _, turn| dialogue.transferred(received.is_some(), turn));
    (sent, String::from_utf8(answer).unwrap())
}

#[test]
fn a_wrong_password_is_answered_after_a_pause_and_the_third_ends() {
    let mut visitor = connect(json!({}));
    assert_eq!(visitor.greeting, b"220 (vsFTPd 3.0.3)\r\n");
    assert_eq!(visitor.line("USER root"), "331 Please specify the password.\r\n");
    let (mut turn, mut input) = (Turn::new(Timestamp::UNIX_EPOCH), Input::from(&b"PASS toor\r\n"[..]));
    visitor.turn(|dialogue, _, _| dialogue.receive(&mut input, &mut turn));
    assert_eq!(turn.sent.concat(), b"530 Login incorrect.\r\n");
    assert!(turn.pause >= Duration::from_secs(3) && turn.pause < Duration::from_secs(4));
    assert_eq!(turn.events, [Event::password("password", b"root", b"toor", false)]);
    assert_eq!(visitor.line("PASS toor"), "503 Login with USER first.\r\n");
    visitor.line("USER anonymous");
    assert_eq!(visitor.line("PASS a@b"), "530 Login incorrect.\r\n");
    visitor.line("USER root");
    assert_eq!(visitor.line("PASS x"), "530 Login incorrect.\r\n");
    assert_eq!(visitor.next, Next::Close);
}

#[test]
fn before_the_login_few_commands_are_answered() {
    let mut visitor = connect(json!({}));
    for (line, answer) in [
        ("", ""),
        ("SYST", "530 Please login with USER and PASS.\r\n"),
        ("AUTH TLS", "530 Please login with USER and PASS.\r\n"),
        ("GET / HTTP/1.1", "530 Please login with USER and PASS.\r\n"),
        ("opts utf8 on", "200 Always in UTF8 mode.\r\n"),
        (
            "FEAT",
            "211-Features:\r\n EPRT\r\n EPSV\r\n MDTM\r\n PASV\r\n REST STREAM\r\n SIZE\r\n TVFS\r\n211 End\r\n",
        ),
        ("USER x", "331 Please specify the password.\r\n"),
        ("QUIT", "221 Goodbye.\r\n"),
    ] {
        assert_eq!(visitor.line(line), answer, "{line}");
    }
    assert_eq!(visitor.next, Next::Close);
    assert_eq!(visitor.events[0], Event::command("SYST"));
    // The user without a password, and the seven commands.
    assert_eq!(visitor.events.len(), 7);
}

#[test]
fn a_session_lists_and_fetches_files() {
    let mut visitor = logged_in();
    assert_eq!(visitor.line("PWD"), "257 \"/home/bob\" is the current directory\r\n");
    assert_eq!(visitor.line("LIST"), "425 Use PORT or PASV first.\r\n");
    assert_eq!(
        passive(&mut visitor, "PASV"),
        "227 Entering Passive Mode (10,9,0,2,156,65).\r\n"
    );
    assert_eq!(visitor.line("LIST"), "150 Here comes the directory listing.\r\n");
    let (listing, answer) = transfer(&mut visitor, Some(b""));
    assert_eq!(answer, "226 Directory send OK.\r\n");
    let rows: Vec<&str> = listing.lines().collect();
    assert_eq!(rows.len(), 2, "{listing}");
    assert!(
        rows.iter()
            .all(|row| row[10..].starts_with("    ") && row.contains(" 1000     1000     ")),
        "{listing}"
    );
    let name = rows
        .iter()
        .find(|row| row.starts_with('-'))
        .unwrap()
        .rsplit(' ')
        .next()
        .unwrap();
    assert_eq!(
        passive(&mut visitor, "EPSV"),
        "229 Entering Extended Passive Mode (|||40001|)\r\n"
    );
    let size = visitor.line(&format!("SIZE {name}"));
    let size: u64 = size.trim().strip_prefix("213 ").unwrap().parse().unwrap();
    visitor.events.clear();
    let answer = visitor.line(&format!("RETR {name}"));
    assert_eq!(
        answer,
        format!("150 Opening BINARY mode data connection for {name} ({size} bytes).\r\n")
    );
    let (content, answer) = transfer(&mut visitor, Some(b""));
    assert_eq!(answer, "226 Transfer complete.\r\n");
    let mut digest = Digest::default();
    digest.add(content.as_bytes());
    assert_eq!(visitor.events, [digest.file(format!("/home/bob/{name}"), false)]);
}

#[test]
fn an_upload_is_hashed_and_stays_for_the_session() {
    let mut visitor = logged_in();
    passive(&mut visitor, "PASV");
    assert_eq!(visitor.line("STOR ../../tmp/x.sh"), "150 Ok to send data.\r\n");
    assert_eq!(transfer(&mut visitor, Some(b"abc")).1, "226 Transfer complete.\r\n");
    let Event::File(file) = visitor.events.last().unwrap() else {
        panic!("{:?}", visitor.events)
    };
    assert_eq!((file.name.as_str(), file.is_upload, file.bytes), ("/tmp/x.sh", true, 3));
    assert!(file.sha256.as_ref().unwrap().starts_with("ba7816bf"));
    assert_eq!(visitor.line("SIZE /tmp/x.sh"), "213 3\r\n");
    assert_eq!(visitor.line("MDTM /tmp/x.sh"), "213 20260304050607\r\n");
    passive(&mut visitor, "PASV");
    visitor.line("APPE /tmp/x.sh");
    transfer(&mut visitor, Some(b"def"));
    passive(&mut visitor, "PASV");
    visitor.line("RETR /tmp/x.sh");
    assert_eq!(transfer(&mut visitor, Some(b"")).0, "abcdef");
    passive(&mut visitor, "PASV");
    visitor.line("LIST /tmp");
    assert_eq!(
        transfer(&mut visitor, Some(b"")).0,
        "-rw-r--r--    1 1000     1000            6 Mar 04 05:06 x.sh\r\n"
    );
    passive(&mut visitor, "PASV");
    assert_eq!(visitor.line("STOR /etc/cron.d/x"), "553 Could not create file.\r\n");
}

#[test]
fn a_visitor_who_does_not_connect_or_wants_an_active_connection_gets_no_file() {
    let mut visitor = logged_in();
    passive(&mut visitor, "PASV");
    visitor.line("NLST");
    assert_eq!(
        transfer(&mut visitor, None).1,
        "425 Failed to establish connection.\r\n"
    );
    assert_eq!(
        visitor.line("PORT 10,9,0,9,200,1"),
        "200 PORT command successful. Consider using PASV.\r\n"
    );
    assert_eq!(visitor.line("LIST"), "425 Failed to establish connection.\r\n");
    assert_eq!(visitor.line("PORT 10,9,0,1,200,1"), "500 Illegal PORT command.\r\n");
    assert_eq!(visitor.line("EPRT |1|10.9.0.9|80|"), "500 Illegal EPRT command.\r\n");
    visitor.line("PASV");
    let answer = visitor.turn(|dialogue, _, turn| dialogue.port_opened(None, turn));
    assert_eq!(answer, b"500 OOPS: vsf_sysutil_bind\r\n");
}

#[test]
fn commands_on_files_and_modes_are_answered() {
    let mut visitor = logged_in();
    for (line, answer) in [
        ("SYST", "215 UNIX Type: L8"),
        ("USER bob", "331 Any password will do."),
        ("PASS x", "230 Already logged in."),
        ("USER eve", "530 Can't change to another user."),
        ("TYPE I", "200 Switching to Binary mode."),
        ("TYPE X", "500 Unrecognised TYPE command."),
        ("CWD nope", "550 Failed to change directory."),
        ("MKD new", "257 \"/home/bob/new\" created"),
        ("MKD new", "550 Create directory operation failed."),
        ("CWD new", "250 Directory successfully changed."),
        ("CDUP", "250 Directory successfully changed."),
        ("RMD new", "250 Remove directory operation successful."),
        ("DELE /etc/passwd", "550 Delete operation failed."),
        ("RNFR nope", "550 RNFR command failed."),
        ("RNTO x", "503 RNFR required first."),
        ("REST 10", "350 Restart position accepted (10)."),
        ("SITE CHMOD 777 x", "200 SITE CHMOD command ok."),
        ("SITE EXEC id", "500 Unknown SITE command."),
        ("MLSD", "500 Unknown command."),
        ("EPSV 2", "522 Bad network protocol."),
        ("EPSV ALL", "200 EPSV ALL ok."),
        ("PASV", "550 Permission denied."),
        ("REIN", "502 REIN not implemented."),
    ] {
        assert_eq!(visitor.line(line), format!("{answer}\r\n"), "{line}");
    }
    assert_eq!(visitor.events.len(), 20);
}

#[test]
fn anonymous_visitors_may_send_files_only_to_the_public_folder() {
    let mut visitor = connect(json!({"anonymous": true}));
    visitor.line("USER anonymous");
    assert_eq!(visitor.line("PASS me@example.com"), "230 Login successful.\r\n");
    assert_eq!(visitor.line("PWD"), "257 \"/\" is the current directory\r\n");
    assert_eq!(visitor.line("MKD x"), "550 Permission denied.\r\n");
    passive(&mut visitor, "PASV");
    assert_eq!(visitor.line("STOR x"), "553 Could not create file.\r\n");
    assert_eq!(visitor.line("STOR pub/x"), "150 Ok to send data.\r\n");
}

#[test]
fn a_line_that_is_too_long_ends_the_connection() {
    let mut visitor = connect(json!({}));
    assert_eq!(visitor.send([b'A'; 5000]), b"500 Input line too long.\r\n");
    assert_eq!(visitor.next, Next::Close);
}

#[test]
fn what_is_left_at_the_end_is_reported() {
    let mut visitor = connect(json!({}));
    visitor.send(b"USER bob\r\n\x16\x03\x01");
    visitor.finish();
    assert_eq!(visitor.events[1], Event::probe("tls on a plain port", b"\x16\x03\x01"));
    let mut visitor = connect(json!({}));
    visitor.line("USER bob");
    assert_eq!(
        visitor.turn(|dialogue, _, turn| dialogue.expire(turn)),
        b"421 Timeout.\r\n"
    );
    assert_eq!(visitor.events.len(), 1);
}

#[test]
fn it_survives_any_input() {
    let fields = json!({"user": "bob", "password": "p"});
    let session: &[&[u8]] = &[
        b"USER bob\r\nPASS p\r\n",
        b"CWD /tmp/\r\nSTAT ..\r\nMKD a\r\nRNFR a\r\nRNTO b\r\nRMD a\r\n",
        b"PORT 10,9,0,9,200,1\r\nLIST -la /\r\nEPRT |1|10.9.0.9|5000|\r\nRETR /etc/passwd\r\n",
        b"SITE CHMOD 755 x\r\nTYPE A\r\nREST 99999999999999999999\r\nSIZE /etc/hosts\r\nMDTM /etc/hosts\r\nPASV\r\n",
    ];
    testing::survives(&|| connect(fields.clone()), session, 100_000);
}

#[test]
fn every_field_has_an_effect() {
    let login: &[&[u8]] = &[b"USER ftp\r\nPASS p\r\n"];
    testing::fields_have_an_effect(
        "ftp",
        &json!({"password": "p"}),
        &[
            ("banner", json!("220 Files\n"), 21, login),
            ("version", json!("3.0.2"), 21, &[]),
            ("anonymous", json!(true), 21, &[b"USER anonymous\r\nPASS p\r\n"]),
            ("user", json!("bob"), 21, login),
            ("password", json!("p"), 21, login),
        ],
    );
}

#[test]
fn the_command_of_a_transfer_that_does_not_happen_is_reported_once() {
    for line in ["RETR /etc/passwd", "STOR /tmp/x", "LIST"] {
        let mut visitor = logged_in();
        passive(&mut visitor, "PASV");
        visitor.events.clear();
        visitor.line(line);
        transfer(&mut visitor, None);
        visitor.finish();
        assert_eq!(visitor.events, [Event::command(line)]);
    }
    let mut visitor = logged_in();
    passive(&mut visitor, "PASV");
    visitor.events.clear();
    visitor.line("STOR /tmp/x");
    visitor.finish();
    assert_eq!(visitor.events, [Event::command("STOR /tmp/x")]);
}

#[test]
fn an_upload_beyond_the_limit_is_reported_as_cut() {
    for (size, name, kept) in [
        (UPLOAD, "/tmp/x", UPLOAD),
        (UPLOAD + 1, "/tmp/x (cut)", UPLOAD),
        (0, "/tmp/x", 0),
    ] {
        let mut visitor = logged_in();
        passive(&mut visitor, "PASV");
        visitor.line("STOR /tmp/x");
        let content = vec![b'a'; size];
        assert_eq!(transfer(&mut visitor, Some(&content)).0, (UPLOAD + 1).to_string());
        let mut digest = Digest::default();
        digest.add(&content[..kept]);
        assert_eq!(visitor.events.last(), Some(&digest.file(name, true)));
    }
}

#[test]
fn of_an_upload_only_the_start_is_kept_and_all_is_hashed() {
    let mut visitor = logged_in();
    let content = vec![b'a'; 1024 * 1024];
    for path in ["/tmp/x", "/tmp/y"] {
        passive(&mut visitor, "PASV");
        visitor.line(&format!("STOR {path}"));
        transfer(&mut visitor, Some(&content));
        let mut digest = Digest::default();
        digest.add(&content);
        assert_eq!(visitor.events.last(), Some(&digest.file(path, true)));
        assert_eq!(visitor.line(&format!("SIZE {path}")), "213 1048576\r\n");
    }
    let mut fetch = |path: &str| {
        passive(&mut visitor, "PASV");
        visitor.line(&format!("RETR {path}"));
        transfer(&mut visitor, Some(b"")).0.len()
    };
    assert_eq!([fetch("/tmp/x"), fetch("/tmp/y")], [128 * 1024, 0]);
}

#[test]
fn an_upload_that_the_end_of_the_conversation_cuts_is_reported() {
    let mut visitor = logged_in();
    passive(&mut visitor, "PASV");
    visitor.events.clear();
    visitor.line("STOR /tmp/x");
    visitor.turn(|dialogue, _, _| dialogue.received(b"abc"));
    visitor.finish();
    let mut digest = Digest::default();
    digest.add(b"abc");
    assert_eq!(visitor.events, [digest.file("/tmp/x (cut)", true)]);
}

#[test]
fn a_transfer_starts_where_rest_says() {
    let mut visitor = logged_in();
    let store = |visitor: &mut Visitor, command: &str, bytes: &[u8]| {
        passive(visitor, "PASV");
        visitor.line(command);
        transfer(visitor, Some(bytes));
    };
    store(&mut visitor, "STOR /tmp/x", b"abcdef");
    assert_eq!(visitor.line("REST 4"), "350 Restart position accepted (4).\r\n");
    store(&mut visitor, "STOR /tmp/x", b"XY");
    visitor.line("REST 2");
    passive(&mut visitor, "PASV");
    visitor.line("RETR /tmp/x");
    assert_eq!(transfer(&mut visitor, Some(b"")).0, "cdXY");
}

#[test]
fn a_line_of_spaces_is_a_command_and_an_empty_user_is_none() {
    let mut visitor = connect(json!({}));
    assert_eq!(visitor.line(" "), "530 Please login with USER and PASS.\r\n");
    assert_eq!(visitor.line("USER"), "331 Please specify the password.\r\n");
    assert_eq!(visitor.line("PASS x"), "503 Login with USER first.\r\n");
}
