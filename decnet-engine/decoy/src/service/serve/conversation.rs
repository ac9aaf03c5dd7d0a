//! A conversation in the log.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use super::shared::Shared;
use crate::{
    journal::Entry,
    protocol::EndReason,
    service::{
        context::Context,
        event::{Event, Hiding},
    },
};

/// A conversation: what its dialogue knows, and its lines in the log.
pub(super) struct Conversation {
    pub(super) context: Context,
    pub(super) shared: Arc<Shared>,
    entry: Mutex<Entry>,
    bytes: AtomicU64,
    /// The number of the connection in the crowd; none for datagrams.
    guest: Option<u64>,
    /// Leaves out the passwords; none if the log has them.
    hiding: Option<Mutex<Hiding>>,
}

impl Conversation {
    /// Logs the start.
    pub(super) fn open(context: Context, shared: &Arc<Shared>, guest: Option<u64>) -> Self {
        let now = Instant::now();
        let entry = shared
            .journal()
            .open(&context.service.name, context.session.visit(), now);
        let hiding = (!shared.passwords).then(|| Mutex::new(Hiding::new(&context.service.name)));
        Self {
            context,
            shared: Arc::clone(shared),
            entry: Mutex::new(entry),
            bytes: AtomicU64::new(0),
            guest,
            hiding,
        }
    }

    /// Logs an event.
    pub(super) fn report(&self, event: Event) {
        let event = match &self.hiding {
            Some(hiding) => hiding.lock().unwrap_or_else(PoisonError::into_inner).hide(event),
            None => event,
        };
        let (action, now) = (event.action(), Instant::now());
        let fill = |record: &mut _| event.fill(record);
        self.shared.journal().report(&mut self.entry(), action, now, fill);
    }

    /// Counts input. Returns whether it is within the limit.
    pub(super) fn count(&self, bytes: usize) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some(guest) = self.guest {
            self.shared.crowd().touch(guest, Instant::now());
        }
        before.saturating_add(bytes) <= self.shared.limits.bytes
    }

    /// Logs the end.
    pub(super) fn close(&self, reason: EndReason) {
        if let Some(guest) = self.guest {
            self.shared.crowd().remove(guest);
        }
        let bytes = self.bytes.load(Ordering::Relaxed);
        self.shared
            .journal()
            .close(&self.entry(), bytes, reason, Instant::now());
    }

    fn entry(&self) -> MutexGuard<'_, Entry> {
        self.entry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
