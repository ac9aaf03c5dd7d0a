//! What a responder bears.

use std::time::{Duration, Instant};

/// Bounds that keep a responder alive whatever it is sent.
pub(super) struct Limits {
    /// Connections open at a time; more are accepted, logged and closed.
    pub(super) connections: usize,
    /// Bytes read from one connection before it is closed.
    pub(super) bytes: u64,
    /// How long a connection may be silent.
    pub(super) idle: Duration,
    /// How long a connection may last.
    pub(super) life: Duration,
    /// How long to try for a port that is taken.
    pub(super) bind: Duration,
    /// Connections or datagrams taken from one port before the others have their turn.
    pub(super) accepts: usize,
    /// How long to leave new connections waiting when there is no file descriptor for them.
    pub(super) accept_pause: Duration,
    /// Datagrams answered in a second.
    pub(super) answers_per_second: u32,
    /// How often to look at deadlines, under a second.
    pub(super) tick: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            bytes: 64 * 1024,
            idle: Duration::from_secs(30),
            life: Duration::from_mins(5),
            bind: Duration::from_millis(1500),
            accepts: 64,
            accept_pause: Duration::from_millis(200),
            answers_per_second: 100,
            tick: Duration::from_millis(500),
        }
    }
}

/// Counts answers, so that forged senders cannot make a responder flood others, or two responders each other for ever.
pub(super) struct AnswerRate {
    per_second: u32,
    left: u32,
    since: Instant,
}

impl AnswerRate {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        Self {
            per_second,
            left: per_second,
            since: now,
        }
    }

    /// Says whether one more answer may go out.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            *self = Self::new(self.per_second, now);
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_answers_go_out_in_a_second_than_allowed() {
        let start = Instant::now();
        let mut rate = AnswerRate::new(2, start);
        let later = start + Duration::from_millis(999);
        assert_eq!(
            [rate.take(start), rate.take(later), rate.take(later)],
            [true, true, false]
        );
        assert!(rate.take(start + Duration::from_secs(1)));
    }
}
