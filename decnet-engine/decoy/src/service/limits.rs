//! The limits of the server.

use std::time::Duration;

/// Limits that keep the server working under any load.
pub(super) struct Limits {
    /// Open connections. For another one, a connection of the source with the most is closed.
    pub(super) connections: usize,
    /// Open connections per source.
    pub(super) of_source: usize,
    /// Sources whose datagrams are remembered, per port.
    pub(super) datagram_sources: usize,
    /// Bytes read from one connection before it is closed.
    pub(super) bytes: u64,
    /// How long a visitor may be silent, unless the protocol allows more.
    pub(super) silence: Duration,
    /// The maximum duration of a conversation.
    pub(super) life: Duration,
    /// The timeout of a TLS handshake, of a write, and of a second connection.
    pub(super) step: Duration,
    /// How long the rest of a visitor's bytes is read after the last answer, so that the answer arrives.
    pub(super) linger: Duration,
    /// The pause in accepting if file descriptors are exhausted.
    pub(super) accept_pause: Duration,
    /// Answers to datagrams per second.
    pub(super) answers_per_second: u32,
    /// How often summaries are written and silent sources of datagrams are forgotten.
    pub(super) tick: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            of_source: 32,
            datagram_sources: 256,
            bytes: 8 * 1024 * 1024,
            silence: Duration::from_mins(1),
            life: Duration::from_hours(1),
            step: Duration::from_secs(30),
            linger: Duration::from_secs(1),
            accept_pause: Duration::from_millis(200),
            answers_per_second: 100,
            tick: Duration::from_millis(500),
        }
    }
}
