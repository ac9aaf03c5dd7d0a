//! Events between clients of a server.

use decnet_engine::{Bus, Connectivity, Envelope, Event, Health, NatsBus, Pattern, Received};
use decnet_topology::{Status, rng};
use jiff::Timestamp;

use super::{NatsServer, TIMEOUT, becomes, connected, following, next};
use crate::bus::{any_event, arrives, patterns, status};

#[tokio::test]
async fn an_event_reaches_the_subscribers_that_want_it() {
    let Some(server) = NatsServer::start("") else { return };
    let (follower, publisher) = (
        connected(&server, "follower").await,
        connected(&server, "publisher").await,
    );
    let (mine, other) = (rng::topology_id(), rng::topology_id());
    let wanted = patterns([&format!("topology.{}.>", mine.to_string().to_uppercase()), "decky.>"]);
    let mut heard = following(&follower, &wanted).await;
    let mut deckies = follower.subscribe(&patterns(["decky.>"]));
    let expected = [status(mine, Status::Pending), status(mine, Status::Deploying)];
    for envelope in [&expected[0], &status(other, Status::Pending), &expected[1]] {
        publisher.publish(envelope.clone());
    }
    for envelope in expected {
        assert_eq!(next(&mut heard).await, Received::Event(envelope));
    }
    assert_eq!(deckies.try_recv(), None);
}

#[tokio::test]
async fn a_client_hears_its_own_events_once() {
    let Some(server) = NatsServer::start("") else { return };
    let bus = connected(&server, "both").await;
    let mut heard = following(&bus, &patterns(["topology.*.status", "topology.>", ">"])).await;
    while heard.try_recv().is_some() {}
    let expected = [any_event(), any_event()];
    for envelope in &expected {
        bus.publish(envelope.clone());
    }
    for envelope in expected {
        assert_eq!(next(&mut heard).await, Received::Event(envelope));
    }
    assert_eq!(heard.try_recv(), None);
}

#[tokio::test]
async fn a_subscriber_to_a_thousand_mazes_gets_the_events_of_these_only() {
    let Some(server) = NatsServer::start("") else { return };
    let (follower, publisher) = (
        connected(&server, "follower").await,
        connected(&server, "publisher").await,
    );
    let mazes: Vec<_> = (0..1000).map(|_| rng::topology_id()).collect();
    let mut subscriptions: Vec<_> = mazes
        .iter()
        .map(|maze| follower.subscribe(&patterns([&format!("topology.{maze}.>")])))
        .collect();
    following(&follower, &[Pattern::everything()]).await;
    for (maze, heard) in mazes.iter().zip(&mut subscriptions) {
        let expected = status(*maze, Status::Active);
        publisher.publish(expected.clone());
        assert_eq!(next(heard).await, Received::Event(expected));
    }
    assert!(subscriptions.iter_mut().all(|heard| heard.try_recv().is_none()));
}

#[tokio::test]
async fn other_subscriptions_that_come_and_go_cost_a_subscriber_no_event() {
    const SENT: usize = 3000;
    let Some(server) = NatsServer::start("") else { return };
    let (follower, publisher) = (
        connected(&server, "follower").await,
        connected(&server, "publisher").await,
    );
    let maze = rng::topology_id();
    let mut heard = follower.subscribe(&patterns([&format!("topology.{maze}.status")]));
    arrives(
        &publisher,
        &mut follower.subscribe(&[Pattern::everything()]),
        async |bus| bus.flush(TIMEOUT).await,
    )
    .await;
    let sent: Vec<Envelope> = (0..SENT).map(|_| status(maze, Status::Active)).collect();
    let mut others = Vec::new();
    for (number, envelope) in sent.iter().enumerate() {
        publisher.publish(envelope.clone());
        // The subject that covers all patterns is another one each time.
        match number % 50 {
            0 => others.push(follower.subscribe(&patterns([["decky.>", "topology.>", "system.*"][number / 50 % 3]]))),
            25 => others.clear(),
            _ => {}
        }
        if number % 10 == 0 {
            publisher.flush(TIMEOUT).await;
        }
    }
    for envelope in sent {
        assert_eq!(next(&mut heard).await, Received::Event(envelope));
    }
    assert_eq!(heard.try_recv(), None);
}

#[tokio::test]
async fn a_dropped_subscription_ends_at_the_server() {
    let Some(server) = NatsServer::start("http: \"127.0.0.1:-1\"\ntrace: true\ndebug: true") else {
        return;
    };
    let bus = connected(&server, "follower").await;
    let heard = following(&bus, &patterns(["topology.>"])).await;
    drop(heard);
    let until = std::time::Instant::now() + TIMEOUT;
    // The last subscription was dropped too: that of `following`.
    while !server.log().contains("[UNSUB") {
        assert!(std::time::Instant::now() < until, "{}", server.log());
        bus.publish(any_event());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn names_and_patterns_are_compared_without_case() {
    let Some(server) = NatsServer::start("") else { return };
    let (follower, publisher) = (
        connected(&server, "follower").await,
        connected(&server, "publisher").await,
    );
    let mut heard = follower.subscribe(&patterns(["SYSTEM.watch-2.*", "system.50%.ä"]));
    becomes_active(&follower).await;
    for worker in ["watch-1", "WATCH-2", "Watch-2"] {
        let event = Event::Health(Health {
            worker: worker.parse().expect("a name"),
            pid: 1,
            started_at: Timestamp::UNIX_EPOCH,
            topologies: 0,
            busy: 0,
        });
        let envelope = Envelope::new(event, Timestamp::now());
        publisher.publish(envelope.clone());
        if worker != "watch-1" {
            assert_eq!(next(&mut heard).await, Received::Event(envelope));
        }
    }
    assert_eq!(heard.try_recv(), None);
}

/// Waits until the server knows the subscriptions of a client.
async fn becomes_active(bus: &NatsBus) {
    following(bus, &[Pattern::everything()]).await;
}

#[tokio::test]
async fn a_slow_subscriber_loses_its_oldest_events_and_another_none() {
    const SENT: u64 = 6000;
    let Some(server) = NatsServer::start("") else { return };
    let (follower, publisher) = (
        connected(&server, "follower").await,
        connected(&server, "publisher").await,
    );
    let mut slow = following(&follower, &patterns(["topology.>"])).await;
    while slow.try_recv().is_some() {}
    let mut fast = follower.subscribe(&patterns(["topology.>"]));
    let mut newest = any_event();
    for _ in 0..SENT {
        newest = any_event();
        publisher.publish(newest.clone());
        assert_eq!(next(&mut fast).await, Received::Event(newest.clone()));
    }
    let (mut received, mut lost) = (0, 0);
    loop {
        match next(&mut slow).await {
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
async fn a_publisher_without_a_server_does_not_block_and_delivers_when_it_starts() {
    let Some(mut server) = NatsServer::prepare("") else {
        return;
    };
    let publisher = NatsBus::new(&server.url(), "publisher");
    let first = any_event();
    publisher.publish(first.clone());
    let begun = std::time::Instant::now();
    publisher.flush(TIMEOUT).await;
    assert!(
        begun.elapsed() < TIMEOUT / 2,
        "it is known that the server does not answer"
    );
    becomes(&publisher, Connectivity::Lost).await;
    let follower = NatsBus::new(&server.url(), "follower");
    let mut heard = follower.subscribe(&[Pattern::everything()]);
    server.begin();
    becomes(&follower, Connectivity::Connected).await;
    arrives(&publisher, &mut heard, async |bus| bus.flush(TIMEOUT).await).await;
}
