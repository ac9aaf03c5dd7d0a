//! Changes of pending mazes, invalid changes, and refused changes.

use decnet_topology::{Intent, SqliteRepo, Status, StatusChange, TopologyFilter, TopologyStore};
use jiff::Timestamp;
use serde_json::Value;

use crate::command::{Ran, Sandbox, assert_seen};

/// A maze with a full LAN.
const MAZE: &str = "\
format: decnet.topology/1
name: corp
lans:
  - {name: dmz, subnet: 10.207.240.0/24, dmz: true}
  - {name: office, subnet: 10.207.241.0/24}
  - {name: closet, subnet: 10.207.242.0/29}
deckies:
  - {name: web-01, services: [http], attachments: [{lan: dmz, ip: 10.207.240.10}]}
  - {name: door, services: [ssh], forwards_l3: true, attachments: [{lan: office}, {lan: dmz}]}
  - {name: mop, attachments: [{lan: closet}]}
  - {name: rag, attachments: [{lan: closet}]}
  - {name: pan, attachments: [{lan: closet}]}
  - {name: cup, attachments: [{lan: closet}]}
  - {name: jug, attachments: [{lan: closet}]}
";

/// A sandbox where `corp` is stored, pending and at version 1.
pub(crate) fn with_corp() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("corp.yaml", MAZE);
    sandbox.run(&["apply", "-f", "corp.yaml"]).exits(0);
    sandbox
}

/// Changes the status of `corp`, like a deploy and a teardown.
pub(crate) fn becomes(sandbox: &Sandbox, statuses: &[Status]) {
    with_repo(sandbox, async |repo| {
        let row = repo
            .list(&TopologyFilter::default())
            .await
            .expect("listed")
            .rows
            .remove(0);
        let mut from = row.status;
        for to in statuses.iter().copied() {
            let change = StatusChange::new(from, to).intent((to != Status::TornDown).then_some(Intent::Up));
            repo.set_status(row.id, change, Timestamp::now())
                .await
                .expect("allowed");
            from = to;
        }
    });
}

/// Uses the store of a sandbox.
pub(crate) fn with_repo<T>(sandbox: &Sandbox, act: impl AsyncFnOnce(&SqliteRepo) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let repo = SqliteRepo::open(sandbox.database()).expect("the store");
    runtime.block_on(act(&repo))
}

/// Changes `corp`.
fn mutate(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    sandbox.run(&[&["mutate", "corp"], arguments].concat())
}

/// Returns the maze as a file, without data of this store.
fn document(sandbox: &Sandbox) -> String {
    let document = sandbox.run(&["show", "corp", "--document"]).exits(0).stdout;
    let lines = document
        .lines()
        .filter(|line| !line.starts_with("id: ") && !line.starts_with("version: "));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The data that a refused mutation does not change: the canonical hash, the version, the status, and the number of mutations.
fn stored(sandbox: &Sandbox) -> (String, Value, Value, Value) {
    let shown = sandbox.run(&["show", "corp", "--json"]).exits(0).json();
    let hash = sandbox.run(&["hash", "corp"]).exits(0).stdout;
    let total = sandbox.run(&["mutations", "--json"]).exits(0).json()["total"].clone();
    (hash, shown["version"].clone(), shown["status"].clone(), total)
}

/// Runs commands that are refused, compares the output, and asserts that nothing was stored.
macro_rules! assert_refused {
    ($sandbox:expr, $($arguments:expr => $code:literal),+ $(,)?) => {{
        let sandbox = &$sandbox;
        let before = stored(sandbox);
        let seen = [$(mutate(sandbox, &$arguments).exits($code).seen(sandbox)),+];
        assert_eq!(stored(sandbox), before);
        insta::assert_snapshot!(seen.join("\n"));
    }};
}

#[test]
fn each_op_edits_a_pending_maze_directly_from_json_or_flags() {
    let steps: [(&str, &str, &[&str]); 8] = [
        (
            "add_lan",
            r#"{"name": "vault", "subnet": "10.207.243.0/24", "x": 1.5, "y": -2}"#,
            &[
                "--name",
                "vault",
                "--subnet",
                "10.207.243.0/24",
                "--x",
                "1.5",
                "--y",
                "-2",
            ],
        ),
        (
            "add_decky",
            r#"{"name": "safe", "lan": "vault", "services": ["smb", "ssh"], "ip": "10.207.243.7", "archetype": "linux-server",
                "service_config": {"ssh": {"banner": "x"}}, "persona": {"os": "ubuntu-24.04", "hostname": "fin-files-01"}}"#,
            &[
                "--name",
                "safe",
                "--lan",
                "vault",
                "--services",
                "ssh, smb",
                "--ip",
                "10.207.243.7",
                "--archetype",
                "linux-server",
                "--service-config",
                r#"{"ssh": {"banner": "x"}}"#,
                "--persona",
                r#"{"os": "ubuntu-24.04", "hostname": "fin-files-01"}"#,
            ],
        ),
        (
            "attach_decky",
            r#"{"decky": "web-01", "lan": "vault", "forwards_l3": false}"#,
            &["--decky", "web-01", "--lan", "vault", "--forwards-l3", "false"],
        ),
        (
            "update_decky",
            r#"{"decky": "safe", "services": [], "patch": {"archetype": null, "persona": null, "forwards_l3": false}}"#,
            &[
                "--decky",
                "safe",
                "--services",
                "",
                "--archetype",
                "",
                "--persona",
                "",
                "--forwards-l3",
                "false",
            ],
        ),
        (
            "update_lan",
            r#"{"name": "vault", "patch": {"name": "cellar", "subnet": "10.207.244.0/24"}}"#,
            &[
                "--name",
                "vault",
                "--patch",
                r#"{"name": "cellar", "subnet": "10.207.244.0/24"}"#,
            ],
        ),
        (
            "detach_decky",
            r#"{"decky": "web-01", "lan": "cellar"}"#,
            &["--decky", "web-01", "--lan", "cellar"],
        ),
        ("remove_decky", r#"{"decky": "safe"}"#, &["--decky", "safe"]),
        ("remove_lan", r#"{"name": "cellar"}"#, &["--name", "cellar"]),
    ];
    let (typed, flagged) = (with_corp(), with_corp());
    let mut before = document(&typed);
    for (version, (op, json, flags)) in (2..).zip(steps) {
        // Moving a subnet does not move addresses.
        if op == "update_lan" {
            let without = json.replace(r#", "subnet": "10.207.244.0/24""#, "");
            mutate(&typed, &[op, json]).exits(3).says("IP_OUT_OF_SUBNET");
            mutate(&typed, &[op, &without]).exits(0);
            mutate(&flagged, &[op, flags[0], flags[1], flags[2], r#"{"name": "cellar"}"#]).exits(0);
        } else {
            mutate(&typed, &[op, json]).exits(0);
            let edited = mutate(&flagged, &[&[op, "--json"], flags].concat()).exits(0).json();
            assert_eq!(edited["topology"]["version"], version, "{op}");
        }
        let after = document(&typed);
        assert_eq!(after, document(&flagged), "{op}");
        assert_ne!(after, before, "{op}");
        before = after;
    }
    let (first, last) = (with_corp(), document(&typed));
    assert_eq!(document(&first), last, "all additions are removed again");
}

#[test]
fn the_result_of_an_edit_is_printed() {
    let sandbox = with_corp();
    assert_seen!(
        sandbox,
        mutate(
            &sandbox,
            &["add_lan", "--name", "vault", "--subnet", "10.207.243.0/24", "--plan"]
        )
        .exits(0),
        mutate(&sandbox, &["add_lan", "--name", "vault", "--subnet", "10.207.243.0/24"]).exits(0),
        mutate(
            &sandbox,
            &["remove_lan", "--name", "vault", "--wait", "--actor", "mallory"]
        )
        .exits(0),
    );
}

#[test]
fn an_edit_needs_the_expected_version() {
    let sandbox = with_corp();
    let add = [
        "add_lan",
        "--name",
        "vault",
        "--subnet",
        "10.207.243.0/24",
        "--expected-version",
    ];
    assert_refused!(sandbox,
        [&add[..], &["7"]].concat() => 4,
        [&add[..], &["7", "--plan"]].concat() => 4,
        [&add[..], &["7", "--json"]].concat() => 4,
        [&add[..], &["one"]].concat() => 2,
    );
    mutate(&sandbox, &[&add[..], &["1"]].concat()).exits(0);
}

#[test]
fn an_invalid_mutation_exits_with_2_and_shows_valid_ones() {
    let sandbox = with_corp();
    assert_refused!(sandbox,
        ["add_lam", "{}"] => 2,
        ["add_lan", r#"{"name": "z", "colour": "red"}"#] => 2,
        ["add_lan", "--name", "z", "--decky", "door"] => 2,
        ["add_lan", r#"{"name": "z", "is_dmz": "false"}"#] => 2,
        ["add_lan", "--name", "z", "--is-dmz", "maybe"] => 2,
        ["add_lan", r#"{"name": null}"#] => 2,
        ["add_lan"] => 2,
        ["update_decky", r#"{"decky": "door", "patch": null}"#] => 2,
        ["add_lan", "--name", "not a name"] => 2,
        ["add_lan", "--name", "z", "--subnet", "10.207.243.1/24"] => 2,
        ["add_lan", "--name", "z", "--subnet", "here"] => 2,
        ["add_decky", "--name", "z", "--lan", "dmz", "--ip", "10.207.240"] => 2,
        ["add_lan", "--name", "z", "--x", "nan"] => 2,
    );
}

#[test]
fn a_payload_that_is_not_an_object_or_has_a_repeated_key_exits_with_2() {
    let sandbox = with_corp();
    assert_refused!(sandbox,
        ["add_lan", r#"["z"]"#] => 2,
        ["add_lan", r#"{"name": "z""#] => 2,
        ["add_lan", r#"{"name": "z", "name": "y"}"#] => 2,
        ["add_lan", r#"{"name": "z"}"#, "--name", "y"] => 2,
        ["update_decky", r#"{"decky": "door", "patch": {"forwards_l3": true}}"#, "--forwards-l3"] => 2,
        ["update_decky", "--decky", "door", "--patch", "yes"] => 2,
        ["add_lan", "[]", "--json"] => 2,
    );
}

#[test]
fn a_change_that_breaks_rules_exits_with_3_and_shows_the_findings() {
    let sandbox = with_corp();
    assert_refused!(sandbox,
        ["add_decky", "--name", "z", "--lan", "ofice"] => 3,
        ["remove_decky", "--decky", "web-02"] => 3,
        ["add_lan", "--name", "OFFICE"] => 3,
        ["remove_lan", "--name", "office"] => 3,
        ["detach_decky", "--decky", "door", "--lan", "office"] => 3,
        ["add_decky", "--name", "z", "--lan", "closet"] => 3,
        ["update_decky", "--decky", "web-01", "--services", "htp"] => 3,
        ["add_decky", "--name", "z", "--lan", "dmz", "--ip", "10.207.240.10"] => 3,
        ["add_lan", "--name", "z", "--subnet", "10.207.240.0/22"] => 3,
        ["add_lan", "--name", "z", "--subnet", "10.207.240.0/22", "--plan"] => 3,
        ["add_lan", "--name", "z", "--subnet", "10.207.240.0/22", "--json"] => 3,
    );
}

#[test]
fn an_exhausted_pool_is_reported() {
    let sandbox = Sandbox::new();
    let pool = ["--subnet-base-prefix", "10.207.250.0/28", "--lan-prefix", "29"];
    let size = [
        "--name",
        "corp",
        "--depth",
        "1",
        "--branching-factor",
        "1",
        "--seed",
        "1",
    ];
    sandbox.run(&[&["generate"], &pool[..], &size[..]].concat()).exits(0);
    assert_refused!(sandbox,
        ["add_lan", "--name", "vault"] => 3,
        ["add_lan", "--name", "vault", "--json"] => 3,
    );
}

#[test]
fn an_unknown_or_torn_down_maze_is_not_changed() {
    let sandbox = with_corp();
    assert_seen!(
        sandbox,
        sandbox
            .run(&["mutate", "korp", "remove_decky", "--decky", "mop"])
            .exits(1)
    );
    becomes(&sandbox, &[Status::TornDown]);
    assert_refused!(sandbox,
        ["remove_decky", "--decky", "mop"] => 4,
        ["remove_decky", "--decky", "mop", "--json"] => 4,
        ["remove_decky", "--decky", "mop", "--wait"] => 4,
        ["remove_decky", "--decky", "mop", "--plan"] => 4,
    );
}

#[test]
fn a_rule_for_shuffles_that_does_not_fit_is_refused_at_its_place() {
    let sandbox = Sandbox::new();
    let rule = "services: [http], shuffle: {every: 6h, from: [http, shh]},";
    // A LAN without a way to the DMZ would be the first finding.
    let lines = MAZE.lines().filter(|line| !line.contains("closet"));
    let maze = lines.collect::<Vec<_>>().join("\n").replace("services: [http],", rule);
    sandbox.write("corp.yaml", &maze);
    let at = maze.lines().position(|line| line.contains("shh")).expect("the line");
    let column = maze
        .lines()
        .nth(at)
        .and_then(|line| line.find("shh"))
        .expect("the column");
    let place = format!("corp.yaml:{}:{}: error SHUFFLE_SERVICE", at + 1, column + 1);
    for (command, says) in [("validate", "stdout"), ("apply -f", "stderr")] {
        let arguments: Vec<&str> = command.split(' ').chain(["corp.yaml"]).collect();
        let ran = sandbox.run(&arguments).exits(3);
        let said = if says == "stdout" { &ran.stdout } else { &ran.stderr };
        assert!(said.contains(&place), "{command}: {said}");
    }
}

#[test]
fn a_decky_with_a_shuffle_gets_other_services_now_and_one_without_is_refused() {
    let sandbox = Sandbox::new();
    let rule = "services: [http], shuffle: {every: 6h, from: [http, ssh, ftp]},";
    sandbox.write("corp.yaml", &MAZE.replace("services: [http],", rule));
    sandbox.run(&["apply", "-f", "corp.yaml"]).exits(0);
    sandbox.run(&["mutate", "corp", "--now", "web-01"]).exits(0);
    let shown = sandbox.run(&["show", "corp", "--json"]).exits(0).json();
    let decky = &shown["topology"]["deckies"][0];
    assert_eq!(
        (&decky["name"], &decky["shuffle"]["every"]),
        (&"web-01".into(), &"6h".into())
    );
    let services = decky["services"].as_array().expect("a list");
    assert!(services.len() == 1 && services[0] != "http", "{shown:#}");
    let refused = sandbox.run(&["mutate", "corp", "--now", "mop"]).exits(3);
    assert!(refused.stderr.contains("no `shuffle` applies to it"), "{refused:?}");
    let unknown = sandbox.run(&["mutate", "corp", "--now", "web-02"]).exits(3);
    assert!(unknown.stderr.contains("did you mean `web-01`"), "{unknown:?}");
    for usage in [
        &["mutate", "corp"][..],
        &["mutate", "corp", "add_lan", "--now", "web-01"],
    ] {
        sandbox.run(usage).exits(2);
    }
    // A file without the rule takes it away.
    sandbox.write("corp.yaml", MAZE);
    sandbox.run(&["apply", "-f", "corp.yaml"]).exits(0);
    sandbox.run(&["mutate", "corp", "--now", "web-01"]).exits(3);
}
