//! The loop as a separate process, on Docker.

use serde_json::{Value, json};

use super::lab::{Lab, docker};
use crate::events::{Following, serve};

const WATCHING: &str = "watching; Ctrl-C stops";
/// Longer than any test.
const NEVER: &str = "1000h";

/// Stores and deploys a gateway on a DMZ `10.204.<number>.0/24`.
fn deploy(number: u8) -> Lab {
    let net = format!("10.204.{number}");
    let lab = Lab::apply(&format!(
        "\
format: decnet.topology/1
name: lab
lans:
  - {{name: dmz, subnet: {net}.0/24, dmz: true}}
deckies:
  - name: web
    services: [http]
    attachments: [{{lan: dmz, ip: {net}.10}}]
"
    ));
    lab.run(&["deploy", "lab", "--quiet"]).exits(0);
    lab
}

/// Submits a mutation that adds a decky.
fn submit_decky(lab: &Lab, decky: &str) {
    let payload = ["--name", decky, "--lan", "dmz", "--services", "ssh,smb,ftp"];
    lab.run(&[&["mutate", "lab", "add_decky"][..], &payload].concat())
        .exits(0);
}

/// Returns the states of all mutations.
fn states(lab: &Lab) -> Vec<Value> {
    let page = lab.run(&["mutations", "lab", "--json"]).exits(0).json();
    let rows = page["mutations"].as_array().expect("a list");
    rows.iter().map(|row| row["state"].clone()).collect()
}

#[track_caller]
fn assert_matches_the_maze(lab: &Lab) {
    assert_eq!(lab.status(), "active");
    assert_eq!(lab.run(&["plan", "lab", "--json"]).exits(0).json()["steps"], json!([]));
}

#[test]
#[ignore = "needs Docker"]
fn mutations_of_other_processes_are_applied_with_and_without_a_bus_and_killed_containers_are_restored() {
    let lab = deploy(40);
    let mut watch = lab.start(&["watch", "--poll", "500ms"], WATCHING);
    submit_decky(&lab, "polled");
    watch.until("#1 add_decky: applied");
    assert_eq!(states(&lab), ["applied"]);
    assert_matches_the_maze(&lab);
    watch.signal("TERM");
    let (status, said) = watch.end();
    assert_eq!(status.code(), Some(0), "{said}");

    let _bus = serve(&lab.sandbox);
    let mut events = Following::start(&lab.sandbox, &["events", "--json"]);
    events.until(|line| line["type"] == "snapshot");
    let mut watch = lab.start(&["watch", "--poll", NEVER], WATCHING);
    // The health event shows that the loop is connected to the bus.
    events.until(|event| event["type"] == "health");
    submit_decky(&lab, "published");
    watch.until("#2 add_decky: applied");
    assert_matches_the_maze(&lab);
    drop(watch);

    let _watch = lab.start(&["watch", "--poll", "500ms"], WATCHING);
    let label = format!("label=decnet.instance={}", lab.instance());
    let service = [
        "--filter",
        &label,
        "--filter",
        "label=decnet.topology.service_name=http",
    ];
    let ids = docker(&[&["ps", "--quiet"][..], &service].concat());
    docker(&["kill", &ids[0]]);
    let healed = events.until(|event| event["type"] == "decky" && event["payload"]["trigger"] == "healer");
    assert_eq!(healed["payload"]["decky"], "web");
    assert_eq!(docker(&[&["ps", "--quiet"][..], &service].concat()), ids);

    let base = ["--filter", &label, "--filter", "label=decnet.topology.decky=published"];
    for id in docker(&[&["ps", "--quiet"][..], &base].concat()) {
        docker(&["rm", "--force", &id]);
    }
    events.until(|event| event["payload"]["trigger"] == "healer" && event["payload"]["decky"] == "published");
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
    lab.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker"]
fn interrupted_during_a_mutation_it_exits_with_0_and_holds_no_lease() {
    let lab = deploy(41);
    let mut watch = lab.start(&["watch", "--poll", "200ms"], WATCHING);
    submit_decky(&lab, "extra");
    watch.until(": applying");
    watch.signal("TERM");
    let (status, said) = watch.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("stopping:"), "{said}");
    let left = states(&lab);
    assert!(left == ["pending"] || left == ["applied"], "{left:?}");
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
    lab.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker"]
fn the_half_done_work_of_a_killed_loop_is_finished_by_the_next() {
    let lab = deploy(42);
    let mut watch = lab.start(&["watch", "--poll", "200ms"], WATCHING);
    submit_decky(&lab, "extra");
    watch.until(": applying");
    watch.signal("KILL");
    watch.end();
    assert_eq!(states(&lab), ["applying"]);
    let mut watch = lab.start(&["watch"], WATCHING);
    watch.until("#1 add_decky: applied");
    assert_matches_the_maze(&lab);
    watch.signal("INT");
    assert_eq!(watch.end().0.code(), Some(0));
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
    lab.assert_nothing_left();
}
