//! Events between processes.

use std::time::Duration;

use decnet_engine::{Bus, Connection, ConnectionError, Pattern, Received, Subscription, UnixBus};
use decnet_topology::{Status, rng};

use super::{Served, any_event, arrives, patterns, serve, status};

const TIMEOUT: Duration = Duration::from_secs(20);

async fn assert_arrives(publisher: &UnixBus, heard: &mut Subscription) {
    arrives(publisher, heard, async |bus| bus.flush(TIMEOUT).await).await;
}

#[tokio::test]
async fn an_event_reaches_the_subscribers_that_want_it() {
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
async fn a_subscriber_to_a_thousand_mazes_gets_the_events_of_these_only() {
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
        let received = tokio::time::timeout(TIMEOUT, heard.recv()).await.expect("heard");
        assert_eq!(received, Some(Received::Event(expected)));
    }
    assert!(subscriptions.iter_mut().all(|heard| heard.try_recv().is_none()));
}

#[tokio::test]
async fn many_requests_at_once_are_answered_as_fast_as_the_client_reads() {
    let served = Served::new();
    let mut follower = Connection::open(served.path(), "follower").await.expect("connected");
    let wanted: Vec<Pattern> = (0..200)
        .map(|number| format!("topology.{number}.>").parse().expect("a pattern"))
        .collect();
    follower.subscribe(&wanted).await.expect("subscribed");
}

#[tokio::test]
async fn an_unsubscribed_pattern_delivers_nothing() {
    let served = Served::new();
    let (one, other) = (rng::topology_id(), rng::topology_id());
    let mut follower = Connection::open(served.path(), "follower").await.expect("connected");
    let [first, second] = patterns([&format!("topology.{one}.>"), &format!("topology.{other}.>")]);
    follower
        .subscribe(&[first.clone(), second.clone()])
        .await
        .expect("subscribed");
    follower.unsubscribe(&first).await.expect("unsubscribed");
    // The answer to this arrives after the other request was handled.
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
async fn a_publisher_without_a_bus_does_not_block_and_delivers_when_the_bus_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bus.sock");
    let bus = UnixBus::new(&path, "engine");
    bus.publish(any_event());
    bus.flush(TIMEOUT).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let task = serve(&path, &stop);
    let listener = UnixBus::new(&path, "listener");
    let mut heard = listener.subscribe(&[Pattern::everything()]);
    assert_arrives(&bus, &mut heard).await;
    stop.cancel();
    task.await.expect("served");
}

#[tokio::test]
async fn a_restarted_bus_is_found_again() {
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
async fn a_slow_reader_loses_its_oldest_events_and_gets_their_number() {
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
        // A fast reader loses nothing.
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
async fn a_bus_that_closes_sends_the_reason() {
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
