//! A slow network: what is sent arrives late, and connections arrive in another order than they began.

use std::time::Duration;

use decnet_engine::{CancellationToken, HostReport, HostState, Replacement};
use decnet_topology::{Mode, Status};
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::time;

use super::{
    play::{SOON, topology},
    relay::Relay,
    wired::Wired,
};

#[tokio::test]
async fn over_a_slow_network_mazes_are_pushed_changed_checked_and_torn_down() {
    let (shortest, longest) = (Duration::from_millis(20), Duration::from_millis(250));
    let wired = Wired::over(async |target| Relay::slow(target, 7, shortest, longest).await).await;
    let id = wired.deploy(Mode::Agent).await;
    let first = wired.containers();
    let cancel = CancellationToken::new();
    // Each has a connection of its own.
    let inspections = join_all((0..6).map(|_| wired.engine.inspect(id))).await;
    for inspection in inspections {
        let inspection = inspection.expect("inspected");
        assert!(inspection.deckies.iter().all(|decky| decky.base.is_some()));
    }
    let wanted = Replacement::new(topology("172.20.0", &["web", "db"]));
    let changed = wired.engine.replace(id, wanted, &cancel).await.expect("changed");
    assert_eq!((changed.row.status, changed.reason), (Status::Active, None));
    let now = wired.containers();
    assert!(now.len() == 4 && first.iter().all(|one| now.contains(one)), "{now:?}");

    // A heartbeat says which version the agent has.
    let said = async {
        loop {
            let report = HostReport::of(&wired.host().await).unwrap_or_default();
            if report.topology == Some(id) && !report.version_hash.is_empty() {
                return;
            }
            time::sleep(Duration::from_millis(20)).await;
        }
    };
    time::timeout(SOON, said).await.expect("a heartbeat in time");
    assert_eq!(wired.state_after(0).await, HostState::Ready);
    let outcome = wired.engine.teardown(id, &cancel).await.expect("torn down");
    assert_eq!(outcome.row.status, Status::TornDown);
    assert!(wired.containers().is_empty());
}

#[tokio::test]
async fn a_heartbeat_that_arrives_after_a_newer_one_is_ignored() {
    let wired = Wired::new().await;
    wired.heard_after(Timestamp::UNIX_EPOCH).await;
    wired.heartbeats.hold_requests();
    time::timeout(SOON, wired.heartbeats.held())
        .await
        .expect("a heartbeat is on its way");
    // The agent stops, and the network still has its heartbeat.
    wired.agent.stop.cancel();
    let moved = "127.0.0.1:9";
    let restarted = wired.restarted(moved).await;
    let (newer, _) = wired.master.hears(|report| report.address == moved).await;
    restarted.stop.cancel();
    restarted.task.await.expect("no panic").expect("no error");
    let last = wired.host().await;
    assert_eq!(last.address, newer.address);

    wired.heartbeats.heal();
    time::timeout(SOON, wired.heartbeats.idle())
        .await
        .expect("it was delivered");
    assert_eq!(wired.host().await, last);
}
