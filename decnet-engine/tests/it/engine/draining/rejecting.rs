//! Refused mutations: nothing changes except their row, which has the reason.

use std::sync::Arc;

use decnet_engine::{DecoyImage, Engine, EngineOptions, NetworkName};
use decnet_topology::{Catalog, MemoryRepo, MutationState, Topology, TopologyId, TopologyStore};
use tokio_util::sync::CancellationToken;

use super::{CASES, Lab, yard};

/// Checks that a mutation is rejected without other changes, and returns the reason.
async fn check_rejected(lab: &Lab, engine: &Engine, id: TopologyId, json: &str) -> String {
    lab.enqueue(id, json).await;
    lab.docker.clear_log();
    let (stored, world) = (lab.stored(id).await, lab.docker.world());
    let events = lab.repo.status_events(id).await.expect("the events");
    let finished = engine.drain(id, &CancellationToken::new()).await.expect(json);
    let [row] = finished.as_slice() else {
        panic!("{json}: {finished:?}")
    };
    assert_eq!(
        (row.state, row.stored_at),
        (MutationState::Rejected, None),
        "{json}: {row:?}"
    );
    assert_eq!(lab.stored(id).await, stored, "{json}");
    assert_eq!(lab.docker.world(), world, "{json}");
    assert_eq!(lab.docker.log().len(), 0, "{json}");
    assert_eq!(lab.repo.status_events(id).await.expect("the events"), events, "{json}");
    assert_eq!(
        lab.repo.decky_changes(id, None).await.expect("the changes"),
        [],
        "{json}"
    );
    lab.assert_matches(id, json).await;
    row.reason.clone().expect("a reason")
}

#[tokio::test]
async fn a_mutation_that_the_maze_refuses_changes_nothing_and_has_a_reason() {
    let refused = [
        (
            r#"{"op": "update_decky", "payload": {"decky": "web", "services": ["http"]}}"#,
            "this changes the published ports of decky `web` and recreates its base; repeat it with `force`",
        ),
        (
            r#"{"op": "attach_decky", "payload": {"decky": "mail", "lan": "office", "forwards_l3": true}}"#,
            "this changes the published ports of decky `mail` and recreates its base; repeat it with `force`",
        ),
        (
            r#"{"op": "add_decky", "payload": {"name": "new", "lan": "lab", "services": ["warp"]}}"#,
            "the maze would break 1 rule: error UNKNOWN_SERVICE: decky `new` runs `warp`",
        ),
        (
            r#"{"op": "add_decky", "payload": {"name": "new", "lan": "lab", "ip": "10.90.2.13"}}"#,
            "the maze would break 1 rule: ",
        ),
        (
            r#"{"op": "remove_decky", "payload": {"decky": "fils"}}"#,
            "no decky named `fils` (did you mean `files`?)",
        ),
        (
            r#"{"op": "remove_lan", "payload": {"name": "moon"}}"#,
            "no LAN named `moon`",
        ),
        (
            r#"{"op": "add_lan", "payload": {"name": "LAB"}}"#,
            "a LAN named `lab` already exists",
        ),
        (
            r#"{"op": "add_decky", "payload": {"name": "web", "lan": "lab"}}"#,
            "a decky named `web` already exists",
        ),
        (
            r#"{"op": "remove_lan", "payload": {"name": "lab"}}"#,
            "LAN `lab` is the home of decky `desk`; remove the decky first",
        ),
        (
            r#"{"op": "attach_decky", "payload": {"decky": "joint", "lan": "lab"}}"#,
            "decky `joint` is already attached to LAN `lab` as 10.90.2.12",
        ),
        (
            r#"{"op": "detach_decky", "payload": {"decky": "files", "lan": "lab"}}"#,
            "decky `files` is not attached to LAN `lab`",
        ),
        (
            r#"{"op": "detach_decky", "payload": {"decky": "files", "lan": "office"}}"#,
            "decky `files` cannot leave its home `office`",
        ),
        (
            r#"{"op": "update_decky", "payload": {"decky": "files", "patch": {"forwards_l3": true}}}"#,
            "decky `files` cannot forward packets",
        ),
        (
            r#"{"op": "update_lan", "payload": {"name": "lab", "patch": {"name": "hall"}}}"#,
            "`name` of LAN `lab` cannot change while the maze runs",
        ),
        // Two gateways must not publish the same port of the host.
        (
            r#"{"op": "update_decky", "payload": {"decky": "mail", "services": ["ssh"], "patch": {"forwards_l3": true}, "force": true}}"#,
            "the maze would break 1 rule: ",
        ),
    ];
    let (lab, id) = Lab::running(yard()).await;
    for (json, why) in refused {
        let reason = check_rejected(&lab, &lab.engine, id, json).await;
        assert!(reason.starts_with(why), "{json}: {reason}");
    }
}

#[tokio::test]
async fn a_mutation_without_a_free_subnet_or_address_is_rejected() {
    let lab = Lab::new();
    let pool = Topology::builder().dmz("all", "172.16.0.0/12").build().expect("a maze");
    lab.store("greedy", pool).await;
    let other = Topology::builder().dmz("dmz", "10.95.0.0/24").build().expect("a maze");
    lab.store("other", other).await;
    let mut narrow = Topology::builder()
        .dmz("dmz", "10.90.0.0/24")
        .lan("cell", "10.90.9.0/29")
        .decky("web", |decky| {
            decky.on("dmz", "10.90.0.2").on("cell", "10.90.9.2").forwards()
        });
    for host in 3..7 {
        narrow = narrow.decky(&format!("inmate-{host}"), |decky| {
            decky.on("cell", &format!("10.90.9.{host}"))
        });
    }
    let id = lab.store("maze", narrow.build().expect("a maze")).await;
    lab.deploy(id).await.expect("deployed");
    lab.docker.add_network(
        NetworkName::from_docker("theirs"),
        "10.96.0.0/16".parse().expect("a subnet"),
    );
    let refused = [
        (
            r#"{"op": "add_lan", "payload": {"name": "cellar"}}"#,
            "no subnet can be allocated for LAN `cellar`: ",
        ),
        (
            r#"{"op": "add_decky", "payload": {"name": "prisoner", "lan": "cell"}}"#,
            "no address on LAN `cell` can be allocated for decky `prisoner`: ",
        ),
        (
            r#"{"op": "add_lan", "payload": {"name": "cellar", "subnet": "10.95.0.128/25"}}"#,
            "the maze would break 1 rule: ",
        ),
        (
            r#"{"op": "add_lan", "payload": {"name": "cellar", "subnet": "10.96.7.0/24"}}"#,
            "",
        ),
    ];
    let mut reasons = Vec::new();
    for (json, why) in refused {
        let reason = check_rejected(&lab, &lab.engine, id, json).await;
        assert!(reason.starts_with(why), "{json}: {reason}");
        reasons.push(reason);
    }
    assert!(
        reasons[2].contains("other") && reasons[2].contains("10.95.0"),
        "{}",
        reasons[2]
    );
    assert!(
        reasons[3].contains("theirs") && reasons[3].contains("10.96.7.0/24"),
        "{}",
        reasons[3]
    );
}

#[tokio::test]
async fn a_mutation_that_would_recreate_unrelated_containers_is_rejected() {
    let (lab, id) = Lab::running(yard()).await;
    let repo: Arc<MemoryRepo> = lab.repo.clone();
    let options = EngineOptions::new(Catalog::builtin()).image(Arc::new(DecoyImage::pack(b"another program")));
    let upgraded = Engine::new(repo, Arc::new(lab.docker.clone()), options);
    for case in &CASES {
        let reason = check_rejected(&lab, &upgraded, id, case.json).await;
        assert!(
            reason.starts_with("the plan removes ")
                && reason.ends_with("(created with another version of the maze, decnet or Docker: image)"),
            "{reason}"
        );
    }
}
