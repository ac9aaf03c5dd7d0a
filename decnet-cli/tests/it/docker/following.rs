//! Events of operations on Docker, as seen by other processes.

use serde_json::{Value, json};

use super::lab::{Lab, docker};
use crate::events::{Following, serve};

const MAZE: &str = "\
format: decnet.topology/1
name: lab
lans:
  - {name: dmz, subnet: 10.204.17.0/24, dmz: true}
deckies:
  - name: web-01
    services: [http, ssh]
    attachments: [{lan: dmz, ip: 10.204.17.10}]
";

/// Reads until a decky changed; returns the services before and after, and the trigger.
fn change(events: &mut Following) -> (Value, Value, Value) {
    let event = events.until(|event| event["type"] == "decky");
    let payload = &event["payload"];
    assert_eq!(payload["decky"], "web-01");
    let topology = payload["topology"].as_str().expect("an id");
    assert_eq!(event["topic"], format!("decky.{topology}.web-01.mutation"));
    let take = |key: &str| payload[key].clone();
    (take("old_services"), take("new_services"), take("trigger"))
}

fn became(events: &mut Following, status: &str) {
    events.until(|event| event["type"] == "status" && event["payload"]["to"] == status);
}

#[test]
#[ignore = "needs Docker"]
fn other_processes_see_the_creation_repair_and_removal_of_a_maze() {
    let lab = Lab::apply(MAZE);
    let _bus = serve(&lab.sandbox);
    let mut events = Following::start(&lab.sandbox, &["events", "--topology", "lab", "--json"]);
    events.until(|line| line["type"] == "snapshot" && line["payload"]["topologies"][0]["status"] == "pending");

    lab.run(&["deploy", "lab"]).exits(0);
    became(&mut events, "deploying");
    events.until(|event| event["type"] == "step" && event["payload"]["state"] == "done");
    assert_eq!(
        change(&mut events),
        (json!([]), json!(["http", "ssh"]), json!("creation"))
    );
    became(&mut events, "active");

    let label = format!("label=decnet.instance={}", lab.instance());
    let service = ["--filter", &label, "--filter", "label=decnet.topology.service_name=ssh"];
    let ids = docker(&[&["ps", "--quiet"][..], &service].concat());
    docker(&["rm", "--force", &ids[0]]);
    lab.run(&["reconcile", "lab"]).exits(0);
    assert_eq!(
        change(&mut events),
        (json!(["http"]), json!(["http", "ssh"]), json!("healer"))
    );

    lab.run(&["teardown", "lab"]).exits(0);
    assert_eq!(
        change(&mut events),
        (json!(["http", "ssh"]), json!([]), json!("retirement"))
    );
    became(&mut events, "torn_down");
    lab.assert_nothing_left();

    let now = lab.run(&["show", "lab", "--at", "now", "--json"]).exits(0).json();
    assert_eq!((&now["status"], &now["deckies"]), (&json!("torn_down"), &json!([])));
    let shown = lab.run(&["show", "lab", "--json"]).exits(0).json();
    let active = shown["events"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|event| event["to"] == "active");
    let at = active.expect("it was active")["at"]
        .as_str()
        .expect("a time")
        .to_owned();
    let then = lab.run(&["show", "lab", "--at", &at, "--json"]).exits(0).json();
    assert_eq!(
        (&then["status"], &then["deckies"][0]["services"]),
        (&json!("active"), &json!(["http", "ssh"]))
    );
}
