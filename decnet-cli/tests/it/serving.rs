//! The HTTP API of the command, and its tokens.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    process::{Child, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::command::Sandbox;

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let arguments = [&["serve", "--listen", "127.0.0.1:0", "--json"], arguments].concat();
        let mut child = sandbox.spawn(&arguments, Stdio::null());
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        stdout.read_line(&mut line).expect("a line");
        let said: Value = serde_json::from_str(&line).expect("JSON");
        let url = said["url"].as_str().expect("a URL");
        let address = url
            .strip_prefix("http://")
            .and_then(|rest| rest.strip_suffix("/api/v1"));
        Self {
            address: address.expect("an address").into(),
            child,
        }
    }

    /// Sends a request, and returns the status and the body.
    fn send(&self, head: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).expect("connected");
        let length = body.len();
        let request = format!(
            "{head}\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}",
            self.address
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        (
            status.expect("a status"),
            serde_json::from_str(body).unwrap_or_default(),
        )
    }

    /// Interrupts it, and returns its exit status.
    pub(crate) fn interrupt(mut self) -> i32 {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("sent");
        self.child.wait().expect("ended").code().expect("a status")
    }
}

/// A test that fails leaves no server.
impl Drop for Server {
    fn drop(&mut self) {
        // After an interruption it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_answers_until_it_is_interrupted() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &["--no-auth"]);
    let (status, stored) = server.send("POST /api/v1/topologies/blank HTTP/1.1", "{\"name\": \"corp\"}");
    assert_eq!((status, &stored["name"]), (201, &"corp".into()), "{stored}");
    // The command sees the same store.
    let listed = sandbox.run(&["list", "--json"]).exits(0).json();
    assert_eq!(listed["topologies"][0]["id"], stored["id"]);
    let path = format!("/api/v1/topologies/{}/deploy", stored["id"].as_str().expect("an id"));
    let (status, problem) = server.send(&format!("POST {path} HTTP/1.1\r\nPrefer: wait=60"), "");
    assert_eq!(
        (status, &problem["code"]),
        (503, &"docker_unreachable".into()),
        "{problem}"
    );
    // A follower does not hold it up.
    let mut follower = TcpStream::connect(&server.address).expect("connected");
    let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    follower.write_all(request.as_bytes()).expect("sent");
    let mut follower = BufReader::new(follower);
    let mut text = String::new();
    while !text.contains("event: snapshot") {
        let length = follower.read_line(&mut text).expect("a line");
        assert_ne!(length, 0, "the stream ended before its snapshot: {text}");
    }
    assert_eq!(server.interrupt(), 0);
    follower
        .read_to_string(&mut text)
        .expect("the stream ends without an error");
}

#[test]
fn tokens_are_made_listed_and_revoked_while_a_server_runs() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &[]);
    let list = |token: &str| {
        server
            .send(
                &format!("GET /api/v1/topologies HTTP/1.1\r\nAuthorization: Bearer {token}"),
                "",
            )
            .0
    };
    assert_eq!(list("decnet_0"), 401);
    let made = sandbox.run(&["token", "create", "ci", "--scope", "read"]).exits(0);
    let secret = made.stdout.trim_end().to_owned();
    assert!(made.stderr.contains("not shown again"), "{made:#?}");
    assert_eq!(list(&secret), 200);
    let (status, problem) = server.send(
        &format!("POST /api/v1/topologies/blank HTTP/1.1\r\nAuthorization: Bearer {secret}"),
        "{\"name\": \"x\"}",
    );
    assert_eq!((status, &problem["code"]), (403, &"forbidden".into()), "{problem}");
    let listed = sandbox.run(&["token", "list", "--json"]).exits(0);
    assert!(
        !listed.stdout.contains("sha256") && !listed.stdout.contains(&secret),
        "{listed:#?}"
    );
    let id = listed.json()["tokens"][0]["id"].as_str().expect("an id").to_owned();
    let table = sandbox.run(&["token", "list"]).exits(0);
    assert!(
        table.stdout.contains(&id) && table.stdout.contains("read"),
        "{table:#?}"
    );
    let revoked = sandbox.run(&["token", "revoke", &id]).exits(0);
    assert!(revoked.stdout.starts_with("revoked "), "{revoked:#?}");
    assert_eq!(list(&secret), 401);
    sandbox
        .run(&["token", "revoke", &id])
        .exits(1)
        .says("decnet token list");
    assert_eq!(server.interrupt(), 0);
    let file = sandbox.path("decnet.db.tokens");
    assert_eq!(file.metadata().expect("there").permissions().mode() & 0o777, 0o600);
}

#[test]
fn wrong_addresses_names_and_files_are_refused() {
    let sandbox = Sandbox::new();
    sandbox
        .run(&["serve", "--no-auth", "--listen", "0.0.0.0:0"])
        .exits(2)
        .says("loopback");
    sandbox.run(&["serve", "--no-auth", "--listen", "127.0.0.1"]).exits(2);
    sandbox.run(&["serve", "--no-auth", "--tokens", "x"]).exits(2);
    sandbox
        .run(&["serve", "--no-auth", "--origin", "map.example/x"])
        .exits(2)
        .says("an origin has a scheme");
    let server = Server::start(&sandbox, &["--no-auth"]);
    let taken = sandbox
        .run(&["serve", "--no-auth", "--listen", &server.address])
        .exits(4);
    assert!(taken.stderr.contains("another program listens there"), "{taken:#?}");
    assert_eq!(server.interrupt(), 0);
    sandbox
        .run(&["token", "create", "", "--scope", "read"])
        .exits(3)
        .says("not a valid name");
    sandbox.run(&["token", "create", "ci", "--scope", "all"]).exits(2);
    sandbox
        .run(&["token", "create", "ci", "--scope", "read", "--tokens", "no/such/folder"])
        .exits(1)
        .says("cannot be written");
    let file = sandbox.write("decnet.db.tokens", "not JSON");
    sandbox.run(&["token", "list"]).exits(1).says("make new tokens");
    std::fs::write(&file, "{\"v\": 1, \"tokens\": []}").expect("written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).expect("set");
    sandbox.run(&["serve"]).exits(1).says("chmod 600");
}
