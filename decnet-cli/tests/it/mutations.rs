//! The queue of a running maze, and the audit trail of an edited one.

use decnet_topology::{
    Holder, Mutation, MutationOutcome, MutationQueue, NewMutation, Status, TopologyFilter, TopologyStore,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{
    command::{Sandbox, assert_seen},
    mutate::{becomes, with_corp, with_repo},
};

/// A sandbox where `corp` runs, according to the store.
fn with_running() -> Sandbox {
    let sandbox = with_corp();
    becomes(&sandbox, &[Status::Deploying, Status::Active]);
    sandbox
}

/// Queues a mutation of `corp` without checking it.
fn enqueue(sandbox: &Sandbox, json: &str, actor: &str) {
    with_repo(sandbox, async |repo| {
        let rows = repo.list(&TopologyFilter::default()).await.expect("listed").rows;
        let corp = rows.iter().find(|row| row.name.as_str() == "corp").expect("stored");
        let new = NewMutation::new(Mutation::from_json(json).expect("a mutation")).actor(actor.to_owned());
        repo.enqueue(corp.id, new, None, Timestamp::now())
            .await
            .expect("it runs");
    });
}

/// Rejects the oldest queued mutation, like a worker.
fn reject(sandbox: &Sandbox, reason: &str) {
    with_repo(sandbox, async |repo| {
        let now = Timestamp::now();
        let holder = Holder {
            boot_id: "boot".into(),
            pid: 1,
            started: 0,
            label: "test".into(),
        };
        let claimed = repo.claim_mutation(None, &holder, SignedDuration::from_secs(9), None, now);
        let row = claimed.await.expect("claimed").expect("one waits");
        let token = row.claim.expect("a claim").token;
        let reason = reason.to_owned();
        repo.finish_mutation(row.id, token, MutationOutcome::Rejected { reason }, now)
            .await
            .expect("finished");
    });
}

#[test]
fn a_change_to_a_running_maze_is_queued_without_docker() {
    let sandbox = with_running();
    let add = ["mutate", "corp", "add_lan", "--name", "vault", "--actor", "eve"];
    assert_seen!(sandbox, sandbox.run(&add).exits(0));
    let queued = sandbox
        .run(&["mutate", "corp", "remove_decky", "--decky", "mop", "--json"])
        .exits(0);
    let mutation = &queued.json()["mutation"];
    assert_eq!((&mutation["id"], &mutation["state"]), (&json!(2), &json!("pending")));
    assert_eq!(
        mutation["mutation"],
        json!({"op": "remove_decky", "payload": {"decky": "mop"}})
    );
    sandbox
        .run(&[
            "mutate",
            "corp",
            "remove_decky",
            "--decky",
            "door",
            "--expected-version",
            "1",
        ])
        .exits(4)
        .says("at version 3, not 1");
    let greatest = u64::MAX.to_string();
    sandbox
        .run(&[
            "mutate",
            "corp",
            "remove_decky",
            "--decky",
            "door",
            "--expected-version",
            &greatest,
        ])
        .exits(4)
        .says("at version 3, not 18446744073709551615");
}

#[test]
fn a_change_to_a_running_maze_that_would_be_rejected_is_not_queued() {
    let sandbox = with_running();
    let mutate = |arguments: &[&str]| sandbox.run(&[&["mutate", "corp"], arguments].concat());
    let rack = ["add_decky", "--name", "rack", "--lan", "vault", "--services", "ssh"];
    assert_seen!(
        sandbox,
        mutate(&rack).exits(3),
        mutate(&["remove_lan", "--name", "office"]).exits(3),
        mutate(&["update_decky", "--decky", "web-01", "--services", "htp"]).exits(3),
        mutate(&["add_lan", "--name", "barn"]).exits(0),
        mutate(&rack).exits(3),
        mutate(&["add_lan", "--name", "vault"]).exits(0),
        mutate(&rack).exits(0),
        mutate(&["add_lan", "--name", "vault"]).exits(3),
        mutate(&["update_decky", "--decky", "rack", "--services", "htp"]).exits(3),
    );
    let attach = ["attach_decky", "--decky", "rack", "--lan", "barn", "--json"];
    assert_eq!(mutate(&attach).exits(0).json()["depends_on"], json!([1, 2, 3]));
    assert_eq!(sandbox.run(&["mutations", "--json"]).exits(0).json()["total"], 4);
}

#[test]
fn with_wait_and_without_docker_nothing_is_queued() {
    let sandbox = with_running();
    sandbox
        .run(&["mutate", "corp", "remove_decky", "--decky", "mop", "--wait"])
        .exits(5)
        .says("no Docker daemon answers");
    sandbox
        .run(&["mutate", "corp", "remove_decky", "--decky", "mop", "--plan"])
        .exits(5);
    assert_eq!(sandbox.run(&["mutations", "--json"]).exits(0).json()["total"], 0);
}

#[test]
fn mutations_are_listed_oldest_first_and_filtered() {
    let sandbox = with_corp();
    sandbox.run(&["create", "lab"]).exits(0);
    assert_seen!(
        sandbox,
        sandbox.run(&["mutations"]).exits(0),
        sandbox.run(&["mutations", "corp"]).exits(0)
    );
    sandbox
        .run(&["mutate", "corp", "remove_decky", "--decky", "mop", "--actor", "eve"])
        .exits(0);
    sandbox
        .run(&[
            "mutate",
            "lab",
            "add_decky",
            "--name",
            "a",
            "--lan",
            "dmz",
            "--actor",
            "eve",
        ])
        .exits(0);
    becomes(&sandbox, &[Status::Deploying, Status::Active]);
    // As after a race: the store itself checks no mutation.
    enqueue(
        &sandbox,
        r#"{"op": "remove_lan", "payload": {"name": "office"}}"#,
        "bob",
    );
    reject(&sandbox, "LAN `office` is the home\nof decky `door`");
    sandbox
        .run(&["mutate", "corp", "add_lan", "--name", "vault", "--actor", "bob"])
        .exits(0);
    assert_seen!(
        sandbox,
        sandbox.run(&["mutations"]).exits(0),
        sandbox.run(&["mutations", "lab"]).exits(0),
        sandbox
            .run(&["mutations", "--state", "rejected,pending", "--limit", "1"])
            .exits(0),
        sandbox.run(&["mutations", "--state", "failed"]).exits(0),
        sandbox.run(&["mutations", "--offset", "9"]).exits(0),
        sandbox.run(&["mutations", "--state", "lost"]).exits(2),
        sandbox.run(&["mutations", "korp"]).exits(1),
    );
    let listed = sandbox
        .run(&["mutations", "corp", "--offset", "1", "--json"])
        .exits(0)
        .json();
    assert_eq!(listed["total"], 3);
    let listed = listed["mutations"].as_array().expect("rows");
    let seen: Vec<_> = listed
        .iter()
        .map(|row| (row["state"].as_str(), row["actor"].as_str()))
        .collect();
    assert_eq!(seen, [(Some("rejected"), Some("bob")), (Some("pending"), Some("bob"))]);
    assert_seen!(sandbox, sandbox.run(&["show", "corp"]).exits(0));
}

#[test]
fn an_edit_is_shown_in_the_history() {
    let sandbox = with_corp();
    let shown = sandbox.run(&["show", "corp", "--json"]).exits(0).json();
    let before = shown["changed_at"].as_str().expect("a time");
    sandbox
        .run(&[
            "mutate",
            "corp",
            "update_decky",
            "--decky",
            "web-01",
            "--services",
            "ssh",
        ])
        .exits(0);
    sandbox
        .run(&["mutate", "corp", "remove_decky", "--decky", "mop"])
        .exits(0);
    let services = |at: &str| {
        let shown = sandbox.run(&["show", "corp", "--at", at, "--json"]).exits(0).json();
        let deckies = shown["deckies"].as_array().expect("a list").clone();
        let has_mop = deckies.iter().any(|decky| decky["decky"] == "mop");
        let web = deckies
            .into_iter()
            .find(|decky| decky["decky"] == "web-01")
            .expect("there");
        (web["services"].clone(), web["mutation"].clone(), has_mop)
    };
    assert_eq!(services(before), (json!(["http"]), json!(null), true));
    assert_eq!(services("now"), (json!(["ssh"]), json!(1), false));
    let people = sandbox.run(&["show", "corp", "--at", "now"]).exits(0).stdout;
    assert!(people.contains("operator #1"), "{people}");
}
