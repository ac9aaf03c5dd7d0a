//! Visits are stored, and sent to servers.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, UdpSocket},
    process::Command,
    thread,
    time::Duration,
};

use decnet_topology::{SqliteRepo, TopologyStore as _, Visit, VisitStore as _};
use serde_json::{Value, json};

use crate::command::{Ran, Sandbox};

/// A sandbox with the maze `lab` and three stored visits of it.
fn visited() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "lab"]).exits(0);
    put(&sandbox, &["one", "two", "three"]);
    sandbox
}

fn put(sandbox: &Sandbox, messages: &[&str]) {
    let text = |message: &&str| {
        let content = json!({"text": {"is_error": false, "message": message}});
        (message.to_string(), content)
    };
    put_lines(sandbox, messages.iter().map(text).collect());
}

/// Stores lines with their ids.
pub(crate) fn put_lines(sandbox: &Sandbox, lines: Vec<(String, Value)>) {
    let count = lines.len();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let repo = SqliteRepo::open(sandbox.database()).expect("a store");
        let id = repo.find("lab").await.expect("it is there").id;
        assert_eq!(repo.get(id).await.expect("it is there").name.as_str(), "lab");
        let visits = lines.into_iter().zip(0..).map(|((line_id, content), second)| {
            let at = jiff::Timestamp::from_second(1_900_000_000 + second).expect("a time");
            let decky = if second == 0 { "web" } else { "db" };
            let mut line = json!({
                "id": line_id,
                "at": at,
                "topology": id,
                "maze": "lab",
                "decky": decky,
                "service": "http",
                "container": format!("decnet_t_lab_{decky}.http"),
                "from": null,
            });
            line.as_object_mut()
                .expect("an object")
                .extend(content.as_object().expect("an object").clone());
            Visit::new(id, line_id, at, decky.parse().expect("a name"), line.to_string())
        });
        let stored = repo.put_visits(visits.collect(), 100_000).await;
        assert_eq!(stored.expect("stored"), count);
    });
}

/// Runs the program while a server runs.
fn with<T: Send>(server: impl FnOnce() -> T + Send, run: impl FnOnce() -> Ran) -> (T, Ran) {
    thread::scope(|scope| {
        let server = scope.spawn(server);
        let ran = run();
        (server.join().expect("the server ends"), ran)
    })
}

#[test]
fn stored_visits_are_printed_without_docker() {
    let sandbox = visited();
    let ran = sandbox.run(&["logs", "--stored"]).exits(0);
    assert_eq!(ran.stderr, "");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{ran:#?}");
    assert!(lines[0].ends_with("lab/web/http  one"), "{ran:#?}");
    let ran = sandbox
        .run(&["logs", "lab", "--stored", "--decky", "db", "--json"])
        .exits(0);
    let lines: Vec<Value> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["entry"]["text"]["message"], "three");
    sandbox.run(&["logs", "--stored", "--output", "visits.log"]).exits(0);
    let text = fs::read_to_string(sandbox.path("visits.log")).expect("a file");
    assert_eq!(text.lines().count(), 3);
    sandbox.run(&["db", "check"]).exits(0);
    sandbox.run(&["delete", "lab"]).exits(0);
    assert_eq!(sandbox.run(&["logs", "--stored"]).exits(0).stdout, "");
    for flag in ["--follow", "--store", "--cursor-file=x"] {
        sandbox.run(&["logs", "--stored", flag]).exits(2);
    }
    sandbox.run(&["logs", "--store"]).exits(5);
}

#[test]
fn paths_are_found_from_stored_visits_without_docker() {
    let sandbox = visited();
    let ran = sandbox.run(&["logs", "--stored", "--paths"]).exits(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", "no visitors so far\n"));
    let object = json!({"json": {"is_error": false, "message": {"src_ip": "192.0.2.7"}}});
    put_lines(&sandbox, vec![("four".into(), object)]);
    let ran = sandbox.run(&["logs", "lab", "--stored", "--paths"]).exits(0);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{ran:#?}");
    assert!(lines[0].starts_with("lab: 192.0.2.7 -> web (last seen "), "{ran:#?}");
    assert!(lines[1].ends_with("192.0.2.7 -> web  http"), "{ran:#?}");
    let ran = sandbox.run(&["logs", "--stored", "--paths", "--json"]).exits(0);
    assert_eq!(ran.json()["moves"][0]["to"], "web");
    sandbox.run(&["logs", "--paths"]).exits(5);
    for flag in ["--follow", "--store", "--cursor-file=x", "--output=x", "--ecs"] {
        sandbox.run(&["logs", "--stored", "--paths", flag]).exits(2);
    }
}

#[test]
fn a_file_is_rotated() {
    let sandbox = visited();
    let rotating = ["--rotate-size", "100B", "--rotate-keep", "1"];
    sandbox
        .run(&[&["logs", "--stored", "--output", "visits.log"][..], &rotating].concat())
        .exits(0);
    let read = |name: &str| fs::read_to_string(sandbox.path(name)).unwrap_or_default();
    assert!(read("visits.log").ends_with("three\n"));
    assert!(read("visits.log.1").ends_with("two\n"));
    assert!(!sandbox.path("visits.log.2").exists());
}

#[test]
fn a_full_disk_is_an_error_and_leaves_no_part_of_a_line() {
    let sandbox = visited();
    let ran = sandbox.run(&["logs", "--stored", "-o", "/dev/full"]).exits(1);
    assert!(
        ran.stderr.contains("/dev/full") && ran.stderr.contains("No space left"),
        "{ran:#?}"
    );
    let long = "x".repeat(400_000);
    put(&sandbox, &["four", "five", "six", &long]);
    // The shell sets a limit for the size of files, in blocks of 512 bytes.
    let script = "trap '' XFSZ; ulimit -f 400; exec \"$0\" logs --stored --json --output visits.log";
    let mut limited = Command::new("sh");
    limited.args(["-c", script, env!("CARGO_BIN_EXE_decnet")]);
    limited
        .current_dir(sandbox.path("."))
        .env("DECNET_DB", sandbox.database());
    let ran = Ran::new(&["logs"], &limited.output().expect("it runs")).exits(1);
    assert!(ran.stderr.contains("visits.log"), "{ran:#?}");
    let text = fs::read_to_string(sandbox.path("visits.log")).expect("a file");
    assert!(
        text.ends_with('\n') && text.lines().count() == 6,
        "{} bytes",
        text.len()
    );
}

#[test]
fn a_syslog_server_gets_the_visits() {
    let sandbox = visited();
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let target = format!("syslog+tcp://{}", listener.local_addr().expect("an address"));
    let server = || {
        let mut text = String::new();
        let mut stream = listener.accept().expect("accepted").0;
        stream.read_to_string(&mut text).expect("UTF-8");
        text
    };
    let (text, ran) = with(server, || sandbox.run(&["logs", "--stored", "--to", &target]));
    assert_eq!(ran.exits(0).stdout, "");
    let mut rest = text.as_str();
    for message in ["one", "two", "three"] {
        let (length, line) = rest.split_once(' ').expect("a frame");
        let (line, next) = line.split_at(length.parse().expect("a length"));
        assert!(line.contains(message), "{line}");
        rest = next;
    }
    assert_eq!(rest, "");

    let socket = UdpSocket::bind("127.0.0.1:0").expect("bound");
    let target = format!("syslog+udp://{}", socket.local_addr().expect("an address"));
    sandbox.run(&["logs", "--stored", "--to", &target]).exits(0);
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    for message in ["one", "two", "three"] {
        let mut space = [0; 2048];
        let length = socket.recv(&mut space).expect("a datagram");
        assert!(String::from_utf8_lossy(&space[..length]).contains(message));
    }
}

/// Accepts one request, answers it, and returns it.
fn answer(listener: &TcpListener, answer: &str) -> String {
    let mut stream = BufReader::new(listener.accept().expect("accepted").0);
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut text).expect("a line") > 0);
    }
    let lower = text.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.expect("a length").parse().expect("a number")];
    stream.read_exact(&mut body).expect("a body");
    let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.get_mut().write_all(answer.as_bytes()).expect("answered");
    text + &String::from_utf8_lossy(&body)
}

#[test]
fn a_webhook_gets_batches_with_headers_of_a_file_or_the_environment() {
    let sandbox = visited();
    sandbox.write("headers.txt", "Authorization: Bearer s3cret\n\nX-Site: lab\n");
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let target = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let arguments = ["logs", "--stored", "--to", &target, "--batch-lines", "2"];
    let both = || {
        answer(&listener, "503 Service Unavailable");
        [answer(&listener, "200 OK"), answer(&listener, "204 No Content")]
    };
    let (requests, ran) = with(both, || {
        sandbox.run(&[&arguments[..], &["--header", "@headers.txt"]].concat())
    });
    ran.exits(0).says("not available");
    let lower = requests[0].to_lowercase();
    assert!(
        lower.starts_with("post /hook ") && lower.contains("bearer s3cret") && lower.contains("x-site: lab"),
        "{requests:?}"
    );
    let messages = requests.iter().flat_map(|request| {
        let (_, body) = request.split_once("\r\n\r\n").expect("a body");
        body.lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
            .collect::<Vec<_>>()
    });
    let messages: Vec<Value> = messages.map(|line| line["entry"]["text"]["message"].clone()).collect();
    assert_eq!(messages, ["one", "two", "three"]);

    let (request, ran) = with(
        || answer(&listener, "401 Unauthorized"),
        || {
            let mut command = sandbox.command(&[&arguments[..], &["--json"]].concat());
            command.env("DECNET_LOGS_HEADER", "Authorization: Basic s3cret-too");
            Ran::new(&arguments, &command.output().expect("it runs"))
        },
    );
    assert!(request.contains("Basic s3cret-too"), "{request}");
    let ran = ran.exits(1);
    assert_eq!(ran.error()["code"], "target_rejected");
    assert!(
        !ran.stderr.contains("s3cret") && !ran.stderr.contains("/hook"),
        "{ran:#?}"
    );
}

#[test]
fn a_wrong_target_or_header_exits_with_2_and_shows_no_secret() {
    let sandbox = visited();
    for (arguments, code) in [
        (&["--to", "gopher://host/s3cret"][..], "malformed_target"),
        (&["--to", "https://ada:s3cret@host/"], "malformed_target"),
        (&["--to", "https://host/", "--header", "s3cret"], "malformed_header"),
        (&["--to", "syslog+udp://host", "--header", "A: s3cret"], "wrong_option"),
    ] {
        let ran = sandbox
            .run(&[&["logs", "--stored", "--json"], arguments].concat())
            .exits(2);
        assert_eq!(ran.error()["code"], code);
        assert!(!ran.stderr.contains("s3cret"), "{ran:#?}");
    }
    let missing = ["logs", "--stored", "--to", "https://host/", "--header", "@missing.txt"];
    sandbox.run(&missing).exits(1).says("missing.txt");
    let missing = ["logs", "--stored", "--to", "https://host/", "--ca", "missing.pem"];
    sandbox.run(&missing).exits(1).says("missing.pem").says("hint:");
}

#[test]
fn a_server_that_is_not_there_is_an_error_after_the_given_time() {
    let sandbox = visited();
    for target in ["syslog+tcp://127.0.0.1:1", "http://127.0.0.1:1/"] {
        let ran = sandbox.run(&["logs", "--stored", "--json", "--to", target, "--retry-for", "1s"]);
        assert_eq!(ran.exits(1).error()["code"], "target_unavailable");
        let ran = sandbox
            .run(&["logs", "--stored", "--to", target, "--retry-for", "1s"])
            .exits(1);
        assert!(
            ran.stderr.contains("is not available") && ran.stderr.contains("hint:"),
            "{ran:#?}"
        );
    }
}

#[test]
fn a_decky_or_a_service_that_the_maze_does_not_have_is_noted() {
    let sandbox = visited();
    sandbox
        .run(&["logs", "--stored", "lab", "--decky", "wep"])
        .exits(0)
        .says("maze `lab` has no decky `wep`; `decnet show lab` lists its deckies");
    sandbox
        .run(&["logs", "--stored", "lab", "--service", "shh"])
        .exits(0)
        .says("no decky of maze `lab` runs `shh`");
}

#[test]
fn visits_are_printed_in_each_format_and_only_in_one() {
    let sandbox = visited();
    for (flag, start, part) in [
        ("--json", "{\"entry\":{", "\"text\":{"),
        ("--ecs", "{\"@timestamp\":\"2030-", "\"ecs\":{\"version\":\"8."),
        ("--rfc5424", "<134>1 2030-", " web http - text [decnet@32473 "),
        ("--cef", "CEF:0|DECNET|DECNET|", " msg=one "),
        ("--ocsf", "{\"activity_id\":99,", "\"class_uid\":0,"),
    ] {
        let ran = sandbox.run(&["logs", "--stored", flag]).exits(0);
        let lines: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(lines.len(), 3, "{ran:#?}");
        assert!(lines[0].starts_with(start) && lines[0].contains(part), "{ran:#?}");
        for other in ["--json", "--ecs", "--rfc5424", "--cef", "--ocsf"] {
            if other != flag {
                let ran = sandbox.run(&["logs", "--stored", flag, other]).exits(2);
                assert!(ran.stderr.contains("cannot be used with"), "{ran:#?}");
            }
        }
    }
    let ran = sandbox.run(&["logs", "--paths", "--cef"]).exits(2);
    assert!(ran.stderr.contains("cannot be used with"), "{ran:#?}");
}
