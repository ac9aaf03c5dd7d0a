//! Commands on stored mazes that need no Docker.

use std::fs;

use decnet_topology::{
    Holder, LeaseStore, Member, PlaceRequest, PlacementRules, SqliteRepo, Status, StatusChange, TopologyFilter,
    TopologyStore, place,
};

use crate::{
    command::{CORP, Sandbox, assert_seen, exists},
    mutate::{becomes, with_repo},
};

#[test]
fn a_maze_is_shown_without_docker() {
    let sandbox = Sandbox::with_corp();
    assert_seen!(sandbox, sandbox.run(&["show", "corp"]).exits(0));
    let value = sandbox.run(&["show", "corp", "--json"]).exits(0).json();
    assert_eq!(value["deckies"], serde_json::Value::Null);
    assert!(
        value["docker"]
            .as_str()
            .is_some_and(|trouble| trouble.contains("the socket does not exist")),
        "{value}"
    );
}

/// Stores a placement of `corp`: the office is on another host than the DMZ.
fn place_corp(sandbox: &Sandbox) {
    with_repo(sandbox, async |repo| {
        let rows = repo.list(&TopologyFilter::default()).await.expect("rows").rows;
        let member = |name: &str, address: &str| {
            let (name, address) = (name.parse().expect("a name"), address.parse().expect("an address"));
            Member::new(name, 10, address, 1500).labelled("public".parse().expect("a label"))
        };
        let stored = repo.load(rows[0].id).await.expect("the maze");
        let lans = stored.topology.lans().iter().map(|lan| lan.name().clone());
        let rules = PlacementRules::default().apart(lans);
        let members = [member("east", "192.0.2.1"), member("west", "192.0.2.2")];
        let placement = place(
            &stored.topology,
            &PlaceRequest::new(rows[0].id, members).with_rules(rules),
        );
        let placement = placement.expect("there is room");
        let placed = repo.set_placement(rows[0].id, Some(placement), None, rows[0].changed_at);
        placed.await.expect("stored");
    });
}

#[test]
fn a_maze_on_several_hosts_is_shown_and_drawn_with_them() {
    let sandbox = Sandbox::with_corp();
    place_corp(&sandbox);
    let shown = sandbox.run(&["show", "corp"]).exits(0).stdout;
    let header = |start: &str| shown.lines().find(|line| line.starts_with(start)).expect("a header");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        words(header("DECKY ")),
        ["DECKY", "ROLE", "HOST", "ADDRESSES", "SERVICES", "STATE"]
    );
    assert_eq!(
        words(header("LAN ")),
        ["LAN", "SUBNET", "HOST", "STRETCHED", "OVER", "VNI"]
    );
    let json = sandbox.run(&["show", "corp", "--json"]).exits(0).json();
    let hosts = &json["placement"];
    assert_ne!(hosts["lans"]["dmz"], hosts["lans"]["office"], "{hosts}");
    let office = hosts["lans"]["office"].as_str().expect("a host");
    let lan = shown.lines().find(|line| line.starts_with("office ")).expect("a row");
    assert_eq!(words(lan)[2], office, "{shown}");

    let tree = sandbox.run(&["show", "corp", "--tree"]).exits(0).stdout;
    assert!(tree.contains(&format!(" on {office}")), "{tree}");
    for format in ["text", "json", "dot", "mermaid", "svg", "html"] {
        let drawn = sandbox.run(&["graph", "corp", "--format", format]).exits(0).stdout;
        assert!(drawn.contains("east") && drawn.contains("west"), "{format}: {drawn}");
    }
}

#[test]
fn a_maze_is_drawn_with_the_states_of_its_deckies() {
    let sandbox = Sandbox::with_corp();
    assert_seen!(sandbox, sandbox.run(&["show", "corp", "--tree"]).exits(0));
    for flag in ["--json", "--document", "--at=-1h"] {
        let ran = sandbox.run(&["show", "corp", "--tree", flag]).exits(2);
        assert!(ran.stderr.contains("--tree"), "{ran:#?}");
    }
}

#[test]
fn published_ports_are_those_of_a_maze_that_is_up() {
    let sandbox = Sandbox::new();
    let gateway = CORP.replace(
        "attachments: [{lan: dmz, ip: 10.204.240.10}]",
        "forwards_l3: true\n    attachments: [{lan: dmz, ip: 10.204.240.10}, {lan: office}]",
    );
    sandbox.write("corp.yaml", &gateway);
    sandbox.run(&["apply", "-f", "corp.yaml"]).exits(0);
    let published = || {
        let shown = sandbox.run(&["show", "corp", "--json"]).exits(0).json();
        shown["published"].as_array().expect("a list").len()
    };
    assert_eq!(published(), 0, "pending");
    becomes(&sandbox, &[Status::Deploying, Status::Active]);
    assert_eq!(published(), 1, "active");
    becomes(&sandbox, &[Status::TearingDown, Status::TornDown]);
    assert_eq!(published(), 0, "torn down");
}

#[test]
fn a_maze_is_found_by_name_id_and_start_of_its_id() {
    let sandbox = Sandbox::with_corp();
    let id = sandbox.run(&["show", "corp", "--json"]).exits(0).json()["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    for text in ["CORP", &id, &id[..6], &id.to_uppercase()] {
        sandbox.run(&["hash", text]).exits(0);
    }
}

#[test]
fn a_stored_maze_with_the_name_of_a_file_is_found_unless_that_file_exists() {
    let sandbox = Sandbox::new();
    let document = CORP.replace("name: corp", "name: x.yaml");
    let applied = sandbox
        .run_with(&["apply", "-f", "-", "--json"], document.as_bytes())
        .exits(0);
    let id = applied.json()["id"].as_str().expect("an id").to_owned();
    let stored = sandbox.run(&["hash", "x.yaml"]).exits(0).stdout;
    for command in ["graph", "compose"] {
        sandbox.run(&[command, "x.yaml"]).exits(0);
    }
    sandbox
        .run(&["hash", "./x.yaml"])
        .exits(1)
        .says("the file ./x.yaml does not exist");
    sandbox
        .run(&["hash", "y.yaml"])
        .exits(1)
        .says("the file y.yaml does not exist");

    sandbox.write("x.yaml", &CORP.replace("services: [ssh]", "services: [dns]"));
    let from_file = sandbox.run(&["hash", "x.yaml"]).exits(0).stdout;
    assert_ne!(from_file, stored);
    assert_eq!(sandbox.run(&["hash", &id]).exits(0).stdout, stored);
}

#[test]
fn a_wrong_file_name_does_not_create_a_database() {
    let sandbox = Sandbox::new();
    sandbox
        .run(&["graph", "nothing.yaml"])
        .exits(1)
        .says("the file nothing.yaml does not exist");
    assert!(!exists(&sandbox.database()));
}

#[test]
fn a_deploy_of_a_file_stores_nothing_while_docker_does_not_answer() {
    let sandbox = Sandbox::new();
    sandbox.write("corp.yaml", CORP);
    sandbox.run(&["deploy", "-f", "corp.yaml"]).exits(5);
    assert_eq!(sandbox.run(&["list", "--json"]).exits(0).json()["total"], 0);
}

#[test]
fn mazes_are_stored_with_a_docker_host_that_is_not_valid() {
    let sandbox = Sandbox::with_daemon("gopher://nowhere");
    sandbox.run(&["create", "lab"]).exits(0);
    sandbox.run(&["delete", "lab"]).exits(0);
}

#[test]
fn an_unknown_maze_is_not_found() {
    let sandbox = Sandbox::with_corp();
    assert_seen!(sandbox, sandbox.run(&["show", "korp"]).exits(1));
    assert_eq!(
        sandbox.run(&["show", "korp", "--json"]).exits(1).error()["code"],
        "not_found"
    );
}

#[test]
fn an_empty_maze_has_a_dmz_with_a_subnet() {
    let sandbox = Sandbox::new();
    assert_seen!(
        sandbox,
        sandbox.run(&["create", "lab"]).exits(0),
        sandbox.run(&["create", "lab2", "--subnet", "10.204.242.0/24"]).exits(0),
        sandbox.run(&["next-subnet"]).exits(0),
        sandbox
            .run(&["next-subnet", "--subnet-base-prefix", "10.204.242.0/23"])
            .exits(0),
        sandbox.run(&["next-ip", "lab2", "DMZ"]).exits(0),
        sandbox.run(&["next-ip", "lab2", "office"]).exits(1),
    );
}

#[test]
fn used_addresses_are_not_free() {
    let sandbox = Sandbox::with_corp();
    assert_eq!(
        sandbox.run(&["next-ip", "corp", "office"]).exits(0).stdout,
        "10.204.241.3\n"
    );
    assert_eq!(
        sandbox.run(&["next-ip", "corp", "dmz", "--json"]).exits(0).json()["ip"],
        "10.204.240.3"
    );
}

#[test]
fn a_pending_maze_is_deleted() {
    let sandbox = Sandbox::with_corp();
    assert_seen!(
        sandbox,
        sandbox.run(&["delete", "corp"]).exits(0),
        sandbox.run(&["list"]).exits(0)
    );
}

#[test]
fn lists_are_limited_and_counted() {
    let sandbox = Sandbox::new();
    for name in ["a1", "b2", "c3"] {
        sandbox.run(&["create", name]).exits(0);
    }
    let value = sandbox
        .run(&["list", "--limit", "1", "--offset", "1", "--json"])
        .exits(0)
        .json();
    assert_eq!(value["total"], 3);
    assert_eq!(value["topologies"][0]["name"], "b2");
    let value = sandbox
        .run(&["list", "--status", "active,failed", "--json"])
        .exits(0)
        .json();
    assert_eq!(value["total"], 0);
}

#[test]
fn the_database_is_created_in_the_users_data_folder_on_first_use() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["create", "lab"]);
    command
        .env_remove("DECNET_DB")
        .env("XDG_DATA_HOME", sandbox.path("data"));
    assert!(command.output().expect("runs").status.success());
    assert!(exists(&sandbox.path("data/decnet/decnet.db")));
}

#[test]
fn the_database_is_checked_and_reset() {
    let sandbox = Sandbox::with_corp();
    assert_seen!(
        sandbox,
        sandbox.run(&["db", "path"]).exits(0),
        sandbox.run(&["db", "check"]).exits(0),
        sandbox.run(&["db", "reset"]).exits(2),
        sandbox.run(&["db", "reset", "--yes"]).exits(0),
        sandbox.run(&["db", "reset", "--yes"]).exits(0),
        sandbox.run(&["db", "check"]).exits(1),
    );
    assert!(!exists(&sandbox.database()));
}

#[test]
fn a_file_that_is_not_a_database_is_refused_and_left_alone() {
    let sandbox = Sandbox::new();
    sandbox.write("decnet.db", &"no database at all, ".repeat(100));
    let ran = sandbox.run(&["list"]).exits(1);
    assert!(
        ran.stderr.contains("error:") && ran.stderr.contains("hint:"),
        "{ran:#?}"
    );
    assert!(
        fs::read_to_string(sandbox.database())
            .expect("there")
            .starts_with("no database")
    );
    sandbox.run(&["db", "reset", "--yes"]).exits(1);
    sandbox.run(&["db", "reset", "--yes", "--force"]).exits(1);
    assert!(exists(&sandbox.database()), "a foreign file stays, even with force");
}

#[test]
fn a_missing_folder_is_named() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["list", "--db", "/nonexistent/decnet.db"]).exits(1);
    assert!(
        ran.stderr.contains("/nonexistent") && ran.stderr.contains("hint:"),
        "{ran:#?}"
    );
}

#[test]
fn the_doctor_fails_without_docker_and_creates_no_database() {
    let sandbox = Sandbox::new();
    assert_seen!(sandbox, sandbox.run(&["doctor"]).exits(1));
    let value = sandbox.run(&["doctor", "--json"]).exits(1).json();
    assert_eq!(value["healthy"], false);
    assert!(!exists(&sandbox.database()));
}

/// Takes the lease of the maze `corp` for an hour.
fn hold_corp(sandbox: &Sandbox, holder: &Holder) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let repo = SqliteRepo::open(sandbox.database()).expect("a store");
        let corp = repo
            .list(&TopologyFilter::default())
            .await
            .expect("listed")
            .rows
            .remove(0)
            .id;
        let (hour, now) = (jiff::SignedDuration::from_hours(1), jiff::Timestamp::now());
        let taken = repo.acquire_lease(corp, holder, hour, None, now).await;
        taken.expect("taken");
    });
}

#[test]
fn a_lease_is_broken_and_its_holder_named() {
    let sandbox = Sandbox::with_corp();
    let ran = sandbox.run(&["db", "unlock", "corp"]).exits(0);
    assert_eq!(ran.stdout, "corp  no lease is held\n");
    let dead = Holder {
        boot_id: "another boot".into(),
        pid: 42,
        started: 7,
        label: "decnet deploy".into(),
    };
    hold_corp(&sandbox, &dead);
    sandbox.run(&["delete", "corp"]).exits(4);
    let ran = sandbox.run(&["db", "unlock", "corp", "--json"]).exits(0).json();
    assert_eq!(ran["lease"]["holder"]["label"], "decnet deploy", "{ran}");
    // The lease of a running holder is broken only with force.
    hold_corp(&sandbox, &this_process());
    let refused = sandbox.run(&["db", "unlock", "corp"]).exits(2);
    assert!(refused.stderr.contains("running on this machine"), "{refused:#?}");
    let ran = sandbox.run(&["db", "unlock", "corp", "--yes"]).exits(0);
    assert!(ran.stdout.contains("broke the lease of this test"), "{ran:#?}");
    sandbox.run(&["delete", "corp"]).exits(0);
}

fn this_process() -> Holder {
    let read = |path: &str| fs::read_to_string(path).expect("of this process");
    let namespace = fs::read_link("/proc/self/ns/pid").expect("a namespace");
    let stat = read("/proc/self/stat");
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    Holder {
        boot_id: format!(
            "{} {}",
            read("/proc/sys/kernel/random/boot_id").trim(),
            namespace.display()
        ),
        pid: std::process::id(),
        started: fields
            .split_whitespace()
            .nth(19)
            .expect("a start")
            .parse()
            .expect("a number"),
        label: "this test".into(),
    }
}

#[test]
fn a_reason_is_one_line_for_people_and_exact_for_programs() {
    let sandbox = Sandbox::with_corp();
    let reason = "left: network a\ncorp  forged  active\u{202e}";
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let repo = SqliteRepo::open(sandbox.database()).expect("a store");
        let corp = repo
            .list(&TopologyFilter::default())
            .await
            .expect("listed")
            .rows
            .remove(0);
        let change = StatusChange::new(corp.status, Status::Deploying).reason(reason.to_owned());
        repo.set_status(corp.id, change, jiff::Timestamp::now())
            .await
            .expect("set");
    });
    let shown = sandbox.run(&["show", "corp"]).exits(0).stdout;
    assert!(shown.contains("\\ncorp  forged  active\\u{202e}"), "{shown}");
    assert!(!shown.lines().any(|line| line.starts_with("corp  forged")), "{shown}");
    let value = sandbox.run(&["show", "corp", "--json"]).exits(0).json();
    assert_eq!(value["reason"], reason);
}

#[test]
fn an_empty_database_is_refused_with_a_hint() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.database(), "").expect("written");
    let refused = sandbox.run(&["list"]).exits(1);
    assert!(refused.stderr.contains("truncated"), "{refused:#?}");
    assert!(refused.stderr.contains("db reset --force --yes"), "{refused:#?}");
    assert_eq!(
        sandbox.run(&["list", "--json"]).exits(1).error()["code"],
        "database_empty"
    );
    assert_eq!(fs::metadata(sandbox.database()).expect("it is there").len(), 0);
    sandbox.run(&["db", "reset", "--force", "--yes"]).exits(0);
    sandbox.run(&["list"]).exits(0);
}

#[test]
fn a_list_fits_into_80_columns_and_a_wide_one_has_everything() {
    let sandbox = Sandbox::with_corp();
    sandbox.run(&["create", "a-maze-with-long-name"]).exits(0);
    let listed = sandbox.run(&["list"]).exits(0).stdout;
    assert!(listed.lines().all(|line| line.len() <= 80), "{listed}");
    let id = sandbox.run(&["show", "corp", "--json"]).exits(0).json()["id"].clone();
    let id = id.as_str().expect("an id");
    let corp = listed.lines().find(|line| line.starts_with("corp ")).expect("the maze");
    assert!(corp.ends_with(&format!("  {}", &id[..8])), "{listed}");
    sandbox.run(&["show", &id[..8]]).exits(0);
    let wide = sandbox.run(&["list", "--wide"]).exits(0).stdout;
    assert!(
        wide.starts_with("NAME") && wide.contains("CREATED") && wide.contains(id),
        "{wide}"
    );
}
