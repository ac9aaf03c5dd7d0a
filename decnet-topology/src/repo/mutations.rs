use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    history::DeckyChange,
    id::{MutationId, TopologyId},
    mutation::Mutation,
    repo::MutationClaim,
    status::MutationState,
    version::Version,
};

/// A request for a mutation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[must_use]
#[non_exhaustive]
pub struct NewMutation {
    /// What to change.
    pub mutation: Mutation,
    /// Who asks for it, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}

impl NewMutation {
    /// Returns a request without an actor.
    pub fn new(mutation: Mutation) -> Self {
        Self { mutation, actor: None }
    }

    /// Sets who asks for it, for people.
    pub fn actor(mut self, actor: impl Into<Option<String>>) -> Self {
        self.actor = actor.into();
        self
    }
}

/// All that the store keeps of a mutation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MutationRow {
    /// Its number; of two mutations of one topology the one with the lower number comes first.
    pub id: MutationId,
    /// The topology it changes.
    pub topology: TopologyId,
    /// What it changes.
    pub mutation: Mutation,
    /// Who wanted it.
    pub actor: Option<String>,
    /// How far it is.
    pub state: MutationState,
    /// The version that it made the topology.
    pub version: Version,
    /// How often someone set to work on it.
    pub attempts: u32,
    /// When it was asked for.
    pub enqueued_at: Timestamp,
    /// When someone first set to work on it.
    pub begun_at: Option<Timestamp>,
    /// When the maze that it makes was stored. From then on it is in the maze, whatever becomes of it.
    pub stored_at: Option<Timestamp>,
    /// When it was finished.
    pub finished_at: Option<Timestamp>,
    /// Why it was rejected or failed.
    pub reason: Option<String>,
    /// Who is at work on it, or was when it died; there is one exactly while the mutation is applying.
    pub claim: Option<MutationClaim>,
}

/// What became of a mutation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Docker was seen to match the maze that it made.
    Applied,
    /// It was illegal, and changed nothing.
    Rejected {
        /// Why, for people.
        reason: String,
    },
    /// It is in the maze, but Docker does not follow.
    Failed {
        /// Why, for people.
        reason: String,
    },
}

impl Outcome {
    /// Returns the state that follows.
    pub const fn state(&self) -> MutationState {
        match self {
            Self::Applied => MutationState::Applied,
            Self::Rejected { .. } => MutationState::Rejected,
            Self::Failed { .. } => MutationState::Failed,
        }
    }
}

/// Selects mutations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
#[non_exhaustive]
pub struct MutationFilter {
    /// Only mutations of this topology.
    pub topology: Option<TopologyId>,
    /// Only these states; all if empty.
    pub states: Vec<MutationState>,
    /// The largest number of rows.
    pub limit: Option<usize>,
    /// How many rows to skip.
    pub offset: usize,
}

impl MutationFilter {
    /// Selects the unfinished mutations of one topology, or of all.
    pub fn unfinished(topology: Option<TopologyId>) -> Self {
        Self {
            topology,
            states: vec![MutationState::Pending, MutationState::Applying],
            ..Self::default()
        }
    }

    /// Selects only mutations of this topology.
    pub fn topology(mut self, topology: impl Into<Option<TopologyId>>) -> Self {
        self.topology = topology.into();
        self
    }

    /// Selects only these states. None selects all.
    pub fn states(mut self, states: impl IntoIterator<Item = MutationState>) -> Self {
        self.states = states.into_iter().collect();
        self
    }

    /// Sets the largest number of rows.
    pub fn limit(mut self, limit: impl Into<Option<usize>>) -> Self {
        self.limit = limit.into();
        self
    }

    /// Sets how many rows to skip.
    pub fn offset(mut self, offset: usize) -> Self {
        self.offset = offset;
        self
    }
}

/// Some of the mutations that match, and how many do.
#[derive(Debug, Clone, PartialEq)]
pub struct MutationPage {
    /// The mutations.
    pub rows: Vec<MutationRow>,
    /// How many match in all.
    pub total: usize,
}

/// A change of a decky, as the store remembers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedChange {
    /// When it was stored.
    pub at: Timestamp,
    /// The mutation that made it; none if the maze was edited as a whole.
    pub mutation: Option<MutationId>,
    /// What changed.
    pub change: DeckyChange,
}
