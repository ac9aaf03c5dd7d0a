//! Storage of topologies: the trait [`Repo`], its error, and its three implementations.

mod backend;
mod batch_edit;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod blocking;
mod change_log;
mod changes;
mod claims;
mod error;
mod find;
mod host_store;
mod hosts;
mod lease;
mod lease_store;
mod lookup;
mod memory;
mod mutation_queue;
mod mutations;
#[cfg(feature = "postgres")]
mod postgres;
mod rows;
mod rules;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
mod stamp;
mod topology_store;
mod visit_store;
mod visits;

pub use batch_edit::BatchEdit;
pub use change_log::ChangeLog;
pub use changes::{ChangeFilter, ChangeKind, ChangePage, KEPT_CHANGES, StoreChange};
pub use error::RepoError;
pub use find::FindError;
pub use host_store::HostStore;
pub use hosts::{Enrolment, HostChange, HostProfile, HostProfileError, HostRow};
pub use lease::{Holder, Lease, MutationClaim};
pub use lease_store::LeaseStore;
pub use lookup::{claims_except, find_live_topology, last_mutations, name_of};
pub use memory::MemoryRepo;
pub use mutation_queue::MutationQueue;
pub use mutations::{MutationFilter, MutationOutcome, MutationPage, MutationRow, NewMutation, RecordedChange};
#[cfg(feature = "postgres")]
pub use postgres::{LeaseClock, PostgresOptions, PostgresReceiver, PostgresRepo, PostgresSender};
pub use rows::{Edit, NewTopology, StatusChange, SubnetClaim, TopologyFilter, TopologyPage};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteOptions, SqliteRepo};
pub use stamp::Stamp;
pub use topology_store::TopologyStore;
pub use visit_store::VisitStore;
pub use visits::{Visit, VisitFilter};

/// A store of topologies, leases, mutation queues, visits and hosts, with a log of its changes. A type that implements the six traits
/// is a repo.
///
/// Every method is one atomic transaction with plain data as input and output; callers never hold a transaction. A method that
/// depends on an earlier read takes the value that was read (a version, a status, a token), and the write is refused if it has
/// changed.
///
/// Time is passed in. The suite in `testing::contract` states what every repo must do.
///
/// A repo is the source of truth: Docker is reconciled with it, never the other way round. [`MemoryRepo`] lives as long as the
/// process; `SqliteRepo` (feature `sqlite`) is one file that several processes can use; `PostgresRepo` (feature `postgres`) is a
/// database that several hosts can use. Your own repo implements the traits and
/// passes the same suite, `testing::contract` (feature `testing`).
///
/// # Guarantees
///
/// - Every method is atomic. A refusal ([`RepoError`]) leaves the store unchanged.
/// - A write states what it expects: [`edit`](TopologyStore::edit) a version, [`set_status`](TopologyStore::set_status) a status,
///   the leases a token. If that has changed, the write is refused, so two programs never overwrite each other's changes
///   unnoticed.
/// - No two topologies that are not torn down share a name (case ignored) or an address: a topology *claims* the subnets of its
///   LANs from when it is stored until it is torn down or deleted. The check is in the same transaction as the write.
/// - Status changes follow [`Status::may_become`](crate::Status::may_become), and each one appends its event.
/// - A running maze is changed only by mutations, one after the other in the order in which they were
///   [enqueued](MutationQueue::enqueue). The process that applies one must [claim](MutationQueue::claim_mutation) it first.
///   Others can take an expired claim; later writes of its former holder are refused.
/// - A load returns what was stored, in the same order and spelling.
///
/// The repo does not validate mazes: callers do that before they store one.
///
/// ```
/// use decnet_topology::{
///     Edit, Intent, MemoryRepo, NewTopology, RepoError, Status, StatusChange, Timestamp, Topology, TopologyStore,
/// };
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let repo = MemoryRepo::new();
/// let now: Timestamp = "2030-01-01T00:00:00Z".parse()?;
///
/// let new = NewTopology::new("corp".parse()?, Topology::builder().dmz("dmz", "172.20.0.0/24").build()?);
/// let stored = repo.create(new.clone(), now).await?;
/// assert_eq!(stored.row.status, Status::Pending);
/// assert!(matches!(repo.create(new, now).await, Err(RepoError::NameTaken { .. })));
///
/// let wider = Topology::builder().dmz("dmz", "172.20.0.0/23").build()?;
/// let edit = Edit::new(wider).expected(stored.row.version);
/// let edited = repo.edit(stored.row.id, edit.clone(), now).await?;
/// let late = repo.edit(stored.row.id, edit, now).await;
/// assert!(matches!(late, Err(RepoError::VersionConflict { .. })));
///
/// let deploy = StatusChange::new(edited.row.status, Status::Deploying)
///     .intent(Intent::Up)
///     .reason("deploy".to_owned());
/// repo.set_status(stored.row.id, deploy, now).await?;
/// assert_eq!(repo.status_events(stored.row.id).await?.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Repo: TopologyStore + LeaseStore + MutationQueue + VisitStore + HostStore + ChangeLog {}

impl<T: TopologyStore + LeaseStore + MutationQueue + VisitStore + HostStore + ChangeLog> Repo for T {}
