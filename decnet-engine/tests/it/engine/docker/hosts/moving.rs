//! A maze leaves a host, and nothing of it stays there.

use decnet_topology::{DeploySettings, Distribution, PlacementRules};

use super::*;

const EAST: usize = 0;
const WEST: usize = 1;

impl FleetLab {
    /// Moves a maze to one of the hosts.
    async fn move_to(&self, id: TopologyId, host: &str) -> Outcome {
        let settings = DeploySettings::default().hosts([host.parse().expect("a name")]);
        let options = DeployOptions::default().settings(settings).force(true);
        let moved = self.engine.deploy(id, options, &CancellationToken::new()).await;
        moved.unwrap_or_else(|error| panic!("{error}: {error:?}"))
    }

    /// Returns the names of the hosts that the maze left, and that may still have something of it.
    async fn former(&self, id: TopologyId) -> Vec<String> {
        let placement = self.repo.get(id).await.expect("a row").placement.expect("placed");
        placement.former.iter().map(ToString::to_string).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn nothing_of_a_maze_is_left_on_a_host_that_it_left() {
    let hosts = Hosts::start("moving");
    let lab = FleetLab::new(&hosts, 40).await;
    let rules = PlacementRules::default().distribute(Distribution::Spread);
    let spread = DeploySettings::default().placement(rules);
    let id = lab.deploy_with(twelve_on("10.210"), spread).await;
    assert!(!hosts.links(EAST).is_empty() && !hosts.links(WEST).is_empty());
    let moved = lab.move_to(id, "east").await;
    assert_eq!((moved.row.status, moved.reason), (Status::Active, None));
    hosts.assert_nothing_on(WEST);
    assert_eq!(lab.former(id).await, [""; 0]);
    lab.verify(id).await;

    // A host that does not answer during the move is emptied when it answers again.
    hosts.signal(EAST, "-STOP");
    let away = lab.move_to(id, "west").await;
    hosts.signal(EAST, "-CONT");
    assert_eq!(away.row.status, Status::Degraded);
    assert_eq!(lab.former(id).await, ["east"]);
    let back = lab.reconcile(id).await;
    assert_eq!((back.row.status, back.reason), (Status::Active, None));
    hosts.assert_nothing_on(EAST);
    assert_eq!(lab.former(id).await, [""; 0]);
    lab.verify(id).await;

    let down = lab.engine.teardown(id, &CancellationToken::new()).await;
    assert_eq!(down.expect("torn down").row.status, Status::TornDown);
    hosts.assert_nothing_left();
}
