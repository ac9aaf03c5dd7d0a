//! Events from one process to another.

use std::time::Duration;

use decnet_engine::bus::{
    Bus, Pattern, Received, Subscription,
    unix::{Connection, ConnectionError, UnixBus},
};
use decnet_topology::{Status, rng};

use super::{Served, any_event, patterns, serve, status};

const PATIENCE: Duration = Duration::from_secs(20);

/// Publishes one event again and again until it is heard: both sides connect when they do.
async fn assert_arrives(publisher: &UnixBus, heard: &mut Subscription) {
    let envelope = any_event();
    loop {
        publisher.publish(envelope.clone());
        publisher.flush(PATIENCE).await;
        match tokio::time::timeout(Duration::from_millis(50), heard.recv()).await {
            Ok(Some(Received::Event(received))) if received == envelope => break,
            Ok(None) => panic!("the subscription ended"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn what_one_publishes_others_get_if_they_want_it() {
    let served = Served::new();
    let (mine, other) = (rng::topology_id(), rng::topology_id());
    let mut follower = Connection::open(served.path(), "follower").await.expect("connected");
    let wanted = patterns([&format!("topology.{mine}.>"), "decky.>"]);
    follower.subscribe(&wanted).await.expect("subscribed");
    let mut publisher = Connection::open(served.path(), "publisher").await.expect("connected");
    let expected = [status(mine, Status::Pending), status(mine, Status::Deploying)];
    for envelope in [&expected[0], &status(other, Status::Pending), &expected[1]] {
        publisher.publish(envelope).await.expect("published");
    }
    for envelope in expected {
        assert_eq!(follower.recv().await.expect("an event"), Received::Event(envelope));
    }
}

#[tokio::test]
async fn who_follows_a_thousand_mazes_one_by_one_hears_of_each_and_of_no_other() {
    let served = Served::new();
    let publisher = UnixBus::new(served.path(), "publisher");
    let follower = UnixBus::new(served.path(), "follower");
    let mazes: Vec<_> = (0..1000).map(|_| rng::topology_id()).collect();
    let mut subscriptions: Vec<_> = mazes
        .iter()
        .map(|maze| follower.subscribe(&patterns([&format!("topology.{maze}.>")])))
        .collect();
    let mut all = follower.subscribe(&[Pattern::everything()]);
    assert_arrives(&publisher, &mut all).await;
    for (maze, heard) in mazes.iter().zip(&mut subscriptions) {
        let expected = status(*maze, Status::Active);
        publisher.publish(expected.clone());
        let received = tokio::time::timeout(PATIENCE, heard.recv()).await.expect("heard");
        assert_eq!(received, Some(Received::Event(expected)));
    }
    assert!(subscriptions.iter_mut().all(|heard| heard.try_recv().is_none()));
}

#[tokio::test]
async fn who_asks_for_much_at_once_is_answered_as_fast_as_it_reads() {
    let served = Served::new();
    let mut follower = Connection::open(served.path(), "follower").await.expect("connected");
    let wanted: Vec<Pattern> = (0..200)
        .map(|number| format!("topology.{number}.>").parse().expect("a pattern"))
        .collect();
    follower.subscribe(&wanted).await.expect("subscribed");
}

#[tokio::test]
async fn what_is_no_longer_wanted_no_longer_comes() {
    let served = Served::new();
    let (one, other) = (rng::topology_id(), rng::topology_id());
    let mut follower = Connection::open(served.path(), "follower").await.expect("connected");
    let [first, second] = patterns([&format!("topology.{one}.>"), &format!("topology.{other}.>")]);
    follower
        .subscribe(&[first.clone(), second.clone()])
        .await
        .expect("subscribed");
    follower.unsubscribe(&first).await.expect("unsubscribed");
    // The answer to this comes after the other was obeyed.
    follower.subscribe(&[second]).await.expect("subscribed");
    let last = status(other, Status::Pending);
    follower
        .publish(&status(one, Status::Pending))
        .await
        .expect("published");
    follower.publish(&last).await.expect("published");
    assert_eq!(follower.recv().await.expect("an event"), Received::Event(last));
}

#[tokio::test]
async fn a_publisher_that_no_bus_answers_is_not_held_up_and_delivers_when_one_comes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bus.sock");
    let bus = UnixBus::new(&path, "engine");
    bus.publish(any_event());
    bus.flush(PATIENCE).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let task = serve(&path, &stop);
    let listener = UnixBus::new(&path, "listener");
    let mut heard = listener.subscribe(&[Pattern::everything()]);
    assert_arrives(&bus, &mut heard).await;
    stop.cancel();
    task.await.expect("served");
}

#[tokio::test]
async fn a_bus_that_went_and_came_is_found_again() {
    let served = Served::new();
    let path = served.path();
    let (publisher, listener) = (UnixBus::new(&path, "publisher"), UnixBus::new(&path, "listener"));
    let mut heard = listener.subscribe(&[Pattern::everything()]);
    assert_arrives(&publisher, &mut heard).await;
    let folder = served.stop().await;
    let stop = tokio_util::sync::CancellationToken::new();
    let task = serve(&path, &stop);
    assert_arrives(&publisher, &mut heard).await;
    stop.cancel();
    task.await.expect("served");
    drop(folder);
}

#[tokio::test]
async fn who_reads_slowly_loses_their_own_oldest_events_and_is_told_how_many() {
    const SENT: u64 = 8_000;
    let served = Served::new();
    let mut slow = Connection::open(served.path(), "slow").await.expect("connected");
    slow.subscribe(&[Pattern::everything()]).await.expect("subscribed");
    let mut fast = Connection::open(served.path(), "fast").await.expect("connected");
    fast.subscribe(&[Pattern::everything()]).await.expect("subscribed");
    let mut publisher = Connection::open(served.path(), "publisher").await.expect("connected");
    let mut newest = any_event();
    for _ in 0..SENT {
        newest = any_event();
        publisher.publish(&newest).await.expect("published");
        // Who keeps up loses nothing.
        assert_eq!(fast.recv().await.expect("an event"), Received::Event(newest.clone()));
    }
    let (mut received, mut lost) = (0, 0);
    loop {
        match slow.recv().await.expect("an event") {
            Received::Lagged(count) => lost += count,
            Received::Event(envelope) => {
                received += 1;
                if envelope == newest {
                    break;
                }
            }
        }
    }
    assert_eq!(received + lost, SENT);
    assert!(lost > 0, "nothing was lost");
}

#[tokio::test]
async fn a_bus_that_closes_says_so() {
    let served = Served::new();
    let mut follower = Connection::open(served.path(), "follower").await.expect("connected");
    follower.subscribe(&[Pattern::everything()]).await.expect("subscribed");
    served.stop().await;
    let error = follower.recv().await.expect_err("closed");
    assert!(
        matches!(&error, ConnectionError::Refused { reason } if reason == "the bus closes"),
        "{error:?}"
    );
}
