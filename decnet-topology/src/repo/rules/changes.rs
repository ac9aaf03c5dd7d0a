//! The rules of the log of changes.

use jiff::Timestamp;

use crate::{
    id::Sequence,
    model::TopologyRow,
    repo::{ChangeKind, KEPT_CHANGES, MutationRow, RepoError, StoreChange},
    status::StatusEvent,
};

/// How many changes are removed at a time.
const TRIMMED: u64 = 1000;

/// The ends of the log.
#[derive(Debug, Clone, Copy)]
pub(in crate::repo) struct LogBounds {
    /// The number of the last change that was removed, or of the one before the oldest.
    pub(in crate::repo) forgotten: Sequence,
    /// The number of the latest change, even if it was removed.
    pub(in crate::repo) latest: Sequence,
}

impl LogBounds {
    /// Refuses a reader that would miss changes.
    pub(in crate::repo) fn require_kept(self, after: Sequence) -> Result<(), RepoError> {
        let Self { forgotten, latest } = self;
        if (forgotten..=latest).contains(&after) {
            return Ok(());
        }
        Err(RepoError::ChangesGone {
            after,
            forgotten,
            latest,
        })
    }

    /// Returns the last change to remove, so that a number is left.
    pub(in crate::repo) fn surplus(self, keep: usize) -> Sequence {
        Sequence::new(self.latest.get().saturating_sub(keep as u64))
    }
}

/// Returns the last change to remove after a change was appended; none if it is not time for that.
pub(in crate::repo) fn surplus_after(latest: Sequence) -> Option<Sequence> {
    let surplus = latest.get().saturating_sub(KEPT_CHANGES as u64);
    (surplus > 0 && surplus.is_multiple_of(TRIMMED)).then_some(Sequence::new(surplus))
}

/// Returns a change for the log, which gives it its number.
pub(in crate::repo) fn change(row: &TopologyRow, what: ChangeKind, at: Timestamp) -> StoreChange {
    StoreChange {
        sequence: Sequence::START,
        at,
        topology: row.id,
        name: row.name.clone(),
        version: row.version,
        what,
    }
}

/// Returns whether settings, catalogue, placement or `needs_resync` differ.
pub(in crate::repo) fn is_reconfigured(before: &TopologyRow, after: &TopologyRow) -> bool {
    let of = |row: &TopologyRow| {
        (
            row.settings.clone(),
            row.catalog.clone(),
            row.placement.clone(),
            row.needs_resync,
        )
    };
    of(before) != of(after)
}

impl From<StatusEvent> for ChangeKind {
    fn from(event: StatusEvent) -> Self {
        let StatusEvent {
            from,
            to,
            reason,
            at: _,
        } = event;
        Self::Status { from, to, reason }
    }
}

impl From<&MutationRow> for ChangeKind {
    fn from(row: &MutationRow) -> Self {
        Self::Mutation {
            mutation: row.id,
            op: row.mutation.op().into(),
            state: row.state,
            actor: row.actor.clone(),
            reason: row.reason.clone(),
        }
    }
}
