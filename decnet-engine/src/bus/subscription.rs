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

/// How many events may wait for a subscriber.
const BOUND: Bound = Bound {
    items: 4096,
    bytes: usize::MAX,
};

/// What a subscriber gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// An event.
    Event(Envelope),
    /// So many events were lost here, because they were not taken fast enough.
    Lagged(u64),
}

/// Events on their way to one subscriber. Dropping it ends the subscription.
#[derive(Debug)]
pub struct Subscription(Arc<Backlog<Envelope>>);

impl Subscription {
    /// Makes a subscription and the end that feeds it, for a bus of one's own.
    pub fn new(patterns: &[Pattern]) -> (Outlet, Self) {
        let backlog = Arc::new(Backlog::new(BOUND));
        let outlet = Outlet {
            patterns: patterns.into(),
            backlog: Arc::downgrade(&backlog),
        };
        (outlet, Self(backlog))
    }

    /// Waits for what is next; none when the bus is no more. Nothing is lost if the future is dropped.
    pub async fn recv(&mut self) -> Option<Received> {
        self.0.next().await.map(Received::from)
    }

    /// Takes what is next, if anything waits.
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

/// The end of a subscription that a bus holds. Dropping it ends the subscription once what waits was taken.
#[derive(Debug)]
pub struct Outlet {
    patterns: Box<[Pattern]>,
    backlog: Weak<Backlog<Envelope>>,
}

impl Outlet {
    /// Returns what the subscriber wants.
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// Returns whether the subscriber wants a topic.
    pub fn wants(&self, topic: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(topic))
    }

    /// Returns whether the subscriber is still there.
    pub fn is_open(&self) -> bool {
        self.backlog.strong_count() > 0
    }

    /// Hands an event to the subscriber.
    pub fn send(&self, envelope: Envelope) {
        if let Some(backlog) = self.backlog.upgrade() {
            backlog.push(envelope, 0);
        }
    }

    /// Tells the subscriber that so many events were lost.
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
