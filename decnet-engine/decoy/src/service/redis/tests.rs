use serde_json::json;

use super::super::{
    event::Event,
    testing::{Visitor, fields_have_an_effect, survives},
};

fn connect(password: Option<&str>) -> Visitor {
    let fields = password.map_or(json!({}), |password| json!({"password": password}));
    Visitor::connect("redis", 6379, fields)
}

fn check(visitor: &mut Visitor, exchange: &[(&str, &str)]) {
    for (line, answer) in exchange {
        assert_eq!(visitor.line(line), *answer, "{line}");
    }
}

#[test]
fn a_visitor_logs_in_and_works() {
    let mut visitor = connect(Some("s3cret"));
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    check(
        &mut visitor,
        &[
            ("PING", "-NOAUTH Authentication required.\r\n"),
            ("AUTH x", wrong),
            ("HELLO 3 AUTH a b", wrong),
            ("AUTH default s3cret", "+OK\r\n"),
            ("PING", "+PONG\r\n"),
            ("SET a 1", "+OK\r\n"),
            ("INCR a", ":2\r\n"),
            ("KEYS *", "*1\r\n$1\r\na\r\n"),
            ("QUIT", "+OK\r\n"),
        ],
    );
    assert_eq!(
        visitor.events,
        [
            Event::command("PING"),
            Event::password("password", b"default", b"x", false),
            Event::command("HELLO 3"),
            Event::password("password", b"a", b"b", false),
            Event::password("password", b"default", b"s3cret", true),
            Event::command("PING"),
            Event::command("SET a 1"),
            Event::command("INCR a"),
            Event::command("KEYS *"),
            Event::command("QUIT"),
        ]
    );
}

#[test]
fn answers_that_are_too_large_are_errors() {
    let large = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    let mut visitor = connect(None);
    let value = "x".repeat(16_000);
    check(&mut visitor, &[(&format!("SET k {value}"), "+OK\r\n")]);
    let (few, many) = ("MGET k k k k k k k k".to_owned(), format!("MGET{}", " k".repeat(17)));
    assert!(visitor.line(&few).starts_with("*8\r\n$16000\r\nx"));
    check(
        &mut visitor,
        &[
            (&many, large),
            ("MULTI", "+OK\r\n"),
            (&few, "+QUEUED\r\n"),
            (&few, "+QUEUED\r\n"),
            (&few, "+QUEUED\r\n"),
            ("EXEC", large),
            ("PING", "+PONG\r\n"),
        ],
    );
}

#[test]
fn answers_are_those_of_debian_12() {
    check(
        &mut connect(None),
        &[
            ("", ""),
            (
                "foo bar baz",
                "-ERR unknown command 'foo', with args beginning with: 'bar' 'baz' \r\n",
            ),
            ("AUTH", "-ERR wrong number of arguments for 'auth' command\r\n"),
            (
                "AUTH a b",
                "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
            ),
            ("AUTH a b c", "-ERR syntax error\r\n"),
            ("CONFIG FOO", "-ERR unknown subcommand 'FOO'. Try CONFIG HELP.\r\n"),
            ("CONFIG GET dbfil*", "*2\r\n$10\r\ndbfilename\r\n$8\r\ndump.rdb\r\n"),
            (
                "CONFIG SET dir /tmp",
                "-ERR CONFIG SET failed (possibly related to argument 'dir') - can't set protected config\r\n",
            ),
            (
                "CONFIG SET dir",
                "-ERR wrong number of arguments for 'config|set' command\r\n",
            ),
            ("CONFIG SET maxmemory 5", "+OK\r\n"),
            ("CONFIG GET maxmemory", "*2\r\n$9\r\nmaxmemory\r\n$1\r\n5\r\n"),
            ("GET x", "$-1\r\n"),
            ("GET", "-ERR wrong number of arguments for 'get' command\r\n"),
            ("EVAL \"return 1\" 0", ":1\r\n"),
            (
                "SCRIPT LOAD \"return 1\"",
                "$40\r\ne0e1f9fabfc9d4800c877a703b823ac0578ff8db\r\n",
            ),
            ("SLAVEOF 10.0.0.1 1", "+OK\r\n"),
            ("SLAVEOF 10.0.0.1 1", "+OK Already connected to specified master\r\n"),
            (
                "ROLE",
                "*5\r\n$5\r\nslave\r\n$8\r\n10.0.0.1\r\n:1\r\n$7\r\nconnect\r\n:-1\r\n",
            ),
            ("SET a 2", "-READONLY You can't write against a read only replica.\r\n"),
            ("SLAVEOF NO ONE", "+OK\r\n"),
            ("MULTI", "+OK\r\n"),
            ("GET a", "+QUEUED\r\n"),
            ("EXEC", "*1\r\n$-1\r\n"),
            ("EXEC", "-ERR EXEC without MULTI\r\n"),
            ("MULTI", "+OK\r\n"),
            ("GET", "-ERR wrong number of arguments for 'get' command\r\n"),
            (
                "EXEC",
                "-EXECABORT Transaction discarded because of previous errors.\r\n",
            ),
            ("LPUSH l a", ":1\r\n"),
            ("SUBSCRIBE a", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"),
            (
                "GET x",
                "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n",
            ),
            ("RESET", "+RESET\r\n"),
            ("HELLO 4", "-NOPROTO unsupported protocol version\r\n"),
            ("HELLO 2 FOO", "-ERR Syntax error in HELLO option 'FOO'\r\n"),
        ],
    );
    let mut visitor = connect(None);
    assert!(visitor.line("HELLO 3").starts_with(
        "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:"
    ));
    assert_eq!(visitor.line("GET x"), "_\r\n");
}

#[test]
fn a_line_without_its_end_gets_no_answer() {
    let mut visitor = connect(None);
    assert_eq!(visitor.send("QUIT"), b"");
    assert_eq!(visitor.send("\r\n"), b"+OK\r\n");
    let mut visitor = connect(None);
    visitor.send(b"\x16\x03\x01\0\0");
    assert_eq!(visitor.finish(), b"");
    assert_eq!(visitor.events, [Event::probe("part of a request", b"\x16\x03\x01\0\0")]);
}

#[test]
fn protocol_errors_and_http_close_the_connection() {
    use super::super::dialogue::Next;
    for (input, answer) in [
        (
            &b"*2\r\n:4\r\n"[..],
            &b"-ERR Protocol error: expected '$', got ':'\r\n"[..],
        ),
        (b"set \"a\r\n", b"-ERR Protocol error: unbalanced quotes in request\r\n"),
        (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b""),
        (b"SHUTDOWN\r\n", b""),
    ] {
        let mut visitor = connect(None);
        assert_eq!(visitor.send(input), answer);
        assert_eq!(visitor.next, Next::Close);
        assert_eq!(visitor.events.len(), 1);
    }
}

#[test]
fn info_describes_the_host() {
    let mut visitor = connect(None);
    let info = visitor.line("INFO");
    let length: usize = info[1..info.find('\r').unwrap()].parse().unwrap();
    assert_eq!(info.len(), format!("${length}\r\n\r\n").len() + length);
    assert!(info.contains("# Server\r\nredis_version:7.0.15\r\n"), "{info}");
    assert!(info.contains("\r\nos:Linux 6.1.0-"), "{info}");
    assert!(
        info.contains("\r\ntcp_port:6379\r\n") && info.contains("role:master\r\n"),
        "{info}"
    );
    assert!(!info.contains('{'), "{info}");
    assert_eq!(visitor.line("INFO foo"), "$0\r\n\r\n");
    visitor.line("SET a b");
    assert_eq!(
        visitor.line("INFO keyspace"),
        "$44\r\n# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n\r\n"
    );
}

#[test]
fn an_old_version_can_be_misconfigured() {
    let mut visitor = Visitor::connect("redis", 6379, json!({"server_version": "6.0.16"}));
    check(
        &mut visitor,
        &[
            ("CONFIG SET dir /var/spool/cron", "+OK\r\n"),
            ("CONFIG GET dir", "*2\r\n$3\r\ndir\r\n$15\r\n/var/spool/cron\r\n"),
            (
                "MODULE LOAD /tmp/exp.so",
                "-ERR Error loading the extension. Please check the server logs.\r\n",
            ),
            (
                "foo a",
                "-ERR unknown command `foo`, with args beginning with: `a`, \r\n",
            ),
        ],
    );
}

#[test]
fn it_survives_pieces_and_changes() {
    let messages: &[&[u8]] = &[
        b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n",
        b"AUTH s3cret\r\nINFO server\r\nCONFIG GET *max*\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nhello\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
        b"SCAN 0 MATCH [a\r\nSLAVEOF 1.2.3.4 99\r\nEVAL \"return 'x'\" 0\r\nCLIENT LIST\r\nMULTI\r\nPING\r\nEXEC\r\nCOMMAND\r\n",
        b"SUBSCRIBE a b\r\nRESET\r\nPSYNC ? -1\r\nset \"a\r\n",
    ];
    survives(&|| connect(Some("s3cret")), messages, 200_000);
    survives(&|| connect(None), messages, 200_000);
}

#[test]
fn each_field_has_an_effect() {
    fields_have_an_effect(
        "redis",
        &json!({}),
        &[
            ("server_version", json!("6.2.1"), 6379, &[b"INFO\r\n"]),
            ("version", json!("6.2.2"), 6379, &[b"INFO\r\n"]),
            ("password", json!("x"), 6379, &[b"PING\r\n"]),
        ],
    );
}

#[test]
fn a_string_is_no_list_and_hello_needs_a_login() {
    let mut visitor = connect(None);
    visitor.send("SET k v\r\n");
    assert_eq!(
        visitor.send("LPUSH k v\r\n"),
        b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
    );
    let answer = connect(Some("s3cret")).send("HELLO 3\r\n");
    assert!(String::from_utf8_lossy(&answer).contains("otherwise the HELLO AUTH <user> <pass> option"));
    let fields = json!({"password": "s3cret", "server_version": "7.2.4"});
    let answer = Visitor::connect("redis", 6379, fields).send("HELLO 3\r\n");
    assert!(String::from_utf8_lossy(&answer).contains("otherwise the HELLO <proto> AUTH <user> <pass> option"));
}
