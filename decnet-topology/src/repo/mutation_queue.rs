use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::{
    BatchEdit, Holder, MutationClaim, MutationFilter, MutationOutcome, MutationPage, MutationRow, NewMutation,
    RepoError,
};
use crate::{
    id::{ClaimToken, MutationId, TopologyId},
    model::{StoredTopology, Topology},
    version::Version,
};

/// Stores the queues of mutations: the pending changes of running topologies, in order.
#[async_trait]
pub trait MutationQueue: Send + Sync {
    /// Appends a mutation to the queue of a running topology, and counts it as an edit.
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

    /// Appends the shuffles that were due until a time to the queue of a running topology, and stores that time, so that no other
    /// process appends them too. Each counts as an edit. If none were due, only the time is stored.
    /// An earlier time than the stored one is ignored, unless the stored one lies in the future, by the clock of the store.
    ///
    /// Refused: another version than `expected` ([`RepoError::VersionConflict`]), and what [`enqueue`](Self::enqueue) refuses.
    async fn enqueue_shuffles(
        &self,
        id: TopologyId,
        shuffles: Vec<NewMutation>,
        until: Timestamp,
        expected: Version,
        at: Timestamp,
    ) -> Result<Vec<MutationRow>, RepoError>;

    /// Stores the result of several mutations of a running topology, and appends them to its queue, which must be empty. Each
    /// counts as an edit, and has its own changes of the deckies.
    ///
    /// The mutations are pending and already in the maze, as if [`store_mutation`](Self::store_mutation) had been called for each.
    /// The caller, or else a later drain of the queue, changes Docker and finishes them.
    ///
    /// Refused: a lease that was lost ([`RepoError::LeaseLost`]), another version than the expected one
    /// ([`RepoError::VersionConflict`]), a topology that [takes no mutations](crate::TopologyRow::takes_mutations)
    /// ([`RepoError::NotEditable`]), an unfinished mutation ([`RepoError::QueueNotEmpty`]), a claimed subnet
    /// ([`RepoError::SubnetClaimed`]), a mutation that could not be read back ([`RepoError::MutationUnreadable`]).
    async fn store_batch(
        &self,
        id: TopologyId,
        edit: BatchEdit,
        at: Timestamp,
    ) -> Result<(StoredTopology, Vec<MutationRow>), RepoError>;

    /// Claims the oldest available mutation of one topology or of any. Returns none if there is none.
    ///
    /// That is the first unfinished mutation of a topology that takes mutations, if it is pending, its claim expired, or the
    /// token of its claim is `superseding`; in the last two cases the same mutation is resumed. So mutations of a topology are
    /// processed one at a time, in the order in which they were enqueued.
    async fn claim_mutation(
        &self,
        topology: Option<TopologyId>,
        holder: &Holder,
        time: SignedDuration,
        superseding: Option<ClaimToken>,
        at: Timestamp,
    ) -> Result<Option<MutationRow>, RepoError>;

    /// Renews a claim for a time from `at`, even an expired one if nobody took the mutation since. Refused if somebody did or the
    /// mutation is finished ([`RepoError::ClaimLost`]).
    async fn renew_claim(
        &self,
        id: MutationId,
        token: ClaimToken,
        time: SignedDuration,
        at: Timestamp,
    ) -> Result<MutationClaim, RepoError>;

    /// Releases a claimed mutation, so that it can be claimed again in its turn. It is not an error if the claim was lost or the
    /// topology was deleted. If the topology no longer takes mutations, the mutation is finished as
    /// [`set_status`](super::TopologyStore::set_status) would have done.
    async fn release_claim(&self, id: MutationId, token: ClaimToken, at: Timestamp) -> Result<(), RepoError>;

    /// Replaces the maze with the result of a claimed mutation, and records the changes of the deckies.
    /// This does not count as an edit; that happened when the mutation was enqueued.
    ///
    /// This is called once for each mutation, before Docker is changed. A caller that resumes a mutation that is already stored
    /// (see [`MutationRow::stored_at`]) continues with Docker.
    ///
    /// Refused: a lost claim ([`RepoError::ClaimLost`]), a mutation that is stored ([`RepoError::MutationStored`]), a topology
    /// that no longer takes mutations ([`RepoError::NotEditable`]), a claimed subnet ([`RepoError::SubnetClaimed`]).
    async fn store_mutation(
        &self,
        id: MutationId,
        token: ClaimToken,
        topology: Topology,
        at: Timestamp,
    ) -> Result<StoredTopology, RepoError>;

    /// Records the outcome of a claimed mutation, and releases it.
    ///
    /// Refused: a lost claim ([`RepoError::ClaimLost`]), rejecting a mutation that is in the maze
    /// ([`RepoError::MutationStored`]), any other outcome for one that is not ([`RepoError::MutationNotStored`]).
    async fn finish_mutation(
        &self,
        id: MutationId,
        token: ClaimToken,
        outcome: MutationOutcome,
        at: Timestamp,
    ) -> Result<MutationRow, RepoError>;

    /// Returns a mutation.
    async fn mutation(&self, id: MutationId) -> Result<MutationRow, RepoError>;

    /// Returns the matching mutations, in the order in which they were enqueued, and their total number.
    async fn mutations(&self, filter: &MutationFilter) -> Result<MutationPage, RepoError>;

    /// Returns whether a topology has an unfinished mutation. Its cost does not depend on the number of finished ones.
    async fn has_unfinished(&self, id: TopologyId) -> Result<bool, RepoError>;
}
