//! The authority of the hosts is replaced.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::command::Sandbox;

/// How long heartbeats may take to change something.
const SOON: Duration = Duration::from_mins(1);

/// A program that runs; a test that fails leaves none.
struct Running(Child);

impl Running {
    /// Starts it, and returns its first line.
    fn start(sandbox: &Sandbox, arguments: &[&str]) -> (Self, Value) {
        let mut child = sandbox.spawn(arguments, Stdio::null());
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        stdout.read_line(&mut line).expect("a line");
        (Self(child), serde_json::from_str(&line).expect("JSON"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until the output of a command is as expected.
fn wait(sandbox: &Sandbox, arguments: &[&str], is_expected: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let found = sandbox.run(arguments).exits(0).json();
        if is_expected(&found) {
            return found;
        }
        assert!(begun.elapsed() < SOON, "{arguments:?}: {found}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_rotation_keeps_hosts_connected_and_waits_for_those_that_are_off() {
    let (sandbox, east) = (Sandbox::new(), Sandbox::new());
    let serve = ["host", "serve", "--listen", "127.0.0.1:0", "--json"];
    let (_server, serving) = Running::start(&sandbox, &serve);
    let address = serving["listening"].as_str().expect("an address");
    let token = sandbox.run(&["host", "enroll", "east", "--json"]).exits(0).json();
    let token = token["token"].as_str().expect("a token");
    let agent = ["agent", "--state", "state", "--listen", "127.0.0.1:0", "--json"];
    let join = ["--join", token, "--name", "east", "--master", address];
    let (agent, _) = Running::start(&east, &[&agent[..], &join].concat());
    let hosts = ["host", "list", "--json"];
    let heard = |hosts: &Value| hosts["hosts"][0]["heard_at"].as_str().map(str::to_owned);
    wait(&sandbox, &hosts, |hosts| heard(hosts).is_some());

    sandbox
        .run(&["host", "rotate-ca", "--finish"])
        .exits(4)
        .says("begin with `decnet host rotate-ca`");
    let begun = sandbox.run(&["host", "rotate-ca"]).exits(0);
    assert!(begun.stdout.contains("waits for  east"), "{begun:#?}");
    sandbox
        .run(&["host", "rotate-ca"])
        .exits(4)
        .says("--finish` finishes it");
    let status = ["host", "rotate-ca", "--status", "--json"];
    let begun = wait(&sandbox, &status, |status| status["waits_for"] == serde_json::json!([]));
    let finished = sandbox
        .run(&["host", "rotate-ca", "--finish", "--json"])
        .exits(0)
        .json();
    assert_eq!(finished["authority"], begun["next"]);
    assert_eq!(finished["retired"][0]["authority"], begun["authority"]);

    // The agent goes on.
    let before = heard(&sandbox.run(&hosts).exits(0).json());
    let connected = wait(&sandbox, &hosts, |hosts| heard(hosts) > before);
    let before = heard(&connected);
    wait(&sandbox, &hosts, |hosts| heard(hosts) > before);

    // Another rotation waits for a host that is off.
    drop(agent);
    sandbox.run(&["host", "rotate-ca"]).exits(0);
    let waits = sandbox.run(&["host", "rotate-ca", "--finish", "--json"]).exits(4);
    assert_eq!(waits.error()["code"], "rotation_waits");
    assert!(
        waits.stderr.contains("east does not trust the next authority yet"),
        "{waits:#?}"
    );
    let forced = sandbox.run(&["host", "rotate-ca", "--finish", "--force"]).exits(0);
    assert!(forced.stdout.contains("trusted until"), "{forced:#?}");
}
