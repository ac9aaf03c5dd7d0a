//! What a responder bears.

use std::time::Duration;

/// Bounds that keep a responder alive whatever it is sent.
pub(super) struct Limits {
    /// Connections open at a time; for one more, one of whoever has the most is closed.
    pub(super) connections: usize,
    /// Connections of one source open at a time.
    pub(super) of_source: usize,
    /// Bytes read from one connection before it is closed.
    pub(super) bytes: u64,
    /// How long a connection may be silent.
    pub(super) idle: Duration,
    /// How long a connection may last.
    pub(super) life: Duration,
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
            of_source: 32,
            bytes: 64 * 1024,
            idle: Duration::from_secs(30),
            life: Duration::from_mins(5),
            accepts: 64,
            accept_pause: Duration::from_millis(200),
            answers_per_second: 100,
            tick: Duration::from_millis(500),
        }
    }
}
