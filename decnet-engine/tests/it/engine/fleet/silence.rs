//! Hosts that do not answer, and hosts that are gone.

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
async fn a_maze_of_a_host_that_was_revoked_is_degraded_until_it_is_moved_with_force() {
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
    let refused = left.reconcile(id, false, &cancel).await.expect_err("it would move");
    assert_eq!(refused.code(), "not_placed");
    assert_eq!(lab.repo.get(id).await.expect("a row").status, Status::Degraded);
}
