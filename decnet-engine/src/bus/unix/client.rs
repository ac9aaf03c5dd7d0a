use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use backon::BackoffBuilder;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::Instant,
};

use super::{Connection, ConnectionError};
use crate::{
    bus::{
        Bus, Connectivity, Pattern, Received, Subscription,
        backlog::{Backlog, Next},
        outlets::Outlets,
        reconnect::{LONGEST, OUTGOING, backoff},
    },
    event::Envelope,
};

/// With more patterns than this, the client follows all topics and filters locally. A server allows 256 patterns per
/// connection.
const PATTERNS: usize = 128;

/// A bus on a Unix socket, whether it is served or not.
///
/// It connects in the background, and reconnects with backoff whenever the connection is lost. Meanwhile published events are
/// queued, up to a bound, and events of other processes are missed; the store has the true state. Dropping the bus closes the
/// connection.
#[derive(Debug)]
pub struct UnixBus {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    name: String,
    outgoing: Backlog<Envelope>,
    outlets: Outlets,
    /// A subscription was added or dropped.
    changed: Notify,
    link: watch::Sender<Link>,
    connectivity: watch::Sender<Connectivity>,
}

/// The state of publishing.
#[derive(Debug, Clone, Copy, Default)]
struct Link {
    /// How many events are neither sent nor lost.
    pending: u64,
    /// Whether the last attempt to connect failed.
    down: bool,
}

impl UnixBus {
    /// Starts to connect. `name` describes this client to people. It must be called within a tokio runtime.
    pub fn new(path: impl Into<PathBuf>, name: impl Into<String>) -> Self {
        let shared = Arc::new(Shared {
            path: path.into(),
            name: name.into(),
            outgoing: Backlog::new(OUTGOING),
            outlets: Outlets::default(),
            changed: Notify::new(),
            link: watch::Sender::default(),
            connectivity: watch::Sender::default(),
        });
        let task = tokio::spawn(run(Arc::clone(&shared)));
        Self { shared, task }
    }

    /// Waits until all published events are sent or the bus does not answer, at most for the timeout.
    pub async fn flush(&self, timeout: Duration) {
        let mut link = self.shared.link.subscribe();
        let settled = link.wait_for(|link| link.pending == 0 || link.down);
        // Events that are not sent by then are lost.
        let _ = tokio::time::timeout(timeout, settled).await;
    }
}

impl Bus for UnixBus {
    fn publish(&self, envelope: Envelope) {
        self.shared.link.send_modify(|link| link.pending += 1);
        self.shared.outgoing.push(envelope, 0);
    }

    fn subscribe(&self, patterns: &[Pattern]) -> Subscription {
        let subscription = self.shared.outlets.subscribe(patterns);
        self.shared.changed.notify_one();
        subscription
    }

    fn connectivity(&self) -> watch::Receiver<Connectivity> {
        self.shared.connectivity.subscribe()
    }
}

impl Drop for UnixBus {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connects, and reconnects when the connection ends.
async fn run(shared: Arc<Shared>) {
    let backoff = backoff();
    let mut pauses = backoff.build();
    loop {
        match Connection::open(&shared.path, &shared.name).await {
            Ok(connection) => {
                let since = Instant::now();
                let error = shared.attend(connection).await;
                tracing::debug!(%error, "the connection to the bus ended");
                if since.elapsed() > LONGEST {
                    pauses = backoff.build();
                }
            }
            Err(error) => tracing::trace!(%error, "the bus is not reachable"),
        }
        shared.link.send_modify(|link| link.down = true);
        shared.connectivity.send_replace(Connectivity::Lost);
        tokio::time::sleep(pauses.next().unwrap_or(LONGEST)).await;
    }
}

impl Shared {
    /// Publishes and delivers events until the connection ends.
    async fn attend(&self, mut connection: Connection) -> ConnectionError {
        let mut followed = BTreeSet::new();
        if let Err(error) = self.follow(&mut connection, &mut followed).await {
            return error;
        }
        self.link.send_modify(|link| link.down = false);
        self.connectivity.send_replace(Connectivity::Connected);
        loop {
            let result = tokio::select! {
                received = connection.recv() => match received.map(|received| self.hand_out(received)) {
                    Ok(true) => self.follow(&mut connection, &mut followed).await,
                    Ok(false) => Ok(()),
                    Err(error) => Err(error),
                },
                Some(next) = self.outgoing.next() => self.publish(&mut connection, next).await,
                () = self.changed.notified() => self.follow(&mut connection, &mut followed).await,
            };
            if let Err(error) = result {
                return error;
            }
        }
    }

    async fn publish(&self, connection: &mut Connection, next: Next<Envelope>) -> Result<(), ConnectionError> {
        let (settled, result) = match next {
            Next::Lost(lost) => {
                tracing::warn!(lost, "events were lost before the bus took them");
                (lost, Ok(()))
            }
            Next::Item(envelope) => match connection.publish(&envelope).await {
                Err(error @ ConnectionError::TooLarge { .. }) => {
                    tracing::warn!(%error, topic = envelope.topic(), "an event was too large for the bus");
                    (1, Ok(()))
                }
                result => (1, result),
            },
        };
        self.link
            .send_modify(|link| link.pending = link.pending.saturating_sub(settled));
        result
    }

    /// Subscribes to the patterns of the local subscribers, or to all topics if there are too many patterns.
    async fn follow(
        &self,
        connection: &mut Connection,
        followed: &mut BTreeSet<Pattern>,
    ) -> Result<(), ConnectionError> {
        let wanted = self.outlets.patterns();
        let wanted = match wanted.len() {
            ..=PATTERNS => wanted,
            _ => BTreeSet::from([Pattern::everything()]),
        };
        let fresh: Vec<Pattern> = wanted.difference(followed).cloned().collect();
        connection.subscribe(&fresh).await?;
        for unwanted in followed.difference(&wanted) {
            connection.unsubscribe(unwanted).await?;
        }
        *followed = wanted;
        Ok(())
    }

    /// Delivers a received item. Returns whether a subscription was dropped.
    fn hand_out(&self, received: Received) -> bool {
        match received {
            Received::Event(envelope) => self.outlets.send(&envelope),
            Received::Lagged(lost) => self.outlets.lose(lost),
        }
    }
}
