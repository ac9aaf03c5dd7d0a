//! A maze leaves a host: nothing of it stays there.

use std::collections::BTreeSet;

use decnet_engine::{
    Action, CancellationToken, DeployOptions, EngineError, Outcome, RuntimeError,
    simulated::{Moment, Simulated},
};
use decnet_topology::{DeploySettings, Status, Topology, TopologyId, TopologyStore as _};

use super::{FleetLab, two_lans};

impl FleetLab {
    /// Reconciles a maze, and asserts that it is whole and has left nothing on the second host.
    async fn heals_and_empties_west(&self, id: TopologyId) {
        let healed = self.reconcile(id).await;
        assert_eq!((healed.row.status, healed.reason), (Status::Active, None));
        assert_empty(&self.west);
        assert_eq!(self.former(id).await, [""; 0]);
    }

    /// Deploys a maze on one host, and moves it there with force.
    async fn deploy_on(&self, id: TopologyId, host: &str, force: bool) -> Result<Outcome, EngineError> {
        let settings = DeploySettings::default().hosts([host.parse().expect("a name")]);
        let options = DeployOptions::default().settings(settings).force(force);
        self.engine.deploy(id, options, &CancellationToken::new()).await
    }

    /// Returns the names of the hosts that the maze left, and that may still have something of it.
    async fn former(&self, id: TopologyId) -> Vec<String> {
        let placement = self.repo.get(id).await.expect("a row").placement.expect("placed");
        placement.former.iter().map(ToString::to_string).collect()
    }

    async fn on_west() -> (Self, TopologyId) {
        let lab = Self::new(40);
        let id = lab.store("maze", two_lans()).await;
        lab.deploy_on(id, "west", false).await.expect("deployed");
        (lab, id)
    }
}

#[track_caller]
fn assert_empty(host: &Simulated) {
    let world = host.world();
    let names: BTreeSet<_> = world.containers.keys().collect();
    assert!(names.is_empty(), "{names:?}");
    assert!(world.networks.is_empty(), "{:?}", world.networks.keys());
    assert!(world.volumes.is_empty(), "{:?}", world.volumes.keys());
    assert!(world.images.is_empty(), "{:?}", world.images);
}

/// The same as the other maze, elsewhere.
fn another() -> Topology {
    let builder = Topology::builder().dmz("dmz", "10.96.0.0/24");
    let builder = builder.decky("web", |decky| decky.on("dmz", "10.96.0.2").services(["ssh"]));
    builder.build().expect("a maze")
}

#[tokio::test]
async fn nothing_is_left_on_a_host_after_a_move() {
    let (lab, id) = FleetLab::on_west().await;
    assert!(!lab.west.world().images.is_empty());
    let moved = lab.deploy_on(id, "east", true).await.expect("moved");
    assert_eq!((moved.row.status, moved.reason), (Status::Active, None));
    assert!(!moved.row.needs_resync);
    assert_empty(&lab.west);
    assert_eq!(lab.former(id).await, [""; 0]);
    assert_eq!(lab.reconcile(id).await.changed, 0);
    lab.teardown(id).await.expect("torn down");
    lab.assert_nothing_left();
}

#[tokio::test]
async fn an_image_stays_on_the_host_if_another_maze_uses_it_and_that_is_no_drift() {
    let (lab, id) = FleetLab::on_west().await;
    let other = lab.store("other", another()).await;
    lab.deploy_on(other, "west", false).await.expect("deployed");
    let images = lab.west.world().images;
    let moved = lab.deploy_on(id, "east", true).await.expect("moved");
    assert_eq!((moved.row.status, moved.reason), (Status::Active, None));
    assert_eq!(lab.west.world().images, images);
    assert_eq!(lab.former(id).await, [""; 0]);
    for maze in [id, other] {
        let reconciled = lab.reconcile(maze).await;
        assert_eq!((reconciled.row.status, reconciled.changed), (Status::Active, 0));
    }
    for maze in [id, other] {
        lab.teardown(maze).await.expect("torn down");
    }
    lab.assert_nothing_left();
}

#[tokio::test]
async fn a_host_that_is_silent_during_the_move_is_named_until_it_was_emptied() {
    let (lab, id) = FleetLab::on_west().await;
    lab.west.go_away();
    let moved = lab.deploy_on(id, "east", true).await.expect("moved");
    assert_eq!(moved.row.status, Status::Degraded);
    assert_eq!(lab.former(id).await, ["west"]);
    lab.reconcile(id).await;
    assert_eq!(lab.former(id).await, ["west"], "nothing is known of it");

    lab.west.reconnect();
    lab.heals_and_empties_west(id).await;
}

#[tokio::test]
async fn a_host_that_returns_with_only_an_image_is_emptied_too() {
    let (lab, id) = FleetLab::on_west().await;
    lab.west.go_away();
    lab.deploy_on(id, "east", true).await.expect("moved");
    lab.west.reconnect();
    let names: Vec<_> = lab.west.world().containers.into_keys().collect();
    for name in names {
        lab.west.remove(&name);
    }
    lab.reconcile(id).await;
    assert_empty(&lab.west);
    assert_eq!(lab.former(id).await, [""; 0]);
}

#[tokio::test]
async fn a_host_stays_named_while_something_cannot_be_removed_there() {
    let (lab, id) = FleetLab::on_west().await;
    let is_image = |action: &Action| matches!(action, Action::RemoveImage { .. });
    let refused = RuntimeError::Refused { reason: "no".into() };
    lab.west.fail_where(is_image, Moment::Before, refused);
    let moved = lab.deploy_on(id, "east", true).await.expect("moved");
    assert_eq!(moved.row.status, Status::Degraded);
    let reason = moved.reason.expect("a reason");
    assert!(reason.contains("remove image"), "{reason}");
    assert_eq!(lab.former(id).await, ["west"]);

    // It accepts requests again.
    lab.west.reconnect();
    lab.heals_and_empties_west(id).await;
}

#[tokio::test]
async fn a_maze_that_was_torn_down_names_no_host_that_it_left() {
    let (lab, id) = FleetLab::on_west().await;
    lab.west.go_away();
    lab.deploy_on(id, "east", true).await.expect("moved");
    lab.teardown(id).await.expect_err("it is unknown what is left");
    assert_eq!(lab.former(id).await, ["west"]);
    lab.west.reconnect();
    lab.teardown(id).await.expect("torn down");
    assert_eq!(lab.former(id).await, [""; 0]);
    lab.assert_nothing_left();
}
