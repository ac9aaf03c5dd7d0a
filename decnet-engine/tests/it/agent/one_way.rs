//! A network that is cut in one direction: heartbeats do not arrive, or requests of the master do not.

use decnet_engine::{CancellationToken, HostState, Replacement};
use decnet_topology::{Mode, Status};
use jiff::Timestamp;

use super::{play::topology, wired::Wired};

#[tokio::test]
async fn without_heartbeats_a_host_is_listed_as_unreachable_and_its_mazes_still_change() {
    for mode in [Mode::Unihost, Mode::Agent] {
        let wired = Wired::new().await;
        let id = wired.deploy(mode).await;
        let first = wired.containers();
        wired.heartbeats.refuse();
        wired.heartbeats.idle().await;
        let last = wired.host().await.heard_at.expect("it was heard");
        assert_eq!(wired.state_after(30).await, HostState::Ready);
        assert_eq!(wired.state_after(31).await, HostState::Unreachable);

        let cancel = CancellationToken::new();
        let wanted = Replacement::new(topology("172.20.0", &["web", "db"]));
        let changed = wired.engine.replace(id, wanted, &cancel).await.expect("changed");
        assert_eq!((changed.row.status, changed.reason), (Status::Active, None), "{mode:?}");
        let now = wired.containers();
        assert!(now.len() == 4 && first.iter().all(|one| now.contains(one)), "{now:?}");
        assert_eq!(
            wired.host().await.heard_at,
            Some(last),
            "no heartbeat arrived meanwhile"
        );

        wired.heartbeats.heal();
        wired.heard_after(last).await;
        assert_eq!(wired.state_after(0).await, HostState::Ready);
        let outcome = wired.engine.reconcile(id, false, &cancel).await.expect("reconciled");
        assert_eq!((outcome.changed, outcome.row.status), (0, Status::Active));
    }
}

#[tokio::test]
async fn without_requests_a_host_is_listed_as_ready_and_its_maze_is_degraded_with_the_reason() {
    let wired = Wired::new().await;
    let id = wired.deploy(Mode::Unihost).await;
    let before = wired.containers();
    wired.requests.refuse();
    wired.heard_after(Timestamp::now()).await;
    assert_eq!(wired.state_after(0).await, HostState::Ready);

    let cancel = CancellationToken::new();
    let outcome = wired.engine.reconcile(id, false, &cancel).await.expect("reconciled");
    assert_eq!(outcome.row.status, Status::Degraded);
    let reason = outcome.reason.expect("a reason");
    assert!(
        reason.contains("host host-1 is unseen") && reason.contains("does not answer"),
        "{reason}"
    );

    wired.requests.heal();
    let outcome = wired.engine.reconcile(id, false, &cancel).await.expect("reconciled");
    assert_eq!((outcome.row.status, outcome.reason), (Status::Active, None));
    assert_eq!(wired.containers(), before);
}

#[tokio::test]
async fn without_requests_a_maze_of_the_agent_keeps_its_status_and_every_command_has_the_reason() {
    let wired = Wired::new().await;
    let id = wired.deploy(Mode::Agent).await;
    let before = wired.containers();
    wired.requests.refuse();
    wired.heard_after(Timestamp::now()).await;
    assert_eq!(wired.state_after(0).await, HostState::Ready);

    let cancel = CancellationToken::new();
    let error = wired
        .engine
        .reconcile(id, false, &cancel)
        .await
        .expect_err("unreachable");
    assert_eq!(error.code(), "agent_unreachable", "{error}");
    let row = wired.engine.repo().get(id).await.expect("stored");
    assert_eq!((row.status, row.needs_resync), (Status::Active, false));

    wired.requests.heal();
    let outcome = wired.engine.reconcile(id, false, &cancel).await.expect("reconciled");
    assert_eq!((outcome.row.status, outcome.reason), (Status::Active, None));
    assert_eq!(wired.containers(), before);
}
