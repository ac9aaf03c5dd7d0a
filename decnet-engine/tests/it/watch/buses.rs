//! Events of another process on a bus of its own wake the loop. Without a server, the tests are skipped.

use std::{sync::Arc, time::Duration};

use decnet_engine::{Bus, Connectivity, Envelope, Event, Pattern, Received};
use decnet_topology::{MutationFilter, MutationState, Repo};
use jiff::Timestamp;

use super::{
    Keeper, Lab, SECOND, Stage, by_events, by_polls, engine, enqueue,
    shuffling::{files, services, shuffle_since},
    until,
};
use crate::bus::arrives;

const TIMEOUT: Duration = Duration::from_mins(1);

/// One process: its connections to the store and to the bus.
struct Process<B> {
    repo: Arc<dyn Repo>,
    bus: Arc<B>,
}

/// Waits for something that takes a moment.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIMEOUT, what).await.expect("it takes too long")
}

async fn becomes(bus: &impl Bus, wanted: Connectivity) {
    let mut connectivity = bus.connectivity();
    soon(connectivity.wait_for(|now| *now == wanted))
        .await
        .expect("the bus is there");
}

/// Starts a loop in one process, and changes a maze in the other one. The loop never polls.
async fn check<B: Bus + 'static>([own, other]: [Process<B>; 2], flush: impl AsyncFn(&B)) {
    becomes(own.bus.as_ref(), Connectivity::Connected).await;
    becomes(other.bus.as_ref(), Connectivity::Connected).await;
    let stage = Stage::default();
    let lab = Lab {
        engine: engine(own.repo.clone(), &stage, Some(own.bus.clone())),
        stage: stage.clone(),
        repo: own.repo,
    };
    let id = lab.deploy(0).await;
    shuffle_since(&lab, id, 0).await;
    let mut heard = own.bus.subscribe(&[Pattern::everything()]);
    let keeper = Keeper::start(&lab.engine, by_events());
    // The loop listens before it says how it is. The server knows that when an event of the other process arrives.
    soon(async {
        loop {
            match heard.recv().await {
                Some(Received::Event(envelope)) if matches!(envelope.event, Event::Health(_)) => break,
                received => assert!(received.is_some(), "the subscription ended"),
            }
        }
    })
    .await;
    let mut later = own.bus.subscribe(&[Pattern::everything()]);
    soon(arrives(other.bus.as_ref(), &mut later, flush)).await;
    // The loop ends its first visit meanwhile. If it does not, the test sees less.
    tokio::time::sleep(SECOND / 2).await;

    let elsewhere = engine(other.repo.clone(), &stage, Some(other.bus.clone()));
    let mutation = enqueue(&elsewhere, id, "extra").await;
    soon(async { until!(lab.is_applied(mutation).await) }).await;
    until_idle(&lab).await;

    let before = services(&lab, id).await;
    let (topology, decky) = (id, files());
    let request = Event::ShuffleRequest { topology, decky };
    other.bus.publish(Envelope::new(request, Timestamp::now()));
    soon(async { until!(services(&lab, id).await != before) }).await;
    until_idle(&lab).await;
    let page = lab.repo.mutations(&MutationFilter::default()).await.expect("listed");
    let actors: Vec<_> = page.rows.iter().map(|row| (row.actor.as_deref(), row.state)).collect();
    let applied = [None, Some("mutate_request")].map(|actor| (actor, MutationState::Applied));
    assert_eq!(actors, applied);
    assert!(lab.matches_the_store(id).await);
    keeper.end().await;
}

async fn until_idle(lab: &Lab) {
    soon(async { until!(lab.unfinished().await == 0) }).await;
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn a_change_by_another_process_on_a_nats_server_wakes_the_loop() {
    let Some(server) = crate::bus::NatsServer::start("") else {
        return;
    };
    let repo = Arc::new(decnet_topology::MemoryRepo::new());
    let processes = ["loop", "other"].map(|name| Process {
        repo: repo.clone(),
        bus: Arc::new(decnet_engine::NatsBus::new(&server.url(), name)),
    });
    check(processes, async |bus| bus.flush(TIMEOUT).await).await;
}

/// A bus is a hint: without it, a change waits for the next poll.
#[cfg(feature = "nats")]
#[tokio::test]
async fn a_loop_applies_changes_while_its_nats_server_is_gone() {
    let Some(mut server) = crate::bus::NatsServer::start("") else {
        return;
    };
    let buses = ["loop", "other"].map(|name| Arc::new(decnet_engine::NatsBus::new(&server.url(), name)));
    for bus in &buses {
        becomes(bus.as_ref(), Connectivity::Connected).await;
    }
    let [own, other] = buses;
    let mut lab = Lab::new();
    lab.engine = engine(lab.repo.clone(), &lab.stage, Some(own.clone()));
    let id = lab.deploy(0).await;
    let keeper = Keeper::start(&lab.engine, by_polls(SECOND));
    server.kill();
    becomes(own.as_ref(), Connectivity::Lost).await;
    becomes(other.as_ref(), Connectivity::Lost).await;

    let elsewhere = engine(lab.repo.clone(), &lab.stage, Some(other.clone()));
    let mutation = enqueue(&elsewhere, id, "extra").await;
    soon(async { until!(lab.is_applied(mutation).await) }).await;
    server.begin();
    becomes(own.as_ref(), Connectivity::Connected).await;
    until_idle(&lab).await;
    assert!(lab.matches_the_store(id).await);
    keeper.end().await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn a_change_by_another_process_on_a_postgresql_server_wakes_the_loop() {
    use decnet_topology::{PostgresRepo, testing::PostgresDatabase};

    let Some(server) = std::env::var("DECNET_TEST_POSTGRES").ok().filter(|url| !url.is_empty()) else {
        println!("skipped: DECNET_TEST_POSTGRES names no server; see scripts/postgres-up");
        return;
    };
    let database = PostgresDatabase::create(&server);
    let process = async || Process {
        repo: Arc::new(PostgresRepo::open(database.url()).await.expect("a store")) as Arc<dyn Repo>,
        bus: Arc::new(decnet_engine::PostgresBus::new(database.url())),
    };
    let processes = [process().await, process().await];
    check(processes, async |bus| bus.flush(TIMEOUT).await).await;
}
