//! This machine is also a host: two parts of the fleet see the same daemon.

use super::*;

/// An engine on the hosts of a lab and a daemon of this machine.
fn with_local(lab: &FleetLab, fleet: Fleet, local: &Simulated) -> Engine {
    let options = EngineOptions::new(CATALOG.clone()).image(Arc::new(DecoyImage::pack(b"a program")));
    let fleet = fleet.with_local(Arc::new(local.clone()));
    Engine::new(lab.repo.clone(), Arc::new(fleet), options)
}

/// Deploys one maze on this machine, and one on the host that it is too.
async fn on_both() -> (FleetLab, Engine, TopologyId, TopologyId) {
    let lab = FleetLab::new(250);
    let engine = with_local(&lab, lab.fleet.clone(), &lab.east);
    let there = lab.store("there", two_lans()).await;
    let settings = DeploySettings::default().hosts(["east".parse().expect("a name")]);
    let here = Topology::builder().dmz("dmz", "10.96.0.0/24");
    let here = here.decky("web", |decky| decky.on("dmz", "10.96.0.2").services(["ssh"]));
    let here = lab.store("here", here.build().expect("a maze")).await;
    for (id, options) in [
        (there, DeployOptions::default().settings(settings)),
        (here, DeployOptions::default()),
    ] {
        let up = engine
            .deploy(id, options, &CancellationToken::new())
            .await
            .expect("deployed");
        assert_eq!((up.row.status, up.reason), (Status::Active, None));
        assert_eq!(up.row.placement.is_some(), id == there);
    }
    (lab, engine, there, here)
}

async fn changes(engine: &Engine, id: TopologyId) -> usize {
    let reconciled = engine.reconcile(id, false, &CancellationToken::new()).await;
    let reconciled = reconciled.expect("reconciled");
    assert_eq!((reconciled.row.status, reconciled.reason), (Status::Active, None));
    reconciled.changed
}

#[tokio::test]
async fn a_maze_of_the_host_and_one_of_the_machine_leave_each_other_alone() {
    let (lab, engine, there, here) = on_both().await;
    assert_eq!((changes(&engine, there).await, changes(&engine, here).await), (0, 0));
    let cancel = CancellationToken::new();
    engine.teardown(here, &cancel).await.expect("torn down");
    assert_eq!(changes(&engine, there).await, 0);
    assert!(!lab.east.world().containers.is_empty());
    engine.teardown(there, &cancel).await.expect("torn down");
    lab.assert_nothing_left();
}

#[tokio::test]
async fn what_is_lost_is_made_once() {
    let (lab, engine, there, here) = on_both().await;
    let before = lab.east.world();
    for name in before.containers.keys() {
        lab.east.remove(name);
    }
    assert!(changes(&engine, there).await > 0 && changes(&engine, here).await > 0);
    assert!(lab.east.world().containers.keys().eq(before.containers.keys()));
    assert_eq!((changes(&engine, there).await, changes(&engine, here).await), (0, 0));
}

#[tokio::test]
async fn the_machine_does_not_touch_what_the_host_made_while_its_agent_is_silent_nor_the_host_what_the_machine_made() {
    let (lab, _, there, here) = on_both().await;
    let before = lab.east.world();
    let gone = Simulated::new();
    gone.go_away();
    let no_agent = lab
        .fleet
        .clone()
        .with(member("east", 250, "192.0.2.1"), Arc::new(gone.clone()));
    let cancel = CancellationToken::new();
    let degraded = with_local(&lab, no_agent, &lab.east)
        .reconcile(there, false, &cancel)
        .await;
    assert_eq!(degraded.expect("reconciled").row.status, Status::Degraded);
    // The user of this program may not use the daemon.
    let refused = with_local(&lab, lab.fleet.clone(), &gone)
        .reconcile(here, false, &cancel)
        .await;
    assert!(refused.is_ok_and(|outcome| outcome.row.status == Status::Degraded));
    assert_eq!(lab.east.world(), before);
}

#[tokio::test]
async fn what_a_host_made_that_left_the_fleet_is_found() {
    let (lab, _, there, _) = on_both().await;
    let left = Fleet::new().with_local(Arc::new(lab.east.clone()));
    let observed = left
        .inspect(Scope::Topology(lab.repo.instance().await.expect("an instance"), there))
        .await;
    assert!(!observed.expect("it answers").containers.is_empty());
}
