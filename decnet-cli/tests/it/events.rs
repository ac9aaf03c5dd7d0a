//! The bus and its clients, as processes.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::command::{CORP, Sandbox};

/// The running program; its output is read line by line. It is killed when the test ends.
pub(crate) struct Following {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Following {
    pub(crate) fn start(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let mut child = sandbox.spawn(arguments, Stdio::null());
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, stdout }
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.stdout.read_line(&mut line).expect("text");
        assert!(read > 0, "it ended: {}", self.printed());
        line
    }

    /// Reads lines of JSON until one matches.
    pub(crate) fn until(&mut self, matches: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.line();
            let value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if matches(&value) {
                return value;
            }
        }
    }

    fn printed(&mut self) -> String {
        let mut said = String::new();
        let stderr = self.child.stderr.as_mut().expect("piped");
        stderr.read_to_string(&mut said).expect("text");
        said
    }

    /// Reads stderr until a text was printed.
    pub(crate) fn until_printed(&mut self, words: &str) {
        let mut stderr = BufReader::with_capacity(1, self.child.stderr.as_mut().expect("piped"));
        let mut said = String::new();
        while !said.contains(words) {
            let read = stderr.read_line(&mut said).expect("text");
            assert!(read > 0, "it ended without `{words}`: {said}");
        }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(status.is_ok_and(|status| status.success()));
    }

    fn end(mut self) -> Option<i32> {
        self.child.wait().expect("ended").code()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves the bus of a sandbox; returns when it is ready.
pub(crate) fn serve(sandbox: &Sandbox) -> Following {
    let mut bus = Following::start(sandbox, &["bus"]);
    assert!(bus.line().starts_with("serving "));
    bus
}

/// Returns whether an event reports this new status of a topology.
pub(crate) fn became<'a>(topology: &'a str, to: &'a str) -> impl Fn(&Value) -> bool + 'a {
    move |value| value["type"] == "status" && value["payload"]["topology"] == topology && value["payload"]["to"] == to
}

pub(crate) fn id(sandbox: &Sandbox, name: &str) -> String {
    let shown = sandbox.run(&["show", name, "--json"]).exits(0).json();
    shown["id"].as_str().expect("an id").to_owned()
}

#[test]
fn the_feed_begins_with_a_snapshot_and_continues_with_events() {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "old"]).exits(0);
    sandbox.run(&["create", "removed"]).exits(0);
    let _bus = serve(&sandbox);
    let mut events = Following::start(&sandbox, &["events", "--json"]);
    let snapshot: Value = serde_json::from_str(&events.line()).expect("JSON");
    assert_eq!((&snapshot["v"], &snapshot["type"]), (&1.into(), &"snapshot".into()));
    let topologies = snapshot["payload"]["topologies"].as_array().expect("a list");
    let seen: Vec<_> = topologies
        .iter()
        .map(|row| (row["name"].as_str(), row["status"].as_str(), row["version"].as_u64()))
        .collect();
    assert_eq!(
        seen,
        [
            (Some("old"), Some("pending"), Some(1)),
            (Some("removed"), Some("pending"), Some(1))
        ]
    );
    assert_eq!(topologies[0]["mutations"], serde_json::json!([]));

    sandbox.write("corp.yaml", CORP);
    sandbox.run(&["apply", "-f", "corp.yaml"]).exits(0);
    let corp = id(&sandbox, "corp");
    let event = events.until(became(&corp, "pending"));
    let keys: Vec<&String> = event.as_object().expect("a map").keys().collect();
    assert_eq!(keys, ["id", "payload", "seq", "topic", "ts", "type", "v"]);
    assert!(snapshot["seq"].as_u64() < event["seq"].as_u64(), "{snapshot} {event}");
    assert_eq!(event["topic"], format!("topology.{corp}.status"));
    assert_eq!(event["payload"]["from"], Value::Null);
}

#[test]
fn an_interrupted_program_continues_after_the_number_of_its_last_event() {
    let sandbox = Sandbox::new();
    let mut events = Following::start(&sandbox, &["events", "--json"]);
    assert_eq!(events.until(|value| value["type"] == "snapshot")["seq"], 0);
    sandbox.run(&["create", "first"]).exits(0);
    let first = events.until(became(&id(&sandbox, "first"), "pending"));
    events.signal("TERM");
    let _ = events.child.wait();

    sandbox.write("corp.yaml", CORP);
    sandbox.run(&["apply", "-f", "corp.yaml"]).exits(0);
    sandbox.run(&["mutate", "corp", "add_lan", "--name", "lab"]).exits(0);
    sandbox.run(&["delete", "corp"]).exits(0);
    let after = first["seq"].as_u64().expect("a number");
    let arguments = ["events", "--json", "--after", &after.to_string()];
    let mut events = Following::start(&sandbox, &arguments);
    let mut missed = Vec::new();
    for seq in after + 1..after + 5 {
        let event = events.until(|value| value["type"] != "lagged");
        assert_eq!(event["seq"], seq, "{event}");
        let topic = event["topic"].as_str().expect("a topic");
        missed.push(topic.rsplit('.').next().expect("its end").to_owned());
    }
    assert_eq!(missed, ["status", "applied", "edited", "deleted"]);

    // A number of another database.
    let mut events = Following::start(&sandbox, &["events", "--json", "--after", "4711"]);
    let snapshot = events.until(|_| true);
    assert_eq!(
        (&snapshot["type"], &snapshot["seq"]),
        (&"snapshot".into(), &(after + 4).into())
    );
    events.until_printed("the database does not have the changes after 4711");
    sandbox.run(&["events", "--after", "yesterday"]).exits(2);
}

#[test]
fn the_events_of_one_maze_can_be_selected() {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "mine"]).exits(0);
    let _bus = serve(&sandbox);
    let mut events = Following::start(&sandbox, &["events", "--topology", "mine", "--json"]);
    let snapshot: Value = serde_json::from_str(&events.line()).expect("JSON");
    let topologies = snapshot["payload"]["topologies"].as_array().expect("a list");
    assert_eq!(topologies.len(), 1);
    sandbox.run(&["events", "--topology", "other"]).exits(1);
}

#[test]
fn without_a_bus_the_database_is_read_until_one_is_served() {
    let sandbox = Sandbox::new();
    let mut events = Following::start(&sandbox, &["events", "--json"]);
    let snapshot: Value = serde_json::from_str(&events.line()).expect("JSON");
    assert_eq!(snapshot["payload"]["topologies"], serde_json::json!([]));
    events.until_printed("reading the database every second");
    sandbox.run(&["create", "first"]).exits(0);
    events.until(became(&id(&sandbox, "first"), "pending"));

    let bus = serve(&sandbox);
    events.until_printed("found the bus");
    sandbox.run(&["create", "second"]).exits(0);
    events.until(became(&id(&sandbox, "second"), "pending"));

    bus.signal("KILL");
    assert_eq!(bus.end(), None);
    events.until_printed("reading the database every second");
    sandbox.run(&["create", "third"]).exits(0);
    events.until(became(&id(&sandbox, "third"), "pending"));
}

#[test]
fn the_socket_of_a_killed_bus_is_taken_over_by_the_next() {
    let sandbox = Sandbox::new();
    let bus = serve(&sandbox);
    bus.signal("KILL");
    assert_eq!(bus.end(), None);
    assert!(sandbox.bus().exists(), "a killed server cannot clean up");
    let bus = serve(&sandbox);
    let _events = Following::start(&sandbox, &["events", "--json"]).line();
    bus.signal("TERM");
    assert_eq!(bus.end(), Some(0));
    assert!(!sandbox.bus().exists());
}

#[test]
fn a_second_bus_on_a_live_socket_is_refused_and_the_first_continues() {
    let sandbox = Sandbox::new();
    let bus = serve(&sandbox);
    let ran = sandbox.run(&["bus"]).exits(4).says("another bus is already served at");
    assert!(
        ran.stderr.contains("bus.sock") && ran.stderr.contains("hint:"),
        "{ran:#?}"
    );
    assert_eq!(sandbox.run(&["bus", "--json"]).exits(4).error()["code"], "bus_in_use");
    let mut events = Following::start(&sandbox, &["events", "--json"]);
    events.line();
    sandbox.run(&["create", "lab"]).exits(0);
    events.until(became(&id(&sandbox, "lab"), "pending"));
    bus.signal("INT");
    assert_eq!(bus.end(), Some(0));
}

#[test]
fn a_file_that_is_not_a_socket_is_not_replaced() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.bus(), "precious").expect("written");
    sandbox.run(&["bus"]).exits(1).says("is not a socket");
    assert_eq!(fs::read_to_string(sandbox.bus()).expect("there"), "precious");
    sandbox
        .run(&["bus", "--socket", "none/bus.sock"])
        .exits(1)
        .says("hint:");
}

#[test]
fn people_get_text_lines_and_logs_get_rfc_5424() {
    let sandbox = Sandbox::new();
    let _bus = serve(&sandbox);
    sandbox.run(&["create", "lab"]).exits(0);
    let mut events = Following::start(&sandbox, &["events"]);
    assert!(events.line().ends_with("lab  is pending, version 1\n"));
    let log = sandbox.path("decnet.log");
    let mut logged = Following::start(&sandbox, &["events", "--rfc5424"]);
    let mut appended = Following::start(&sandbox, &["events", "--rfc5424", "-o", "decnet.log", "-v"]);
    // An event before the connection is not logged.
    let is_heard = AtomicBool::new(false);
    let line = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_heard.load(Ordering::Relaxed) {
                sandbox.run(&["create", &format!("lab{}", unique_number())]).exits(0);
            }
        });
        let line = logged.line();
        while !fs::read_to_string(&log).is_ok_and(|text| text.contains("decnet@32473")) {
            thread::sleep(Duration::from_millis(20));
        }
        is_heard.store(true, Ordering::Relaxed);
        line
    });
    assert!(
        line.starts_with("<133>1 ") && line.contains(" status [decnet@32473 event=\""),
        "{line}"
    );
    assert!(line.contains(r#"to="pending" reason="created" maze="lab"#), "{line}");
    assert!(events.line().contains("  status: pending (created)"));
    appended.signal("TERM");
    let _ = appended.child.wait();
}

/// A number that no other call returns.
fn unique_number() -> u32 {
    use std::sync::atomic::AtomicU32;
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[test]
fn a_command_is_not_delayed_by_a_hanging_bus() {
    let sandbox = Sandbox::new();
    // The socket listens and never answers.
    let _socket = std::os::unix::net::UnixListener::bind(sandbox.bus()).expect("bound");
    sandbox.run(&["create", "lab"]).exits(0);
}

#[test]
fn a_log_file_that_cannot_be_written_is_named() {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "corp"]).exits(0);
    let ran = sandbox
        .run(&["events", "--rfc5424", "--output", "missing/decnet.log"])
        .exits(1);
    ran.says("missing/decnet.log");
}
