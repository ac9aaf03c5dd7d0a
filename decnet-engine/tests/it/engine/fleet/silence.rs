//! Hosts that do not answer, and hosts that are gone.

use std::collections::BTreeSet;

use decnet_engine::RuntimeError;
use decnet_topology::{NotPlaced, PlaceFault};
use tokio::time::Instant;

use super::*;

#[tokio::test]
async fn a_silent_host_is_unseen_and_the_rest_stays_and_heals() {
    let lab = FleetLab::new(13);
    let id = lab.store("maze", twelve()).await;
    lab.deploy(id).await.expect("deployed");
    let there = lab.west.world();
    lab.west.go_away();
    lab.east.clear_log();
    let name = lab.east.world().containers.keys().next().expect("one").clone();
    lab.east.remove(&name);

    let reconciled = lab.reconcile(id).await;
    assert_eq!(reconciled.row.status, Status::Degraded);
    let reason = reconciled.reason.expect("a reason");
    assert!(reason.starts_with("host west is unseen: "), "{reason}");
    assert!(lab.east.world().containers.contains_key(&name), "the rest is healed");
    assert_eq!(lab.west.world(), there, "nothing was done there");

    let prepared = lab
        .engine
        .prepare(id, Operation::Deploy(DeployOptions::default()))
        .await;
    let prepared = prepared.expect("planned");
    assert!(prepared.plan().steps().is_empty());
    let unseen = prepared.unseen();
    assert!(
        unseen[0].starts_with("host west is unseen: ") && unseen.len() == 2,
        "{unseen:?}"
    );
    let verified = lab
        .engine
        .verify(id, &CancellationToken::new())
        .await
        .expect("verified");
    assert!(
        !verified.is_clean() && verified.drift.is_empty(),
        "{:?}",
        verified.drift
    );
    let absent: Vec<_> = verified
        .deviations
        .iter()
        .filter(|one| one.how.contains("does not exist"))
        .collect();
    assert!(absent.is_empty(), "{absent:?}");
    assert_eq!(verified.unseen, unseen[..1]);

    let refused = lab.teardown(id).await.expect_err("it is unknown what is left");
    assert!(
        matches!(&refused, EngineError::TeardownIncomplete { leftovers, .. }
        if leftovers.len() == 1 && leftovers[0].starts_with("host west is unseen")),
        "{refused:?}"
    );
    assert_eq!(lab.repo.get(id).await.expect("a row").status, Status::Degraded);

    lab.west.reconnect();
    let down = lab.teardown(id).await.expect("torn down");
    assert_eq!(down.row.status, Status::TornDown);
    lab.assert_nothing_left();
}

#[tokio::test]
async fn a_maze_whose_hosts_are_all_silent_is_degraded_with_their_names() {
    let lab = FleetLab::new(13);
    // The machine of the master has no runtime that answers, either.
    let here = Simulated::new();
    here.go_away();
    let fleet = lab.fleet.clone().with_local(Arc::new(here));
    let options = EngineOptions::new(CATALOG.clone()).image(Arc::new(DecoyImage::pack(b"a program")));
    let master = Engine::new(lab.repo.clone(), Arc::new(fleet), options);
    for engine in [&lab.engine, &master] {
        let id = lab.store("maze", twelve()).await;
        let hosts = ["east", "west"].map(|host| host.parse().expect("a name"));
        let settings = DeploySettings::default().hosts(hosts);
        let deploy = DeployOptions::default().settings(settings);
        let cancel = CancellationToken::new();
        engine.deploy(id, deploy, &cancel).await.expect("deployed");
        lab.east.go_away();
        lab.west.go_away();
        let reconciled = engine.reconcile(id, false, &cancel).await.expect("reconciled");
        assert_eq!(reconciled.row.status, Status::Degraded);
        let reason = reconciled.reason.expect("a reason");
        assert!(reason.starts_with("host east is unseen: "), "{reason}");
        let verified = engine.verify(id, &cancel).await.expect("verified");
        assert_eq!(verified.unseen.len(), 2, "{:?}", verified.unseen);
        let refused = engine
            .teardown(id, &cancel)
            .await
            .expect_err("it is unknown what is left");
        assert_eq!(refused.code(), "teardown_incomplete");

        lab.east.reconnect();
        lab.west.reconnect();
        engine.teardown(id, &cancel).await.expect("torn down");
        lab.assert_nothing_left();
    }
}

#[tokio::test]
async fn a_maze_of_a_host_that_was_revoked_is_healed_on_the_others_until_it_is_moved_with_force() {
    let lab = FleetLab::new(30);
    let id = lab.store("maze", twelve()).await;
    let settings = DeploySettings::default().hosts(["east", "west"].map(|host| host.parse().expect("a name")));
    let spread = settings
        .clone()
        .placement(PlacementRules::default().distribute(Distribution::Spread));
    let cancel = CancellationToken::new();
    let deploy = DeployOptions::default().settings(spread);
    lab.engine.deploy(id, deploy, &cancel).await.expect("deployed");
    assert!(!lab.west.world().containers.is_empty());
    let public = "public".parse().expect("a label");
    let east = member("east", 30, "192.0.2.1").labelled(public);
    let options = EngineOptions::new(CATALOG.clone()).image(Arc::new(DecoyImage::pack(b"a program")));
    let fleet = Fleet::new().with(east, Arc::new(lab.east.clone()));
    let left = Engine::new(lab.repo.clone(), Arc::new(fleet), options);
    let links = lab.east.world().links.expect("links");
    assert!(links.values().any(|link| !link.peers.is_empty()), "{links:?}");
    let there = lab.west.world();
    let killed = lab.east.world().containers.keys().next().expect("one").clone();
    lab.east.remove(&killed);

    let degraded = left.reconcile(id, false, &cancel).await.expect("reconciled");
    assert_eq!(degraded.row.status, Status::Degraded);
    let reason = degraded.reason.expect("a reason");
    assert!(reason.contains("which is not a member of the fleet"), "{reason}");
    assert!(lab.east.world().containers.contains_key(&killed), "the rest is healed");
    let links = lab.east.world().links.expect("links");
    assert!(
        links.values().all(|link| link.peers.is_empty()),
        "it is not a peer: {links:?}"
    );
    assert_eq!(lab.west.world(), there, "nothing was done there");
    let verified = left.verify(id, &cancel).await.expect("verified");
    assert_eq!(verified.unseen, ["host west is unseen: it is not in the fleet"]);
    assert_eq!((verified.drift, verified.deviations), (vec![], vec![]));
    let again = left.reconcile(id, false, &cancel).await.expect("reconciled");
    assert_eq!((again.changed, again.row.status), (0, Status::Degraded));

    let moved = left.reconcile(id, true, &cancel).await.expect("moved");
    assert_eq!((moved.row.status, moved.reason), (Status::Active, None));
}

/// Deploys a maze that may only be on `east`, and returns it with an engine whose fleet has only `west`.
async fn after_its_only_host_left() -> (FleetLab, TopologyId, Engine) {
    let lab = FleetLab::new(30);
    let id = lab.store("maze", two_lans()).await;
    let east: BTreeSet<_> = ["east".parse().expect("a name")].into();
    let deploy = DeployOptions::default().settings(DeploySettings::default().hosts(east));
    lab.engine
        .deploy(id, deploy, &CancellationToken::new())
        .await
        .expect("deployed");
    let options = EngineOptions::new(CATALOG.clone()).image(Arc::new(DecoyImage::pack(b"a program")));
    let fleet = Fleet::new().with(member("west", 30, "192.0.2.2"), Arc::new(lab.west.clone()));
    let left = Engine::new(lab.repo.clone(), Arc::new(fleet), options);
    (lab, id, left)
}

#[tokio::test]
async fn a_maze_all_of_whose_chosen_hosts_were_revoked_is_degraded_with_their_names() {
    let (lab, id, left) = after_its_only_host_left().await;
    let cancel = CancellationToken::new();

    let refused = left
        .reconcile(id, true, &cancel)
        .await
        .expect_err("it may not move to west");
    assert_eq!(refused.code(), "hosts_unknown");
    assert_eq!(lab.repo.get(id).await.expect("a row").status, Status::Degraded);
    let events = lab.repo.status_events(id).await.expect("events");
    let said = "`maze` is to run on hosts that are not in the fleet: east (its members: west)";
    assert_eq!(events.last().and_then(|event| event.reason.as_deref()), Some(said));

    assert_eq!(lab.reconcile(id).await.row.status, Status::Active);
    for _ in 0..2 {
        let degraded = left.reconcile(id, false, &cancel).await.expect("reconciled");
        assert_eq!((degraded.row.status, degraded.changed), (Status::Degraded, 0));
        assert_eq!(degraded.reason.as_deref(), Some(said));
    }

    let anywhere = DeployOptions::default().settings(DeploySettings::default()).force(true);
    let moved = left.deploy(id, anywhere, &cancel).await.expect("moved");
    assert_eq!((moved.row.status, moved.reason), (Status::Active, None));
}

#[tokio::test]
async fn a_mutation_of_a_maze_all_of_whose_chosen_hosts_were_revoked_is_rejected() {
    let (_lab, id, left) = after_its_only_host_left().await;
    let cancel = CancellationToken::new();
    let json = r#"{"op": "add_lan", "payload": {"name": "more", "subnet": "10.94.0.0/24"}}"#;
    let new = NewMutation::new(Mutation::from_json(json).expect("a mutation"));
    left.submit(id, new, None).await.expect("queued");
    let drained = left.drain(id, &cancel).await.expect("drained");
    assert_eq!(drained[0].state, MutationState::Rejected, "{:?}", drained[0].reason);
    let reason = drained[0].reason.as_deref().expect("a reason");
    assert!(reason.contains("not in the fleet: east"), "{reason}");
}

#[tokio::test]
async fn a_host_with_another_version_of_the_program_is_unseen_and_both_versions_are_named() {
    let lab = FleetLab::new(1);
    let id = lab.store("maze", two_lans()).await;
    lab.deploy(id).await.expect("deployed");
    let there = lab.west.world();
    lab.west.refuse(RuntimeError::AgentVersion {
        host: "west".into(),
        theirs: "1".into(),
        ours: 2,
    });
    let degraded = lab.reconcile(id).await;
    assert_eq!((degraded.row.status, degraded.changed), (Status::Degraded, 0));
    let said = "host west is unseen: the agent of west has version 1 of the protocol, and this program has version 2";
    assert_eq!(degraded.reason.as_deref(), Some(said));
    assert_eq!(lab.west.world(), there);
    let verified = lab
        .engine
        .verify(id, &CancellationToken::new())
        .await
        .expect("verified");
    assert_eq!(verified.unseen, [said]);

    lab.west.reconnect();
    assert_eq!(lab.reconcile(id).await.row.status, Status::Active);
}

#[tokio::test]
async fn a_maze_on_a_host_that_lost_its_label_or_its_room_is_healed_there() {
    let lab = FleetLab::new(30);
    let id = lab.store("maze", twelve()).await;
    lab.deploy(id).await.expect("deployed");
    let cancel = CancellationToken::new();
    let engine_with = |east: Member| {
        let options = EngineOptions::new(CATALOG.clone()).image(Arc::new(DecoyImage::pack(b"a program")));
        let west = member("west", 30, "192.0.2.2");
        let fleet = Fleet::new()
            .with(east, Arc::new(lab.east.clone()))
            .with(west, Arc::new(lab.west.clone()));
        Engine::new(lab.repo.clone(), Arc::new(fleet), options)
    };
    let label = || "public".parse().expect("a label");
    for (east, words) in [
        (member("east", 30, "192.0.2.1"), "is labelled `public`"),
        (member("east", 5, "192.0.2.1").labelled(label()), "its capacity is 5"),
    ] {
        let engine = engine_with(east);
        let killed = lab.east.world().containers.keys().next().expect("one").clone();
        lab.east.remove(&killed);
        let degraded = engine.reconcile(id, false, &cancel).await.expect("reconciled");
        let reason = degraded.reason.expect("a reason");
        assert_eq!(degraded.row.status, Status::Degraded);
        assert!(reason.contains(words), "{reason}");
        assert!(lab.east.world().containers.contains_key(&killed), "{words}");
        assert!(lab.west.world().containers.is_empty(), "nothing moves");
    }
    assert_eq!(lab.reconcile(id).await.row.status, Status::Active);
}

#[tokio::test]
async fn a_maze_without_a_place_names_the_hosts_that_are_drained_or_silent() {
    let lab = FleetLab::new(1);
    let mut east = member("east", 9, "192.0.2.1");
    east.drained = true;
    let west = member("west", 1, "192.0.2.2");
    let fleet = Fleet::new()
        .answer_within(Duration::from_millis(200))
        .with(east, Arc::new(lab.east.clone()))
        .with(west, Arc::new(lab.west.clone()));
    let options = EngineOptions::new(CATALOG.clone()).image(Arc::new(DecoyImage::pack(b"a program")));
    let engine = Engine::new(lab.repo.clone(), Arc::new(fleet), options);
    let id = lab.store("maze", two_lans()).await;
    let faults = async || {
        let refused = engine
            .deploy(id, DeployOptions::default(), &CancellationToken::new())
            .await;
        match refused.expect_err("refused") {
            EngineError::NotPlaced(NotPlaced { faults }) => faults.iter().map(PlaceFault::code).collect::<Vec<_>>(),
            error => panic!("another error: {error}"),
        }
    };
    assert_eq!(faults().await, ["CAPACITY_EXCEEDED", "MEMBER_DRAINED"]);
    lab.west.go_away();
    assert_eq!(faults().await, ["MEMBER_DRAINED", "MEMBER_SILENT"]);
}

#[tokio::test]
async fn interfaces_are_asked_for_only_where_containers_are_and_of_all_hosts_at_once() {
    let lab = FleetLab::new(13);
    let id = lab.store("maze", twelve()).await;
    lab.deploy(id).await.expect("deployed");
    let all = lab.observe().await;
    let mut on_east = all.clone();
    on_east
        .containers
        .retain(|container| container.name.host() == Some("east"));
    assert!(!on_east.containers.is_empty() && on_east.containers.len() < all.containers.len());
    tokio::time::pause();
    let duration_of = async |observed: &Observed| {
        let (begun, mut named) = (Instant::now(), observed.clone());
        lab.fleet.name_interfaces(&mut named).await.expect("no error");
        let ids = |observed: &Observed| -> BTreeSet<String> {
            observed
                .containers
                .iter()
                .map(|container| container.id.clone())
                .collect()
        };
        assert_eq!(ids(&named), ids(observed));
        begun.elapsed()
    };
    lab.west.fall_silent();
    assert_eq!(duration_of(&on_east).await, Duration::ZERO);
    lab.east.fall_silent();
    // Each may take 200 ms.
    assert!(duration_of(&all).await < Duration::from_millis(300));
}
