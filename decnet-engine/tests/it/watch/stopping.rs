//! Cancelling the loop.

use std::sync::Arc;

use decnet_engine::{Bus as _, Envelope, Event, LocalBus};
use decnet_topology::{Mode, NewTopology, Status, StatusChange, Topology, TopologyId, TopologyStore as _};
use jiff::Timestamp;

use super::{
    Keeper, Lab, SECOND, by_events, by_polls, engine, enqueue,
    failing_store::FailingStore,
    settle,
    shuffling::{due_soon, files, shuffle_since},
    until,
};

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

/// Waits until a loop waits for an answer of its store, and cancels it.
async fn ends_without_an_answer(keeper: Keeper, store: &FailingStore) {
    let waits = async { until!(store.unanswered() > 0) };
    tokio::time::timeout(60 * SECOND, waits)
        .await
        .expect("it asks the store");
    tokio::time::timeout(10 * SECOND, keeper.end())
        .await
        .expect("it ends without an answer");
}

/// A lab on a store that may be silent, with a running maze.
async fn on_a_store() -> (Lab, FailingStore, TopologyId) {
    let store = FailingStore::default();
    let lab = Lab::on(Arc::new(store.clone()));
    let id = lab.deploy(0).await;
    (lab, store, id)
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_loop_does_not_wait_for_a_silent_store() {
    // When it lists the mazes, visits one, and computes its shuffles.
    let calls: [fn(&str) -> bool; 4] = [
        |call| call == "list",
        |call| call == "get",
        |call| call == "has_unfinished",
        |call| call == "secret",
    ];
    for silence in calls {
        let (lab, store, id) = on_a_store().await;
        shuffle_since(&lab, id, 0).await;
        store.silence(silence);
        let keeper = Keeper::start(&lab.engine, by_events());
        ends_without_an_answer(keeper, &store).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_loop_does_not_wait_for_the_hosts_of_a_silent_store() {
    let (lab, store, _) = on_a_store().await;
    let new = NewTopology::new("far".parse().expect("a name"), Topology::default())
        .mode(Mode::Agent)
        .host("east".to_owned());
    let far = store.create(new, Timestamp::now()).await.expect("stored").row.id;
    for (from, to) in [
        (Status::Pending, Status::Deploying),
        (Status::Deploying, Status::Active),
    ] {
        let changed = store.set_status(far, StatusChange::new(from, to), Timestamp::now());
        changed.await.expect("changed");
    }
    store.silence(|call| call == "hosts");
    let keeper = Keeper::start(&lab.engine, by_events());
    ends_without_an_answer(keeper, &store).await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_loop_does_not_wait_for_a_silent_store_after_a_request() {
    let (lab, store, topology) = on_a_store().await;
    shuffle_since(&lab, topology, 0).await;
    let bus = Arc::new(LocalBus::default());
    let watching = engine(lab.repo.clone(), &lab.stage, Some(bus.clone()));
    let keeper = Keeper::start(&watching, by_events());
    settle().await;
    store.silence(|call| call == "decky_changes");
    let decky = files();
    let request = Event::ShuffleRequest { topology, decky };
    bus.publish(Envelope::new(request, Timestamp::now()));
    ends_without_an_answer(keeper, &store).await;
}

/// The clock is real, because a shuffle is due by the clock of the machine.
#[tokio::test]
async fn a_cancelled_loop_does_not_wait_for_a_silent_store_when_a_decky_is_due() {
    let (lab, store, id) = on_a_store().await;
    due_soon(&lab, id).await;
    let keeper = Keeper::start(&lab.engine, by_events());
    tokio::time::sleep(SECOND / 4).await;
    store.silence(|call| call == "secret");
    ends_without_an_answer(keeper, &store).await;
}
