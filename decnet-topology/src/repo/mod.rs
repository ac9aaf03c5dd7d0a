//! Where topologies are kept: the trait [`Repo`], its error, and its two homes.
//!
//! A repo is the truth about what is meant to run: Docker is compared with it, never the other way round. [`MemoryRepo`] lives
//! as long as the process; `SqliteRepo` (feature `sqlite`) is one file that several processes may use. A repo of one's own
//! implements the trait and is held to the same suite, `testing::contract` (feature `testing`).
//!
//! # What a repo promises
//!
//! - Every method happens whole or not at all. A refusal ([`RepoError`]) leaves the store exactly as it was.
//! - A write says what it was decided upon: [`edit`](Repo::edit) a version, [`set_status`](Repo::set_status) a status, the
//!   leases a token. If that has changed meanwhile the write is refused, so two programs never overwrite each other unseen.
//! - No two topologies that are not torn down share a name (case ignored) or an address: a topology *claims* the subnets of
//!   its LANs from when it is stored until it is torn down or deleted. That is checked in the same transaction as the write.
//! - A status follows another only as [`Status::may_become`](crate::Status::may_become) says, and each change leaves its event.
//! - A maze that runs is changed by mutations only, one after the other in the order they were
//!   [enqueued](Repo::enqueue) in, each by one who [claimed](Repo::claim_mutation) it. A claim that its holder let run out is
//!   another's to take; what the late holder then says is refused.
//! - What is loaded is what was stored, in its order and as it was written. (A position on the canvas that is no number is
//!   none.)
//!
//! The repo does not judge mazes: whether one makes sense is for the validator, before it is stored.
//!
//! ```
//! use decnet_topology::{
//!     Intent, Repo, RepoError, Status, Topology,
//!     repo::{Edit, MemoryRepo, NewTopology, StatusChange},
//! };
//! use jiff::Timestamp;
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let repo = MemoryRepo::new();
//! let now: Timestamp = "2030-01-01T00:00:00Z".parse()?;
//!
//! let new = NewTopology::new("corp".parse()?, Topology::builder().dmz("dmz", "172.20.0.0/24").build()?);
//! let stored = repo.create(new.clone(), now).await?;
//! assert_eq!(stored.row.status, Status::Pending);
//! assert!(matches!(repo.create(new, now).await, Err(RepoError::NameTaken { .. })));
//!
//! let wider = Topology::builder().dmz("dmz", "172.20.0.0/23").build()?;
//! let edit = Edit::to(wider, Some(stored.row.version));
//! let edited = repo.edit(stored.row.id, edit.clone(), now).await?;
//! let late = repo.edit(stored.row.id, edit, now).await;
//! assert!(matches!(late, Err(RepoError::VersionConflict { .. })));
//!
//! let deploy = StatusChange {
//!     from: edited.row.status,
//!     to: Status::Deploying,
//!     intent: Some(Intent::Up),
//!     reason: Some("deploy".into()),
//!     held: None,
//! };
//! repo.set_status(stored.row.id, deploy, now).await?;
//! assert_eq!(repo.status_events(stored.row.id).await?.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod claims;
mod error;
mod lease;
mod memory;
mod mutations;
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
pub use mutations::{MutationClaim, MutationFilter, MutationPage, MutationRow, NewMutation, Outcome, RecordedChange};
pub use rows::{Claim, Edit, ListFilter, NewTopology, Page, StatusChange};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteOptions, SqliteRepo};

use crate::{
    id::{ClaimToken, InstanceId, LeaseToken, MutationId, TopologyId},
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

    /// Stores a topology as pending, at [`Version::FIRST`], under the wanted id or a fresh one: no two topologies have the
    /// same first eight hex digits. The first status event is its creation.
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
    /// ([`RepoError::StatusConflict`]), a step that is not allowed ([`RepoError::IllegalStatus`]).
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

    /// Makes a lease last for a time from `at`, even one that ran out, if no one took it since. Refused if another took it or
    /// it was given back ([`RepoError::LeaseLost`]).
    async fn renew_lease(
        &self,
        id: TopologyId,
        token: LeaseToken,
        time: SignedDuration,
        at: Timestamp,
    ) -> Result<Lease, RepoError>;

    /// Gives a lease back. One that is no longer held, or whose topology is gone, is no error.
    async fn release_lease(&self, id: TopologyId, token: LeaseToken) -> Result<(), RepoError>;

    /// Keeps off others that cannot write to the store either, and so can take no lease: until what is returned is dropped, they
    /// are refused ([`RepoError::Locked`]). It needs no write. A store that can always be written to needs no such lock.
    async fn lock_unwritten(&self) -> Result<Box<dyn Send + Sync>, RepoError> {
        Ok(Box::new(()))
    }

    /// Returns who holds the lease of a topology, if anyone does at that time.
    async fn lease(&self, id: TopologyId, at: Timestamp) -> Result<Option<Lease>, RepoError>;

    /// Appends a mutation to the queue of a topology that runs, and counts it as an edit.
    ///
    /// Refused: another version than `expected` if that is given ([`RepoError::VersionConflict`]), a topology that [takes no
    /// mutations](TopologyRow::takes_mutations) ([`RepoError::NotEditable`]), a mutation that could not be read back
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
    /// no error. Where the topology takes no mutations any more it is finished as [`set_status`](Repo::set_status) would have.
    async fn release_claim(&self, id: MutationId, token: ClaimToken, at: Timestamp) -> Result<(), RepoError>;

    /// Puts the maze that a claimed mutation makes in the place of the one before, and keeps what that changed of the deckies.
    /// It is no edit: that was counted when the mutation was enqueued.
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

    /// Returns what edits and mutations changed of the deckies of a topology, oldest first; only what was stored later than
    /// `since` if that is given. [`history::at`](crate::history::at) tells from it what they were then.
    async fn decky_changes(&self, id: TopologyId, since: Option<Timestamp>) -> Result<Vec<RecordedChange>, RepoError>;

    /// Removes a topology with all that belongs to it. Refused unless pending, failed or torn down
    /// ([`RepoError::NotDeletable`]), or while its lease is held ([`RepoError::LeaseHeld`]).
    async fn delete(&self, id: TopologyId, at: Timestamp) -> Result<(), RepoError>;
}
