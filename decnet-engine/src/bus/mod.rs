//! Fan-out of events: within the process ([`local`]), and between processes over a Unix socket ([`unix`]).
//!
//! Publishing never waits and never fails. Who reads slowly loses the oldest of what waits for them, and is told how many; nobody
//! else is held up. Topics are words divided by dots; a [`Pattern`] says which of them are wanted.
//!
//! ```
//! use decnet_engine::{bus::{Bus, Received, local::LocalBus}, event::{Envelope, Event}};
//! use decnet_topology::{Status, rng};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let bus = LocalBus::default();
//! let mut statuses = bus.subscribe(&["topology.*.status".parse()?]);
//! let mut deckies = bus.subscribe(&["decky.>".parse()?]);
//!
//! let event = Event::Status { topology: rng::topology_id(), from: None, to: Status::Pending, reason: None };
//! let envelope = Envelope::new(event, "2030-01-01T00:00:00Z".parse()?);
//! bus.publish(envelope.clone());
//!
//! assert_eq!(statuses.recv().await, Some(Received::Event(envelope)));
//! assert_eq!(deckies.try_recv(), None);
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backlog;
pub mod local;
mod pattern;
mod subscription;
#[cfg(unix)]
pub mod unix;

use std::fmt::Debug;

pub use pattern::{Pattern, PatternError};
pub use subscription::{Outlet, Received, Subscription};

use tokio::sync::watch;

use crate::event::Envelope;

/// Whether a bus reaches other processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Connectivity {
    /// It has not been reached yet.
    #[default]
    Connecting,
    /// It is reached, and every subscription is in force.
    Connected,
    /// It cannot be reached. Events of other processes are missed.
    Lost,
}

/// Hands events from those who publish to those who subscribed.
pub trait Bus: Send + Sync + Debug {
    /// Hands an event out. It never waits and never fails: that nobody listens, or that the bus is down, is no error.
    fn publish(&self, envelope: Envelope);

    /// Follows, from now on, the events whose topics match any of the patterns.
    fn subscribe(&self, patterns: &[Pattern]) -> Subscription;

    /// Returns whether the bus is reached, now and whenever that changes. A bus within the process always is.
    fn connectivity(&self) -> watch::Receiver<Connectivity> {
        watch::channel(Connectivity::Connected).1
    }
}
