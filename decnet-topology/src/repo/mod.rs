//! Where topologies are kept: the trait [`Repo`], its error, and its two homes.

mod claims;
mod error;
mod lease;
mod memory;
mod rows;
mod rules;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::fmt::Debug;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

pub use claims::conflicts;
pub use error::RepoError;
pub use lease::{Holder, Lease};
pub use memory::MemoryRepo;
pub use rows::{Claim, ListFilter, NewTopology, Page, StatusChange};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteOptions, SqliteRepo};

use crate::{
    id::{InstanceId, LeaseToken, TopologyId},
    model::{DeploySettings, StoredTopology, Topology, TopologyRow},
    status::StatusEvent,
    version::Version,
};

/// A store of topologies.
///
/// Every method is one transaction: it happens whole or not at all. Plain data goes in and comes out; no transaction is ever
/// held by a caller. Where a method depends on what was read before, the caller says what it read (a version, a status, a
/// token), and the write is refused if that has changed.
///
/// Time is passed in. The suite in [`crate::testing::contract`] holds what every home must do.
#[async_trait]
pub trait Repo: Send + Sync + Debug {
    /// Returns the store's own id, made when the store was made. It labels everything of it on Docker.
    async fn instance(&self) -> Result<InstanceId, RepoError>;

    /// Returns the version of the store's layout.
    async fn schema_version(&self) -> Result<u32, RepoError>;

    /// Stores a topology as pending, at [`Version::FIRST`], under a fresh id that shares its first eight hex digits with no
    /// other; the first status event is its creation.
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

    /// Puts another maze in the place of a pending one, counts the edit, and returns the new state.
    ///
    /// Refused: another version than `expected` if that is given ([`RepoError::VersionConflict`]), a status other than
    /// pending ([`RepoError::NotEditable`]), a claimed subnet ([`RepoError::SubnetClaimed`]).
    async fn edit(
        &self,
        id: TopologyId,
        expected: Option<Version>,
        topology: Topology,
        at: Timestamp,
    ) -> Result<StoredTopology, RepoError>;

    /// Changes the status, sets the intent if one is given, and appends the event.
    ///
    /// Refused: another status than `change.from` ([`RepoError::StatusConflict`]), a step that is not allowed
    /// ([`RepoError::IllegalStatus`]).
    async fn set_status(&self, id: TopologyId, change: StatusChange, at: Timestamp) -> Result<TopologyRow, RepoError>;

    /// Returns the changes of status, oldest first.
    async fn status_events(&self, id: TopologyId) -> Result<Vec<StatusEvent>, RepoError>;

    /// Remembers how the topology is raised. Refused once it is torn down ([`RepoError::NotEditable`]).
    async fn set_settings(
        &self,
        id: TopologyId,
        settings: DeploySettings,
        at: Timestamp,
    ) -> Result<TopologyRow, RepoError>;

    /// Remembers whether Docker may differ from what is stored.
    async fn set_needs_resync(&self, id: TopologyId, needs_resync: bool, at: Timestamp) -> Result<(), RepoError>;

    /// Returns the subnets of every topology that is not torn down, in order of address; `except` leaves one topology out.
    async fn claims(&self, except: Option<TopologyId>) -> Result<Vec<Claim>, RepoError>;

    /// Takes the lease of a topology for a time.
    ///
    /// A lease that ran out is taken over; one that is held is refused ([`RepoError::LeaseHeld`]) unless its token is
    /// `superseding`: who found its holder dead takes over what it read, and nothing newer.
    async fn acquire_lease(
        &self,
        id: TopologyId,
        holder: &Holder,
        time: SignedDuration,
        superseding: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<Lease, RepoError>;

    /// Makes a lease last for a time from `at`. Refused if another holds it now ([`RepoError::LeaseLost`]).
    async fn renew_lease(
        &self,
        id: TopologyId,
        token: LeaseToken,
        time: SignedDuration,
        at: Timestamp,
    ) -> Result<Lease, RepoError>;

    /// Gives a lease back. One that is no longer held is no error.
    async fn release_lease(&self, id: TopologyId, token: LeaseToken) -> Result<(), RepoError>;

    /// Returns who holds the lease of a topology, if anyone does at that time.
    async fn lease(&self, id: TopologyId, at: Timestamp) -> Result<Option<Lease>, RepoError>;

    /// Removes a topology with all that belongs to it. Refused unless pending, failed or torn down
    /// ([`RepoError::NotDeletable`]), or while its lease is held ([`RepoError::LeaseHeld`]).
    async fn delete(&self, id: TopologyId, at: Timestamp) -> Result<(), RepoError>;
}
