//! The limits of a responder.

use std::time::Duration;

/// Limits that keep a responder working under any load.
pub(super) struct Limits {
    /// Open connections. For another one, a connection of the source with the most is closed.
    pub(super) connections: usize,
    /// Open connections per source.
    pub(super) of_source: usize,
    /// Bytes read from one connection before it is closed.
    pub(super) bytes: u64,
    /// The idle timeout of a connection.
    pub(super) idle: Duration,
    /// The maximum duration of a connection.
    pub(super) life: Duration,
    /// Connections or datagrams taken from one port before the next port has its turn.
    pub(super) accepts: usize,
    /// The pause in accepting if file descriptors are exhausted.
    pub(super) accept_pause: Duration,
    /// Answers to datagrams per second.
    pub(super) answers_per_second: u32,
    /// How often time limits are checked. Less than a second.
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
