use std::time::Duration;

use tokio::time::Instant;

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// When to try again what failed. The pause doubles.
#[derive(Debug)]
pub(super) struct Again {
    at: Instant,
    pause: Duration,
}

impl Again {
    pub(super) fn after(pause: Duration) -> Self {
        Self {
            at: Instant::now() + pause,
            pause,
        }
    }

    pub(super) fn double(&mut self) {
        *self = Self::after((self.pause * 2).min(LONGEST_PAUSE));
    }

    pub(super) fn is_due(&self) -> bool {
        self.at <= Instant::now()
    }
}
