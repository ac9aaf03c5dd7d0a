//! The agent of a host, and how it joins.

use std::{
    io::{BufRead as _, BufReader},
    net::{self, SocketAddr},
    process::{Child, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use decnet_engine::{FleetMaster, FleetOptions, JoinToken, RemoteOptions, RemoteRuntime, RemoteTopologies, fleet};
use decnet_topology::{HostChange, HostProfile, HostRow, HostStore as _, MemoryRepo};
use jiff::{SignedDuration, Timestamp};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::{net::TcpListener, runtime::Runtime};

use crate::command::Sandbox;

/// A master in this process.
struct Master {
    runtime: Runtime,
    fleet: FleetMaster,
    repo: Arc<MemoryRepo>,
    address: SocketAddr,
}

impl Master {
    fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let repo = Arc::new(MemoryRepo::new());
        let fleet = FleetMaster::open(repo.clone(), "first".parse().expect("a name"), Timestamp::now());
        let fleet = runtime.block_on(fleet).expect("a fleet");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(fleet::serve(fleet.clone(), FleetOptions::default(), listener));
        Self {
            runtime,
            fleet,
            repo,
            address,
        }
    }

    fn hosts(&self) -> Vec<HostRow> {
        self.runtime.block_on(self.repo.hosts()).expect("hosts")
    }

    fn invite(&self, name: &str) -> JoinToken {
        self.invite_at(name, Timestamp::now())
    }

    fn invite_at(&self, name: &str, at: Timestamp) -> JoinToken {
        let token = self
            .fleet
            .invite(name.parse().expect("a name"), HostProfile::default(), at);
        self.runtime.block_on(token).expect("a token")
    }
}

/// An agent that runs; a test that fails leaves none.
struct Agent(Child);

impl Agent {
    fn start(sandbox: &Sandbox, arguments: &[&str]) -> (Self, Value) {
        let arguments = [
            &["agent", "--state", "state", "--listen", "127.0.0.1:0", "--json"],
            arguments,
        ]
        .concat();
        let mut child = sandbox.spawn(&arguments, Stdio::null());
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        stdout.read_line(&mut line).expect("a line");
        (Self(child), serde_json::from_str(&line).expect("JSON"))
    }

    fn interrupt(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.0), Signal::INT).expect("sent");
        self.0.wait().expect("ended").code()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_agent_joins_once_and_then_starts_without_a_token() {
    let (sandbox, master) = (Sandbox::new(), Master::start());
    let (token, address) = (master.invite("host-1").to_string(), master.address.to_string());
    let join = ["--join", &token, "--name", "host-1", "--master", &address];
    let (first, said) = Agent::start(&sandbox, &join);
    assert_eq!(
        (&said["name"], &said["master"]),
        (&"host-1".into(), &address.as_str().into())
    );
    assert_eq!(first.interrupt(), Some(0));
    let ran = sandbox.run(&[&["agent", "--state", "state", "--listen", "127.0.0.1:0"], &join[..]].concat());
    ran.exits(4).says("a token works once");

    let (second, again) = Agent::start(&sandbox, &[]);
    assert_eq!(again["host"], said["host"]);
    let begun = Instant::now();
    while master.hosts().first().is_none_or(|host| host.report.is_none()) {
        assert!(begun.elapsed() < Duration::from_secs(30), "there is no heartbeat");
        std::thread::sleep(Duration::from_millis(20));
    }
    let host = again["host"].as_str().expect("an id").parse().expect("an id");
    let listening = again["listening"].as_str().expect("an address");
    let options = RemoteOptions::new(host, "host-1".parse().expect("a name"), listening);
    let remote = RemoteRuntime::new(master.fleet.credentials(), options).expect("an address");
    let state = master.runtime.block_on(RemoteTopologies::new(&remote).state());
    assert_eq!(state.expect("a state").applied, None);
    assert_eq!(second.interrupt(), Some(0));
}

#[test]
fn a_host_joins_before_a_service_starts_its_agent() {
    let (sandbox, master) = (Sandbox::new(), Master::start());
    let (token, address) = (master.invite("host-1").to_string(), master.address.to_string());
    let join = ["--join", &token, "--name", "host-1", "--master", &address];
    let only = |flags: &[&str]| {
        let start = ["agent", "--state", "state", "--join-only"];
        sandbox.run(&[&start[..], &join, flags].concat())
    };
    // The agent would get another port at each start.
    only(&["--listen", "127.0.0.1:0"])
        .exits(2)
        .says("its port is not known before the agent starts; give it with --address HOST:PORT");
    sandbox.run(&["agent", "--join-only"]).exits(2).says("--join <TOKEN>");
    // Another agent may have the port: this one does not listen.
    let listener = net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let busy = listener.local_addr().expect("an address").to_string();
    let ran = only(&["--listen", &busy, "--json"]);
    let said: Value = serde_json::from_str(&ran.exits(0).stdout).expect("JSON");
    assert_eq!((&said["name"], &said["address"]), (&"host-1".into(), &busy.into()));

    let (agent, again) = Agent::start(&sandbox, &[]);
    assert_eq!(again["host"], said["host"]);
    let ran = only(&["--address", &address]);
    ran.exits(4)
        .says("another agent uses the folder state")
        .says("stop the other agent");
    assert_eq!(agent.interrupt(), Some(0));
}

#[test]
fn files_of_an_agent_that_are_damaged_are_named() {
    let (sandbox, master) = (Sandbox::new(), Master::start());
    let (token, address) = (master.invite("host-1").to_string(), master.address.to_string());
    let start = ["agent", "--state", "state", "--listen", "127.0.0.1:0"];
    let join = ["--join", &token, "--name", "HOST-1", "--master", &address];
    // Nothing of the check for room is left.
    let (agent, _) = Agent::start(&sandbox, &join);
    assert_eq!(agent.interrupt(), Some(0));
    let files = std::fs::read_dir(sandbox.path("state")).expect("a folder");
    let names: Vec<_> = files.map(|file| file.expect("a file").file_name()).collect();
    assert!(!names.iter().any(|name| name == "room"), "{names:?}");
    for (file, hint) in [
        ("instances", ""),
        ("generation", ""),
        ("topology.db", "the master pushes its maze again"),
        ("trust.json", "decnet host enroll"),
        ("identity.pem", "decnet host enroll"),
    ] {
        let path = sandbox.path("state").join(file);
        let before = std::fs::read(&path).ok();
        std::fs::write(&path, b"\xff\xfe damaged").expect("written");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("set");
        let ran = sandbox.run(&start);
        assert_ne!(ran.code, Some(0), "{file}");
        assert!(ran.stderr.contains(&format!("state/{file}")), "{file}: {}", ran.stderr);
        assert!(
            ran.stderr.contains(hint) && !ran.stderr.contains("cannot listen"),
            "{file}: {}",
            ran.stderr
        );
        match before {
            Some(before) => std::fs::write(&path, before).expect("restored"),
            None => std::fs::remove_file(&path).expect("removed"),
        }
    }
}

#[test]
fn a_master_that_has_no_address_is_named() {
    let (sandbox, master) = (Sandbox::new(), Master::start());
    let token = master.invite("host-1").to_string();
    let run = |master: &str| {
        let flags = [
            "agent",
            "--state",
            "state",
            "--name",
            "host-1",
            "--join",
            &token,
            "--join-only",
            "--master",
            master,
        ];
        sandbox.run(&flags)
    };
    run("master.invalid:7379")
        .exits(5)
        .says("master.invalid:7379 does not answer: its name has no address")
        .says("check that the master runs");
    run("[::1]:7379").exits(2).says(
        "[::1]:7379 has no IPv4 address, and the agent listens at 0.0.0.0:7378; give it with --address HOST:PORT",
    );
}

#[test]
fn the_agent_of_a_revoked_host_says_so_once_and_stops() {
    let (sandbox, master) = (Sandbox::new(), Master::start());
    let (token, address) = (master.invite("host-1").to_string(), master.address.to_string());
    let join = ["--join", &token, "--name", "host-1", "--master", &address];
    let (agent, said) = Agent::start(&sandbox, &join);
    assert_eq!(agent.interrupt(), Some(0));
    let host = said["host"].as_str().expect("an id").parse().expect("an id");
    let revoked = master.repo.change_host(host, HostChange::Revoke, Timestamp::now());
    master.runtime.block_on(revoked).expect("revoked");
    let refreshed = master.fleet.refresh(Timestamp::now());
    master.runtime.block_on(refreshed).expect("refreshed");
    let start = ["agent", "--state", "state", "--listen", "127.0.0.1:0"];
    let ran = sandbox.run(&start);
    let ran = ran
        .exits(3)
        .says("the host `host-1` was revoked: the master at")
        .says("nothing of its mazes is left here")
        .says("decnet host enroll NAME");
    assert!(!ran.stderr.contains("a heartbeat failed"), "{}", ran.stderr);
    // With a time for orphans, nothing that it would have to wait for is here.
    let waiting = sandbox.run(&[&start[..], &["--orphan-after", "24h", "--json"]].concat());
    let waiting = waiting.exits(3);
    assert!(waiting.stderr.contains("\"host_revoked\""), "{}", waiting.stderr);
}

#[test]
fn a_token_that_is_too_old_or_for_another_name_is_refused_as_a_conflict() {
    let (sandbox, master) = (Sandbox::new(), Master::start());
    let address = master.address.to_string();
    let join = |token: &JoinToken, name: &str| {
        let token = token.to_string();
        let join = ["--join", &token, "--name", name, "--master", &address];
        sandbox.run(&[&["agent", "--state", "state", "--listen", "127.0.0.1:0"], &join[..]].concat())
    };
    let late = master.invite_at("host-1", Timestamp::now() - SignedDuration::from_mins(16));
    let ran = join(&late, "host-1").exits(4);
    ran.says("the token expired at").says("make a new token on the master");
    let ran = join(&master.invite("host-1"), "host-2").exits(4);
    ran.says("the token is for the host `host-1`, not for `host-2`");
    assert_eq!(master.hosts().len(), 0);
}

#[test]
fn what_an_agent_needs_is_said() {
    let sandbox = Sandbox::new();
    let run = |arguments: &[&str]| {
        let start = ["agent", "--state", "state", "--listen", "127.0.0.1:0"];
        sandbox.run(&[&start[..], arguments].concat())
    };
    run(&[]).exits(1).says("has not joined a fleet");
    run(&["--join", "x"]).exits(2).says("--name");
    let without_port = ["--join", "x", "--name", "host-1", "--master", "127.0.0.1"];
    run(&without_port)
        .exits(2)
        .says("`127.0.0.1` is not an address; write HOST:PORT")
        .says("as in 10.0.0.5:7379");
    let flags = ["--name", "host-1", "--master", "127.0.0.1:1"];
    run(&[&["--join", "x"], &flags[..]].concat())
        .exits(2)
        .says("this is not a token");
    let (one, other) = (Master::start(), Master::start());
    let token = one.invite("host-1").to_string();
    run(&[&["--join", &token], &flags[..]].concat())
        .exits(5)
        .says("127.0.0.1:1 does not answer");
    let address = other.address.to_string();
    let flags = ["--name", "host-1", "--master", &address];
    let ran = run(&[&["--join", &token], &flags[..]].concat());
    ran.exits(1).says("another fleet");
    run(&[]).exits(1).says("has not joined a fleet");
}
