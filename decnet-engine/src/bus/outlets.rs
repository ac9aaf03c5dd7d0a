use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Outlet, Pattern, Subscription};
use crate::event::Envelope;

/// The subscribers of a bus within the process.
#[derive(Debug, Default)]
pub(super) struct Outlets(Mutex<Vec<Outlet>>);

impl Outlets {
    fn all(&self) -> MutexGuard<'_, Vec<Outlet>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns those whose subscriptions still exist, and whether others were forgotten.
    fn open(&self) -> (MutexGuard<'_, Vec<Outlet>>, bool) {
        let mut outlets = self.all();
        let known = outlets.len();
        outlets.retain(Outlet::is_open);
        let were_dropped = outlets.len() < known;
        (outlets, were_dropped)
    }

    /// Adds a subscriber.
    pub(super) fn subscribe(&self, patterns: &[Pattern]) -> Subscription {
        let (outlet, subscription) = Subscription::new(patterns);
        self.open().0.push(outlet);
        subscription
    }

    /// Delivers an event to the subscribers that want it. Returns whether subscriptions were dropped before.
    pub(super) fn send(&self, envelope: &Envelope) -> bool {
        let topic = envelope.topic();
        let (outlets, were_dropped) = self.open();
        for outlet in outlets.iter().filter(|outlet| outlet.wants(&topic)) {
            outlet.send(envelope.clone());
        }
        were_dropped
    }

    /// Reports lost events to all subscribers. Returns whether subscriptions were dropped before.
    pub(super) fn lose(&self, count: u64) -> bool {
        let (outlets, were_dropped) = self.open();
        outlets.iter().for_each(|outlet| outlet.lose(count));
        were_dropped
    }

    /// Returns what the subscribers want.
    pub(super) fn patterns(&self) -> BTreeSet<Pattern> {
        self.open().0.iter().flat_map(Outlet::patterns).cloned().collect()
    }

    /// Returns how many are kept.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.all().len()
    }

    /// Ends all subscriptions.
    #[cfg(any(feature = "nats", feature = "postgres"))]
    pub(super) fn clear(&self) {
        self.all().clear();
    }
}
