//! Drains that do not finish: cancelled, without a daemon, or of a maze that is deleted.

use decnet_engine::{EngineError, Event, MutationStage, Received, RuntimeError, simulated::Moment};
use decnet_topology::{Holder, LeaseStore, MutationState, RepoError, Status, TopologyId, TopologyStore};
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{
    super::faults::{cancel_at_step, lease_is_released},
    CASES, Case, Lab, touched, yard,
};

/// Six steps: a service and a base are recreated, with a step before and after.
const LONG: &Case = &CASES[11];

/// Drains, and cancels when this many steps have started.
async fn drain_and_cancel(lab: &Lab, id: TopologyId, begun: usize) -> Vec<decnet_topology::MutationRow> {
    let cancel = CancellationToken::new();
    let cancelling = cancel_at_step(lab.engine.events(), begun, &cancel);
    tokio::select! {
        drained = lab.engine.drain(id, &cancel) => drained.expect("a cancelled drain is not an error"),
        never = cancelling => match never {},
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_drain_releases_the_mutation_and_the_next_completes_it() {
    let (mut released, mut through) = (0, 0);
    for case in &CASES {
        for begun in 1.. {
            let context = format!("{} cancelled at step {begun}", case.json);
            let (lab, id) = Lab::running(yard()).await;
            let before = lab.docker.world();
            lab.enqueue(id, case.json).await;
            let finished = drain_and_cancel(&lab, id, begun).await;
            let row = lab.rows(id).await.remove(0);
            match row.state {
                MutationState::Pending => {
                    released += 1;
                    assert_eq!((finished.len(), row.claim), (0, None), "{context}");
                    assert!(row.stored_at.is_some(), "{context}");
                    let [finished] = lab.drain(id).await.try_into().expect("one");
                    assert_eq!(
                        (finished.state, finished.attempts),
                        (MutationState::Applied, 2),
                        "{context}"
                    );
                }
                // No further step may start.
                MutationState::Applied => through += 1,
                state => panic!("{context}: {state:?}: {:?}", row.reason),
            }
            assert_eq!(lab.status(id).await, Status::Active, "{context}");
            lab.assert_matches(id, &context).await;
            assert_eq!(touched(id, &before, &lab.docker.world()), case.touched, "{context}");
            if row.state == MutationState::Applied {
                break;
            }
        }
    }
    assert!(
        released > CASES.len() && through == CASES.len(),
        "{released} and {through}"
    );
}

#[tokio::test]
async fn a_cancelled_drain_starts_no_other_mutation() {
    let (lab, id) = Lab::running(yard()).await;
    lab.enqueue(id, LONG.json).await;
    lab.enqueue(id, CASES[0].json).await;
    assert_eq!(drain_and_cancel(&lab, id, 1).await, []);
    let states: Vec<_> = lab.rows(id).await.iter().map(|row| (row.state, row.attempts)).collect();
    assert_eq!(states, [(MutationState::Pending, 1), (MutationState::Pending, 0)]);
    let finished = lab.drain(id).await;
    assert!(
        finished.iter().all(|row| row.state == MutationState::Applied),
        "{finished:#?}"
    );
    assert_eq!(finished.len(), 2);
}

#[tokio::test]
async fn a_mutation_stays_in_the_queue_while_the_daemon_is_unreachable() {
    let (lab, id) = Lab::running(yard()).await;
    let waiting = lab.enqueue(id, LONG.json).await;
    lab.docker.go_away();
    let drained = lab.engine.drain(id, &CancellationToken::new()).await;
    assert!(
        matches!(&drained, Err(EngineError::Runtime(error)) if error.is_unreachable()),
        "{drained:?}"
    );
    assert_eq!(lab.rows(id).await, [waiting]);
    assert_eq!(lab.stored(id).await.topology, yard());
    lab.docker.reconnect();
    assert_eq!(lab.drain(id).await[0].state, MutationState::Applied);
}

#[tokio::test]
async fn queued_mutations_of_a_torn_down_maze_are_rejected_and_never_applied() {
    let (lab, id) = Lab::running(yard()).await;
    for case in &CASES[..3] {
        lab.enqueue(id, case.json).await;
    }
    let mut events = lab.engine.events();
    lab.teardown(id).await.expect("torn down");
    let mut reported = Vec::new();
    while let Some(Received::Event(envelope)) = events.try_recv() {
        if let Event::Mutation { mutation, state, .. } = envelope.event {
            reported.push((mutation, state));
        }
    }
    let rows = lab.rows(id).await;
    let expected: Vec<_> = rows.iter().map(|row| (row.id, MutationStage::Rejected)).collect();
    assert_eq!(reported, expected, "waiting commands get the event");
    for row in lab.rows(id).await {
        assert_eq!((row.state, row.stored_at), (MutationState::Rejected, None));
        assert_eq!(row.reason.as_deref(), Some("the topology is being torn down"));
    }
    assert_eq!(lab.drain(id).await, []);
    lab.assert_nothing_left("drained after a teardown");
    lab.repo.delete(id, None, Timestamp::now()).await.expect("deleted");
    let drained = lab.engine.drain(id, &CancellationToken::new()).await;
    assert!(
        matches!(drained, Err(EngineError::Repo(RepoError::NotFound { .. }))),
        "{drained:?}"
    );
}

#[tokio::test]
async fn a_maze_is_not_torn_down_under_a_drain() {
    let (lab, id) = Lab::running(yard()).await;
    lab.enqueue(id, LONG.json).await;
    lab.docker.hang(2, Moment::Before);
    tokio::select! {
        drained = lab.drain(id) => panic!("{drained:?}"),
        () = async {
            lab.docker.hung().await;
            lab.docker.reconnect();
            let refused = lab.teardown(id).await;
            assert!(matches!(refused, Err(EngineError::Busy { .. })), "{refused:?}");
            let refused = lab.repo.delete(id, None, Timestamp::now()).await;
            assert!(refused.is_err(), "{refused:?}");
        } => {}
    }
}

#[tokio::test(start_paused = true)]
async fn the_remains_of_a_killed_drain_are_removed_with_the_maze_and_not_continued() {
    for step in 1..=6 {
        for drained_first in [true, false] {
            let context = format!("killed at step {step}");
            let (lab, id) = Lab::running(yard()).await;
            lab.enqueue(id, LONG.json).await;
            lab.enqueue(id, CASES[0].json).await;
            lab.docker.hang(step, Moment::After);
            tokio::select! {
                drained = lab.drain(id) => panic!("{context}: {drained:?}"),
                () = lab.docker.hung() => {}
            }
            lease_is_released(&lab, id).await;
            lab.docker.reconnect();
            lab.teardown(id)
                .await
                .unwrap_or_else(|error| panic!("{context}: {error:?}"));
            if drained_first {
                assert_eq!(lab.drain(id).await, [], "{context}");
            }
            lab.assert_nothing_left(&context);
            assert_eq!(lab.status(id).await, Status::TornDown, "{context}");
            let rows = lab.rows(id).await;
            let states: Vec<_> = rows.iter().map(|row| row.state).collect();
            assert_eq!(states, [MutationState::Failed, MutationState::Rejected], "{context}");
            assert!(rows.iter().all(|row| row.reason.is_some()), "{context}: {rows:#?}");
        }
    }
}

// When all tasks wait, the clock jumps to the next renewal of the lease.
#[tokio::test(start_paused = true)]
async fn a_drain_whose_maze_is_deleted_meanwhile_ends_and_creates_nothing() {
    for step in 1..=6 {
        let context = format!("vanished at step {step}");
        let (lab, id) = Lab::running(yard()).await;
        lab.enqueue(id, LONG.json).await;
        lab.docker.hang(step, Moment::Before);
        let vanish = async {
            lab.docker.hung().await;
            lab.docker.reconnect();
            let now = Timestamp::now();
            let held = lab.repo.lease(id, now).await.expect("asked").expect("a lease");
            let holder = Holder {
                boot_id: "another host".into(),
                pid: 1,
                started: 1,
                label: "another".into(),
            };
            let minute = SignedDuration::from_mins(1);
            let taken = lab.repo.acquire_lease(id, &holder, minute, Some(held.token), now).await;
            lab.repo
                .release_lease(id, taken.expect("taken").token)
                .await
                .expect("released");
            lab.teardown(id)
                .await
                .unwrap_or_else(|error| panic!("{context}: {error:?}"));
            lab.repo.delete(id, None, Timestamp::now()).await.expect("deleted");
        };
        let cancel = CancellationToken::new();
        let (drained, ()) = tokio::join!(lab.engine.drain(id, &cancel), vanish);
        assert!(
            matches!(drained, Err(EngineError::Repo(RepoError::LeaseLost { .. }))),
            "{context}: {drained:?}"
        );
        lab.assert_nothing_left(&context);
    }
}

#[tokio::test]
async fn a_mutation_whose_step_times_out_stays_queued_with_those_behind_it_and_the_next_drain_applies_all() {
    for answers in [true, false] {
        let (lab, id) = Lab::running(yard()).await;
        lab.enqueue(id, LONG.json).await;
        let behind = r#"{"op": "add_lan", "payload": {"name": "shed", "subnet": "10.97.77.0/24"}}"#;
        lab.enqueue(id, behind).await;
        let timed_out = RuntimeError::TimedOut {
            what: "create a container".into(),
            seconds: 60,
            answers,
        };
        lab.docker.fail(1, Moment::Before, timed_out);
        let drained = lab.engine.drain(id, &CancellationToken::new()).await;
        assert!(
            matches!(drained, Err(EngineError::Runtime(RuntimeError::TimedOut { .. }))),
            "{drained:?}"
        );
        let left: Vec<_> = lab
            .rows(id)
            .await
            .into_iter()
            .map(|row| (row.state, row.claim))
            .collect();
        assert_eq!(left, [(MutationState::Pending, None), (MutationState::Pending, None)]);
        let finished: Vec<_> = lab.drain(id).await.into_iter().map(|row| row.state).collect();
        assert_eq!(finished, [MutationState::Applied, MutationState::Applied]);
        lab.assert_matches(id, "after the timeout").await;
    }
}
