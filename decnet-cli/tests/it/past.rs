//! The past, from the audit trail.

use decnet_topology::Status;

use crate::{
    command::{CORP, Sandbox},
    mutate::becomes,
};

fn with_history() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("corp.yaml", CORP);
    sandbox.run(&["apply", "-f", "corp.yaml"]).exits(0);
    sandbox
}

fn now(sandbox: &Sandbox) -> String {
    let shown = sandbox.run(&["show", "corp", "--json"]).exits(0).json();
    shown["changed_at"].as_str().expect("a time").to_owned()
}

#[test]
fn a_maze_is_shown_at_an_earlier_time() {
    let sandbox = with_history();
    let before = now(&sandbox);
    sandbox.write("corp.yaml", &CORP.replace("[http]", "[http, ssh]"));
    sandbox.run(&["apply", "-f", "corp.yaml"]).exits(0);
    let after = now(&sandbox);
    let services = |at: &str| {
        let shown = sandbox.run(&["show", "corp", "--at", at, "--json"]).exits(0).json();
        let deckies = shown["deckies"].as_array().expect("a list").clone();
        let web = deckies
            .iter()
            .find(|decky| decky["decky"] == "web-01")
            .expect("the decky exists");
        (web["services"].clone(), web["trigger"].clone())
    };
    assert_eq!(services(&before), (serde_json::json!(["http"]), "creation".into()));
    assert_eq!(
        services(&after),
        (serde_json::json!(["http", "ssh"]), "operator".into())
    );
    assert_eq!(services("now"), services(&after));
    let ran = sandbox.run(&["show", "corp", "--at", &before]).exits(0);
    for words in [
        "pending at",
        "DECKY",
        "web-01",
        "router",
        "dmz 10.204.240.10",
        "http",
        "creation",
    ] {
        assert!(ran.stdout.contains(words), "{words}: {ran:#?}");
    }
    assert!(!ran.stdout.contains("http ssh"), "{ran:#?}");
}

#[test]
fn a_time_before_the_maze_was_stored_is_refused() {
    let sandbox = with_history();
    sandbox
        .run(&["show", "corp", "--at", "-2h"])
        .exits(1)
        .says("has no history at");
    sandbox
        .run(&["show", "corp", "--at", "soon"])
        .exits(2)
        .says("invalid time");
    sandbox
        .run(&["show", "corp", "--at", "2h"])
        .exits(2)
        .says("is in the future");
    // A clock may be wrong, so a time is not refused.
    sandbox
        .run(&["show", "corp", "--at", "2999-01-01T00:00:00Z"])
        .exits(0)
        .says("2999-01-01 00:00:00Z is in the future: this is the maze now");
}

#[test]
fn a_torn_down_maze_has_its_earlier_deckies() {
    let sandbox = with_history();
    let before = now(&sandbox);
    let value = sandbox
        .run(&["show", "corp", "--at", &before, "--json"])
        .exits(0)
        .json();
    assert_eq!(value["status"], "pending");
    assert_eq!(value["deckies"].as_array().map(Vec::len), Some(2));
}

#[test]
fn past_changes_are_shown_with_the_maze() {
    let sandbox = with_history();
    let ran = sandbox.run(&["show", "corp"]).exits(0);
    assert!(
        ran.stdout.contains("HISTORY") && ran.stdout.contains("stored"),
        "{ran:#?}"
    );
    let value = sandbox.run(&["show", "corp", "--json"]).exits(0).json();
    assert_eq!(value["mutations"], serde_json::json!([]));
    assert_eq!(value["events"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_time_before_the_first_deploy_says_when_that_was_and_since_when_there_is_history() {
    let sandbox = with_history();
    sandbox
        .run(&["show", "corp", "--at", "-2h"])
        .exits(1)
        .says("it begins at");
    let before = now(&sandbox);
    let ran = sandbox.run(&["show", "corp", "--at", &before]).exits(0);
    assert!(!ran.stderr.contains("first deployed"), "{ran:#?}");
    becomes(&sandbox, &[Status::Deploying, Status::Active]);
    let ran = sandbox.run(&["show", "corp", "--at", &before]).exits(0);
    assert!(ran.stderr.starts_with("`corp` was first deployed at "), "{ran:#?}");
    let ran = sandbox.run(&["show", "corp", "--at", "now"]).exits(0);
    assert_eq!(ran.stderr, "");
}
