use std::fmt::Debug;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    Edit, FindError, NewTopology, RecordedChange, RepoError, StatusChange, SubnetClaim, TopologyFilter, TopologyPage,
    find::choose,
};
use crate::{
    catalog::CatalogExcerpt,
    id::{InstanceId, LeaseToken, TopologyId},
    model::{DeploySettings, StoredTopology, TopologyRow},
    placement::Placement,
    secret::InstallationSecret,
    status::StatusEvent,
    version::Version,
};

/// Stores topologies: their mazes, status, settings and history.
#[async_trait]
pub trait TopologyStore: Send + Sync + Debug {
    /// Returns the store's own id, drawn when the store was created. It labels all its resources on Docker.
    async fn instance(&self) -> Result<InstanceId, RepoError>;

    /// Returns the store's secret, drawn when the store was created. Keys and certificates of deckies derive from it.
    async fn secret(&self) -> Result<InstallationSecret, RepoError>;

    /// Stores a topology as pending, at [`Version::FIRST`](crate::Version::FIRST), under the wanted id or a fresh one: no two
    /// topologies have the same first eight hex digits. Its creation is the first status event.
    ///
    /// Refused: a name in use ([`RepoError::NameTaken`]), a subnet that overlaps one of another topology not torn down
    /// ([`RepoError::SubnetClaimed`]).
    async fn create(&self, new: NewTopology, at: Timestamp) -> Result<StoredTopology, RepoError>;

    /// Returns the row of a topology.
    async fn get(&self, id: TopologyId) -> Result<TopologyRow, RepoError>;

    /// Finds a topology by its id, its name, or the start of its id.
    ///
    /// A complete id wins over a name, so that nobody can hide a topology by naming another one like its id. A name wins over the
    /// start of an id. A torn-down topology is found by name only if no other topology has the name; if there are several, the newest
    /// wins.
    ///
    /// ```
    /// use decnet_topology::{MemoryRepo, NewTopology, Timestamp, Topology, TopologyStore};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let repo = MemoryRepo::new();
    /// let topology = Topology::builder().dmz("dmz", "172.20.0.0/24").build()?;
    /// let row = repo.create(NewTopology::new("corp".parse()?, topology), Timestamp::now()).await?.row;
    /// assert_eq!(repo.find("CORP").await?.id, row.id);
    /// assert_eq!(repo.find(&row.id.to_string()[..8]).await?.id, row.id);
    /// let message = repo.find("korp").await.unwrap_err().to_string();
    /// assert_eq!(message, "no maze named `korp`, and no id starts with `korp` (did you mean `corp`?)");
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    async fn find(&self, text: &str) -> Result<TopologyRow, FindError> {
        if let Ok(id) = text.parse::<TopologyId>() {
            match self.get(id).await {
                Err(RepoError::NotFound { .. }) => {}
                found => return Ok(found?),
            }
        }
        choose(self.list(&TopologyFilter::default()).await?.rows, text)
    }

    /// Returns the rows that match, in order of creation and id, and how many there are in all.
    async fn list(&self, filter: &TopologyFilter) -> Result<TopologyPage, RepoError>;

    /// Returns a topology and its row as a consistent snapshot.
    async fn load(&self, id: TopologyId) -> Result<StoredTopology, RepoError>;

    /// Replaces the maze of a pending topology, counts the edit, and returns the new state. The changes of the deckies are
    /// recorded, and the mutation that made them, if there is one, is stored as [applied](crate::MutationState::Applied).
    ///
    /// Refused: another version than the expected one if that is given ([`RepoError::VersionConflict`]), a status other than
    /// pending ([`RepoError::NotEditable`]), a claimed subnet ([`RepoError::SubnetClaimed`]), a mutation that could not be read
    /// back ([`RepoError::MutationUnreadable`]).
    async fn edit(&self, id: TopologyId, edit: Edit, at: Timestamp) -> Result<StoredTopology, RepoError>;

    /// Changes the status, sets the intent if one is given, and appends the event.
    ///
    /// If a topology no longer [takes mutations](TopologyRow::takes_mutations), its pending ones are rejected, or failed if they
    /// are already in the maze. A mutation that is being applied is left to its holder until the topology is torn down or failed;
    /// then its claim is void, too.
    ///
    /// Refused: a lease that was lost ([`RepoError::LeaseLost`]), another status than `change.from`
    /// ([`RepoError::StatusConflict`]), another version than `change.version` ([`RepoError::VersionConflict`]), a step that is not
    /// allowed ([`RepoError::IllegalStatus`]).
    async fn set_status(&self, id: TopologyId, change: StatusChange, at: Timestamp) -> Result<TopologyRow, RepoError>;

    /// Returns the changes of status, oldest first.
    async fn status_events(&self, id: TopologyId) -> Result<Vec<StatusEvent>, RepoError>;

    /// Stores the deploy settings. A running topology needs a resync if they differ from those it was deployed with.
    ///
    /// Refused: a topology that is torn down ([`RepoError::NotEditable`]), a lease that was lost ([`RepoError::LeaseLost`]).
    async fn set_settings(
        &self,
        id: TopologyId,
        settings: DeploySettings,
        held: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<TopologyRow, RepoError>;

    /// Adds entries to those that the topology stored of a user's catalogue. A running topology needs a resync if they change
    /// something. Refused: a lease that was lost ([`RepoError::LeaseLost`]).
    async fn extend_catalog(
        &self,
        id: TopologyId,
        catalog: CatalogExcerpt,
        held: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<TopologyRow, RepoError>;

    /// Stores which members of a fleet have the LANs and deckies. A running topology needs a resync if the placement differs.
    ///
    /// Refused: a VNI of another topology that is not torn down ([`RepoError::VniTaken`]), more deckies on a host than it may have
    /// together with those of other topologies ([`RepoError::HostFull`]), a topology that is torn down ([`RepoError::NotEditable`]), a
    /// lease that was lost ([`RepoError::LeaseLost`]). A host that has too many deckies already keeps them.
    async fn set_placement(
        &self,
        id: TopologyId,
        placement: Option<Placement>,
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

    /// Returns the subnets of all topologies that are not torn down, in order of address, without those of `except`.
    async fn claims(&self, except: Option<TopologyId>) -> Result<Vec<SubnetClaim>, RepoError>;

    /// Returns the changes of the deckies of a topology by edits and mutations, oldest first; if `since` is given, only later
    /// ones. [`history::at`](crate::history::at) computes earlier states from them.
    async fn decky_changes(&self, id: TopologyId, since: Option<Timestamp>) -> Result<Vec<RecordedChange>, RepoError>;

    /// Removes a topology with all its data.
    ///
    /// Refused: another version than `expected` if that is given ([`RepoError::VersionConflict`]), a status other than pending, failed
    /// or torn down ([`RepoError::NotDeletable`]), a held lease ([`RepoError::LeaseHeld`]).
    async fn delete(&self, id: TopologyId, expected: Option<Version>, at: Timestamp) -> Result<(), RepoError>;
}
