use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Action;

/// Fields that the Elastic Common Schema has no name for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decnet {
    /// The id that the lines of one conversation share. It is unique in this log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The method of a login attempt or of a fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The password of a login attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// The hash or response of a login attempt, in the format of password crackers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// The fingerprint of a public key, or of the visitor's program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The operation of a request that is not one of HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The target of a request that is not one of HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The status of the answer to a request that is not one of HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The data of a request that is not one of HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The direction of a file: `upload` if the visitor sent it, else `download`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<String>,
    /// What is known of a probe: `half_open`, `closed_port`, `stray`, or a description of the input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
    /// The first bytes of a probe's input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The number of packets that were dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets: Option<u64>,
    /// How many bytes the visitor sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The reason for the end of a conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<EndReason>,
    /// The number of events of this conversation, or of those in a summary, that have no lines.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<Action, u64>,
    /// The counts of a summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
}

impl Decnet {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Counts of contacts without lines, because there were too many.
///
/// Each contact has either its own lines or is counted in one summary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The number of connections, requested or open.
    pub connections: u64,
    /// The number of datagrams.
    pub datagrams: u64,
    /// The number of bytes of these.
    pub bytes: u64,
    /// The time of the first of them, RFC 3339 in UTC with milliseconds.
    pub first: String,
    /// The time of the last of them.
    pub last: String,
}

/// The reason for the end of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndReason {
    /// The visitor closed it.
    Closed,
    /// The service closed it, as the protocol demands.
    Ended,
    /// It failed, for instance with a reset by the visitor.
    Broken,
    /// The visitor was silent for too long.
    Idle,
    /// It lasted for too long.
    Age,
    /// The visitor sent too much.
    Size,
    /// It was closed for another one: too many were open, of this visitor or in total, and this one was idle for longest.
    Displaced,
    /// The service was stopped.
    Stopped,
}
