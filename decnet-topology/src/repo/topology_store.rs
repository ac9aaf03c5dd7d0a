use std::fmt::Debug;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Claim, Edit, ListFilter, NewTopology, Page, RecordedChange, RepoError, StatusChange};
use crate::{
    id::{InstanceId, LeaseToken, TopologyId},
    model::{DeploySettings, StoredTopology, TopologyRow},
    status::StatusEvent,
};

/// Stores topologies: their mazes, status, settings and history.
#[async_trait]
pub trait TopologyStore: Send + Sync + Debug {
    /// Returns the store's own id, made when the store was made. It labels everything of it on Docker.
    async fn instance(&self) -> Result<InstanceId, RepoError>;

    /// Stores a topology as pending, at [`Version::FIRST`](crate::Version::FIRST), under the wanted id or a fresh one: no two
    /// topologies have the same first eight hex digits. The first status event is its creation.
    ///
    /// Refused: a name in use ([`RepoError::NameTaken`]), a subnet that overlaps one of another topology not torn down
    /// ([`RepoError::SubnetClaimed`]).
    async fn create(&self, new: NewTopology, at: Timestamp) -> Result<StoredTopology, RepoError>;

    /// Returns the row of a topology.
    async fn get(&self, id: TopologyId) -> Result<TopologyRow, RepoError>;

    /// Returns the rows that match, in order of creation and id, and how many there are in all.
    async fn list(&self, filter: &ListFilter) -> Result<Page, RepoError>;

    /// Returns a topology and its row as they were at one moment.
    async fn load(&self, id: TopologyId) -> Result<StoredTopology, RepoError>;

    /// Puts another maze in the place of a pending one, counts the edit, and returns the new state. What it changed of the
    /// deckies is kept, and so is the mutation that made it, if one did, as [applied](crate::MutationState::Applied).
    ///
    /// Refused: another version than the expected one if that is given ([`RepoError::VersionConflict`]), a status other than
    /// pending ([`RepoError::NotEditable`]), a claimed subnet ([`RepoError::SubnetClaimed`]), a mutation that could not be read
    /// back ([`RepoError::MutationUnreadable`]).
    async fn edit(&self, id: TopologyId, edit: Edit, at: Timestamp) -> Result<StoredTopology, RepoError>;

    /// Changes the status, sets the intent if one is given, and appends the event.
    ///
    /// A topology that [takes no mutations](TopologyRow::takes_mutations) any more loses those that are pending: they are
    /// rejected (or have failed, if they are in the maze already). One that is being applied is left to who applies it, until
    /// the topology is torn down or failed: then its claim is void, too.
    ///
    /// Refused: a lease that was lost ([`RepoError::LeaseLost`]), another status than `change.from`
    /// ([`RepoError::StatusConflict`]), another version than `change.version` ([`RepoError::VersionConflict`]), a step that is not
    /// allowed ([`RepoError::IllegalStatus`]).
    async fn set_status(&self, id: TopologyId, change: StatusChange, at: Timestamp) -> Result<TopologyRow, RepoError>;

    /// Returns the changes of status, oldest first.
    async fn status_events(&self, id: TopologyId) -> Result<Vec<StatusEvent>, RepoError>;

    /// Stores how the topology is deployed. One that runs needs a resync if the settings differ from those it was deployed with.
    ///
    /// Refused: a topology that is torn down ([`RepoError::NotEditable`]), a lease that was lost ([`RepoError::LeaseLost`]).
    async fn set_settings(
        &self,
        id: TopologyId,
        settings: DeploySettings,
        held: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<TopologyRow, RepoError>;

    /// Stores whether Docker may differ from what is stored. Refused: a lease that was lost ([`RepoError::LeaseLost`]).
    async fn set_needs_resync(
        &self,
        id: TopologyId,
        needs_resync: bool,
        held: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<(), RepoError>;

    /// Returns the subnets of every topology that is not torn down, in order of address; `except` leaves one topology out.
    async fn claims(&self, except: Option<TopologyId>) -> Result<Vec<Claim>, RepoError>;

    /// Returns what edits and mutations changed of the deckies of a topology, oldest first; only what was stored later than
    /// `since` if that is given. [`history::at`](crate::history::at) computes their earlier states from it.
    async fn decky_changes(&self, id: TopologyId, since: Option<Timestamp>) -> Result<Vec<RecordedChange>, RepoError>;

    /// Removes a topology with all that belongs to it. Refused unless pending, failed or torn down
    /// ([`RepoError::NotDeletable`]), or while its lease is held ([`RepoError::LeaseHeld`]).
    async fn delete(&self, id: TopologyId, at: Timestamp) -> Result<(), RepoError>;
}
