//! The rules of the queue of mutations.

use jiff::{SignedDuration, Timestamp};

use super::{count_edit, ending, not_editable};
use crate::{
    id::{ClaimToken, MutationId},
    model::TopologyRow,
    mutation::Mutation,
    repo::{Holder, MutationClaim, MutationRow, NewMutation, Outcome, RepoError},
    status::{MutationState, Status},
    version::Version,
};

/// Refuses mutations to a topology that takes none.
fn refuse(row: &TopologyRow) -> Result<(), RepoError> {
    if row.takes_mutations() {
        return Ok(());
    }
    Err(not_editable(row))
}

/// Refuses a mutation that would not be read back as it is, because a number in it is none.
pub(in crate::repo) fn refuse_unreadable(new: &NewMutation) -> Result<(), RepoError> {
    let written = serde_json::to_value(&new.mutation).unwrap_or_default();
    let read =
        Mutation::from_value(&written).map_err(|error| RepoError::MutationUnreadable { source: error.into() })?;
    debug_assert_eq!(read, new.mutation, "what is read is what was written");
    Ok(())
}

/// Counts a mutation as an edit of the topology that it is for, or refuses it.
pub(in crate::repo) fn enqueue(
    row: &mut TopologyRow,
    expected: Option<Version>,
    at: Timestamp,
) -> Result<(), RepoError> {
    count_edit(row, expected, at, refuse)
}

/// Returns a mutation that was just asked for.
pub(in crate::repo) fn enqueued(id: MutationId, row: &TopologyRow, new: NewMutation, at: Timestamp) -> MutationRow {
    let NewMutation { mutation, actor } = new;
    MutationRow {
        id,
        topology: row.id,
        mutation,
        actor,
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

/// Returns a mutation that an edit of a pending topology made at once.
pub(in crate::repo) fn applied(id: MutationId, row: &TopologyRow, new: NewMutation, at: Timestamp) -> MutationRow {
    MutationRow {
        state: MutationState::Applied,
        begun_at: Some(at),
        stored_at: Some(at),
        finished_at: Some(at),
        ..enqueued(id, row, new, at)
    }
}

/// Returns whether the first unfinished mutation of a topology may be claimed.
pub(in crate::repo) fn is_claimable(
    first: &MutationRow,
    topology: &TopologyRow,
    superseding: Option<ClaimToken>,
    at: Timestamp,
) -> bool {
    let is_free = |claim: &MutationClaim| claim.until <= at || Some(claim.token) == superseding;
    topology.takes_mutations() && first.claim.as_ref().is_none_or(is_free)
}

/// Gives a mutation to a holder.
pub(in crate::repo) fn claim(row: &mut MutationRow, holder: &Holder, time: SignedDuration, at: Timestamp) {
    row.state = MutationState::Applying;
    row.attempts = row.attempts.saturating_add(1);
    row.begun_at = row.begun_at.or(Some(at));
    row.claim = Some(claim_of(holder, time, at));
}

/// Returns a fresh claim.
pub(in crate::repo) fn claim_of(holder: &Holder, time: SignedDuration, at: Timestamp) -> MutationClaim {
    MutationClaim {
        token: crate::rng::claim_token(),
        holder: holder.clone(),
        until: ending(at, time),
    }
}

/// Returns the claim that the token proves, or refuses because it is gone.
fn held(row: &mut MutationRow, token: ClaimToken) -> Result<&mut MutationClaim, RepoError> {
    let lost = RepoError::ClaimLost { id: row.id };
    row.claim.as_mut().filter(|claim| claim.token == token).ok_or(lost)
}

/// Makes a claim last longer, or refuses.
pub(in crate::repo) fn renew(
    row: &mut MutationRow,
    token: ClaimToken,
    time: SignedDuration,
    at: Timestamp,
) -> Result<MutationClaim, RepoError> {
    let claim = held(row, token)?;
    claim.until = ending(at, time);
    Ok(claim.clone())
}

/// Puts a mutation back in its place, if the token still proves a claim, and tells whether it did. Where the topology takes no
/// mutations any more it is finished instead.
pub(in crate::repo) fn release_claim(
    row: &mut MutationRow,
    topology: &TopologyRow,
    token: ClaimToken,
    at: Timestamp,
) -> bool {
    if held(row, token).is_err() {
        return false;
    }
    row.state = MutationState::Pending;
    row.claim = None;
    if let Some(dismissal) = Dismissal::of(topology) {
        dismissal.dismiss(row, at);
    }
    true
}

/// Marks the maze that a mutation makes as stored, or refuses.
pub(in crate::repo) fn store(
    row: &mut MutationRow,
    topology: &mut TopologyRow,
    token: ClaimToken,
    at: Timestamp,
) -> Result<(), RepoError> {
    held(row, token)?;
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
    outcome: Outcome,
    at: Timestamp,
) -> Result<(), RepoError> {
    held(row, token)?;
    row.state = outcome.state();
    row.reason = match (outcome, row.stored_at) {
        (Outcome::Rejected { .. }, Some(_)) => return Err(RepoError::MutationStored { id: row.id }),
        (Outcome::Applied | Outcome::Failed { .. }, None) => return Err(RepoError::MutationNotStored { id: row.id }),
        (Outcome::Applied, _) => None,
        (Outcome::Rejected { reason } | Outcome::Failed { reason }, _) => Some(reason),
    };
    row.finished_at = Some(at);
    row.claim = None;
    Ok(())
}

/// Why unfinished mutations of a topology come to nothing, and which.
pub(in crate::repo) struct Dismissal {
    reason: String,
    /// Whether those go too that somebody is at work on.
    claimed: bool,
}

impl Dismissal {
    /// Returns the dismissal that follows from a topology's status; none if it takes mutations.
    ///
    /// One that is being applied is left to who applies it, until the topology is down for good: then nobody is at work any
    /// more, but one who died.
    pub(in crate::repo) fn of(topology: &TopologyRow) -> Option<Self> {
        if topology.takes_mutations() {
            return None;
        }
        let reason = match topology.status {
            Status::TearingDown => "the topology is being torn down".into(),
            status @ (Status::Active | Status::Degraded) => format!("the topology is {status} and meant to be down"),
            status => format!("the topology is {status}"),
        };
        Some(Self {
            reason,
            claimed: matches!(topology.status, Status::TornDown | Status::Failed),
        })
    }

    /// Returns whether it concerns a mutation.
    pub(in crate::repo) fn concerns(&self, row: &MutationRow) -> bool {
        row.state == MutationState::Pending || (self.claimed && row.state == MutationState::Applying)
    }

    /// Finishes a mutation that will not be applied: rejected, unless it is in the maze already.
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
