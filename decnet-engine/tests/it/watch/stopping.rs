//! Cancelling the loop.

use decnet_topology::{MutationState, Status};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Keeper, Lab, SECOND, by_events, by_polls, enqueue, settle, until};

#[tokio::test(start_paused = true)]
async fn a_cancelled_loop_finishes_the_current_step_and_releases_everything() {
    let lab = Lab::new();
    let id = lab.deploy(0).await;
    let keeper = Keeper::start(&lab.engine, by_events());
    settle().await;
    lab.docker().clear_log();
    lab.stage.open(false);
    let (first, second) = (
        enqueue(&lab.engine, id, "first").await,
        enqueue(&lab.engine, id, "second").await,
    );
    let begun = lab.stage.wait_until_blocked().await;
    keeper.stop.cancel();
    tokio::time::sleep(SECOND).await;
    assert!(!keeper.task.is_finished(), "it waits for the started step");
    assert!(lab.repo.lease(id, Timestamp::now()).await.expect("asked").is_some());
    lab.stage.open(true);
    keeper.end().await;

    // The image existed already.
    assert_eq!(lab.docker().log().len(), 1 + begun);
    assert!(lab.repo.lease(id, Timestamp::now()).await.expect("asked").is_none());
    for mutation in [first, second] {
        let row = lab.mutation(mutation).await;
        assert_eq!((row.state, row.claim), (MutationState::Pending, None));
    }

    let keeper = Keeper::start(&lab.elsewhere(), by_events());
    assert!(until!(lab.unfinished().await == 0) < SECOND);
    assert!(lab.is_applied(first).await && lab.is_applied(second).await);
    assert!(lab.matches_the_store(id).await);
    keeper.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_half_done_maze_can_be_torn_down_at_once() {
    let lab = Lab::new();
    let id = lab.deploy(0).await;
    let keeper = Keeper::start(&lab.engine, by_events());
    settle().await;
    lab.stage.open(false);
    enqueue(&lab.engine, id, "extra").await;
    lab.stage.wait_until_blocked().await;
    keeper.stop.cancel();
    lab.stage.open(true);
    keeper.end().await;
    let torn_down = lab.engine.teardown(id, &CancellationToken::new()).await;
    assert_eq!(torn_down.expect("torn down").row.status, Status::TornDown);
    assert!(lab.docker().world().containers.is_empty());
    assert_eq!(lab.unfinished().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_loop_does_not_wait_for_an_inspection() {
    let lab = Lab::new();
    lab.deploy(0).await;
    lab.stage.set_inspection_time(60 * SECOND);
    let keeper = Keeper::start(&lab.engine, by_polls(10 * SECOND));
    settle().await;
    let since = tokio::time::Instant::now();
    keeper.end().await;
    assert!(since.elapsed() < SECOND, "{:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_loop_cancelled_before_its_start_does_nothing() {
    let lab = Lab::new();
    let id = lab.deploy(0).await;
    enqueue(&lab.engine, id, "extra").await;
    lab.docker().clear_log();
    let keeper = Keeper::start(&lab.engine, by_events());
    keeper.end().await;
    assert!(lab.docker().log().is_empty());
    assert_eq!(lab.unfinished().await, 1);
}
