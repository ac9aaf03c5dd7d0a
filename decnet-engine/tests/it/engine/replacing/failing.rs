//! Every step of a change fails in turn: with an error, with an unreachable daemon, with a signal, and with a killed process.

use decnet_engine::{EngineError, Replacement, simulated::Moment};
use decnet_topology::{LeaseStore, MutationState, Status, TopologyId, canonical_hash};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        failing_store::{FailingStore, Strike},
        faults::{cancel_at_step, lease_is_released},
        lifecycle::refused,
    },
    Lab, changed, touched, yard,
};

const MOMENTS: [Moment; 3] = [Moment::Before, Moment::Half, Moment::After];

async fn steps() -> usize {
    let (lab, id) = Lab::running(yard()).await;
    lab.prepare_change(id, changed()).await.plan().steps().len()
}

/// Checks that the maze is stored, with every mutation in this state.
async fn check_stored(lab: &Lab, id: TopologyId, states: &[MutationState], context: &str) {
    let stored = lab.stored(id).await;
    assert_eq!(
        canonical_hash(&stored.topology),
        canonical_hash(&changed()),
        "{context}"
    );
    let rows = lab.rows(id).await;
    assert!(!rows.is_empty(), "{context}");
    for row in rows {
        assert!(states.contains(&row.state), "{context}: {row:?}");
        assert!(row.stored_at.is_some(), "{context}: {row:?}");
    }
}

/// Does what the loop does at its next visit, without force, and checks the result.
async fn check_continued(lab: &Lab, id: TopologyId, before: &decnet_engine::simulated::World, context: &str) {
    lab.drain(id).await;
    if lab.status(id).await == Status::Degraded {
        let healed = lab.reconcile(id).await;
        assert_eq!(
            healed.unwrap_or_else(|error| panic!("{context}: {error:?}")).reason,
            None
        );
    }
    assert_eq!(lab.status(id).await, Status::Active, "{context}");
    lab.assert_matches(id, context).await;
    let touched = touched(id, before, &lab.docker.world());
    let untouched = ["web", "web.http", "web.ssh", "joint", "joint.ssh", "files", "files.smb"];
    for name in untouched {
        assert!(!touched.iter().any(|touched| touched == name), "{context}: {name}");
    }
    let rows = lab.rows(id).await;
    assert!(rows.iter().all(|row| row.finished_at.is_some()), "{context}: {rows:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_fails_at_any_step_is_stored_and_repaired() {
    for step in 1..=steps().await {
        for moment in MOMENTS {
            let context = format!("step {step} fails, {moment:?}");
            let (lab, id) = Lab::running(yard()).await;
            let before = lab.docker.world();
            lab.docker.fail(step, moment, refused());
            let outcome = lab.replace(id, Replacement::new(changed())).await;
            let outcome = outcome.unwrap_or_else(|error| panic!("{context}: {error:?}"));
            let reason = outcome.reason.unwrap_or_else(|| panic!("{context}: it failed"));
            assert!(reason.contains("injected fault"), "{context}: {reason}");
            assert_eq!(lab.status(id).await, Status::Degraded, "{context}");
            check_stored(&lab, id, &[MutationState::Failed], &context).await;
            check_continued(&lab, id, &before, &context).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_daemon_dies_or_whose_process_is_killed_at_any_step_is_continued_by_the_next_drain() {
    for step in 1..=steps().await {
        let moment = MOMENTS[step % 3];
        for kill in [true, false] {
            let context = format!("{} at step {step}", if kill { "killed" } else { "cut off" });
            let (lab, id) = Lab::running(yard()).await;
            let before = lab.docker.world();
            if kill {
                lab.docker.hang(step, moment);
                tokio::select! {
                    result = lab.replace(id, Replacement::new(changed())) => panic!("{context}: {result:?}"),
                    () = lab.docker.hung() => {}
                }
                lease_is_released(&lab, id).await;
            } else {
                lab.docker.cut_off(step, moment);
                let error = lab.replace(id, Replacement::new(changed())).await.expect_err(&context);
                assert!(
                    matches!(error, EngineError::MutationQueued { .. }),
                    "{context}: {error:?}"
                );
            }
            let states = [MutationState::Pending, MutationState::Applying];
            check_stored(&lab, id, &states, &context).await;
            lab.docker.reconnect();
            check_continued(&lab, id, &before, &context).await;
            let rows = lab.rows(id).await;
            assert!(
                rows.iter().all(|row| row.state == MutationState::Applied),
                "{context}: {rows:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_change_finishes_started_steps_and_is_continued_by_the_next_drain() {
    let mut interrupted = 0;
    for begun in 1..=steps().await {
        let context = format!("interrupted at step {begun}");
        let (lab, id) = Lab::running(yard()).await;
        let before = lab.docker.world();
        let cancel = CancellationToken::new();
        let cancelling = cancel_at_step(lab.engine.events(), begun, &cancel);
        let replaced = tokio::select! {
            replaced = lab.engine.replace(id, Replacement::new(changed()), &cancel) => replaced,
            never = cancelling => match never {},
        };
        if let Err(error) = replaced {
            interrupted += 1;
            let EngineError::MutationQueued { source, .. } = &error else {
                panic!("{context}: {error:?}");
            };
            assert_eq!(source.code(), "interrupted", "{context}");
            check_stored(&lab, id, &[MutationState::Pending], &context).await;
        }
        check_continued(&lab, id, &before, &context).await;
    }
    assert!(interrupted > 3, "{interrupted}");
}

#[tokio::test]
async fn a_teardown_ends_an_unfinished_change() {
    let (lab, id) = Lab::running(yard()).await;
    lab.docker.cut_off(2, Moment::Before);
    lab.replace(id, Replacement::new(changed())).await.expect_err("cut off");
    lab.docker.reconnect();
    lab.teardown(id).await.expect("torn down");
    check_stored(&lab, id, &[MutationState::Failed], "torn down").await;
    lab.assert_nothing_left("torn down");
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_store_fails_at_any_call_is_stored_as_a_whole_or_not_at_all() {
    let mut kept = 0;
    for strike in [Strike::Before, Strike::After] {
        for nth in 1.. {
            let context = format!("call {nth} of the store, {strike:?}");
            let (lab, id) = Lab::running(yard()).await;
            let before = lab.docker.world();
            let (failing_store, engine) = FailingStore::in_place_of(&lab);
            failing_store.strike(nth, strike);
            let never = CancellationToken::new();
            let replaced = engine.replace(id, Replacement::new(changed()), &never).await;
            if !failing_store.has_struck() {
                replaced.expect("nothing failed");
                assert!(nth > 20, "{context}");
                break;
            }
            // A lease that could not be released, or whose release got no answer, expires by a clock that no test controls.
            if let Some(lease) = lab.repo.lease(id, Timestamp::now()).await.expect("asked") {
                lab.repo.release_lease(id, lease.token).await.expect("released");
            }
            if lab.rows(id).await.is_empty() {
                assert_eq!(lab.stored(id).await.topology, yard(), "{context}");
                lab.assert_matches(id, &context).await;
            } else {
                kept += 1;
                let states = [MutationState::Pending, MutationState::Applying, MutationState::Applied];
                check_stored(&lab, id, &states, &context).await;
                check_continued(&lab, id, &before, &context).await;
            }
        }
    }
    assert!(kept > 20, "{kept}");
}
