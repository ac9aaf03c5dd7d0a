//! The loop as a process of its own, on Docker.

use serde_json::{Value, json};

use super::lab::{Lab, docker};
use crate::events::{Following, serve};

const WATCHING: &str = "watching; Ctrl-C stops";
/// Longer than any test takes.
const NEVER: &str = "1000h";

/// Stores and raises a gateway on a DMZ `10.204.<number>.0/24`.
fn raise(number: u8) -> Lab {
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

/// Asks for one more decky.
fn ask_for(lab: &Lab, decky: &str) {
    let payload = ["--name", decky, "--lan", "dmz", "--services", "ssh,smb,ftp"];
    lab.run(&[&["mutate", "lab", "add_decky"][..], &payload].concat())
        .exits(0);
}

/// Returns how far all mutations are.
fn states(lab: &Lab) -> Vec<Value> {
    let page = lab.run(&["mutations", "lab", "--json"]).exits(0).json();
    let rows = page["mutations"].as_array().expect("a list");
    rows.iter().map(|row| row["state"].clone()).collect()
}

#[track_caller]
fn assert_as_it_should_be(lab: &Lab) {
    assert_eq!(lab.status(), "active");
    assert_eq!(lab.run(&["plan", "lab", "--json"]).exits(0).json()["steps"], json!([]));
}

#[test]
#[ignore = "needs Docker"]
fn what_another_process_asks_for_is_made_with_a_bus_and_without_and_what_is_killed_is_back() {
    let lab = raise(40);
    let mut watch = lab.start(&["watch", "--poll", "500ms"], WATCHING);
    ask_for(&lab, "polled");
    watch.until("#1 add_decky: applied");
    assert_eq!(states(&lab), ["applied"]);
    assert_as_it_should_be(&lab);
    watch.signal("TERM");
    let (status, said) = watch.end();
    assert_eq!(status.code(), Some(0), "{said}");

    let _bus = serve(&lab.sandbox);
    let mut events = Following::start(&lab.sandbox, &["events", "--json"]);
    events.until(|line| line["type"] == "snapshot");
    let mut watch = lab.start(&["watch", "--poll", NEVER], WATCHING);
    // Who says that it is there on the bus hears what is said on it.
    events.until(|event| event["type"] == "health");
    ask_for(&lab, "told");
    watch.until("#2 add_decky: applied");
    assert_as_it_should_be(&lab);
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

    let base = ["--filter", &label, "--filter", "label=decnet.topology.decky=told"];
    for id in docker(&[&["ps", "--quiet"][..], &base].concat()) {
        docker(&["rm", "--force", &id]);
    }
    events.until(|event| event["payload"]["trigger"] == "healer" && event["payload"]["decky"] == "told");
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
    lab.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker"]
fn ended_in_the_middle_of_a_mutation_it_leaves_with_0_and_holds_nothing() {
    let lab = raise(41);
    let mut watch = lab.start(&["watch", "--poll", "200ms"], WATCHING);
    ask_for(&lab, "extra");
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
fn what_a_killed_one_left_half_done_the_next_finishes() {
    let lab = raise(42);
    let mut watch = lab.start(&["watch", "--poll", "200ms"], WATCHING);
    ask_for(&lab, "extra");
    watch.until(": applying");
    watch.signal("KILL");
    watch.end();
    assert_eq!(states(&lab), ["applying"]);
    let mut watch = lab.start(&["watch"], WATCHING);
    watch.until("#1 add_decky: applied");
    assert_as_it_should_be(&lab);
    watch.signal("INT");
    assert_eq!(watch.end().0.code(), Some(0));
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
    lab.assert_nothing_left();
}
