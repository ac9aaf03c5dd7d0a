use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    catalog::CatalogExcerpt,
    history::DeckyChange,
    id::{MutationId, TopologyId},
    mutation::Mutation,
    repo::MutationClaim,
    status::{MutationState, MutationTrigger},
    version::Version,
};

/// A request for a mutation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[must_use]
#[non_exhaustive]
pub struct NewMutation {
    /// The change.
    pub mutation: Mutation,
    /// Who requested it, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The entries that are added to the stored ones of a user's catalogue when the mutation is queued.
    #[serde(default, skip_serializing_if = "CatalogExcerpt::is_empty")]
    pub catalog: CatalogExcerpt,
    /// Who asked for it.
    #[serde(skip)]
    pub trigger: MutationTrigger,
}

impl NewMutation {
    /// Returns a request without an actor.
    pub fn new(mutation: Mutation) -> Self {
        Self {
            mutation,
            actor: None,
            catalog: CatalogExcerpt::default(),
            trigger: MutationTrigger::Operator,
        }
    }

    /// Sets who requested it, for people.
    pub fn actor(mut self, actor: impl Into<Option<String>>) -> Self {
        self.actor = actor.into();
        self
    }

    /// Sets the entries that are added to the stored ones of a user's catalogue when the mutation is queued.
    pub fn catalog(mut self, catalog: CatalogExcerpt) -> Self {
        self.catalog = catalog;
        self
    }

    /// Sets who asked for it.
    pub fn trigger(mut self, trigger: MutationTrigger) -> Self {
        self.trigger = trigger;
        self
    }
}

/// The data that the store keeps for a mutation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MutationRow {
    /// Its number; mutations of a topology are processed in order of their numbers.
    pub id: MutationId,
    /// The topology it changes.
    pub topology: TopologyId,
    /// The change.
    pub mutation: Mutation,
    /// Who requested it.
    pub actor: Option<String>,
    /// Who asked for it.
    #[serde(default, skip_serializing_if = "MutationTrigger::is_operator")]
    pub trigger: MutationTrigger,
    /// Its state.
    pub state: MutationState,
    /// The version of the topology after it.
    pub version: Version,
    /// How often it was claimed.
    pub attempts: u32,
    /// When it was requested.
    pub enqueued_at: Timestamp,
    /// When it was first claimed.
    pub begun_at: Option<Timestamp>,
    /// When the changed maze was stored. From then on it is in the maze, whatever its outcome is.
    pub stored_at: Option<Timestamp>,
    /// When it was finished.
    pub finished_at: Option<Timestamp>,
    /// Why it was rejected or failed.
    pub reason: Option<String>,
    /// The current or last holder; set exactly while the mutation is applying.
    pub claim: Option<MutationClaim>,
}

/// The outcome of a mutation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MutationOutcome {
    /// Docker matches the changed maze.
    Applied,
    /// The change was illegal, and nothing was changed.
    Rejected {
        /// The reason, for people.
        reason: String,
    },
    /// It is in the maze, but Docker could not be changed.
    Failed {
        /// The reason, for people.
        reason: String,
    },
}

impl MutationOutcome {
    /// Returns the resulting state.
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

/// One page of mutations, and the total number of matches.
#[derive(Debug, Clone, PartialEq)]
pub struct MutationPage {
    /// The mutations.
    pub rows: Vec<MutationRow>,
    /// The total number of matches.
    pub total: usize,
}

/// A change of a decky, as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedChange {
    /// When it was stored.
    pub at: Timestamp,
    /// The mutation that made it; none for an edit of the whole maze.
    pub mutation: Option<MutationId>,
    /// The change.
    pub change: DeckyChange,
}
