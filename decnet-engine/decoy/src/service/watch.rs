//! Whether the namespace still leads anywhere.

use std::time::{Duration, Instant};

use crate::namespace::Namespace;

/// Notices that the base was restarted and left its services in a namespace that nothing leads to any more.
pub(super) struct Watch {
    namespace: Namespace,
    /// A decky without networks is alive too; only one that *lost* its interfaces is not.
    had_interface: bool,
    bare_since: Option<Instant>,
    next: Instant,
}

impl Watch {
    const PERIOD: Duration = Duration::from_millis(500);
    /// A live change from one network to another may leave a moment without any.
    const PATIENCE: Duration = Duration::from_millis(900);

    pub(super) fn new(namespace: Namespace) -> Self {
        Self {
            namespace,
            had_interface: false,
            bare_since: None,
            next: Instant::now(),
        }
    }

    /// Looks, when it is time to, and says whether this process has been left behind.
    pub(super) fn is_dead(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        self.next = now + Self::PERIOD;
        // A failed look proves nothing.
        let Ok(links) = self.namespace.links() else {
            return false;
        };
        if links.iter().any(|link| !link.loopback) {
            self.had_interface = true;
            self.bare_since = None;
            return false;
        }
        self.had_interface && now.duration_since(*self.bare_since.get_or_insert(now)) >= Self::PATIENCE
    }
}
