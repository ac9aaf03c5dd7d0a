use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::Protocol;

/// A log line about a visitor: the start or the end of a connection, a datagram, or a scan that no service sees.
///
/// The two lines of a connection have the same `id`. If the second is missing, the connection was open when the service was
/// killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The time, RFC 3339 in UTC with milliseconds.
    pub ts: String,
    /// The event.
    pub event: ContactEvent,
    /// The id that the lines of one connection share. It is unique in this log.
    pub id: String,
    /// The decky's name.
    pub decky: String,
    /// The service's name; none in a line of the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The visitor's address.
    pub remote_addr: Ipv4Addr,
    /// The visitor's port.
    pub remote_port: u16,
    /// The decky's port.
    pub local_port: u16,
    /// The transport.
    pub protocol: Protocol,
    /// How many bytes the visitor sent so far.
    pub bytes: u64,
    /// The duration of the connection in milliseconds; only with [`ContactEvent::End`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The reason for the end; only with [`ContactEvent::End`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<EndReason>,
}

/// The event of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContactEvent {
    /// A connection was accepted.
    Connect,
    /// A connection ended.
    End,
    /// A datagram arrived.
    Datagram,
    /// A connection was requested and never completed (`nmap -sS`). The base reports it.
    HalfOpen,
    /// A connection request or a datagram arrived at a port where nothing listens. The base reports it.
    ClosedPort,
    /// A packet arrived outside of any connection that does not open one (`nmap -sA`, `-sF`, `-sM`, `-sN`, `-sX`). The base
    /// reports it.
    Stray,
}

/// The reason for the end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndReason {
    /// The visitor closed it.
    Closed,
    /// It failed, for instance with a reset by the visitor.
    Broken,
    /// The visitor was silent for too long.
    Idle,
    /// It lasted for too long.
    Age,
    /// The visitor sent too much.
    Size,
    /// It was closed for another connection: too many were open, of this visitor or in total, and this one was idle for
    /// longest.
    Displaced,
    /// The service was stopped.
    Stopped,
}

/// A log line that counts contacts without lines of their own, because there were too many.
///
/// Each contact has either its own lines or is counted in one summary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The time of writing, RFC 3339 in UTC with milliseconds.
    pub ts: String,
    /// Always [`SummaryEvent::Summary`].
    pub event: SummaryEvent,
    /// The decky's name.
    pub decky: String,
    /// The service's name; none in a line of the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The visitor; none for all visitors without a summary of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_addr: Option<Ipv4Addr>,
    /// The number of connections, requested or open, without lines.
    pub connections: u64,
    /// The number of datagrams without lines.
    pub datagrams: u64,
    /// The number of bytes of these.
    pub bytes: u64,
    /// The time of the first of them, RFC 3339 in UTC with milliseconds.
    pub first: String,
    /// The time of the last of them.
    pub last: String,
}

/// The type of a [`Summary`] among the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SummaryEvent {
    /// Contacts were counted.
    Summary,
}
