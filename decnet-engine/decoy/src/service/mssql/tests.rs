use serde_json::json;

use super::{
    super::{
        dialogue::Next,
        event::{Auth, Event, Proof},
        testing::{Visitor, fields_have_an_effect, survives},
    },
    token::{Tokens, packet, utf16},
};

fn connect() -> Visitor {
    Visitor::connect("mssql", 1433, json!({"server_version": "2019", "password": "s3cret"}))
}

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 8).unwrap().to_be_bytes();
    [&[kind, 1, length[0], length[1], 0, 0, 1, 0], body].concat()
}

/// The probe of nmap.
const PRELOGIN: &[u8] = b"\x12\x01\0\x34\0\0\0\0\0\0\x15\0\x06\x01\0\x1b\0\x01\x02\0\x1c\0\x0c\x03\0\x28\0\x04\xff\x08\0\x01\x55\0\0\0MSSQLServer\0\x48\x0f\0\0";

fn login(user: &str, password: &str, database: &str) -> Vec<u8> {
    let texts = ["desk", user, password, "sqlcmd", "db", "", "ODBC", "", database];
    let mut head = vec![0; 4];
    head.extend(0x7400_0004_u32.to_le_bytes());
    head.extend([0; 28]);
    let mut data = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let offset = u16::try_from(94 + data.len()).unwrap();
        head.extend(offset.to_le_bytes());
        head.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
        let units = utf16(text);
        data.extend(
            units
                .iter()
                .map(|byte| if at == 2 { byte.rotate_left(4) ^ 0xa5 } else { *byte }),
        );
    }
    head.resize(94, 0);
    frame(0x10, &[head, data].concat())
}

fn batch(text: &str) -> Vec<u8> {
    let headers = b"\x16\0\0\0\x12\0\0\0\x02\0\0\0\0\0\0\0\0\0\x01\0\0\0";
    frame(0x01, &[&headers[..], &utf16(text)].concat())
}

fn contains(answer: &[u8], text: &str) -> bool {
    let text = utf16(text);
    answer.windows(text.len()).any(|part| part == text)
}

fn log_in() -> Visitor {
    let mut visitor = connect();
    visitor.send(PRELOGIN);
    let answer = visitor.send(login("sa", "s3cret", ""));
    assert!(contains(&answer, "Microsoft SQL Server"));
    visitor
}

#[test]
fn the_prelogin_is_that_of_sql_server_2019() {
    let answer = connect().send(PRELOGIN);
    assert_eq!(
        answer,
        b"\x04\x01\0\x25\0\0\x01\0\0\0\x15\0\x06\x01\0\x1b\0\x01\x02\0\x1c\0\x01\x03\0\x1d\0\0\xff\x0f\0\x07\xd0\0\0\x02\0"
    );
}

#[test]
fn a_wrong_password_is_read_and_refused() {
    let mut visitor = connect();
    visitor.send(PRELOGIN);
    let answer = visitor.send(login("sa", "hunter2", "master"));
    let mut text = b"\x18\x48\0\0\x01\x0e\x1b\0".to_vec();
    text.extend(utf16("Login failed for user 'sa'."));
    text.extend([&[6], &utf16("WEB-01")[..], &[0, 1, 0, 0, 0]].concat());
    let length = u16::try_from(text.len()).unwrap().to_le_bytes();
    let tokens = [
        &[0xaa, length[0], length[1]],
        &text[..],
        b"\xfd\x02\0\0\0\0\0\0\0\0\0\0\0",
    ]
    .concat();
    assert_eq!(answer[8..], tokens);
    assert_eq!(visitor.next, Next::Close);
    let attempt = Auth {
        method: "password",
        user: Some("sa".into()),
        domain: Some("master".into()),
        proof: Proof::Password("hunter2".into()),
        accepted: false,
    };
    assert_eq!(visitor.events.len(), 2);
    assert_eq!(visitor.events[1], Event::Auth(attempt));
}

#[test]
fn a_session_answers_batches() {
    let mut visitor = log_in();
    let version = visitor.send(batch("select @@version"));
    assert!(contains(
        &version,
        "Microsoft SQL Server 2019 (RTM) - 15.0.2000.5 (X64) \n\tSep 24 2019 13:48:23 "
    ));
    assert!(contains(&visitor.send(batch("select name from sys.databases")), "msdb"));
    for (text, error) in [
        ("foo", "Could not find stored procedure 'foo'."),
        ("select * from nope", "Invalid object name 'nope'."),
        (
            "use nope",
            "Database 'nope' does not exist. Make sure that the name is entered correctly.",
        ),
        (
            "exec xp_cmdshell 'whoami'",
            "SQL Server blocked access to procedure 'sys.xp_cmdshell'",
        ),
    ] {
        let answer = visitor.send(batch(text));
        assert_eq!(answer[8], 0xaa);
        assert!(contains(&answer, error), "{text}");
    }
    visitor.send(batch("EXEC sp_configure 'xp_cmdshell', 1; RECONFIGURE"));
    assert!(contains(
        &visitor.send(batch("exec xp_cmdshell 'whoami'")),
        "nt service\\mssqlserver"
    ));
    assert_eq!(visitor.events.len(), 2 + 8);
    assert_eq!(visitor.send(frame(6, b""))[8..], *b"\xfd\x20\0\0\0\0\0\0\0\0\0\0\0");
}

#[test]
fn a_statement_in_a_procedure_call_is_run() {
    let mut visitor = log_in();
    let statement = utf16("select 'abc'");
    let length = u16::try_from(statement.len()).unwrap().to_le_bytes();
    let call = [
        &b"\xff\xff\x0a\0\0\0\0\0\xe7\x40\x1f\x09\x04\xd0\0\x34"[..],
        &length,
        &statement,
    ]
    .concat();
    let headers = b"\x16\0\0\0\x12\0\0\0\x02\0\0\0\0\0\0\0\0\0\x01\0\0\0";
    assert!(contains(
        &visitor.send(frame(3, &[&headers[..], &call].concat())),
        "abc"
    ));
}

#[test]
fn nonsense_closes_the_connection() {
    for input in [
        &b"GET / HTTP/1.0\r\n\r\n"[..],
        b"\x16\x03\x01\x02\0",
        b"\x12\x01\0\x04",
        &frame(0x01, b""),
        &frame(0x10, b""),
    ] {
        let mut visitor = connect();
        assert_eq!(visitor.send(input), b"");
        assert_eq!(visitor.next, Next::Close);
        assert_eq!(visitor.events.len(), 1);
    }
}

#[test]
fn long_answers_are_split() {
    let bytes = packet(&[0xfd; 5000]);
    assert_eq!(bytes[..4], [4, 0, 0x10, 0]);
    assert_eq!(bytes[4096..4100], [4, 1, 0x03, 0x98]);
    let mut tokens = Tokens::new(0x7100_0001, "A");
    tokens.done(0, 0, 0);
    assert_eq!(tokens.bytes.len(), 9);
}

#[test]
fn it_survives_pieces_and_changes() {
    let (login, first, second) = (
        login("sa", "s3cret", "msdb"),
        batch("select @@version, 1 as x; use master"),
        batch("exec sp_configure 'xp_cmdshell', 1\nxp_cmdshell 'dir'"),
    );
    survives(&connect, &[PRELOGIN, &login, &first, &second], 20_000);
}

#[test]
fn each_field_has_an_effect() {
    let (login, select) = (login("sa", "s3cret", ""), batch("select @@servername"));
    let messages: &[&[u8]] = &[PRELOGIN, &login, &select];
    fields_have_an_effect(
        "mssql",
        &json!({"password": "s3cret"}),
        &[
            ("server_version", json!("2022"), 1433, &[PRELOGIN]),
            ("version", json!("2017"), 1433, &[PRELOGIN]),
            ("instance", json!("SQLEXPRESS"), 1433, messages),
            ("password", json!("s3cret"), 1433, messages),
        ],
    );
}
