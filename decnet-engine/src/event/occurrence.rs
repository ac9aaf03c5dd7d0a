use std::{collections::BTreeSet, fmt};

use decnet_topology::{MutationId, MutationState, Name, ServiceName, Status, TopologyId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Progress;
use crate::naming::ContainerName;

/// Something that happened.
///
/// On the wire its kind is the envelope's `type`, and what it says is the envelope's `payload`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "payload", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The status of a topology changed.
    Status {
        /// The topology.
        topology: TopologyId,
        /// The status before; none where the topology was just stored.
        from: Option<Status>,
        /// The status after.
        to: Status,
        /// Why.
        reason: Option<String>,
    },
    /// A mutation went a step through its queue.
    Mutation {
        /// The topology.
        topology: TopologyId,
        /// The mutation's number.
        mutation: MutationId,
        /// What it does, as on the wire: `add_lan`.
        op: String,
        /// How far it is.
        state: MutationStage,
        /// Who asked for it.
        actor: Option<String>,
        /// Why it was rejected or failed.
        reason: Option<String>,
    },
    /// A plan is about to be executed.
    Planned {
        /// The topology.
        topology: TopologyId,
        /// How many steps it has.
        steps: usize,
        /// The containers whose logs it deletes, the first thousand of them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        deleted_logs: Vec<ContainerName>,
    },
    /// Something happened to a step of a plan.
    Step {
        /// The topology.
        topology: TopologyId,
        /// What happened.
        #[serde(flatten)]
        progress: Progress,
    },
    /// A decky came, went, or runs something else.
    Decky(DeckyEvent),
    /// A worker says that it is there.
    Health(Health),
}

/// How far a mutation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MutationStage {
    /// It waits for its turn.
    Enqueued,
    /// It is being applied.
    Applying,
    /// It is stored, and Docker was seen to match.
    Applied,
    /// It was illegal, and nothing changed.
    Rejected,
    /// It is stored, but Docker does not follow.
    Failed,
}

impl MutationStage {
    /// Returns the last word of the topic.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enqueued => "enqueued",
            Self::Applying => "applying",
            Self::Applied => "applied",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
        }
    }
}

impl From<MutationState> for MutationStage {
    fn from(state: MutationState) -> Self {
        match state {
            MutationState::Applying => Self::Applying,
            MutationState::Applied => Self::Applied,
            MutationState::Rejected => Self::Rejected,
            MutationState::Failed => Self::Failed,
            // It waits: what was just enqueued, and what was given back.
            _ => Self::Enqueued,
        }
    }
}

/// A change in the life of a decky: what runs on it now, and what ran before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeckyEvent {
    /// The topology.
    pub topology: TopologyId,
    /// The decky.
    pub decky: Name,
    /// What ran on it before; empty for a creation.
    pub old_services: BTreeSet<ServiceName>,
    /// What runs on it now; empty for a retirement.
    pub new_services: BTreeSet<ServiceName>,
    /// What brought it about.
    pub trigger: Trigger,
}

/// What brought a change of a decky about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trigger {
    /// It came to be.
    Creation,
    /// It was removed.
    Retirement,
    /// Somebody changed it while it ran.
    Operator,
    /// It was due.
    Scheduled,
    /// It was not as it should be, and was mended.
    Healer,
}

impl Trigger {
    /// Returns the word for it, as on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Creation => "creation",
            Self::Retirement => "retirement",
            Self::Operator => "operator",
            Self::Scheduled => "scheduled",
            Self::Healer => "healer",
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a worker says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// What it is called: a DNS label, unique among those on one bus.
    pub worker: Name,
    /// Its process id.
    pub pid: u32,
    /// When it was started.
    pub started_at: Timestamp,
    /// How many topologies it looks after.
    pub topologies: usize,
    /// How many of them it is at work on now.
    pub busy: usize,
}

impl Event {
    /// Returns the topology that it is about; none for what is about a worker.
    pub fn topology(&self) -> Option<TopologyId> {
        match self {
            Self::Status { topology, .. }
            | Self::Mutation { topology, .. }
            | Self::Planned { topology, .. }
            | Self::Step { topology, .. }
            | Self::Decky(DeckyEvent { topology, .. }) => Some(*topology),
            Self::Health(_) => None,
        }
    }

    /// Returns the topic that it is published under.
    pub fn topic(&self) -> String {
        match self {
            Self::Status { topology, .. } => format!("topology.{topology}.status"),
            Self::Mutation { topology, state, .. } => format!("topology.{topology}.mutation.{}", state.as_str()),
            Self::Planned { topology, .. } => format!("topology.{topology}.step.planned"),
            Self::Step { topology, progress } => format!("topology.{topology}.step.{}", progress.state.as_str()),
            Self::Decky(DeckyEvent { topology, decky, .. }) => format!("decky.{topology}.{decky}.mutation"),
            Self::Health(Health { worker, .. }) => format!("system.{worker}.health"),
        }
    }
}
