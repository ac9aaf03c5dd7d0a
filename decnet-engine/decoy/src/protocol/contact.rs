use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::Protocol;

/// One line of a log about one visitor: a connection that begins or ends, a datagram, or a scan that no service sees.
///
/// The two lines of a connection have the same `id`. A connection that has only its first was open when the service was killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// When it happened, RFC 3339 in UTC with milliseconds.
    pub ts: String,
    /// What happened.
    pub event: ContactEvent,
    /// What the lines of one connection have in common, and no other line of this log.
    pub id: String,
    /// The decky's name.
    pub decky: String,
    /// The service's name; none where the base saw what no service did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Who came.
    pub remote_addr: Ipv4Addr,
    /// From which port.
    pub remote_port: u16,
    /// To which port.
    pub local_port: u16,
    /// Over which transport.
    pub protocol: Protocol,
    /// How many bytes were read from them until then.
    pub bytes: u64,
    /// How long the connection lasted, in milliseconds; with [`ContactEvent::End`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Why the connection ended; with [`ContactEvent::End`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<EndReason>,
}

/// What a line of a log is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContactEvent {
    /// A connection was accepted.
    Connect,
    /// A connection ended.
    End,
    /// A datagram came.
    Datagram,
    /// A connection was asked for and never completed (`nmap -sS`). The base reports it.
    HalfOpen,
    /// A connection was asked for, or a datagram came, where nothing listens. The base reports it.
    ClosedPort,
    /// A packet came that belongs to no connection and asks for none (`nmap -sA`, `-sF`, `-sM`, `-sN`, `-sX`). The base reports it.
    Stray,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndReason {
    /// The visitor closed it.
    Closed,
    /// It broke: the visitor reset it, say.
    Broken,
    /// The visitor was silent for too long.
    Idle,
    /// It lasted for too long.
    Age,
    /// The visitor sent too much.
    Size,
    /// It made room for another: too many were open, of this visitor or of all, and nothing had come over it for the longest time.
    Displaced,
    /// The service was told to stop.
    Stopped,
}

/// One line of a log that counts what has no line of its own, since there were too many.
///
/// Each contact has either its own lines or a place in the counts of one summary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// When it was written, RFC 3339 in UTC with milliseconds.
    pub ts: String,
    /// Always [`SummaryEvent::Summary`].
    pub event: SummaryEvent,
    /// The decky's name.
    pub decky: String,
    /// The service's name; none where the base saw what no service did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Who came; none for all those of whom there are too many for a summary each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_addr: Option<Ipv4Addr>,
    /// How many connections, asked for or begun, have no lines.
    pub connections: u64,
    /// How many datagrams have no line.
    pub datagrams: u64,
    /// How many bytes were read from these.
    pub bytes: u64,
    /// When the first of them came, RFC 3339 in UTC with milliseconds.
    pub first: String,
    /// When the last of them came.
    pub last: String,
}

/// The mark of a [`Summary`] among the lines of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SummaryEvent {
    /// Contacts were counted.
    Summary,
}
