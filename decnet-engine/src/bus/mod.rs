//! Fan-out of events: within the process ([`local`]), between processes over a Unix socket ([`unix`]), and between machines over a NATS
//! server or the PostgreSQL server of the store (`nats` and `postgres`, features).

mod backlog;
pub(crate) mod local;
#[cfg(feature = "nats")]
pub(crate) mod nats;
mod outlets;
mod pattern;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(any(unix, feature = "nats", feature = "postgres"))]
mod reconnect;
mod subscription;
#[cfg(unix)]
pub(crate) mod unix;

use std::fmt::Debug;

pub use pattern::{Pattern, PatternError};
pub use subscription::{Outlet, Received, Subscription};

use tokio::sync::watch;

use crate::event::Envelope;

/// Whether a bus reaches other processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Connectivity {
    /// The bus has not been reached yet.
    #[default]
    Connecting,
    /// The bus is connected, and all subscriptions are active.
    Connected,
    /// The bus cannot be reached. Events of other processes are missed.
    Lost,
}

/// Delivers events from publishers to subscribers.
///
/// Publishing never waits and never fails. A slow subscriber loses its oldest events and receives their number; other
/// subscribers are not affected. Topics are words separated by dots. A [`Pattern`] selects topics.
///
/// ```
/// use decnet_engine::{Bus, Envelope, Event, LocalBus, Received};
/// use decnet_topology::{Status, rng};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let bus = LocalBus::default();
/// let mut statuses = bus.subscribe(&["topology.*.status".parse()?]);
/// let mut deckies = bus.subscribe(&["decky.>".parse()?]);
///
/// let event = Event::Status { topology: rng::topology_id(), from: None, to: Status::Pending, reason: None };
/// let envelope = Envelope::new(event, "2030-01-01T00:00:00Z".parse()?);
/// bus.publish(envelope.clone());
///
/// assert_eq!(statuses.recv().await, Some(Received::Event(envelope)));
/// assert_eq!(deckies.try_recv(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Bus: Send + Sync + Debug {
    /// Publishes an event. This never waits and never fails, even if there is no subscriber or the bus is down.
    fn publish(&self, envelope: Envelope);

    /// Subscribes to future events whose topics match any of the patterns.
    fn subscribe(&self, patterns: &[Pattern]) -> Subscription;

    /// Returns the connectivity and its later changes. A bus within the process is always connected.
    fn connectivity(&self) -> watch::Receiver<Connectivity> {
        watch::channel(Connectivity::Connected).1
    }
}
