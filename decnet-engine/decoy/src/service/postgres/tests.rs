use serde_json::json;

use super::{
    super::{
        dialogue::Next,
        event::{Auth, Event, Proof},
        testing::{Visitor, context_on, fields_have_an_effect, survives},
    },
    message::message,
};
use crate::protocol::{Os, Protocol};

/// The request to encrypt with GSSAPI.
const GSS: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x30";

fn connect() -> Visitor {
    Visitor::connect(
        "postgres",
        5432,
        json!({"server_version": "15.18", "password": "s3cret", "databases": "shop"}),
    )
}

fn packet(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len() + 4).unwrap().to_be_bytes()[..], body].concat()
}

fn startup(parameters: &str) -> Vec<u8> {
    packet(&[&[0, 3, 0, 0], parameters.as_bytes()].concat())
}

fn password(password: &[u8]) -> Vec<u8> {
    message(b'p', &[password, &[0]].concat())
}

fn query(text: &str) -> Vec<u8> {
    message(b'Q', &[text.as_bytes(), &[0]].concat())
}

fn log_in() -> Visitor {
    let mut visitor = connect();
    assert_eq!(
        visitor.send(startup("user\0postgres\0application_name\0psql\0\0")),
        b"R\0\0\0\x08\0\0\0\x03"
    );
    visitor.send(password(b"s3cret"));
    visitor
}

#[test]
fn a_wrong_password_is_reported_and_refused() {
    let mut visitor = connect();
    visitor.send(startup("user\0postgres\0database\0shop\0\0"));
    assert_eq!(
        visitor.send(password(b"wrong")),
        b"E\0\0\0\x68SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"postgres\"\0Fauth.c\0L334\0Rauth_failed\0\0"
    );
    assert_eq!(visitor.next, Next::Close);
    let attempt = Auth {
        method: "password",
        user: Some("postgres".into()),
        domain: Some("shop".into()),
        proof: Proof::Password("wrong".into()),
        accepted: false,
    };
    assert_eq!(visitor.events, [Event::Auth(attempt)]);
}

#[test]
fn an_unknown_parameter_is_refused_after_the_login() {
    let mut visitor = connect();
    visitor.send(startup("user\0postgres\0foo\0bar\0\0"));
    let answer = String::from_utf8_lossy(&visitor.send(password(b"s3cret"))).into_owned();
    assert!(
        answer.contains("\0C42704\0Munrecognized configuration parameter \"foo\"\0Fguc.c\0"),
        "{answer}"
    );
    assert_eq!(visitor.next, Next::Close);
    let mut known = connect();
    known.send(startup(
        "user\0postgres\0TimeZone\0UTC\0my.own\0x\0enable_sort\0off\0\0",
    ));
    known.send(password(b"s3cret"));
    assert_eq!(known.next, Next::Continue);
}

#[test]
fn gssapi_is_accepted_and_ends_because_the_server_has_no_key() {
    let mut visitor = connect();
    assert_eq!(visitor.send(GSS), b"G");
    assert_eq!(visitor.send(b"\0\0\0\x04to"), b"");
    assert_eq!(visitor.next, Next::Continue);
    visitor.send(b"kn");
    assert_eq!(visitor.next, Next::Close);
    assert_eq!(visitor.events, [Event::probe("gssapi", b"\0\0\0\x04tokn")]);
    let mut long = connect();
    long.send(GSS);
    long.send(b"\0\0\x40\x01");
    assert_eq!(long.next, Next::Close);
}

#[test]
fn a_login_starts_a_session() {
    let mut visitor = connect();
    visitor.send(startup("user\0postgres\0application_name\0psql\0\0"));
    let greeting = visitor.send(password(b"s3cret"));
    let start = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x1aapplication_name\0psql\0S\0\0\0\x19client_encoding\0UTF8\0";
    assert_eq!(greeting[..start.len()], start[..]);
    let version = b"S\0\0\0\x32server_version\x0015.18 (Debian 15.18-0+deb12u1)\0";
    assert!(greeting.windows(version.len()).any(|bytes| bytes == version));
    assert!(greeting.ends_with(b"Z\0\0\0\x05I"));
    assert_eq!(visitor.events.len(), 2);
    visitor.send(message(b'X', b""));
    assert_eq!(visitor.next, Next::Close);
}

#[test]
fn queries_get_the_bytes_of_debian_12() {
    let mut visitor = log_in();
    for (text, answer) in [
        ("SELECT 1", &b"T\0\0\0\x21\0\x01?column?\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0D\0\0\0\x0b\0\x01\0\0\0\x011C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I"[..]),
        ("", b"I\0\0\0\x04Z\0\0\0\x05I"),
        (";", b"I\0\0\0\x04Z\0\0\0\x05I"),
        ("foo", b"E\0\0\0\x5bSERROR\0VERROR\0C42601\0Msyntax error at or near \"foo\"\0P1\0Fscan.l\0L1188\0Rscanner_yyerror\0\0Z\0\0\0\x05I"),
        ("select * from nope", b"E\0\0\0\x67SERROR\0VERROR\0C42P01\0Mrelation \"nope\" does not exist\0P15\0Fparse_relation.c\0L1392\0RparserOpenTable\0\0Z\0\0\0\x05I"),
        ("show server_version", b"T\0\0\0\x27\0\x01server_version\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0D\0\0\0\x28\0\x01\0\0\0\x1e15.18 (Debian 15.18-0+deb12u1)C\0\0\0\x09SHOW\0Z\0\0\0\x05I"),
        ("begin", b"C\0\0\0\x0aBEGIN\0Z\0\0\0\x05T"),
        ("set x=1", b"E\0\0\0\x5eSERROR\0VERROR\0C42704\0Munrecognized configuration parameter \"x\"\0Fguc.c\0L5734\0Rfind_option\0\0Z\0\0\0\x05E"),
        ("select 1", b"E\0\0\0\x90SERROR\0VERROR\0C25P02\0Mcurrent transaction is aborted, commands ignored until end of transaction block\0Fpostgres.c\0L1081\0Rexec_simple_query\0\0Z\0\0\0\x05E"),
        ("rollback", b"C\0\0\0\x0dROLLBACK\0Z\0\0\0\x05I"),
        ("create table t(a int)", b"C\0\0\0\x11CREATE TABLE\0Z\0\0\0\x05I"),
        ("insert into t values (1)", b"C\0\0\0\x0fINSERT 0 1\0Z\0\0\0\x05I"),
        ("drop table t", b"C\0\0\0\x0fDROP TABLE\0Z\0\0\0\x05I"),
    ] {
        assert_eq!(visitor.send(query(text)), answer, "{text}");
    }
    let databases = visitor.send(query("SELECT datname FROM pg_database"));
    assert!(databases.ends_with(b"C\0\0\0\x0dSELECT 4\0Z\0\0\0\x05I"));
    assert!(databases.windows(8).any(|bytes| bytes == b"\0\0\0\x04shop"));
    assert_eq!(visitor.events.len(), 2 + 14);
    assert!(matches!(&visitor.events[2], Event::Request(request) if request.target == Some("SELECT 1".into())));
}

#[test]
fn the_extended_protocol_gets_the_bytes_of_debian_12() {
    let mut visitor = log_in();
    let messages = [
        message(b'P', b"\0select 1\0\0\0"),
        message(b'B', &[0; 8]),
        message(b'D', b"P\0"),
        message(b'E', &[0; 5]),
        message(b'S', b""),
    ];
    assert_eq!(
        visitor.send(messages.concat()),
        b"1\0\0\0\x042\0\0\0\x04T\0\0\0\x21\0\x01?column?\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0D\0\0\0\x0b\0\x01\0\0\0\x011C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I"
    );
}

#[test]
fn what_comes_before_a_login_gets_the_bytes_of_debian_12() {
    let smb = [
        b"\0\0\0\xa4\xff\x53\x4d\x42\x72\0\0\0\0\x08\x01\x40".as_slice(),
        &[0; 150],
    ]
    .concat();
    for (input, answer) in [
        (&smb[..], &b"E\0\0\0\x8bSFATAL\0VFATAL\0C0A000\0Munsupported frontend protocol 65363.19778: server supports 3.0 to 3.0\0Fpostmaster.c\0L2222\0RProcessStartupPacket\0\0"[..]),
        (b"GET / HTTP/1.0\r\n\r\n", b""),
        (b"\0\0\0\x04", b""),
        (b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02", b""),
        (b"\0\0\0\x08\0\x03\0\0", b"E\0\0\0\x85SFATAL\0VFATAL\0C08P01\0Minvalid startup packet layout: expected terminator as last byte\0Fpostmaster.c\0L2334\0RProcessStartupPacket\0\0"),
        (b"\0\0\0\x09\0\x03\0\x01\0", b"v\0\0\0\x0c\0\x03\0\0\0\0\0\0E\0\0\0\x79SFATAL\0VFATAL\0C28000\0Mno PostgreSQL user name specified in startup packet\0Fpostmaster.c\0L2351\0RProcessStartupPacket\0\0"),
        (b"\0\0\0\x08\0\x02\0\0", b"EFATAL:  unsupported frontend protocol 2.0: server supports 3.0 to 3.0\n\0"),
    ] {
        let mut visitor = connect();
        assert_eq!(visitor.send(input), answer, "{input:?}");
        assert_eq!(visitor.next, Next::Close);
        assert_eq!(visitor.events.len(), 1);
    }
    let mut older = Visitor::connect("postgres", 5432, json!({"server_version": "15.6"}));
    let answer = older.send(&smb);
    assert!(answer.ends_with(b"\0Fpostmaster.c\0L2195\0RProcessStartupPacket\0\0"));
}

#[test]
fn odd_passwords_get_the_bytes_of_debian_12() {
    for (input, answer) in [
        (&b"p\0\0\0\x05\0"[..], &b"E\0\0\0\x60SFATAL\0VFATAL\0C28P01\0Mempty password returned by client\0Fauth.c\0L757\0Rrecv_password_packet\0\0"[..]),
        (b"Q\0\0\0\x05\0", b"E\0\0\0\x6eSFATAL\0VFATAL\0C08P01\0Mexpected password response, got message type 81\0Fauth.c\0L718\0Rrecv_password_packet\0\0"),
        (b"p\0\0\0\x0awr\0ng\0", b"E\0\0\0\x5bSFATAL\0VFATAL\0C08P01\0Minvalid password packet size\0Fauth.c\0L739\0Rrecv_password_packet\0\0"),
    ] {
        let mut visitor = connect();
        visitor.send(startup("user\0postgres\0\0"));
        assert_eq!(visitor.send(input), answer);
        assert_eq!(visitor.events.len(), 1);
    }
}

#[test]
fn encryption_is_offered_once() {
    let mut visitor = Visitor::start(context_on(
        Os::WindowsServer2019,
        "postgres",
        5432,
        Protocol::Tcp,
        json!({}),
    ));
    assert_eq!(visitor.send(GSS), b"N");
    assert_eq!(visitor.send(b"\0\0\0\x08\x04\xd2\x16\x2f"), b"S");
    assert_eq!(visitor.next, Next::StartTls);
    visitor.secure();
    assert_eq!(visitor.send(startup("user\0postgres\0\0")), b"R\0\0\0\x08\0\0\0\x03");
    assert_eq!(visitor.finish(), b"");
    assert!(matches!(
        &visitor.events[..],
        [Event::Auth(Auth { proof: Proof::None, .. })]
    ));
}

#[test]
fn wrong_messages_end_the_session() {
    let mut visitor = log_in();
    assert_eq!(
        visitor.send(message(b'z', b"")),
        b"E\0\0\0\x5dSFATAL\0VFATAL\0C08P01\0Minvalid frontend message type 122\0Fpostgres.c\0L446\0RSocketBackend\0\0"
    );
    let mut visitor = log_in();
    assert_eq!(visitor.send(b"Q\0\0\0\0"), b"");
    assert_eq!(visitor.next, Next::Close);
    let mut visitor = log_in();
    assert_eq!(
        visitor.send(message(b'Q', b"select 1x")),
        b"E\0\0\0\x57SERROR\0VERROR\0C08P01\0Minvalid string in message\0Fpqformat.c\0L595\0Rpq_getmsgstring\0\0Z\0\0\0\x05I"
    );
}

#[test]
fn it_survives_pieces_and_changes() {
    let queries = [
        query("select version(), current_user, 'a,b' as \"x\", current_setting('port'); show ssl"),
        query(
            "SELECT d.datname as \"Name\", pg_catalog.pg_get_userbyid(d.datdba) as \"Owner\" FROM pg_catalog.pg_database d ORDER BY 1",
        ),
        query("DROP TABLE IF EXISTS x; CREATE TABLE x(cmd_output text); COPY x FROM PROGRAM 'id'; SELECT * FROM x"),
        message(b'P', b"\0select now()\0\0\0"),
        message(b'D', b"S\0"),
        message(b'E', &[0; 5]),
        message(b'S', b""),
    ];
    let (start, secret, queries) = (
        startup("user\0postgres\0database\0shop\0\0"),
        password(b"s3cret"),
        queries.concat(),
    );
    survives(&connect, &[&start, &secret, &queries], 40_000);
    survives(&connect, &[GSS, b"\0\0\0\x04tokn"], 1000);
}

#[test]
fn each_field_has_an_effect() {
    let (start, secret, show) = (
        startup("user\0postgres\0\0"),
        password(b"s3cret"),
        query("select datname from pg_database"),
    );
    let messages: &[&[u8]] = &[&start, &secret, &show];
    fields_have_an_effect(
        "postgres",
        &json!({"password": "s3cret"}),
        &[
            ("server_version", json!("14.1"), 5432, messages),
            ("version", json!("14.2"), 5432, messages),
            ("user", json!("app"), 5432, messages),
            ("password", json!("s3cret"), 5432, messages),
            ("databases", json!("shop\ncrm"), 5432, messages),
        ],
    );
}
