//! The bus on a PostgreSQL server. Without `DECNET_TEST_POSTGRES` (see `scripts/postgres-up`), the tests are skipped.

use std::time::Duration;

use decnet_engine::{Bus, Connectivity, Envelope, Event, Pattern, PostgresBus, Received, Subscription};
use decnet_topology::{Status, rng, testing::PostgresDatabase};
use jiff::Timestamp;

use super::{any_event, arrives, patterns, status};

const TIMEOUT: Duration = Duration::from_secs(20);

fn database() -> Option<PostgresDatabase> {
    let server = std::env::var("DECNET_TEST_POSTGRES").ok().filter(|url| !url.is_empty());
    if server.is_none() {
        println!("skipped: DECNET_TEST_POSTGRES names no server; see scripts/postgres-up");
    }
    server.map(|server| PostgresDatabase::create(&server))
}

/// Connects, and waits until the server answers.
async fn connected(database: &PostgresDatabase) -> PostgresBus {
    let bus = PostgresBus::new(database.url());
    becomes(&bus, Connectivity::Connected).await;
    bus
}

async fn becomes(bus: &PostgresBus, wanted: Connectivity) {
    let mut connectivity = bus.connectivity();
    let reached = connectivity.wait_for(|current| *current == wanted);
    let reached = tokio::time::timeout(TIMEOUT, reached).await;
    reached
        .unwrap_or_else(|_| panic!("never {wanted:?}"))
        .expect("the bus is there");
}

async fn next(heard: &mut Subscription) -> Received {
    let received = tokio::time::timeout(TIMEOUT, heard.recv()).await;
    received.expect("something is heard").expect("the bus is open")
}

/// Returns an event with a text of a length.
fn long(length: usize) -> Envelope {
    let event = Event::Status {
        topology: rng::topology_id(),
        from: None,
        to: Status::Failed,
        reason: Some("x".repeat(length)),
    };
    Envelope::new(event, Timestamp::now())
}

#[tokio::test]
async fn an_event_reaches_the_subscribers_that_want_it_once_and_in_order() {
    let Some(database) = database() else { return };
    let (follower, publisher) = (connected(&database).await, connected(&database).await);
    let (mine, other) = (rng::topology_id(), rng::topology_id());
    let mut heard = follower.subscribe(&patterns([&format!("topology.{mine}.>"), "topology.*.status"]));
    let mut own = publisher.subscribe(&[Pattern::everything()]);
    let mut deckies = follower.subscribe(&patterns(["decky.>"]));
    let expected = [Status::Pending, Status::Deploying].map(|to| status(mine, to));
    for envelope in [&expected[0], &status(other, Status::Pending), &expected[1]] {
        publisher.publish(envelope.clone());
    }
    let mut received = Vec::new();
    for _ in 0..3 {
        received.push(next(&mut heard).await);
        next(&mut own).await;
    }
    received.retain(|received| matches!(received, Received::Event(event) if event.event.topology() == Some(mine)));
    assert_eq!(received, expected.map(Received::Event));
    assert_eq!(
        (deckies.try_recv(), heard.try_recv(), own.try_recv()),
        (None, None, None)
    );
}

#[tokio::test]
async fn an_event_that_is_too_long_is_lost_and_the_next_one_is_not() {
    let Some(database) = database() else { return };
    let bus = connected(&database).await;
    let mut heard = bus.subscribe(&[Pattern::everything()]);
    let (longest, last) = (long(7000), any_event());
    for envelope in [&long(8000), &longest, &last] {
        bus.publish(envelope.clone());
    }
    for envelope in [longest, last] {
        assert_eq!(next(&mut heard).await, Received::Event(envelope));
    }
}

#[tokio::test]
async fn the_bus_comes_back_after_its_connection_is_ended() {
    let Some(database) = database() else { return };
    let (follower, publisher) = (connected(&database).await, connected(&database).await);
    let mut heard = follower.subscribe(&[Pattern::everything()]);
    arrives(&publisher, &mut heard, async |bus| bus.flush(TIMEOUT).await).await;
    let mut states = follower.connectivity();
    states.mark_unchanged();
    let ended = database.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    assert_eq!(ended.len(), 2);
    let noticed = tokio::time::timeout(TIMEOUT, states.changed()).await;
    noticed.expect("it is noticed").expect("the bus is there");
    becomes(&follower, Connectivity::Connected).await;
    arrives(&publisher, &mut heard, async |bus| bus.flush(TIMEOUT).await).await;
}

#[tokio::test]
async fn stores_in_other_schemas_and_databases_hear_nothing() {
    let (Some(database), Some(other)) = (database(), database()) else {
        return;
    };
    database.run("CREATE SCHEMA apart");
    let mark = if database.url().contains('?') { '&' } else { '?' };
    let apart = PostgresBus::new(format!("{}{mark}options=-csearch_path%3Dapart", database.url()));
    becomes(&apart, Connectivity::Connected).await;
    let other = connected(&other).await;
    let bus = connected(&database).await;
    let mut strangers = [&apart, &other].map(|bus| bus.subscribe(&[Pattern::everything()]));
    let mut heard = bus.subscribe(&[Pattern::everything()]);
    arrives(&bus, &mut heard, async |bus| bus.flush(TIMEOUT).await).await;
    for stranger in [&apart, &other] {
        // What was sent before has arrived when the answer to another statement does.
        stranger.flush(TIMEOUT).await;
    }
    assert!(strangers.iter_mut().all(|heard| heard.try_recv().is_none()));
}

#[tokio::test]
async fn without_a_server_nothing_waits() {
    let bus = PostgresBus::new("postgres://nobody:secret@127.0.0.1:1/nothing");
    bus.publish(any_event());
    becomes(&bus, Connectivity::Lost).await;
    bus.flush(TIMEOUT).await;
}
