//! Every step of every op fails in turn: with an error, with a timeout, with an unreachable daemon, and with a killed process.

use decnet_engine::{
    EngineError, RuntimeError,
    simulated::{Moment, World},
};
use decnet_topology::{
    MutationContext, MutationRow, MutationState, RuleSet, Stage, Status, Topology, TopologyId, TopologyStore, apply,
    validate,
};
use tokio_util::sync::CancellationToken;

use super::{
    super::{CATALOG, faults::lease_is_released, lifecycle::refused},
    CASES, Case, Lab, mutation, touched, yard,
};

const MOMENTS: [Moment; 3] = [Moment::Before, Moment::Half, Moment::After];

/// The kind of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Error,
    TimedOut,
    CutOff,
    Killed,
}

/// A request that took too long, on a daemon that answers others.
fn timed_out() -> RuntimeError {
    RuntimeError::TimedOut {
        what: "start a container".into(),
        seconds: 120,
        answers: true,
    }
}

/// Returns the yard after a mutation.
fn made(case: &Case) -> Topology {
    let context = MutationContext::new(&CATALOG, Stage::Live);
    apply(&yard(), &mutation(case.json), &context)
        .expect(case.json)
        .into_topology()
}

/// Counts the steps of a mutation of the yard.
async fn steps(case: &Case) -> usize {
    let (lab, id) = Lab::running(yard()).await;
    let preview = crate::prepared(&lab.engine, id, &mutation(case.json)).await;
    preview.expect(case.json).plan().steps().len()
}

/// A running maze, after a drain of one mutation with a fault.
async fn struck(case: &Case, step: usize, moment: Moment, fault: Fault) -> (Lab, TopologyId, World) {
    let (lab, id) = Lab::running(yard()).await;
    let before = lab.docker.world();
    lab.enqueue(id, case.json).await;
    match fault {
        Fault::Error => lab.docker.fail(step, moment, refused()),
        Fault::TimedOut => lab.docker.fail(step, moment, timed_out()),
        Fault::CutOff => lab.docker.cut_off(step, moment),
        Fault::Killed => lab.docker.hang(step, moment),
    }
    let cancel = CancellationToken::new();
    tokio::select! {
        drained = lab.engine.drain(id, &cancel) => match fault {
            Fault::Error => assert_eq!(drained.expect("drained").len(), 1),
            Fault::TimedOut => {
                let timed_out = matches!(&drained, Err(EngineError::Runtime(RuntimeError::TimedOut { .. })));
                assert!(timed_out, "{drained:?}");
            }
            Fault::CutOff => {
                let unreachable = matches!(&drained, Err(EngineError::Runtime(error)) if error.is_unreachable());
                assert!(unreachable, "{drained:?}");
            }
            Fault::Killed => panic!("{drained:?}"),
        },
        () = lab.docker.hung() => lease_is_released(&lab, id).await,
    }
    (lab, id, before)
}

async fn only_row(lab: &Lab, id: TopologyId) -> MutationRow {
    let [row] = lab.rows(id).await.try_into().expect("one mutation");
    row
}

/// Checks the result of a fault: the maze is valid, and the mutation has failed with a reason or is still in the queue.
async fn check_left(lab: &Lab, id: TopologyId, case: &Case, fault: Fault, context: &str) {
    let stored = lab.stored(id).await;
    let report = validate(&stored.topology, &CATALOG, RuleSet::live());
    assert!(report.is_clean(), "{context}: {report:?}");
    assert_eq!(
        stored.topology,
        made(case),
        "{context}: it was stored before the first step"
    );
    let row = only_row(lab, id).await;
    let (state, status) = match fault {
        Fault::Error => (MutationState::Failed, Status::Degraded),
        Fault::TimedOut | Fault::CutOff => (MutationState::Pending, Status::Active),
        Fault::Killed => (MutationState::Applying, Status::Active),
    };
    assert_eq!(
        (row.state, stored.row.status),
        (state, status),
        "{context}: {:?}",
        row.reason
    );
    if fault == Fault::Error {
        let reason = row.reason.expect("a reason");
        assert!(
            reason.contains("could not ") && reason.contains("injected fault"),
            "{context}: {reason}"
        );
        let events = lab.repo.status_events(id).await.expect("the events");
        assert_eq!(
            events.last().and_then(|event| event.reason.clone()),
            Some(reason),
            "{context}"
        );
    }
}

/// Does what the loop does at its next visit, without force: drains the queue, and repairs a degraded maze.
async fn visit(lab: &Lab, id: TopologyId, context: &str) {
    lab.drain(id).await;
    if lab.status(id).await == Status::Degraded {
        let healed = lab
            .reconcile(id)
            .await
            .unwrap_or_else(|error| panic!("{context}: {error:?}"));
        assert_eq!(healed.reason, None, "{context}");
    }
}

async fn check_step(case: &Case, step: usize, moment: Moment, fault: Fault) {
    let context = format!("{}, {fault:?} at step {step}, {moment:?}", case.json);
    let (lab, id, before) = struck(case, step, moment, fault).await;
    check_left(&lab, id, case, fault, &context).await;
    lab.docker.reconnect();
    visit(&lab, id, &context).await;
    assert_eq!(lab.status(id).await, Status::Active, "{context}");
    lab.assert_matches(id, &context).await;
    assert_eq!(touched(id, &before, &lab.docker.world()), case.touched, "{context}");
    assert_eq!(lab.stored(id).await.topology, made(case), "{context}");
    let row = only_row(&lab, id).await;
    let state = match fault {
        Fault::Error => MutationState::Failed,
        Fault::TimedOut | Fault::CutOff | Fault::Killed => MutationState::Applied,
    };
    assert_eq!((row.state, row.claim), (state, None), "{context}");
    // It accepts further mutations.
    lab.enqueue(id, r#"{"op": "add_decky", "payload": {"name": "late", "lan": "dmz"}}"#)
        .await;
    assert_eq!(lab.drain(id).await[0].state, MutationState::Applied, "{context}");
}

async fn check_every_step(fault: Fault) {
    let mut struck = 0;
    for case in &CASES {
        for step in 1..=steps(case).await {
            for moment in MOMENTS {
                check_step(case, step, moment, fault).await;
                struck += 1;
            }
        }
    }
    assert!(struck > 90, "{struck}");
}

#[tokio::test(start_paused = true)]
async fn a_mutation_that_fails_at_any_step_leaves_a_degraded_maze_that_is_healed() {
    check_every_step(Fault::Error).await;
}

#[tokio::test(start_paused = true)]
async fn a_mutation_that_times_out_at_any_step_stays_in_the_queue_and_is_applied_later() {
    check_every_step(Fault::TimedOut).await;
}

#[tokio::test(start_paused = true)]
async fn a_mutation_whose_daemon_dies_at_any_step_stays_in_the_queue_and_is_applied_later() {
    check_every_step(Fault::CutOff).await;
}

#[tokio::test(start_paused = true)]
async fn a_mutation_whose_process_is_killed_at_any_step_is_continued_and_applied() {
    check_every_step(Fault::Killed).await;
}
