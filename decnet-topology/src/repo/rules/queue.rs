//! The rules of the queue of mutations.

use jiff::{SignedDuration, Timestamp};

use super::{count_edit, lease, not_editable, require_version};
use crate::{
    id::{ClaimToken, MutationId},
    model::TopologyRow,
    repo::{MutationClaim, MutationOutcome, MutationRow, NewMutation, RepoError},
    status::{MutationState, Status},
    version::Version,
};

/// Refuses mutations of a topology that takes none.
fn refuse(row: &TopologyRow) -> Result<(), RepoError> {
    if row.takes_mutations() {
        return Ok(());
    }
    Err(not_editable(row))
}

/// Refuses a mutation that could not be read back.
pub(in crate::repo) fn refuse_unreadable(new: &NewMutation) -> Result<(), RepoError> {
    let readable = new.mutation.check_readable();
    readable.map_err(|error| RepoError::MutationUnreadable { source: error.into() })
}

/// Counts a mutation as an edit of its topology, or refuses it.
pub(in crate::repo) fn enqueue(
    row: &mut TopologyRow,
    expected: Option<Version>,
    at: Timestamp,
) -> Result<(), RepoError> {
    count_edit(row, expected, at, refuse)
}

/// Marks the shuffles that were due until a time as done, or refuses.
///
/// A stored time that is later than now comes from a clock that was ahead. It would stop all shuffles until then, so it is replaced.
pub(in crate::repo) fn shuffle(
    row: &mut TopologyRow,
    expected: Version,
    until: Timestamp,
    now: Timestamp,
) -> Result<(), RepoError> {
    require_version(row, Some(expected))?;
    refuse(row)?;
    if row.shuffled_until < until || row.shuffled_until > now {
        row.shuffled_until = until;
    }
    Ok(())
}

/// A placeholder for the number that the table will assign.
pub(in crate::repo) const UNNUMBERED: MutationId = MutationId::new(0);

/// Returns a newly requested mutation.
pub(in crate::repo) fn enqueued(id: MutationId, row: &TopologyRow, new: NewMutation, at: Timestamp) -> MutationRow {
    let NewMutation {
        mutation,
        actor,
        trigger,
        ..
    } = new;
    MutationRow {
        id,
        topology: row.id,
        mutation,
        actor,
        trigger,
        state: MutationState::Pending,
        version: row.version,
        attempts: 0,
        enqueued_at: at,
        begun_at: None,
        stored_at: None,
        finished_at: None,
        reason: None,
        claim: None,
    }
}

/// Returns the mutation of a direct edit of a pending topology.
pub(in crate::repo) fn applied(id: MutationId, row: &TopologyRow, new: NewMutation, at: Timestamp) -> MutationRow {
    MutationRow {
        state: MutationState::Applied,
        begun_at: Some(at),
        stored_at: Some(at),
        finished_at: Some(at),
        ..enqueued(id, row, new, at)
    }
}

/// Returns a pending mutation that is already in the maze.
pub(in crate::repo) fn stored(id: MutationId, row: &TopologyRow, new: NewMutation, at: Timestamp) -> MutationRow {
    MutationRow {
        stored_at: Some(at),
        ..enqueued(id, row, new, at)
    }
}

/// Lets the holder of a fresh claim work on the first unfinished mutation of a topology. Returns whether it may.
pub(in crate::repo) fn claim(
    first: &mut MutationRow,
    topology: &TopologyRow,
    claim: MutationClaim,
    at: Timestamp,
) -> bool {
    if !topology.takes_mutations() {
        return false;
    }
    first.state = MutationState::Applying;
    first.attempts = first.attempts.saturating_add(1);
    first.begun_at = first.begun_at.or(Some(at));
    first.claim = Some(claim);
    true
}

/// Refuses a token that does not match the claim on a mutation.
fn refuse_lost(row: &MutationRow, token: ClaimToken) -> Result<(), RepoError> {
    if lease::is_proven(row.claim.as_ref(), token) {
        return Ok(());
    }
    Err(RepoError::ClaimLost { id: row.id })
}

/// Renews a claim, or refuses.
pub(in crate::repo) fn renew(
    row: &mut MutationRow,
    token: ClaimToken,
    time: SignedDuration,
    at: Timestamp,
) -> Result<MutationClaim, RepoError> {
    let claim = lease::renew(row.claim.take(), token, time, at).ok_or(RepoError::ClaimLost { id: row.id })?;
    row.claim = Some(claim.clone());
    Ok(claim)
}

/// Makes a claimed mutation pending again if the token still matches the claim, and returns whether it did. If the topology no
/// longer takes mutations, the mutation is finished instead.
pub(in crate::repo) fn release_claim(
    row: &mut MutationRow,
    topology: &TopologyRow,
    token: ClaimToken,
    at: Timestamp,
) -> bool {
    if !lease::is_proven(row.claim.as_ref(), token) {
        return false;
    }
    row.state = MutationState::Pending;
    row.claim = None;
    if let Some(dismissal) = Dismissal::of(topology) {
        dismissal.dismiss(row, at);
    }
    true
}

/// Marks the changed maze of a mutation as stored, or refuses.
pub(in crate::repo) fn store(
    row: &mut MutationRow,
    topology: &mut TopologyRow,
    token: ClaimToken,
    at: Timestamp,
) -> Result<(), RepoError> {
    refuse_lost(row, token)?;
    if row.stored_at.is_some() {
        return Err(RepoError::MutationStored { id: row.id });
    }
    refuse(topology)?;
    row.stored_at = Some(at);
    topology.changed_at = at;
    Ok(())
}

/// Finishes a mutation, or refuses.
pub(in crate::repo) fn finish(
    row: &mut MutationRow,
    token: ClaimToken,
    outcome: MutationOutcome,
    at: Timestamp,
) -> Result<(), RepoError> {
    refuse_lost(row, token)?;
    row.state = outcome.state();
    row.reason = match (outcome, row.stored_at) {
        (MutationOutcome::Rejected { .. }, Some(_)) => return Err(RepoError::MutationStored { id: row.id }),
        (MutationOutcome::Applied | MutationOutcome::Failed { .. }, None) => {
            return Err(RepoError::MutationNotStored { id: row.id });
        }
        (MutationOutcome::Applied, _) => None,
        (MutationOutcome::Rejected { reason } | MutationOutcome::Failed { reason }, _) => Some(reason),
    };
    row.finished_at = Some(at);
    row.claim = None;
    Ok(())
}

/// Why unfinished mutations of a topology are dismissed, and which.
pub(in crate::repo) struct Dismissal {
    reason: String,
    /// Whether mutations that somebody is applying are dismissed too.
    claimed: bool,
}

impl Dismissal {
    /// Returns the dismissal for a topology's status; none if it takes mutations.
    ///
    /// A mutation that is being applied is left to its holder until the topology is torn down or failed: then a remaining holder
    /// must be dead.
    pub(in crate::repo) fn of(topology: &TopologyRow) -> Option<Self> {
        if topology.takes_mutations() {
            return None;
        }
        let reason = match topology.status {
            Status::TearingDown => "the topology is being torn down".into(),
            status @ (Status::Active | Status::Degraded) => format!("the topology is {status}, and its intent is down"),
            status => format!("the topology is {status}"),
        };
        Some(Self {
            reason,
            claimed: matches!(topology.status, Status::TornDown | Status::Failed),
        })
    }

    /// Returns whether it applies to a mutation.
    pub(in crate::repo) fn concerns(&self, row: &MutationRow) -> bool {
        row.state == MutationState::Pending || (self.claimed && row.state == MutationState::Applying)
    }

    /// Finishes a mutation that will not be applied: rejected, or failed if it is already in the maze.
    pub(in crate::repo) fn dismiss(&self, row: &mut MutationRow, at: Timestamp) {
        row.state = match row.stored_at {
            Some(_) => MutationState::Failed,
            None => MutationState::Rejected,
        };
        row.reason = Some(self.reason.clone());
        row.finished_at = Some(at);
        row.claim = None;
    }
}
