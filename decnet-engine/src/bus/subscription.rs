use std::{
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
};

use futures_util::Stream;

use super::{
    Pattern,
    backlog::{Backlog, Bound, Next},
};
use crate::event::Envelope;

/// How many events are queued for a subscriber.
const BOUND: Bound = Bound {
    items: 4096,
    bytes: usize::MAX,
};

/// An item that a subscriber receives.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// An event.
    Event(Envelope),
    /// The number of events that were lost here because the subscriber was too slow.
    Lagged(u64),
}

/// The events for one subscriber. Dropping it ends the subscription.
#[derive(Debug)]
pub struct Subscription(Arc<Backlog<Envelope>>);

impl Subscription {
    /// Creates a subscription and its sending end. A custom bus implementation needs this.
    pub fn new(patterns: &[Pattern]) -> (Outlet, Self) {
        let backlog = Arc::new(Backlog::new(BOUND));
        let outlet = Outlet {
            patterns: patterns.into(),
            backlog: Arc::downgrade(&backlog),
        };
        (outlet, Self(backlog))
    }

    /// Waits for the next item. Returns none when the bus is closed. The future is cancel-safe.
    pub async fn recv(&mut self) -> Option<Received> {
        self.0.next().await.map(Received::from)
    }

    /// Takes the next item, if there is one.
    pub fn try_recv(&mut self) -> Option<Received> {
        self.0.try_next().map(Received::from)
    }
}

impl Stream for Subscription {
    type Item = Received;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Received>> {
        self.0.poll_next(context).map(|next| next.map(Received::from))
    }
}

impl From<Next<Envelope>> for Received {
    fn from(next: Next<Envelope>) -> Self {
        match next {
            Next::Item(envelope) => Self::Event(envelope),
            Next::Lost(lost) => Self::Lagged(lost),
        }
    }
}

/// The sending end of a subscription, which the bus holds. After it is dropped, the subscriber receives the queued events and
/// then the end.
#[derive(Debug)]
pub struct Outlet {
    patterns: Box<[Pattern]>,
    backlog: Weak<Backlog<Envelope>>,
}

impl Outlet {
    /// Returns the patterns of the subscriber.
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// Returns whether the subscriber wants a topic.
    pub fn wants(&self, topic: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(topic))
    }

    /// Returns whether the subscription still exists.
    pub fn is_open(&self) -> bool {
        self.backlog.strong_count() > 0
    }

    /// Sends an event to the subscriber.
    pub fn send(&self, envelope: Envelope) {
        if let Some(backlog) = self.backlog.upgrade() {
            backlog.push(envelope, 0);
        }
    }

    /// Reports lost events to the subscriber.
    pub fn lose(&self, count: u64) {
        if let Some(backlog) = self.backlog.upgrade() {
            backlog.lose(count);
        }
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        if let Some(backlog) = self.backlog.upgrade() {
            backlog.close();
        }
    }
}
