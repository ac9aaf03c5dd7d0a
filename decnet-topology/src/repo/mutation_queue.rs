use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::{Holder, MutationClaim, MutationFilter, MutationPage, MutationRow, NewMutation, Outcome, RepoError};
use crate::{
    id::{ClaimToken, MutationId, TopologyId},
    model::{StoredTopology, Topology},
    version::Version,
};

/// Stores the queues of mutations: the changes to topologies that run, in their order.
#[async_trait]
pub trait MutationQueue: Send + Sync {
    /// Appends a mutation to the queue of a topology that runs, and counts it as an edit.
    ///
    /// Refused: another version than `expected` if that is given ([`RepoError::VersionConflict`]), a topology that [takes no
    /// mutations](crate::TopologyRow::takes_mutations) ([`RepoError::NotEditable`]), a mutation that could not be read back
    /// ([`RepoError::MutationUnreadable`]).
    async fn enqueue(
        &self,
        id: TopologyId,
        new: NewMutation,
        expected: Option<Version>,
        at: Timestamp,
    ) -> Result<MutationRow, RepoError>;

    /// Takes the oldest mutation that can be worked on, of one topology or of any; none if there is none.
    ///
    /// That is the first unfinished one of a topology that takes mutations, if it is pending, or if the claim on it ran out or its token is
    /// `superseding`: then the same mutation is taken up again. So mutations of a topology are worked on in the order they
    /// were enqueued in, by one at a time.
    async fn claim_mutation(
        &self,
        topology: Option<TopologyId>,
        holder: &Holder,
        time: SignedDuration,
        superseding: Option<ClaimToken>,
        at: Timestamp,
    ) -> Result<Option<MutationRow>, RepoError>;

    /// Makes a claim last for a time from `at`, even one that ran out, if no one took the mutation since. Refused if someone
    /// did or it is finished ([`RepoError::ClaimLost`]).
    async fn renew_claim(
        &self,
        id: MutationId,
        token: ClaimToken,
        time: SignedDuration,
        at: Timestamp,
    ) -> Result<MutationClaim, RepoError>;

    /// Gives a claimed mutation back, to be taken up again in its turn. One whose claim was lost, or whose topology is gone, is
    /// no error. Where the topology takes no mutations any more it is finished as [`set_status`](super::TopologyStore::set_status) would have.
    async fn release_claim(&self, id: MutationId, token: ClaimToken, at: Timestamp) -> Result<(), RepoError>;

    /// Puts the maze that a claimed mutation makes in the place of the one before, and keeps what that changed of the deckies.
    /// This does not count as an edit; that happened when the mutation was enqueued.
    ///
    /// This comes once for each mutation, before Docker is changed. Who takes one up again that is stored already (see
    /// [`MutationRow::stored_at`]) goes on with Docker.
    ///
    /// Refused: a lost claim ([`RepoError::ClaimLost`]), a mutation that is stored ([`RepoError::MutationStored`]), a topology
    /// that takes no mutations any more ([`RepoError::NotEditable`]), a claimed subnet ([`RepoError::SubnetClaimed`]).
    async fn store_mutation(
        &self,
        id: MutationId,
        token: ClaimToken,
        topology: Topology,
        at: Timestamp,
    ) -> Result<StoredTopology, RepoError>;

    /// Says what became of a claimed mutation, and gives it up.
    ///
    /// Refused: a lost claim ([`RepoError::ClaimLost`]), rejecting what is in the maze ([`RepoError::MutationStored`]),
    /// anything else for what is not ([`RepoError::MutationNotStored`]).
    async fn finish_mutation(
        &self,
        id: MutationId,
        token: ClaimToken,
        outcome: Outcome,
        at: Timestamp,
    ) -> Result<MutationRow, RepoError>;

    /// Returns a mutation.
    async fn mutation(&self, id: MutationId) -> Result<MutationRow, RepoError>;

    /// Returns the mutations that match, in the order they were enqueued in, and how many there are in all.
    async fn mutations(&self, filter: &MutationFilter) -> Result<MutationPage, RepoError>;

    /// Returns whether a topology has a mutation that is not finished. Its cost does not grow with those that are.
    async fn has_unfinished(&self, id: TopologyId) -> Result<bool, RepoError>;
}
