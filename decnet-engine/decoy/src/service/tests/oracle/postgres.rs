//! `postgres`.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    thread,
    time::Duration,
};

use super::{
    Step::{Finish, Part, Say},
    *,
};

/// Shows messages: their type, and the fields of errors. The process, its key, the values of parameters and the lines in the source
/// of the server may be different.
fn mask(bytes: &[u8]) -> String {
    let mut shown: Vec<String> = Vec::new();
    let mut rest = bytes;
    while let Some(([kind, a, b, c, d], after)) = rest.split_first_chunk::<5>() {
        let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap();
        let Some((body, after)) = length.checked_sub(4).and_then(|length| after.split_at_checked(length)) else {
            break;
        };
        match kind {
            b'E' | b'N' => {
                let fields = body
                    .split(|byte| *byte == 0)
                    .filter(|field| !field.is_empty() && field[0] != b'L');
                let fields: Vec<String> = fields.map(text).collect();
                shown.push(format!("{}({}) ", char::from(*kind), fields.join(", ")));
            }
            b'S' => shown.push(format!(
                "S({}) ",
                text(body.split(|byte| *byte == 0).next().unwrap_or_default())
            )),
            b'K' => shown.push("K ".into()),
            _ => shown.push(format!("{}({}) ", char::from(*kind), text(body))),
        }
        rest = after;
    }
    shown.concat() + &text(rest)
}

fn packet(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len() + 4).unwrap().to_be_bytes()[..], body].concat()
}

fn startup(parameters: &str) -> Vec<u8> {
    packet(&[&[0, 3, 0, 0], parameters.as_bytes()].concat())
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &packet(body)].concat()
}

fn query(text: &str) -> Vec<u8> {
    message(b'Q', &[text.as_bytes(), b"\0"].concat())
}

/// Waits while the server answers `57P03`: it listens before it has started.
fn wait_until_started(port: u16, user: &[u8]) {
    for _ in 0..400 {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.write_all(user).unwrap();
        let mut answer = [0; 256];
        let length = stream.read(&mut answer).unwrap_or(0);
        if length > 0 && !answer[..length].windows(5).any(|part| part == b"57P03") {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("postgres does not start");
}

#[test]
fn postgres_answers_as_the_real_one_does() {
    let bin = "usr/lib/postgresql/15/bin";
    let Some(plan) = real::Plan::new(&format!("{bin}/postgres")) else {
        return;
    };
    let password = plan.write("password", "s3cret\n");
    let data = plan.path("data");
    plan.run(
        &format!("{bin}/initdb"),
        &[
            "-D",
            &data,
            "-U",
            "postgres",
            "-A",
            "password",
            "--pwfile",
            &password,
            "--no-sync",
            "--locale=C",
            "-E",
            "UTF8",
        ],
    );
    let port = format!("port={}", plan.port);
    let options = [
        "listen_addresses=127.0.0.1",
        &port,
        "unix_socket_directories=",
        "fsync=off",
    ];
    let mut arguments = vec!["-D", &data];
    arguments.extend(options.iter().flat_map(|option| ["-c", option]));
    let real = plan.start(&format!("{bin}/postgres"), &arguments);
    let comparison = Comparison {
        service: "postgres",
        fields: json!({"password": "s3cret"}),
        greets: false,
        at_once: 8,
        mask,
        on_purpose: &[],
    };
    let user = startup("user\0postgres\0database\0postgres\0\0");
    wait_until_started(real.port, &user);
    let (wrong, right) = (message(b'p', b"wrong\0"), message(b'p', b"s3cret\0"));
    let nobody = startup("user\0nobody\0database\0postgres\0\0");
    let no_database = startup("user\0postgres\0database\0nosuch\0\0");
    let nameless = startup("database\0postgres\0\0");
    let unknown = startup("user\0postgres\0foo\0bar\0\0");
    let encrypted = packet(&80_877_104_u32.to_be_bytes());
    let (old, new) = (packet(&[0, 2, 0, 0]), packet(&[0, 4, 0, 0]));
    let minor = packet(b"\0\x03\0\x05user\0postgres\0\0");
    let queries = [
        "select 1",
        "",
        ";",
        "selec 1",
        "select * from nosuch",
        "show server_encoding",
        "begin",
        "commit",
        "select nosuch()",
    ]
    .map(query);
    let mut session = vec![Say(&user[..]), Say(&right)];
    session.extend(queries.iter().map(|query| Say(query)));
    let end = message(b'X', b"");
    session.push(Say(&end));
    let strange = message(b'z', b"");
    comparison.check(
        &real,
        &[
            &[Say(&user), Say(&wrong)],
            &[Say(&nobody), Say(&wrong)],
            &[Say(&no_database), Say(&right)],
            &[Say(&nameless)],
            &[Say(&unknown), Say(&right)],
            &[Say(&encrypted), Say(&user)],
            &[Say(&old)],
            &[Say(&new)],
            &[Say(&minor)],
            &session,
            &[Say(&user), Say(&right), Say(&strange)],
            &[Say(&user), Say(&queries[0])],
            &[Part(&user[..3]), Part(&user[3..9]), Say(&user[9..])],
            &[Part(&user[..6]), Finish],
            &[Say(b"GET / HTTP/1.0\r\n\r\n")],
            &[Say(b"\0\0\0\x02\0\0\0\0")],
            &[Say(b"\0\0\0\x08\0\x03\0\0")],
            &[Say(b"\0\0\x40\0\0\x03\0\0")],
            &[Say(b"\0\0\0\x0a\0\x03\0\0ab")],
        ],
    );
}
