//! Fan-out within the process.

use tokio::sync::broadcast;

use crate::event::Event;

/// How many events a slow subscriber may be behind before it loses the oldest.
const CAPACITY: usize = 4096;

/// Hands every event to every subscriber of this process. Publishing never waits and never fails.
#[derive(Debug, Clone)]
pub struct LocalBus(broadcast::Sender<Event>);

impl Default for LocalBus {
    fn default() -> Self {
        Self(broadcast::Sender::new(CAPACITY))
    }
}

impl LocalBus {
    /// Hands an event out.
    pub fn publish(&self, event: Event) {
        // Nobody listening is no error: the repo is the truth.
        let _ = self.0.send(event);
    }

    /// Follows the events from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}
