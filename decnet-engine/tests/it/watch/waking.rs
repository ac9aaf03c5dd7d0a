//! Events that wake the loop.

use std::sync::{Arc, Mutex};

use decnet_engine::{Bus, Envelope, LocalBus, Outlet, Pattern, Subscription};
use decnet_topology::SqliteRepo;

use super::{Keeper, Lab, SECOND, by_events, by_polls, engine, enqueue, settle, until};

#[tokio::test(start_paused = true)]
async fn a_change_without_an_event_is_found_by_the_poll() {
    let lab = Lab::new();
    let id = lab.deploy(0).await;
    let keeper = Keeper::start(&lab.engine, by_polls(10 * SECOND));
    settle().await;
    let mutation = enqueue(&lab.elsewhere(), id, "extra").await;
    let took = until!(lab.is_applied(mutation).await);
    assert!(took > 9 * SECOND && took < 11 * SECOND, "{took:?}");
    keeper.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_by_another_process_is_found_by_the_poll() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    let open = || Arc::new(SqliteRepo::open(&path).expect("a store"));
    let lab = Lab::on(open());
    let id = lab.deploy(0).await;
    let keeper = Keeper::start(&lab.engine, by_polls(10 * SECOND));
    settle().await;
    let mutation = enqueue(&engine(open(), &lab.stage, None), id, "extra").await;
    assert!(until!(lab.is_applied(mutation).await) < 12 * SECOND);
    assert!(lab.matches_the_store(id).await);
    keeper.end().await;
}

#[tokio::test(start_paused = true)]
async fn events_of_other_processes_on_the_bus_wake_the_loop() {
    let bus = Arc::new(LocalBus::default());
    let lab = Lab::with_bus(bus.clone());
    let id = lab.deploy(0).await;
    let keeper = Keeper::start(&lab.engine, by_events());
    settle().await;
    let other = engine(lab.repo.clone(), &lab.stage, Some(bus));
    let mutation = enqueue(&other, id, "extra").await;
    assert!(until!(lab.is_applied(mutation).await) < SECOND);
    keeper.end().await;
}

/// A bus without events. Its subscriptions end immediately or never.
#[derive(Debug)]
struct Dead {
    ends: bool,
    outlets: Mutex<Vec<Outlet>>,
}

impl Bus for Dead {
    fn publish(&self, _: Envelope) {}

    fn subscribe(&self, patterns: &[Pattern]) -> Subscription {
        let (outlet, subscription) = Subscription::new(patterns);
        if !self.ends {
            self.outlets.lock().expect("no panic").push(outlet);
        }
        subscription
    }
}

#[tokio::test(start_paused = true)]
async fn events_of_this_process_wake_the_loop_although_the_bus_is_down() {
    for ends in [true, false] {
        let outlets = Mutex::default();
        let lab = Lab::with_bus(Arc::new(Dead { ends, outlets }));
        let id = lab.deploy(0).await;
        let keeper = Keeper::start(&lab.engine, by_events());
        settle().await;
        let mutation = enqueue(&lab.engine, id, "extra").await;
        assert!(until!(lab.is_applied(mutation).await) < SECOND);
        keeper.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_lost_events_the_store_is_read_at_once() {
    let outlets = Mutex::default();
    let bus = Arc::new(Dead { ends: false, outlets });
    let lab = Lab::with_bus(bus.clone());
    let id = lab.deploy(0).await;
    let keeper = Keeper::start(&lab.engine, by_events());
    settle().await;
    let mutation = enqueue(&lab.elsewhere(), id, "extra").await;
    bus.outlets
        .lock()
        .expect("no panic")
        .iter()
        .for_each(|outlet| outlet.lose(1));
    assert!(until!(lab.is_applied(mutation).await) < SECOND);
    keeper.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_inspection_does_not_delay_new_events() {
    let lab = Lab::new();
    let id = lab.deploy(0).await;
    lab.stage.set_inspection_time(60 * SECOND);
    let keeper = Keeper::start(&lab.engine, by_events());
    for decky in ["first", "second", "third"] {
        settle().await;
        let mutation = enqueue(&lab.engine, id, decky).await;
        assert!(until!(lab.is_applied(mutation).await) < SECOND, "{decky}");
    }
    keeper.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_loop_does_nothing_on_the_daemon() {
    let lab = Lab::new();
    let id = lab.deploy(0).await;
    lab.docker().clear_log();
    let keeper = Keeper::start(&lab.engine, by_polls(10 * SECOND));
    tokio::time::sleep(600 * SECOND).await;
    assert!(lab.docker().log().is_empty());
    assert!(lab.matches_the_store(id).await);
    keeper.end().await;
}
