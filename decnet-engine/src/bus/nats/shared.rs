//! What the bus and its task share: the queue, the subscribers, and the state of the connection.

use std::{
    fmt,
    sync::{OnceLock, atomic::AtomicBool},
};

use async_nats::{Client, Event as Notice, Message};
use tokio::sync::{Notify, watch};

use super::{recent::Recent, subject};
use crate::{
    bus::{
        Connectivity,
        backlog::{Backlog, Next},
        outlets::Outlets,
        reconnect::OUTGOING,
    },
    event::Envelope,
};

/// The longest event in bytes, as on a Unix socket. A server may allow less.
const LONGEST_EVENT: usize = 1 << 20;

/// What the bus and its task share.
pub(super) struct Shared {
    pub(super) outgoing: Backlog<Envelope>,
    pub(super) outlets: Outlets,
    /// A subscription was added or dropped.
    pub(super) changed: Notify,
    pub(super) link: watch::Sender<Link>,
    pub(super) connectivity: watch::Sender<Connectivity>,
    pub(super) client: OnceLock<Client>,
    /// The bus was dropped.
    pub(super) dropped: AtomicBool,
}

/// The state of the connection, and of publishing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Link {
    /// The number of the connection, from 1.
    pub(super) connection: u64,
    /// Whether that connection is open, as far as known.
    pub(super) open: bool,
    /// How many events are neither sent nor lost.
    pub(super) pending: u64,
    /// Whether the last attempt to connect failed.
    pub(super) down: bool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Shared");
        shown
            .field("outgoing", &self.outgoing)
            .field("link", &*self.link.borrow());
        shown.finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            outgoing: Backlog::new(OUTGOING),
            outlets: Outlets::default(),
            changed: Notify::new(),
            link: watch::Sender::default(),
            connectivity: watch::Sender::default(),
            client: OnceLock::new(),
            dropped: AtomicBool::new(false),
        }
    }

    /// Handles a notice of the library.
    pub(super) fn notice(&self, notice: &Notice) {
        match notice {
            Notice::Connected => self.link.send_modify(|link| {
                link.connection += 1;
                link.open = true;
            }),
            Notice::Disconnected | Notice::Closed | Notice::ClientError(_) => self.lose(&notice.to_string()),
            // One notice for each message that is dropped, or fewer.
            Notice::SlowConsumer(_) => {
                self.outlets.lose(1);
            }
            Notice::ServerError(error) => tracing::warn!(%error, "the NATS server refused something"),
            Notice::LameDuckMode | Notice::Draining => tracing::debug!(%notice, "the NATS server will stop"),
        }
    }

    pub(super) fn lose(&self, why: &str) {
        self.link.send_modify(|link| {
            link.open = false;
            link.down = true;
            if self.connectivity.send_replace(Connectivity::Lost) != Connectivity::Lost {
                tracing::warn!(why, "the NATS server is not reachable");
            }
        });
    }

    /// All subscriptions of a connection are active.
    pub(super) fn found(&self, connection: u64) {
        self.link.send_modify(|link| {
            if link.open && link.connection == connection {
                link.down = false;
                self.connectivity.send_replace(Connectivity::Connected);
            }
        });
    }

    /// Publishes events while there is a connection.
    pub(super) async fn publish_all(&self, client: &Client) -> Result<(), String> {
        let mut link = self.link.subscribe();
        while let Some(next) = self.outgoing.next().await {
            // Meanwhile the queue drops its oldest events, not the library.
            let open = link.wait_for(|link| link.open).await;
            open.map_err(|error| error.to_string())?;
            let settled = match next {
                Next::Lost(lost) => {
                    tracing::warn!(lost, "events were lost before the NATS server took them");
                    lost
                }
                Next::Item(envelope) => {
                    publish(client, &envelope).await?;
                    1
                }
            };
            self.link
                .send_modify(|link| link.pending = link.pending.saturating_sub(settled));
        }
        Ok(())
    }

    /// Delivers an event to the subscribers that want it.
    pub(super) fn hand_out(&self, message: &Message, recent: &mut Recent) {
        let received = match message.payload.len() {
            ..=LONGEST_EVENT => serde_json::from_slice::<Envelope>(&message.payload),
            length => return tracing::debug!(length, subject = %message.subject, "a message is too long for an event"),
        };
        let envelope = match received {
            Ok(envelope) => envelope,
            Err(error) => return tracing::debug!(%error, subject = %message.subject, "a message is not an event"),
        };
        let topic = envelope.topic();
        if subject::of_topic(&topic).as_deref() != Some(message.subject.as_str()) {
            return tracing::debug!(topic, subject = %message.subject, "an event has the subject of another topic");
        }
        if !recent.is_new(envelope.id) {
            return;
        }
        if self.outlets.send(&envelope) {
            self.changed.notify_one();
        }
    }

    /// Returns the subject that covers what the subscribers want.
    pub(super) fn wanted(&self) -> Option<String> {
        subject::covering(&self.outlets.patterns())
    }
}

/// Sends an event. One that the server would refuse is lost.
async fn publish(client: &Client, envelope: &Envelope) -> Result<(), String> {
    let topic = envelope.topic();
    let Some(subject) = subject::of_topic(&topic) else {
        tracing::warn!(topic, "an event was lost: its topic cannot be sent to NATS");
        return Ok(());
    };
    let payload = serde_json::to_vec(envelope).map_err(|error| error.to_string())?;
    let limit = LONGEST_EVENT.min(client.server_info().max_payload);
    if payload.len() > limit {
        tracing::warn!(
            topic,
            bytes = payload.len(),
            limit,
            "an event was lost: it is too large for the NATS server"
        );
        return Ok(());
    }
    match client.publish(subject, payload.into()).await {
        Err(error) if error.kind() == async_nats::PublishErrorKind::Send => Err(error.to_string()),
        Err(error) => {
            tracing::warn!(topic, %error, "an event was lost");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}
