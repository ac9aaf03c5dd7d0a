//! The bus on a NATS server: the guarantees of a bus, and faults of the server. Without Debian's server (`scripts/nats-up`), the tests
//! are skipped.

mod faults;
mod server;
mod sharing;
mod tls;

use std::time::Duration;

use decnet_engine::{Bus, Connectivity, NatsBus, Pattern, Received, Subscription};

pub(crate) use self::server::NatsServer;

const TIMEOUT: Duration = Duration::from_secs(20);

/// Connects, and waits until the server answers.
async fn connected(server: &NatsServer, name: &str) -> NatsBus {
    let bus = NatsBus::new(&server.url(), name);
    becomes(&bus, Connectivity::Connected).await;
    bus
}

#[track_caller]
fn becomes(bus: &NatsBus, wanted: Connectivity) -> impl Future<Output = ()> + use<> {
    let mut connectivity = bus.connectivity();
    async move {
        let reached = connectivity.wait_for(|current| *current == wanted);
        let reached = tokio::time::timeout(TIMEOUT, reached).await;
        reached
            .unwrap_or_else(|_| panic!("never {wanted:?}"))
            .expect("the bus is there");
    }
}

/// Subscribes, and waits until the server knows it: publishes to itself until something arrives.
async fn following(bus: &NatsBus, patterns: &[Pattern]) -> Subscription {
    let mut all = bus.subscribe(&[Pattern::everything()]);
    let heard = bus.subscribe(patterns);
    super::arrives(bus, &mut all, async |bus| bus.flush(TIMEOUT).await).await;
    heard
}

async fn next(heard: &mut Subscription) -> Received {
    let received = tokio::time::timeout(TIMEOUT, heard.recv()).await;
    received.expect("something is heard").expect("the bus is open")
}
