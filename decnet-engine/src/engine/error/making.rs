//! Errors that several operations make.

use std::time::Duration;

use decnet_topology::{MutationRow, RepoError, TopologyId, TopologyRow, Version};

use super::EngineError;

impl EngineError {
    /// Makes the error of an operation that was interrupted with nothing to undo and nothing left.
    pub(crate) fn interrupted(id: TopologyId) -> Self {
        Self::Interrupted {
            id,
            undo_failures: Vec::new(),
            leftovers: Vec::new(),
        }
    }

    /// Makes the error of an operation that the status of a topology does not allow. The verb is a past participle.
    pub(crate) fn wrong_status(row: &TopologyRow, verb: &'static str) -> Self {
        Self::WrongStatus {
            name: row.name.clone(),
            status: row.status,
            intent: row.intent,
            verb,
        }
    }

    /// Makes the error of mutations that the plan does not include.
    pub(crate) fn queue_not_empty(row: &TopologyRow) -> Self {
        Self::QueueNotEmpty {
            id: row.id,
            name: row.name.clone(),
        }
    }

    /// Makes the error of a mutation that is queued and not finished.
    pub(crate) fn queued(row: &MutationRow, source: Self) -> Self {
        Self::MutationQueued {
            mutation: row.id,
            state: row.state,
            source: Box::new(source),
        }
    }

    /// Names the timeout as the reason of an interruption.
    pub(crate) fn timed_out(self, limit: Duration) -> Self {
        match self {
            Self::Interrupted { .. } => Self::TimedOut { limit },
            Self::MutationQueued {
                mutation,
                state,
                source,
            } => Self::MutationQueued {
                mutation,
                state,
                source: Box::new(source.timed_out(limit)),
            },
            error => error,
        }
    }
}

/// Refuses another version than the expected one, if one is expected.
pub(crate) fn require_version(row: &TopologyRow, expected: Option<Version>) -> Result<(), RepoError> {
    match expected {
        Some(expected) if expected != row.version => Err(RepoError::VersionConflict {
            name: row.name.clone(),
            expected,
            current: row.version,
        }),
        _ => Ok(()),
    }
}
