//! What was, by the audit trail.

use crate::command::{CORP, Place};

fn with_history() -> Place {
    let place = Place::new();
    place.write("corp.yaml", CORP);
    place.run(&["apply", "-f", "corp.yaml"]).exits(0);
    place
}

fn now(place: &Place) -> String {
    let shown = place.run(&["show", "corp", "--json"]).exits(0).json();
    shown["changed_at"].as_str().expect("a time").to_owned()
}

#[test]
fn a_maze_is_shown_as_it_was() {
    let place = with_history();
    let before = now(&place);
    place.write("corp.yaml", &CORP.replace("[http]", "[http, ssh]"));
    place.run(&["apply", "-f", "corp.yaml"]).exits(0);
    let after = now(&place);
    let services = |at: &str| {
        let shown = place.run(&["show", "corp", "--at", at, "--json"]).exits(0).json();
        let deckies = shown["deckies"].as_array().expect("a list").clone();
        let web = deckies
            .iter()
            .find(|decky| decky["decky"] == "web-01")
            .expect("it is there");
        (web["services"].clone(), web["trigger"].clone())
    };
    assert_eq!(services(&before), (serde_json::json!(["http"]), "creation".into()));
    assert_eq!(
        services(&after),
        (serde_json::json!(["http", "ssh"]), "operator".into())
    );
    assert_eq!(services("now"), services(&after));
    let ran = place.run(&["show", "corp", "--at", &before]).exits(0);
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
fn before_it_was_stored_a_maze_was_not() {
    let place = with_history();
    place
        .run(&["show", "corp", "--at", "-2h"])
        .exits(1)
        .says("was stored at");
    place.run(&["show", "corp", "--at", "soon"]).exits(2).says("is no time");
    place.run(&["show", "corp", "--at", "2h"]).exits(2).says("is to come");
}

#[test]
fn a_maze_that_was_torn_down_had_deckies_before() {
    let place = with_history();
    let before = now(&place);
    let value = place.run(&["show", "corp", "--at", &before, "--json"]).exits(0).json();
    assert_eq!(value["status"], "pending");
    assert_eq!(value["deckies"].as_array().map(Vec::len), Some(2));
}

#[test]
fn what_happened_is_shown_with_the_maze() {
    let place = with_history();
    let ran = place.run(&["show", "corp"]).exits(0);
    assert!(
        ran.stdout.contains("HISTORY") && ran.stdout.contains("stored"),
        "{ran:#?}"
    );
    let value = place.run(&["show", "corp", "--json"]).exits(0).json();
    assert_eq!(value["mutations"], serde_json::json!([]));
    assert_eq!(value["events"].as_array().map(Vec::len), Some(1));
}
