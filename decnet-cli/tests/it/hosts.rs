//! Mazes for hosts, on a master without Docker.

use std::sync::Arc;

use decnet_engine::JoinToken;
use decnet_topology::{
    Enrolment, HostChange, HostId, HostProfile, HostStore as _, Mode, Name, NewTopology, SqliteRepo, Status,
    StatusChange, Topology, TopologyStore as _, rng,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{command::Sandbox, top::Session};

/// A master whose store this test writes to.
struct Master {
    sandbox: Sandbox,
    runtime: Runtime,
    repo: Arc<SqliteRepo>,
}

impl Master {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.write(
            "lab.yaml",
            "{format: decnet.topology/1, name: lab, lans: [{name: dmz, subnet: 10.9.0.0/24, dmz: true}]}",
        );
        sandbox.run(&["list"]).exits(0);
        let runtime = Runtime::new().expect("a runtime");
        let repo = Arc::new(SqliteRepo::open(sandbox.database()).expect("a store"));
        Self { sandbox, runtime, repo }
    }

    /// Lets a host join that has no agent.
    fn enrol(&self, name: &str) -> HostId {
        self.enrol_as(name, HostProfile::default())
    }

    fn enrol_as(&self, name: &str, profile: HostProfile) -> HostId {
        let (now, host, token) = (Timestamp::now(), rng::host_id(), rng::enrolment_id());
        let id = (host, name.parse().expect("a name"));
        let until = now + SignedDuration::from_mins(1);
        let enrolment = Enrolment::new(token, id, profile, "digest", until);
        self.runtime.block_on(async {
            self.repo.add_enrolment(enrolment, now).await.expect("added");
            let joined = self.repo.enroll_host(token, "127.0.0.1:1", now).await;
            joined.expect("joined").id
        })
    }

    /// Stores an active maze for the agent of a host.
    fn store_active(&self, name: &str, host: &str) {
        let active = [Status::Deploying, Status::Active];
        let stored = store_maze(&self.repo, name, 1, host, Mode::Agent, &active);
        self.runtime.block_on(stored);
    }

    /// Stores a maze that is placed on a host, and brings it into the last of these statuses.
    fn store_placed(&self, name: &str, subnet: u8, host: &str, statuses: &[Status]) {
        let stored = store_maze(&self.repo, name, subnet, host, Mode::Unihost, statuses);
        self.runtime.block_on(stored);
    }

    #[track_caller]
    fn refuses(&self, arguments: &[&str], status: i32, code: &str) -> String {
        let ran = self.sandbox.run(&[&["--json"], arguments].concat()).exits(status);
        let error = ran.error();
        assert_eq!(error["code"], code, "{error}");
        assert!(error["hint"].is_string(), "{error}");
        error["message"].as_str().expect("a message").to_owned()
    }

    fn mazes(&self) -> Value {
        self.sandbox.run(&["--json", "list", "--all"]).exits(0).json()["total"].clone()
    }
}

/// Stores a maze of a host, placed there or for its agent, and brings it into the last of these statuses.
pub(crate) async fn store_maze(repo: &SqliteRepo, name: &str, subnet: u8, host: &str, mode: Mode, statuses: &[Status]) {
    let topology = Topology::builder()
        .dmz("dmz", &format!("10.9.{subnet}.0/24"))
        .decky("web", |decky| decky.on("dmz", &format!("10.9.{subnet}.10")))
        .build()
        .expect("a topology");
    let placement = topology.placed_on(&host.parse().expect("a name"));
    let new = NewTopology::new(name.parse().expect("a name"), topology);
    let new = match mode {
        Mode::Agent => new.mode(mode).host(host.to_owned()),
        _ => new,
    };
    let now = Timestamp::now();
    let id = repo.create(new, now).await.expect("stored").row.id;
    if mode != Mode::Agent {
        let placed = repo.set_placement(id, Some(placement), None, now).await;
        placed.expect("placed");
    }
    let mut from = Status::Pending;
    for to in statuses {
        let changed = repo.set_status(id, StatusChange::new(from, *to), now).await;
        changed.expect("changed");
        from = *to;
    }
}

#[test]
fn without_hosts_the_flags_for_hosts_say_so_and_nothing_is_stored() {
    let master = Master::new();
    let deploy = ["deploy", "-f", "lab.yaml", "--yes"];
    for (flags, code) in [
        (&["--spread"][..], "fleet_missing"),
        (&["--pin", "dmz=inside"], "fleet_missing"),
        (&["--hosts", "east"], "hosts_unknown"),
        (&["--agent", "east"], "agent_mode"),
    ] {
        master.refuses(&[&deploy[..], flags].concat(), 1, code);
    }
    assert_eq!(master.mazes(), 0);
    let said = master.refuses(&[&deploy[..], &["--spread"]].concat(), 1, "fleet_missing");
    assert_eq!(said, "`lab` is to be placed on hosts, and the fleet has no hosts");
}

#[test]
fn a_typing_error_in_the_name_of_a_host_stores_nothing() {
    let master = Master::new();
    master.enrol("east");
    let deploy = ["deploy", "-f", "lab.yaml", "--yes"];
    master.refuses(&[&deploy[..], &["--agent", "esat"]].concat(), 1, "agent_mode");
    master.refuses(&[&deploy[..], &["--hosts", "esat"]].concat(), 1, "hosts_unknown");
    // Its agent does not answer.
    master.refuses(&[&deploy[..], &["--agent", "east"]].concat(), 5, "agent_unreachable");
    assert_eq!(master.mazes(), 0);
}

#[test]
fn another_agent_for_a_stored_maze_is_refused() {
    let master = Master::new();
    master.enrol("east");
    master.sandbox.run(&["apply", "-f", "lab.yaml"]).exits(0);
    let said = master.refuses(&["deploy", "lab", "--agent", "east"], 4, "other_agent");
    assert!(said.starts_with("`lab` is stored for this machine"), "{said}");
    master.refuses(&["deploy", "-f", "lab.yaml", "--agent", "east"], 4, "other_agent");
}

#[test]
fn a_maze_on_a_revoked_host_is_given_up_with_force_and_deleted() {
    let master = Master::new();
    let host = master.enrol("east");
    master.store_active("corp", "east");
    master.refuses(&["teardown", "corp"], 5, "agent_unreachable");
    let revoked = master.repo.change_host(host, HostChange::Revoke, Timestamp::now());
    master.runtime.block_on(revoked).expect("revoked");
    let said = master.refuses(&["teardown", "corp"], 4, "host_lost");
    assert!(
        said.ends_with("host east was revoked, and 1 decky may still run there"),
        "{said}"
    );
    master
        .sandbox
        .run(&["show", "corp"])
        .exits(0)
        .says("Its agent did not answer");
    let mut session = Session::start(&master.sandbox, "exec decnet teardown corp --force", 120, 24);
    session.shows("warning: host east was revoked");
    session.shows("? [y/N]");
    session.press("n\n");
    assert_eq!(session.ends().code(), Some(2));
    let ran = master.sandbox.run(&["teardown", "corp", "--force", "--yes"]).exits(0);
    ran.says("warning: host east was revoked")
        .says("decnet agent --state FOLDER --orphan-after 1m");
    master.sandbox.run(&["delete", "corp"]).exits(0);
}

#[test]
fn a_host_says_why_it_does_not_answer_and_since_when_it_is_drained() {
    let master = Master::new();
    master.enrol("east");
    master.sandbox.run(&["host", "drain", "east"]).exits(0);
    let shown = master.sandbox.run(&["host", "show", "east"]).exits(0);
    for words in ["joined, drained", "drained    since ", "agent_unreachable"] {
        assert!(shown.stdout.contains(words), "{words}: {shown:#?}");
    }
    let shown = master.sandbox.run(&["--json", "host", "show", "east"]).exits(0).json();
    assert_eq!(shown["error"]["code"], "agent_unreachable", "{shown}");
    let listed = master.sandbox.run(&["host", "list"]).exits(0);
    assert!(listed.stdout.contains("joined, drained"), "{listed:#?}");
}

#[test]
fn a_maze_that_cannot_move_does_not_stop_the_others_and_is_named_with_its_reason() {
    let master = Master::new();
    master.enrol("east");
    let active = [Status::Deploying, Status::Active];
    master.store_placed("first", 1, "east", &active);
    master.store_placed("second", 2, "east", &active);
    master.store_placed("third", 3, "east", &active[..1]);
    let ran = master.sandbox.run(&["host", "drain", "east"]).exits(0);
    ran.says("3 deckies stay there; `decnet host drain east --move` moves them");
    // No other host has room, and a deploy is not done.
    let ran = master.sandbox.run(&["host", "drain", "east", "--move"]).exits(4);
    let ran = ran
        .says("3 deckies stay there")
        .says("3 mazes could not move everything from east")
        .says("hint: wait until its deploy is done; `decnet deploy third` finishes an interrupted one");
    assert!(!ran.stderr.contains("moves them"), "{ran:#?}");
    for reason in ["first: ", "second: ", "third: `third` is deploying: it cannot be moved"] {
        assert!(
            ran.stderr.lines().any(|line| line.trim_start().starts_with(reason)),
            "{reason}: {ran:#?}"
        );
    }
    assert!(ran.stdout.contains("east gets no more deckies"), "{ran:#?}");
    let ran = master
        .sandbox
        .run(&["--json", "host", "drain", "east", "--move"])
        .exits(4);
    let error = ran.error();
    assert_eq!(error["code"], "not_moved", "{error}");
    let shown = ran.json();
    assert_eq!(shown["moved"], serde_json::json!([]), "{shown}");
    assert_eq!(shown["not_moved"][2]["code"], "wrong_status", "{shown}");
    assert_eq!(error["details"].as_array().map(Vec::len), Some(3), "{error}");
    assert!(error["hint"].is_string(), "{error}");
}

#[test]
fn a_deploy_on_a_master_without_docker_says_that_hosts_have_joined() {
    let master = Master::new();
    let deploy = ["deploy", "-f", "lab.yaml", "--yes"];
    let ran = master.sandbox.run(&deploy).exits(5);
    assert!(!ran.stderr.contains("--spread"), "{ran:#?}");
    master.enrol("east");
    let ran = master.sandbox.run(&deploy).exits(5);
    let said = "deploy on the hosts that have joined, with --spread or --hosts";
    ran.says("host `this machine` does not answer").says(said);
    assert_eq!(master.mazes(), 0);
    master.sandbox.run(&["apply", "-f", "lab.yaml"]).exits(0);
    let ran = master.sandbox.run(&["deploy", "lab"]).exits(5);
    ran.says("host `this machine` does not answer").says(said);
}

#[test]
fn a_maze_says_which_of_its_hosts_do_not_answer() {
    let master = Master::new();
    master.enrol("east");
    master.store_placed("first", 1, "east", &[Status::Deploying, Status::Active]);
    let shown = master.sandbox.run(&["--json", "show", "first"]).exits(0).json();
    let unseen = shown["unseen"][0].as_str().expect("a reason");
    assert!(
        unseen.starts_with("east does not answer: the agent of east at 127.0.0.1:1 "),
        "{unseen}"
    );
    let tree = master.sandbox.run(&["show", "first", "--tree"]).exits(0);
    tree.says("east does not answer: the agent of east at 127.0.0.1:1 ");
}

#[test]
fn a_damaged_authority_does_not_hide_what_is_stored_of_a_host() {
    let master = Master::new();
    master.enrol("east");
    let damaged = master.repo.set_fleet_authority(None, "{}");
    master.runtime.block_on(damaged).expect("stored");
    let shown = master.sandbox.run(&["--json", "host", "show", "east"]).exits(0).json();
    assert_eq!(
        (&shown["name"], &shown["error"]["code"]),
        (&"east".into(), &"authority_damaged".into())
    );
    master.refuses(&["host", "rotate-ca"], 1, "authority_damaged");
}

#[test]
fn the_mazes_of_a_revoked_host_are_counted_and_named() {
    let master = Master::new();
    master.enrol("east");
    master.store_placed("first", 1, "east", &[Status::Deploying, Status::Active]);
    let revoke = ["--json", "host", "revoke", "east", "--yes"];
    let shown = master.sandbox.run(&revoke).exits(0).json();
    assert_eq!(shown["state"], "revoked", "{shown}");
    assert_eq!(
        (&shown["deckies"], &shown["mazes"]),
        (&1.into(), &serde_json::json!(["first"]))
    );
}

#[test]
fn a_host_joins_again_with_its_labels_or_with_others_or_without_any() {
    let master = Master::new();
    let public = HostProfile::default().labels(["public".parse().expect("a name")]);
    master.enrol_as("east", public);
    for (flags, expected) in [
        (&[][..], &["public"][..]),
        (&["--label", "inside"], &["inside"]),
        (&["--label", ""], &[]),
    ] {
        let enroll = [&["--json", "host", "enroll", "east"][..], flags].concat();
        let token = master.sandbox.run(&enroll).exits(0).json()["token"].clone();
        let token: JoinToken = token.as_str().expect("a token").parse().expect("a token");
        let enrolment = master.runtime.block_on(master.repo.enrolment(token.id()));
        let labels = enrolment.expect("read").expect("it exists").profile.labels;
        let labels: Vec<_> = labels.iter().map(Name::as_str).collect();
        assert_eq!(labels, expected, "{flags:?}");
    }
    master.refuses(&["host", "enroll", "east", "--capacity", "0"], 2, "host_profile");
    master
        .sandbox
        .run(&["host", "enroll", "east", "--label", "a b"])
        .exits(2);
}

#[test]
fn what_listens_at_the_address_of_an_agent_without_tls_is_named() {
    use std::io::Write as _;
    let master = Master::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|mut stream| stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n"));
        }
    });
    let host = master.enrol("east");
    let heard = master.repo.host_heard(host, &address, "{}", Timestamp::now());
    master.runtime.block_on(heard).expect("heard");
    let shown = master.sandbox.run(&["host", "show", "east"]).exits(0);
    assert!(shown.stdout.contains("does not speak TLS"), "{shown:#?}");
}
