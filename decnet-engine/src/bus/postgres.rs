//! Fan-out between processes and machines, over the PostgreSQL server of the store.

use std::{sync::Arc, time::Duration};

use backon::BackoffBuilder as _;
use decnet_topology::{PostgresReceiver, PostgresSender, RepoError};
use tokio::{sync::watch, task::JoinHandle, time::Instant};

use super::{
    Bus, Connectivity, Pattern, Subscription,
    backlog::{Backlog, Next},
    outlets::Outlets,
    reconnect::{LONGEST, OUTGOING, backoff},
};
use crate::{causes, event::Envelope};

/// How long one attempt to connect may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A bus on the PostgreSQL server of a store, whether the server can be reached or not: `LISTEN` and `NOTIFY`.
///
/// It connects in the background with a connection of its own, and reconnects with backoff. Meanwhile published events are queued, up to
/// a bound, and events of other processes are missed; the store has the true state. An event of more than 7 999 bytes is lost.
/// Everyone who may connect to the database reads the events and can send some.
#[derive(Debug)]
pub struct PostgresBus {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What the bus and its task share.
#[derive(Debug)]
struct Shared {
    outgoing: Backlog<Envelope>,
    outlets: Outlets,
    /// How many events are neither sent nor lost.
    pending: watch::Sender<u64>,
    connectivity: watch::Sender<Connectivity>,
}

impl PostgresBus {
    /// Starts to connect to the database with an address, as [`PostgresRepo::open`](decnet_topology::PostgresRepo::open) takes it. It must
    /// be called within a tokio runtime.
    pub fn new(address: impl Into<String>) -> Self {
        let shared = Arc::new(Shared {
            outgoing: Backlog::new(OUTGOING),
            outlets: Outlets::default(),
            pending: watch::Sender::default(),
            connectivity: watch::Sender::default(),
        });
        let task = tokio::spawn(run(Arc::clone(&shared), address.into()));
        Self { shared, task }
    }

    /// Waits until all published events are sent or the server does not answer, at most for the timeout.
    pub async fn flush(&self, timeout: Duration) {
        let (mut pending, mut connectivity) = (self.shared.pending.subscribe(), self.connectivity());
        let sent = async {
            tokio::select! {
                _ = pending.wait_for(|pending| *pending == 0) => {}
                _ = connectivity.wait_for(|connectivity| *connectivity == Connectivity::Lost) => {}
            }
        };
        // Events that are not sent by then are lost.
        let _ = tokio::time::timeout(timeout, sent).await;
    }
}

impl Bus for PostgresBus {
    fn publish(&self, envelope: Envelope) {
        self.shared.pending.send_modify(|pending| *pending += 1);
        self.shared.outgoing.push(envelope, 0);
    }

    fn subscribe(&self, patterns: &[Pattern]) -> Subscription {
        self.shared.outlets.subscribe(patterns)
    }

    fn connectivity(&self) -> watch::Receiver<Connectivity> {
        self.shared.connectivity.subscribe()
    }
}

impl Drop for PostgresBus {
    fn drop(&mut self) {
        self.shared.outlets.clear();
        self.task.abort();
    }
}

/// Connects again and again, and publishes and delivers events meanwhile.
async fn run(shared: Arc<Shared>, address: String) {
    let backoff = backoff();
    let mut pauses = backoff.build();
    loop {
        let ended = match PostgresSender::connect(&address, TIMEOUT).await {
            Ok((sender, receiver)) => {
                let since = Instant::now();
                shared.connectivity.send_replace(Connectivity::Connected);
                let ended = tokio::select! {
                    error = shared.publish_all(&sender) => error.to_string(),
                    () = shared.deliver(receiver) => "the connection was lost".into(),
                };
                if since.elapsed() > LONGEST {
                    pauses = backoff.build();
                }
                ended
            }
            Err(error) => causes::with_causes(&error),
        };
        if shared.connectivity.send_replace(Connectivity::Lost) != Connectivity::Lost {
            tracing::warn!(why = ended, "the bus on the PostgreSQL server is not reachable");
        }
        tokio::time::sleep(pauses.next().unwrap_or(LONGEST)).await;
    }
}

impl Shared {
    /// Publishes events until one cannot be sent.
    async fn publish_all(&self, sender: &PostgresSender) -> RepoError {
        loop {
            let Some(next) = self.outgoing.next().await else {
                std::future::pending::<()>().await;
                continue;
            };
            let (settled, sent) = match next {
                Next::Lost(lost) => {
                    tracing::warn!(lost, "events were lost before the PostgreSQL server took them");
                    (lost, Ok(()))
                }
                Next::Item(envelope) => (1, publish(sender, &envelope).await),
            };
            self.pending
                .send_modify(|pending| *pending = pending.saturating_sub(settled));
            if let Err(error) = sent {
                return error;
            }
        }
    }

    /// Delivers events to the subscribers that want them until the connection is lost.
    async fn deliver(&self, mut receiver: PostgresReceiver) {
        while let Some(text) = receiver.receive().await {
            match serde_json::from_str::<Envelope>(&text) {
                Ok(envelope) => {
                    self.outlets.send(&envelope);
                }
                Err(error) => tracing::debug!(%error, "a notification is not an event"),
            }
        }
    }
}

/// Sends an event. One that the server would refuse is lost.
async fn publish(sender: &PostgresSender, envelope: &Envelope) -> Result<(), RepoError> {
    match serde_json::to_string(envelope) {
        Ok(text) if text.len() <= PostgresSender::LONGEST => sender.send(&text).await,
        Ok(text) => {
            let (topic, bytes) = (envelope.topic(), text.len());
            tracing::warn!(
                topic,
                bytes,
                "an event was lost: it is too long for the PostgreSQL server"
            );
            Ok(())
        }
        Err(error) => {
            tracing::warn!(%error, "an event was lost: it cannot be written");
            Ok(())
        }
    }
}
