//! `redis-server`.

use super::{
    Step::{Finish, Part, Say},
    *,
};

fn mask(bytes: &[u8]) -> String {
    // HELLO has the version and the number of the connection.
    let shown = text(bytes);
    if shown.contains("redis_version:") {
        return format!("(info: {})", shown.starts_with('$'));
    }
    match shown.split_once("$7\\r\\nversion\\r\\n") {
        Some((before, after)) => format!("{before}(version, {} lines)", after.matches("\\r\\n").count()),
        None => shown,
    }
}

fn start(extra: &[&str]) -> Option<Real> {
    let plan = real::Plan::new("usr/bin/redis-server")?;
    let (port, folder) = (plan.port.to_string(), plan.path(""));
    let mut arguments = vec!["--bind", "127.0.0.1", "--port", &port, "--dir", &folder, "--save", ""];
    arguments.extend(extra);
    Some(plan.start("usr/bin/redis-server", &arguments))
}

#[test]
fn redis_without_a_login_answers_as_redis_server_does() {
    let Some(real) = start(&["--requirepass", "s3cret"]) else {
        return;
    };
    let comparison = Comparison {
        service: "redis",
        fields: json!({"password": "s3cret"}),
        greets: false,
        at_once: 1,
        mask,
        on_purpose: &[],
    };
    comparison.check(
        &real,
        &[
            &[Part(b"QUIT"), Say(b"\r\n")],
            &[Part(b"DBSIZE"), Part(b" "), Finish],
            &[
                Say(b"PING\r\n"),
                Say(b"INFO\r\n"),
                Say(b"KEYS *\r\n"),
                Say(b"CONFIG GET dir\r\n"),
                Say(b"FOO\r\n"),
            ],
            &[
                Say(b"AUTH x\r\n"),
                Say(b"AUTH default x\r\n"),
                Say(b"AUTH\r\n"),
                Say(b"AUTH a b c\r\n"),
                Say(b"AUTH root x\r\n"),
            ],
            &[
                Say(b"HELLO 3\r\n"),
                Say(b"HELLO 9\r\n"),
                Say(b"HELLO x\r\n"),
                Say(b"HELLO 3 AUTH default x\r\n"),
            ],
            &[
                Say(b"*2\r\n$4\r\nAUTH\r\n$6\r\ns3cret\r\n"),
                Say(b"PING\r\n"),
                Say(b"SET a b\r\n"),
                Say(b"GET a\r\n"),
            ],
            &[Say(b"[[,[[\r\n"), Say(b"GET / HTTP/1.1\r\n")],
            &[Say(b"POST / HTTP/1.1\r\n")],
            &[Say(b"Host: x\r\n")],
            &[Say(b"*1\r\n$2000000000\r\n")],
            &[Say(b"*2000000\r\n")],
            &[Say(b"*x\r\n")],
            &[Say(b"*1\r\n+PING\r\n")],
            &[Say(b"*1\r\n$x\r\n")],
            &[Part(b"*1\r\n$4\r\nQU"), Say(b"IT\r\n")],
            &[Part(b"\r\n"), Part(b"*0\r\n"), Part(b"*-1\r\n"), Say(b"QUIT\r\n")],
            &[Say(b"SET \"a b\r\n")],
            &[Part(b"\0\0\0\0"), Finish],
        ],
    );
}

#[test]
fn an_open_redis_answers_as_redis_server_does() {
    let Some(real) = start(&[]) else { return };
    let comparison = Comparison {
        service: "redis",
        fields: json!({}),
        greets: false,
        at_once: 1,
        mask,
        on_purpose: &[],
    };
    comparison.check(
        &real,
        &[
            &[
                Say(b"PING\r\n"),
                Say(b"PING hello\r\n"),
                Say(b"PING a b\r\n"),
                Say(b"ECHO x\r\n"),
                Say(b"ECHO\r\n"),
            ],
            &[
                Say(b"FOO bar baz\r\n"),
                Say(b"foo\r\n"),
                Say(b"GET\r\n"),
                Say(b"SET a\r\n"),
                Say(b"GET nokey\r\n"),
            ],
            &[
                Say(b"SET k v\r\n"),
                Say(b"GET k\r\n"),
                Say(b"TYPE k\r\n"),
                Say(b"LPUSH k v\r\n"),
                Say(b"DEL k\r\n"),
                Say(b"TYPE k\r\n"),
            ],
            &[
                Say(b"SET n x\r\n"),
                Say(b"INCR n\r\n"),
                Say(b"TTL n\r\n"),
                Say(b"EXISTS n\r\n"),
                Say(b"DEL n nokey\r\n"),
            ],
            &[
                Say(b"AUTH x\r\n"),
                Say(b"AUTH default x\r\n"),
                Say(b"SELECT 1\r\n"),
                Say(b"SELECT 99\r\n"),
                Say(b"SELECT x\r\n"),
            ],
            &[
                Say(b"CONFIG\r\n"),
                Say(b"CONFIG GET maxmemory\r\n"),
                Say(b"CONFIG FOO\r\n"),
                Say(b"CONFIG SET foo bar\r\n"),
            ],
            &[
                Say(b"CLIENT GETNAME\r\n"),
                Say(b"CLIENT SETNAME x\r\n"),
                Say(b"CLIENT GETNAME\r\n"),
                Say(b"ROLE\r\n"),
            ],
            &[
                Say(b"INFO\r\n"),
                Say(b"INFO nosuch\r\n"),
                Say(b"COMMAND COUNT\r\n"),
                Say(b"EVAL 'return 1' 0\r\n"),
            ],
            &[
                Say(b"MODULE LOAD /tmp/x.so\r\n"),
                Say(b"SLAVEOF NO ONE\r\n"),
                Say(b"DBSIZE\r\n"),
                Say(b"FLUSHALL\r\n"),
                Say(b"KEYS *\r\n"),
            ],
            &[Say(b"QUIT\r\n")],
            &[
                Part(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n"),
                Say(b"v\r\n"),
                Say(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"),
                Say(b"DEL k\r\n"),
            ],
        ],
    );
}
