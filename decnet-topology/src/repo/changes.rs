use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    id::{MutationId, Sequence, TopologyId},
    name::TopologyName,
    status::{MutationState, Status},
    version::Version,
};

/// How many changes a store keeps at least. Some thousand more may be kept.
pub const KEPT_CHANGES: usize = 100_000;

/// A change of a topology, as the log of its store has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreChange {
    /// Its number.
    pub sequence: Sequence,
    /// When it was stored.
    pub at: Timestamp,
    /// The topology.
    pub topology: TopologyId,
    /// The name of the topology, which may be deleted by now.
    pub name: TopologyName,
    /// The version of the topology after the change.
    pub version: Version,
    /// What changed.
    pub what: ChangeKind,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChangeKind {
    /// The status. The first one is the creation.
    Status {
        /// The status before; none if the topology was just stored.
        from: Option<Status>,
        /// The status after.
        to: Status,
        /// The reason, for people.
        reason: Option<String>,
    },
    /// The state of a mutation.
    Mutation {
        /// Its number.
        mutation: MutationId,
        /// Its op, as on the wire.
        op: String,
        /// Its new state. It is pending when it was enqueued, and when the process that was applying it released it.
        state: MutationState,
        /// Who requested it, for people.
        actor: Option<String>,
        /// Why it was rejected or failed.
        reason: Option<String>,
    },
    /// The maze of a pending topology was replaced. The mutation that made the edit is the change before this one.
    Edited,
    /// The settings, the stored catalogue, or whether a resync is needed. If they change together with the status, with an edit or
    /// with a mutation, only that is in the log.
    Settings,
    /// The topology was deleted.
    Deleted,
}

/// Selects changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
#[non_exhaustive]
pub struct ChangeFilter {
    /// Only changes of this topology.
    pub topology: Option<TopologyId>,
    /// The largest number of changes.
    pub limit: Option<usize>,
}

impl ChangeFilter {
    /// Selects only changes of this topology.
    pub fn topology(mut self, topology: impl Into<Option<TopologyId>>) -> Self {
        self.topology = topology.into();
        self
    }

    /// Sets the largest number of changes.
    pub fn limit(mut self, limit: impl Into<Option<usize>>) -> Self {
        self.limit = limit.into();
        self
    }
}

/// One page of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangePage {
    /// The changes.
    pub changes: Vec<StoreChange>,
    /// The number of the latest change of the store at the time of the read, whether it matches or not.
    pub latest: Sequence,
}
