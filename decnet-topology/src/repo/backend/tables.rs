use std::{collections::BTreeMap, fmt::Debug, ops::RangeInclusive};

use jiff::Timestamp;

use crate::{
    id::{EnrolmentId, HostId, InstanceId, MutationId, Sequence, TopologyId},
    model::{Topology, TopologyRow},
    name::TopologyName,
    repo::{
        ChangeFilter, Enrolment, HostRow, Lease, MutationFilter, MutationPage, MutationRow, RecordedChange, RepoError,
        Stamp, StoreChange, SubnetClaim, TopologyFilter, TopologyPage, Visit, VisitFilter, rules::changes::LogBounds,
    },
    secret::InstallationSecret,
    status::StatusEvent,
};

/// Runs transactions.
pub(in crate::repo) trait Backend: Send + Sync + Debug + 'static {
    /// Reads a consistent snapshot of the store. The work may run several times, as in a write transaction.
    fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut dyn Tables) -> Result<T, RepoError> + Send + 'static,
    ) -> impl Future<Output = Result<T, RepoError>> + Send;

    /// Runs a write transaction; the store is unchanged if it fails.
    ///
    /// No other transaction writes to the same topology at the same time. A database of several clients may ask to run it again
    /// after a conflict, so the work can run several times, each time with the same input.
    fn write<I: Clone + Send + 'static, T: Send + 'static>(
        &self,
        input: I,
        work: impl Fn(&mut dyn Tables, I) -> Result<T, RepoError> + Send + 'static,
    ) -> impl Future<Output = Result<T, RepoError>> + Send;

    /// Returns the stamp of [`ChangeLog::stamp`](crate::repo::ChangeLog::stamp).
    fn stamp(&self) -> Option<Stamp>;

    /// Takes the lock of [`LeaseStore::lock_unwritten`](crate::repo::LeaseStore::lock_unwritten).
    fn lock_unwritten(&self) -> impl Future<Output = Result<Box<dyn Send + Sync>, RepoError>> + Send;
}

/// Reads and writes rows inside a transaction. It enforces no rules.
///
/// A method that takes the id of a topology refuses an unknown one with [`RepoError::NotFound`], unless it says otherwise.
pub(in crate::repo) trait Tables {
    /// Returns the store's own id.
    fn instance(&mut self) -> Result<InstanceId, RepoError>;

    /// Returns the store's secret.
    fn secret(&mut self) -> Result<InstallationSecret, RepoError>;

    /// Returns the row of a topology.
    fn topology(&mut self, id: TopologyId) -> Result<TopologyRow, RepoError>;

    /// Returns the rows that match, in order of creation and id.
    fn topologies(&mut self, filter: &TopologyFilter) -> Result<TopologyPage, RepoError>;

    /// Finds the topology, not torn down, with a name, in any case. Returns the name as stored.
    fn namesake(&mut self, name: &TopologyName) -> Result<Option<(TopologyName, TopologyId)>, RepoError>;

    /// Returns whether a topology has these first eight hex digits of the id.
    fn has_short_id(&mut self, id: TopologyId) -> Result<bool, RepoError>;

    /// Locks a topology until the end of the transaction, unless another transaction has locked it. Returns whether it is locked
    /// now. A topology that does not exist cannot be locked.
    fn try_lock(&mut self, id: TopologyId) -> Result<bool, RepoError> {
        let _ = id;
        Ok(true)
    }

    /// Locks the hosts and the placements of all topologies until the end of the transaction.
    fn lock_placements(&mut self) -> Result<(), RepoError> {
        Ok(())
    }

    /// Locks the claims of all topologies until the end of the transaction, unless the store refuses overlapping claims by itself.
    fn lock_claims(&mut self) -> Result<(), RepoError> {
        Ok(())
    }

    /// Returns the time by which leases and claims are measured: the one of the store's server, or `at` if it has none. Several
    /// hosts whose clocks differ agree on it.
    fn now(&mut self, at: Timestamp) -> Result<Timestamp, RepoError> {
        Ok(at)
    }

    /// Adds the row of a topology that has no maze yet.
    fn insert_topology(&mut self, row: &TopologyRow) -> Result<(), RepoError>;

    /// Writes the version, the settings, the catalogue, the placement, `needs_resync` and the time of the change.
    fn update_topology(&mut self, row: &TopologyRow) -> Result<(), RepoError>;

    /// Writes all that a change of status may change: status, intent, settings, `needs_resync` and the time of the change.
    fn update_status(&mut self, row: &TopologyRow) -> Result<(), RepoError>;

    /// Removes a topology with all rows that refer to it.
    fn delete_topology(&mut self, id: TopologyId) -> Result<(), RepoError>;

    /// Returns the status events of a topology, oldest first.
    fn events(&mut self, id: TopologyId) -> Result<Vec<StatusEvent>, RepoError>;

    /// Appends a status event.
    fn append_event(&mut self, id: TopologyId, event: &StatusEvent) -> Result<(), RepoError>;

    /// Returns the maze of a topology.
    fn maze(&mut self, id: TopologyId) -> Result<Topology, RepoError>;

    /// Counts the deckies of each topology that the agent of a host has: those of mode `agent` that are not pending or torn down. Those
    /// without deckies may be missing. Nothing is locked.
    fn pushed_deckies(&mut self) -> Result<BTreeMap<TopologyId, usize>, RepoError>;

    /// Replaces the maze of a topology.
    fn set_maze(&mut self, id: TopologyId, maze: &Topology) -> Result<(), RepoError>;

    /// Returns the LANs of topologies that are not torn down whose subnets overlap a range of addresses, in order of address.
    fn claims(&mut self, except: Option<TopologyId>, range: RangeInclusive<u32>)
    -> Result<Vec<SubnetClaim>, RepoError>;

    /// Returns the changes of deckies by edits and mutations, oldest first; if `since` is given, only later ones.
    fn changes(&mut self, id: TopologyId, since: Option<Timestamp>) -> Result<Vec<RecordedChange>, RepoError>;

    /// Appends changes of deckies.
    fn append_changes(&mut self, id: TopologyId, changes: &[RecordedChange]) -> Result<(), RepoError>;

    /// Returns the stored lease, even if it expired.
    fn lease(&mut self, id: TopologyId) -> Result<Option<Lease>, RepoError>;

    /// Draws a generation that is higher than all before, and higher than `above`.
    ///
    /// The counter may be locked from now until the end of the transaction, so it is drawn after topologies were locked.
    fn next_generation(&mut self, above: u64) -> Result<u64, RepoError>;

    /// Replaces the lease of a topology.
    fn set_lease(&mut self, id: TopologyId, lease: &Lease) -> Result<(), RepoError>;

    /// Removes the lease of a topology.
    fn delete_lease(&mut self, id: TopologyId) -> Result<(), RepoError>;

    /// Returns a mutation, or refuses with [`RepoError::MutationNotFound`].
    fn mutation(&mut self, id: MutationId) -> Result<MutationRow, RepoError>;

    /// Returns the mutations that match, in order of their numbers.
    fn mutations(&mut self, filter: &MutationFilter) -> Result<MutationPage, RepoError>;

    /// Returns the unfinished mutation of a topology with the lowest number.
    fn first_unfinished(&mut self, topology: TopologyId) -> Result<Option<MutationRow>, RepoError>;

    /// Returns the topologies that have unfinished mutations, in order of the first of each.
    fn with_unfinished(&mut self) -> Result<Vec<TopologyId>, RepoError>;

    /// Adds a mutation with a number that was never used before, and returns it with that number.
    fn insert_mutation(&mut self, row: MutationRow) -> Result<MutationRow, RepoError>;

    /// Writes the mutable fields of a mutation.
    fn update_mutation(&mut self, row: &MutationRow) -> Result<(), RepoError>;

    /// Adds a visit unless its topology has one with its id. Returns whether it was added.
    fn insert_visit(&mut self, visit: &Visit) -> Result<bool, RepoError>;

    /// Removes the oldest visits of a topology until a number is left.
    fn trim_visits(&mut self, id: TopologyId, keep: usize) -> Result<(), RepoError>;

    /// Returns the visits that match, in order of time and id. An unknown topology has none.
    fn visits(&mut self, filter: &VisitFilter) -> Result<Vec<Visit>, RepoError>;

    /// Returns the authority of the fleet.
    fn fleet_authority(&mut self) -> Result<Option<String>, RepoError>;

    /// Replaces the authority of the fleet.
    fn set_fleet_authority(&mut self, authority: &str) -> Result<(), RepoError>;

    /// Adds a token, or replaces when it was used.
    fn put_enrolment(&mut self, enrolment: &Enrolment) -> Result<(), RepoError>;

    /// Removes the tokens that expired before a time.
    fn delete_enrolments(&mut self, before: Timestamp) -> Result<(), RepoError>;

    /// Finds a token.
    fn enrolment(&mut self, id: EnrolmentId) -> Result<Option<Enrolment>, RepoError>;

    /// Adds a host, or replaces the one with its id.
    fn put_host(&mut self, host: &HostRow) -> Result<(), RepoError>;

    /// Returns a host, which another transaction cannot change until the end of this one.
    fn host(&mut self, id: HostId) -> Result<HostRow, RepoError>;

    /// Returns all hosts, in order of joining and id.
    fn hosts(&mut self) -> Result<Vec<HostRow>, RepoError>;

    /// Appends a change to the log. Returns its number, which is one more than the latest, even if that was removed.
    ///
    /// The log may be locked from now until the end of the transaction, so a transaction does this last.
    fn append_to_log(&mut self, change: &StoreChange) -> Result<Sequence, RepoError>;

    /// Returns the numbers of the latest change and of the last one that was removed.
    fn log_bounds(&mut self) -> Result<LogBounds, RepoError>;

    /// Returns the changes after a number that match, in order. An unknown topology may have some: it may have been deleted.
    fn log(&mut self, after: Sequence, filter: &ChangeFilter) -> Result<Vec<StoreChange>, RepoError>;

    /// Removes the changes up to a number.
    fn trim_log(&mut self, last: Sequence) -> Result<(), RepoError>;
}
