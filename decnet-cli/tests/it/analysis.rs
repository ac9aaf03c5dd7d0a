//! `graph --analyse` and `validate --min-compromises`.

use serde_json::json;

use crate::command::{CORP, Sandbox, assert_seen};

/// A DMZ, an office behind a gateway, and servers behind a bridge decky that does not forward.
const DEEP: &str = "\
format: decnet.topology/1
name: deep
lans:
  - {name: dmz, subnet: 10.204.240.0/24, dmz: true}
  - {name: office, subnet: 10.204.241.0/24}
  - {name: servers, subnet: 10.204.242.0/24}
deckies:
  - name: gate
    services: [http]
    forwards_l3: true
    attachments: [{lan: dmz, ip: 10.204.240.2}, {lan: office, ip: 10.204.241.2}]
  - name: jump
    services: [ssh]
    attachments: [{lan: office, ip: 10.204.241.3}, {lan: servers, ip: 10.204.242.2}]
  - name: db
    services: [mysql]
    attachments: [{lan: servers, ip: 10.204.242.3}]
";

fn with_deep() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("deep.yaml", DEEP);
    sandbox
}

#[test]
fn an_analysis_shows_the_path_to_each_lan_and_what_is_lost_with_each_decky() {
    let sandbox = with_deep();
    assert_seen!(sandbox, sandbox.run(&["graph", "deep.yaml", "--analyse"]).exits(0));
    let spelled = sandbox.run(&["graph", "deep.yaml", "--analyze"]).exits(0).stdout;
    assert_eq!(
        spelled,
        sandbox.run(&["graph", "deep.yaml", "--analyse"]).exits(0).stdout
    );
}

#[test]
fn an_analysis_as_json_has_the_links_of_each_path() {
    let sandbox = with_deep();
    let value = sandbox
        .run(&["graph", "deep.yaml", "--analyse", "--json"])
        .exits(0)
        .json();
    assert_eq!((&value["depth"], &value["width"]), (&json!(2), &json!(1)));
    assert_eq!(value["routed"], json!(["dmz", "office"]));
    assert_eq!(value["choke_points"]["deckies"], json!(["gate", "jump"]));
    assert_eq!(
        value["lans"][2],
        json!({"lan": "servers", "depth": 2, "compromises": 1, "through": "jump", "from": "office"})
    );
    assert_eq!(
        value["deckies"][0],
        json!({"decky": "gate", "compromises": 0, "lan": "dmz", "loss": {"lans": 2, "deckies": 2}})
    );
}

#[test]
fn an_analysis_has_no_other_format() {
    let ran = with_deep()
        .run(&["graph", "deep.yaml", "--analyse", "--format", "dot"])
        .exits(2);
    assert!(
        ran.stderr.contains("--analyse") && ran.stderr.contains("--format"),
        "{ran:#?}"
    );
}

#[test]
fn a_maze_as_deep_as_intended_is_valid_and_a_shallower_one_exits_with_3() {
    let sandbox = with_deep();
    let with = |depths: &[&str]| {
        let flags: Vec<&str> = depths.iter().flat_map(|depth| ["--min-compromises", *depth]).collect();
        sandbox.run(&[&["validate", "deep.yaml"], &flags[..]].concat())
    };
    with(&["servers=1", "office=0"]).exits(0);
    assert_seen!(sandbox, with(&["servers=2", "office=1"]).exits(3));
    let ran = sandbox
        .run(&["validate", "deep.yaml", "--min-compromises", "servers=2", "--json"])
        .exits(3);
    let value = ran.json();
    let finding = &value["findings"][0];
    assert_eq!(
        (&finding["code"], &finding["line"]),
        (&json!("MAZE_SHALLOW"), &json!(6))
    );
}

#[test]
fn each_file_must_have_the_lan() {
    let sandbox = with_deep();
    let ran = sandbox
        .run(&["validate", "deep.yaml", "--min-compromises", "server=2"])
        .exits(1);
    assert!(
        ran.stderr
            .contains("no LAN named `server` in deep.yaml (did you mean `servers`?)"),
        "{ran:#?}"
    );
    ran.says("`decnet graph deep.yaml` lists its LANs");
    sandbox.write("corp.yaml", CORP);
    sandbox
        .run(&["validate", "deep.yaml", "corp.yaml", "--min-compromises", "servers=1"])
        .exits(1)
        .says("no LAN named `servers` in corp.yaml");
}

#[test]
fn a_depth_that_cannot_be_read_exits_with_2_and_says_how_to_write_it() {
    let sandbox = with_deep();
    for (text, reason) in [
        ("servers", "like servers=2"),
        ("servers=", "whole number"),
        ("servers=two", "whole number"),
        ("servers=-1", "negative"),
        ("=2", "name"),
        ("a_b=2", "name"),
    ] {
        let flag = format!("--min-compromises={text}");
        let ran = sandbox.run(&["validate", "deep.yaml", &flag]).exits(2);
        assert!(ran.stderr.contains(reason), "{text}: {ran:#?}");
    }
}

#[test]
fn the_depth_of_a_maze_with_errors_is_not_checked() {
    let sandbox = Sandbox::new();
    sandbox.write("wrong.yaml", &DEEP.replace("mysql", "mysqll"));
    let ran = sandbox
        .run(&["validate", "wrong.yaml", "--min-compromises", "servers=9"])
        .exits(3);
    assert!(
        ran.stdout.contains("UNKNOWN_SERVICE") && !ran.stdout.contains("MAZE_SHALLOW"),
        "{ran:#?}"
    );
}
