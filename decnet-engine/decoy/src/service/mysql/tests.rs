use serde_json::json;

use super::{
    super::{
        dialogue::Next,
        event::{Auth, Event, Proof},
        testing::{Visitor, fields_have_an_effect, survives},
    },
    native::{hex, native},
    packet::{frame, string},
};

fn connect() -> Visitor {
    Visitor::connect(
        "mysql",
        3306,
        json!({"server_version": "8.0.36", "password": "s3cret", "databases": "shop"}),
    )
}

/// Returns the 20 bytes in the greeting.
fn scramble(greeting: &[u8]) -> Vec<u8> {
    let start = 4 + 1 + "8.0.36".len() + 1 + 4;
    [&greeting[start..start + 8], &greeting[start + 27..start + 39]].concat()
}

/// Returns the payload of a handshake response.
fn response(user: &str, proof: &[u8], plugin: &str) -> Vec<u8> {
    let mut payload = 0x0118_a201_u32.to_le_bytes().to_vec();
    payload.extend([0, 0, 0, 1, 45]);
    payload.extend([0; 23]);
    payload.extend([user.as_bytes(), &[0]].concat());
    payload.push(u8::try_from(proof.len()).unwrap());
    payload.extend(proof);
    payload.extend([plugin.as_bytes(), &[0]].concat());
    let attributes = [string(b"_client_name"), string(b"libmysql")].concat();
    payload.extend(string(&attributes));
    payload
}

fn denied(user: &str, password: &str) -> Vec<u8> {
    format!("#28000Access denied for user '{user}'@'10.9.0.9' (using password: {password})").into_bytes()
}

fn log_in(visitor: &mut Visitor) {
    let proof = native(b"s3cret", &scramble(&visitor.greeting));
    let answer = visitor.send(frame(1, &response("root", &proof, "mysql_native_password")));
    assert_eq!(answer, frame(2, &[0, 0, 0, 2, 0, 0, 0]));
}

fn query(visitor: &mut Visitor, text: &str) -> Vec<u8> {
    visitor.send(frame(0, &[&[3], text.as_bytes()].concat()))
}

#[test]
fn the_greeting_is_that_of_mysql_8() {
    let greeting = connect().greeting;
    assert_eq!(greeting[..12], *b"\x4a\0\0\0\x0a8.0.36\0");
    assert_eq!(greeting[15], 0);
    assert_eq!(
        greeting[24..43],
        *b"\0\xff\xff\xff\x02\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0"
    );
    assert_eq!(greeting[55..], *b"\0caching_sha2_password\0");
    assert!(scramble(&greeting).iter().all(|byte| *byte != 0 && *byte < 0x80));
    let old = Visitor::connect(
        "mysql",
        3306,
        json!({"server_version": "5.5.5-10.11.6-MariaDB-0+deb12u1"}),
    )
    .greeting;
    assert!(old.ends_with(b"\0mysql_native_password\0"));
}

#[test]
fn a_wrong_password_is_reported_as_a_hash_that_can_be_cracked() {
    let mut visitor = connect();
    let scramble = scramble(&visitor.greeting);
    let asked = visitor.send(frame(1, &response("admin", &[7; 32], "caching_sha2_password")));
    let expected = [b"\xfemysql_native_password\0", &scramble[..], b"\0"].concat();
    assert_eq!(asked, frame(2, &expected));
    let proof = native(b"hunter2", &scramble);
    let text = [&b"\xff\x15\x04"[..], &denied("admin", "YES")].concat();
    assert_eq!(visitor.send(frame(3, &proof)), frame(4, &text));
    assert_eq!(visitor.next, Next::Close);
    assert_eq!(
        visitor.events[1..],
        [Event::Auth(Auth {
            method: "mysql_native_password",
            user: Some("admin".into()),
            domain: None,
            proof: Proof::Hash(format!("$mysqlna${}*{}", hex(&scramble), hex(&proof)).into()),
            accepted: false,
        })]
    );
}

#[test]
fn a_login_without_a_password_fails_with_its_own_words() {
    let mut visitor = connect();
    let text = [&b"\xff\x15\x04"[..], &denied("root", "NO")].concat();
    assert_eq!(
        visitor.send(frame(1, &response("root", b"", "caching_sha2_password"))),
        frame(2, &text)
    );
}

#[test]
fn over_tls_the_password_comes_in_clear_text() {
    let mut visitor = connect();
    let mut request = 0x0118_aa01_u32.to_le_bytes().to_vec();
    request.extend([0; 28]);
    assert_eq!(visitor.send(frame(1, &request)), b"");
    assert_eq!(visitor.next, Next::StartTls);
    visitor.secure();
    assert_eq!(
        visitor.send(frame(2, &response("root", &[7; 32], "caching_sha2_password"))),
        frame(3, &[1, 4])
    );
    assert_eq!(visitor.send(frame(4, b"s3cret\0")), frame(5, &[0, 0, 0, 2, 0, 0, 0]));
    assert_eq!(
        visitor.events[1..],
        [Event::password("caching_sha2_password", b"root", b"s3cret", true)]
    );
}

#[test]
fn a_session_answers_queries() {
    let mut visitor = connect();
    log_in(&mut visitor);
    assert_eq!(visitor.send(frame(0, &[0x0e])), frame(1, &[0, 0, 0, 2, 0, 0, 0]));
    let definition = b"\x03def\0\0\0\x11@@version_comment\0\x0c\xff\0\0\x04\0\0\xfd\0\0\x1f\0\0";
    let comment = [
        frame(1, &[1]),
        frame(2, definition),
        frame(3, b"\x1cMySQL Community Server - GPL"),
        frame(4, &[0xfe, 0, 0, 2, 0, 0, 0]),
    ];
    assert_eq!(
        query(&mut visitor, "select @@version_comment limit 1"),
        comment.concat()
    );
    let databases = query(&mut visitor, "SHOW DATABASES;");
    assert!(databases.windows(5).any(|bytes| bytes == b"\x04shop"));
    for (text, code) in [
        ("foo", 1064_u16),
        ("use nope", 1049),
        ("show tables", 1046),
        ("select * from users", 1046),
        ("", 1065),
        ("select @@nope", 1193),
        ("select '<?php' into outfile '/tmp/x'", 1290),
        ("use shop", 0),
        ("select * from users", 1146),
        ("create table README (a int)", 0),
        ("drop database shop", 0),
        ("drop database shop", 1008),
    ] {
        let answer = query(&mut visitor, text);
        let found = if answer[4] == 0xff {
            u16::from_le_bytes([answer[5], answer[6]])
        } else {
            0
        };
        assert_eq!(found, code, "{text}");
    }
    assert_eq!(
        visitor.send(frame(0, &[0x63])),
        frame(1, b"\xff\x17\x04#08S01Unknown command")
    );
    visitor.send(frame(0, &[1]));
    assert_eq!(visitor.next, Next::Close);
    assert_eq!(visitor.events.len(), 19);
}

#[test]
fn nonsense_gets_the_errors_of_mysql() {
    let out_of_order = frame(1, b"\xff\x84\x04#08S01Got packets out of order");
    for (input, answer) in [
        (&b"GET / HTTP/1.0\r\n\r\n"[..], out_of_order.clone()),
        (b"\x01\0\0\x05x", out_of_order),
        (b"\x01\0\0\x01x", frame(2, b"\xff\x13\x04Bad handshake")),
        (
            b"\xff\xff\xff\x01",
            frame(2, b"\xff\x81\x04Got a packet bigger than 'max_allowed_packet' bytes"),
        ),
    ] {
        let mut visitor = connect();
        assert_eq!(visitor.send(input), answer);
        assert_eq!(visitor.next, Next::Close);
        assert_eq!(visitor.events.len(), 1);
    }
}

#[test]
fn it_survives_pieces_and_changes() {
    let greeting = connect().greeting;
    let proof = native(b"s3cret", &scramble(&greeting));
    let login = frame(1, &response("root", &proof, "mysql_native_password"));
    let select = frame(0, b"\x03select 1, 'a,b' as x, version(), @@sql_mode limit 1");
    let others = [
        frame(0, b"\x03show variables like '%version%'"),
        frame(0, b"\x02shop"),
        frame(0, b"\x03show tables"),
        frame(0, b"\x09"),
    ]
    .concat();
    survives(&connect, &[&login, &select, &others], 20_000);
    let switch = frame(1, &response("root", &[7; 32], "caching_sha2_password"));
    survives(&connect, &[&switch, &frame(3, &proof)], 2_000);
}

#[test]
fn each_field_has_an_effect() {
    let greeting = connect().greeting;
    let proof = native(b"s3cret", &scramble(&greeting));
    let login = frame(1, &response("root", &proof, "mysql_native_password"));
    let show = frame(0, b"\x03show databases");
    let messages: &[&[u8]] = &[&login, &show];
    fields_have_an_effect(
        "mysql",
        &json!({"password": "s3cret"}),
        &[
            ("server_version", json!("5.7.44"), 3306, &[]),
            ("version", json!("5.7.43"), 3306, &[]),
            ("user", json!("app"), 3306, messages),
            ("password", json!("s3cret"), 3306, messages),
            ("databases", json!("shop\ncrm"), 3306, messages),
        ],
    );
}
