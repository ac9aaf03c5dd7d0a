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

    /// Waits until it has printed a text on stderr.
    #[track_caller]
    fn says(&mut self, words: &str) {
        let mut stderr = BufReader::new(self.0.stderr.take().expect("piped"));
        let mut said = String::new();
        while !said.contains(words) {
            let read = stderr.read_line(&mut said).expect("text");
            assert!(read > 0, "it ended without `{words}`: {said}");
        }
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

#[test]
fn a_late_token_and_a_host_that_was_off_get_a_message_about_the_rotation() {
    let [sandbox, east, west, north] = std::array::from_fn(|_| Sandbox::new());
    let serve = ["host", "serve", "--listen", "127.0.0.1:0", "--json"];
    let (_server, serving) = Running::start(&sandbox, &serve);
    let address = serving["listening"].as_str().expect("an address");
    let invite = |name: &str| {
        let token = sandbox.run(&["host", "enroll", name, "--json"]).exits(0).json();
        token["token"].as_str().expect("a token").to_owned()
    };
    let agent = ["agent", "--state", "state", "--listen", "127.0.0.1:0", "--json"];
    let join = |token: &str, name: &str| -> Vec<String> {
        let flags = ["--join", token, "--name", name, "--master", address];
        agent.iter().chain(&flags).map(ToString::to_string).collect()
    };
    let start = |host: &Sandbox, arguments: &[String]| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Running::start(host, &arguments).0
    };
    let hosts = ["host", "list", "--json"];
    let heard = |hosts: &Value, name: &str| {
        let all = hosts["hosts"].as_array().expect("a list").iter();
        let host = all.clone().find(|host| host["name"] == name);
        host.and_then(|host| host["heard_at"].as_str().map(str::to_owned))
    };
    let off = start(&east, &join(&invite("east"), "east"));
    wait(&sandbox, &hosts, |hosts| heard(hosts, "east").is_some());
    drop(off);

    // A token from before the rotation works until the second step.
    let (between, late) = (invite("west"), invite("north"));
    sandbox.run(&["host", "rotate-ca"]).exits(0);
    let _west = start(&west, &join(&between, "west"));
    let status = ["host", "rotate-ca", "--status", "--json"];
    wait(&sandbox, &status, |status| {
        status["waits_for"] == serde_json::json!(["east"])
    });
    sandbox.run(&["host", "rotate-ca", "--finish", "--force"]).exits(0);
    let before = heard(&sandbox.run(&hosts).exits(0).json(), "west");
    wait(&sandbox, &hosts, |hosts| heard(hosts, "west") > before);
    let refused = refusal(&north, &join(&late, "north"));
    assert!(
        refused.contains("its authority was replaced after the token was made"),
        "{refused}"
    );
    assert!(refused.contains("make a new token on the master"), "{refused}");

    // The host that was off trusts only the old authority.
    let agent: Vec<String> = agent.iter().map(ToString::to_string).collect();
    let mut back = start(&east, &agent);
    back.says("the host has to join again with a new token");
    drop(back);
    let before = heard(&sandbox.run(&hosts).exits(0).json(), "east");
    let _again = start(&east, &join(&invite("east"), "east"));
    let list = wait(&sandbox, &hosts, |hosts| heard(hosts, "east") > before);
    assert_eq!(list["hosts"].as_array().map(Vec::len), Some(2), "{list}");
}

/// Joins with a token that no longer works, and returns what the agent says.
fn refusal(host: &Sandbox, join: &[String]) -> String {
    let arguments: Vec<&str> = join.iter().map(String::as_str).collect();
    let arguments: Vec<&str> = arguments.into_iter().filter(|argument| *argument != "--json").collect();
    host.run(&arguments).exits(1).stderr.clone()
}
