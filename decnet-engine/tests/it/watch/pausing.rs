//! Failures are retried with backoff.

use decnet_engine::{Event, MutationStage, RuntimeError, simulated::Moment};
use decnet_topology::{MutationState, Status};

use super::{Keeper, Lab, SECOND, by_events, by_polls, enqueue, heard, settle, until};

pub(super) fn refused() -> RuntimeError {
    RuntimeError::Refused {
        reason: "injected fault".into(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_mutation_degrades_and_is_healed_with_backoff() {
    let lab = Lab::new();
    let id = lab.deploy(0).await;
    let mut events = lab.engine.events();
    let keeper = Keeper::start(&lab.engine, by_events());
    settle().await;
    lab.docker()
        .fail_where(|action| action.to_string().contains("extra"), Moment::Before, refused());
    let mutation = enqueue(&lab.engine, id, "extra").await;
    until!(lab.status(id).await == Status::Degraded);
    tokio::time::sleep(100 * SECOND).await;
    assert_eq!(lab.mutation(mutation).await.state, MutationState::Failed);
    assert_eq!(lab.status(id).await, Status::Degraded);

    lab.docker().reconnect();
    let took = until!(lab.matches_the_store(id).await);
    assert!(took <= 65 * SECOND, "{took:?}");
    keeper.end().await;

    // When the mutation was applied and immediately afterwards, then after one second, two, four, …
    let attempts = lab.stage.attempts("_extra");
    let attempts: Vec<_> = attempts
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs_f64().round())
        .collect();
    let pauses: Vec<_> = attempts.into_iter().skip_while(|pause| *pause == 0.0).collect();
    assert_eq!(pauses[..6], [1.0, 2.0, 4.0, 8.0, 16.0, 32.0], "{pauses:?}");

    let reported: Vec<_> = heard(&mut events)
        .into_iter()
        .filter_map(|event| match event {
            Event::Status { to, reason, .. } => Some((to.to_string(), reason.is_some())),
            Event::Mutation { state, reason, .. } => Some((state.as_str().to_owned(), reason.is_some())),
            _ => None,
        })
        .collect();
    let reported: Vec<_> = reported.iter().map(|(what, why)| (what.as_str(), *why)).collect();
    let stages = [
        (MutationStage::Enqueued.as_str(), false),
        (MutationStage::Applying.as_str(), false),
        ("degraded", true),
        (MutationStage::Failed.as_str(), true),
        ("active", false),
    ];
    assert_eq!(reported, stages);
}

#[tokio::test(start_paused = true)]
async fn a_new_event_does_not_wait_for_the_end_of_a_backoff() {
    let lab = Lab::new();
    let id = lab.deploy(0).await;
    let keeper = Keeper::start(&lab.engine, by_polls(10 * SECOND));
    settle().await;
    lab.docker()
        .fail_where(|action| action.to_string().contains("extra"), Moment::Before, refused());
    enqueue(&lab.engine, id, "extra").await;
    // By now the backoff is a minute.
    tokio::time::sleep(300 * SECOND).await;
    let reported = enqueue(&lab.engine, id, "reported").await;
    assert!(until!(lab.mutation(reported).await.finished_at.is_some()) < SECOND);
    tokio::time::sleep(SECOND).await;
    let untold = enqueue(&lab.elsewhere(), id, "untold").await;
    assert!(until!(lab.mutation(untold).await.finished_at.is_some()) < 11 * SECOND);
    keeper.end().await;
}

#[tokio::test(start_paused = true)]
async fn polls_do_not_shorten_the_backoff() {
    let lab = Lab::new();
    let id = lab.deploy(0).await;
    let keeper = Keeper::start(&lab.engine, by_polls(SECOND));
    settle().await;
    lab.docker()
        .fail_where(|action| action.to_string().contains("extra"), Moment::Before, refused());
    enqueue(&lab.engine, id, "extra").await;
    tokio::time::sleep(600 * SECOND).await;
    let attempts = lab.stage.attempts("_extra").len();
    assert!((8..25).contains(&attempts), "{attempts}");
    keeper.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_topology_that_cannot_be_healed_does_not_delay_others() {
    let lab = Lab::new();
    let (bad, good) = (lab.deploy(0).await, lab.deploy(1).await);
    lab.stage.hide(bad, true);
    let mut options = by_events();
    options.width = 1;
    let keeper = Keeper::start(&lab.engine, options);
    for round in 0..20 {
        enqueue(&lab.engine, bad, &format!("bad-{round}")).await;
        let mutation = enqueue(&lab.engine, good, &format!("good-{round}")).await;
        assert!(until!(lab.is_applied(mutation).await) < SECOND);
    }
    lab.stage.hide(bad, false);
    until!(lab.unfinished().await == 0);
    assert!(lab.matches_the_store(bad).await && lab.matches_the_store(good).await);
    keeper.end().await;
}
