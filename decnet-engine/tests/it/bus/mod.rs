//! The bus on a Unix socket: its guarantees, and its handling of protocol errors.

mod faults;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "postgres")]
mod postgres;
mod sharing;
mod socket;

#[cfg(feature = "nats")]
pub(crate) use nats::NatsServer;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use decnet_engine::{Bus, Envelope, Event, Pattern, Received, Server, Subscription};
use decnet_topology::{Status, TopologyId, rng};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A bus that is served until the end of the test.
pub(crate) struct Served {
    folder: TempDir,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Served {
    pub(crate) fn new() -> Self {
        Self::again(tempfile::tempdir().expect("a folder"))
    }

    /// Serves the socket in a folder again.
    pub(crate) fn again(folder: TempDir) -> Self {
        let stop = CancellationToken::new();
        let task = serve(&folder.path().join("bus.sock"), &stop);
        Self { folder, stop, task }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("bus.sock")
    }

    pub(crate) async fn stop(self) -> TempDir {
        self.stop.cancel();
        self.task.await.expect("served");
        self.folder
    }
}

fn serve(path: &Path, stop: &CancellationToken) -> JoinHandle<()> {
    let server = Server::bind(path).expect("bound");
    tokio::spawn(server.serve(stop.clone()))
}

pub(crate) fn status(topology: TopologyId, to: Status) -> Envelope {
    let event = Event::Status {
        topology,
        from: None,
        to,
        reason: None,
    };
    Envelope::new(event, Timestamp::now())
}

fn any_event() -> Envelope {
    status(rng::topology_id(), Status::Pending)
}

fn patterns<const N: usize>(texts: [&str; N]) -> [Pattern; N] {
    texts.map(|text| text.parse().expect("a pattern"))
}

/// Publishes an event repeatedly until it arrives, because both sides connect in the background.
pub(crate) async fn arrives<B: Bus>(publisher: &B, heard: &mut Subscription, flush: impl AsyncFn(&B)) {
    let envelope = any_event();
    loop {
        publisher.publish(envelope.clone());
        flush(publisher).await;
        match tokio::time::timeout(Duration::from_millis(50), heard.recv()).await {
            Ok(Some(Received::Event(received))) if received == envelope => break,
            Ok(None) => panic!("the subscription ended"),
            _ => {}
        }
    }
}
