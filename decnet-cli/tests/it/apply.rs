//! Storing maze files.

use crate::command::{CORP, Sandbox, assert_seen};

const OPEN: &str = "\
format: decnet.topology/1
name: corp
lans:
  - {name: dmz, dmz: true}
  - {name: office}
deckies:
  - name: door
    forwards_l3: true
    attachments: [{lan: office}, {lan: dmz}]
";

#[test]
fn a_file_is_stored_then_unchanged_then_replaced() {
    let sandbox = Sandbox::new();
    sandbox.write("corp.yaml", CORP);
    let created = sandbox.run(&["apply", "-f", "corp.yaml"]).exits(0);
    let unchanged = sandbox.run(&["apply", "-f", "corp.yaml"]).exits(0);
    sandbox.write("corp.yaml", &CORP.replace("services: [ssh]", "services: [ssh, dns]"));
    let replaced = sandbox.run(&["apply", "-f", "corp.yaml"]).exits(0);
    assert_seen!(sandbox, created, unchanged, replaced);
}

const DOORS: &str = "\
format: decnet.topology/1
name: doors
lans:
  - {name: dmz, subnet: 10.206.64.0/24, dmz: true}
  - {name: office, subnet: 10.206.65.0/24}
deckies:
  - {name: front, services: [ssh], forwards_l3: true, attachments: [{lan: dmz}, {lan: office}]}
  - {name: back, services: [ssh], forwards_l3: true, attachments: [{lan: dmz}, {lan: office}]}
";

#[test]
fn gateways_on_one_port_are_stored_because_a_deploy_can_separate_them() {
    let sandbox = Sandbox::new();
    sandbox.write("doors.yaml", DOORS);
    let ran = sandbox.run(&["apply", "-f", "doors.yaml"]).exits(0);
    assert!(
        ran.stderr.contains("GATEWAY_PORT_CLASH") && ran.stderr.contains("--publish"),
        "{ran:#?}"
    );
}

#[test]
fn missing_values_of_a_file_are_allocated_once() {
    let sandbox = Sandbox::new();
    sandbox.write("open.yaml", OPEN);
    let first = sandbox.run(&["apply", "-f", "open.yaml", "--json"]).exits(0).json();
    assert_eq!(first["result"], "created");
    let again = sandbox.run(&["apply", "-f", "open.yaml", "--json"]).exits(0).json();
    assert_eq!(again["result"], "unchanged");
    assert_eq!(again["version"], 1);
    assert_eq!(again["id"], first["id"]);
}

#[test]
fn only_new_parts_of_an_incomplete_file_are_allocated() {
    let sandbox = Sandbox::new();
    sandbox.write("open.yaml", OPEN);
    sandbox.run(&["apply", "-f", "open.yaml"]).exits(0);
    let before = sandbox.run(&["show", "corp", "--json"]).exits(0).json();
    sandbox.write(
        "open.yaml",
        &OPEN.replace("{name: office}", "{name: plant}\n  - {name: office}"),
    );
    let ran = sandbox.run(&["apply", "-f", "open.yaml", "--json"]).exits(0);
    assert_eq!(ran.json()["result"], "replaced");
    let after = sandbox.run(&["show", "corp", "--json"]).exits(0).json();
    let subnet = |value: &serde_json::Value, name: &str| {
        let lans = value["topology"]["lans"].as_array().expect("LANs").clone();
        lans.iter()
            .find(|lan| lan["name"] == name)
            .map(|lan| lan["subnet"].clone())
    };
    assert_eq!(subnet(&before, "office"), subnet(&after, "office"));
    assert_eq!(
        before["topology"]["deckies"][0]["attachments"],
        after["topology"]["deckies"][0]["attachments"]
    );
    assert!(subnet(&after, "plant").is_some());
}

#[test]
fn a_file_that_breaks_rules_is_not_stored() {
    let sandbox = Sandbox::new();
    sandbox.write("wrong.yaml", &CORP.replace("[ssh]", "[shh]"));
    assert_seen!(
        sandbox,
        sandbox.run(&["apply", "-f", "wrong.yaml"]).exits(3),
        sandbox.run(&["list"]).exits(0)
    );
}

#[test]
fn a_subnet_of_another_maze_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("corp.yaml", CORP);
    sandbox.run(&["apply", "-f", "corp.yaml"]).exits(0);
    let ran = sandbox.run(&["apply", "-f", "corp.yaml", "--name", "twin"]).exits(3);
    assert!(ran.stderr.contains("SUBNET_OVERLAP"), "{ran:#?}");
}

#[test]
fn the_file_may_come_from_stdin_and_get_another_name() {
    let sandbox = Sandbox::new();
    sandbox
        .run_with(&["apply", "-f", "-", "--name", "Zweigstelle"], CORP.as_bytes())
        .exits(0);
    sandbox.run(&["show", "zweigstelle"]).exits(0);
}

#[test]
fn a_shown_document_can_be_applied_again() {
    let sandbox = Sandbox::new();
    sandbox.run_with(&["apply", "-f", "-"], OPEN.as_bytes()).exits(0);
    let document = sandbox.run(&["show", "corp", "--document"]).exits(0).stdout;
    let again = sandbox
        .run_with(&["apply", "-f", "-", "--json"], document.as_bytes())
        .exits(0);
    assert_eq!(again.json()["result"], "unchanged");
}
