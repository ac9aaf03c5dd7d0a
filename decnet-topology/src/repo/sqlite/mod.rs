//! The home of the repo in one SQLite file.

mod changes;
mod fault;
mod leases;
mod maze;
mod mutations;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod topologies;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::{
    id::{ClaimToken, InstanceId, LeaseToken, MutationId, TopologyId},
    model::{DeploySettings, StoredTopology, Topology, TopologyRow},
    repo::{
        Claim, Edit, Holder, Lease, ListFilter, MutationClaim, MutationFilter, MutationPage, MutationRow, NewMutation,
        NewTopology, Outcome, Page, RecordedChange, Repo, RepoError, StatusChange,
    },
    rng,
    status::StatusEvent,
    version::Version,
};
use fault::Fault;

/// A store in one SQLite file, which several processes may use at once.
///
/// Writes go through a write-ahead log and are on the disk when a method returns; a crash at any moment leaves what was
/// written before it, whole. A process that finds the file locked waits for its turn for [`SqliteOptions::patience`].
///
/// The methods of [`Repo`] need a tokio runtime, whose blocking threads they do their work on. A future that is dropped
/// half way leaves the store whole, but what it asked for may have been done all the same.
///
/// ```
/// use decnet_topology::{Repo, repo::SqliteRepo};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("decnet.db");
/// let repo = SqliteRepo::open(&path)?;
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let instance = repo.instance().await?;
/// drop(repo);
/// assert_eq!(SqliteRepo::open(&path)?.instance().await?, instance);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SqliteRepo {
    connection: Arc<Mutex<Connection>>,
    path: Option<PathBuf>,
}

/// How a [`SqliteRepo`] is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// How long to wait for other processes before [`RepoError::Locked`]; 10 s unless set.
    pub patience: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(10),
        }
    }
}

impl SqliteOptions {
    /// Sets how long to wait for other processes.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Opens the store in a file, as [`SqliteRepo::open`] does.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<SqliteRepo, RepoError> {
        let path = path.as_ref();
        fault::refuse_path(path)?;
        make_private(path);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(path, flags);
        let mut connection = opened.map_err(|error| fault::opening(error, path))?;
        schema::prepare(&mut connection, path, self.patience).map_err(|fault| fault::preparing(fault, path))?;
        Ok(SqliteRepo::with(connection, Some(path.into())))
    }
}

/// Makes a file that is missing for its owner alone: what services are configured with, passwords too, stands in it. SQLite
/// gives the files that it puts beside it the same mode. Whatever goes wrong here, opening says it better.
fn make_private(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _ = options.open(path);
}

impl SqliteRepo {
    /// Opens the store in a file, makes it if the file is missing or empty, and brings an older layout up to date. Blocks
    /// the thread meanwhile.
    ///
    /// Refused, with the file left as it is: a folder that is missing or a path that is one, a file that is no store or of a
    /// newer program, one that is damaged, read-only, or locked for too long.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RepoError> {
        SqliteOptions::default().open(path)
    }

    /// Makes a store that lives as long as the value.
    pub fn open_in_memory() -> Result<Self, RepoError> {
        let mut connection = Connection::open_in_memory().map_err(Fault::from)?;
        let patience = SqliteOptions::default().patience;
        schema::prepare(&mut connection, Path::new(":memory:"), patience)?;
        Ok(Self::with(connection, None))
    }

    fn with(connection: Connection, path: Option<PathBuf>) -> Self {
        Self {
            connection: Arc::new(Mutex::new(connection)),
            path,
        }
    }

    /// Returns the file, unless the store is in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Looks for damage: in the file, in the references between rows, and in every topology. Returns what was found, one
    /// line each; nothing if the store is sound. Takes as long as reading all of it.
    pub async fn check(&self) -> Result<Vec<String>, RepoError> {
        let found = self.read(|moment| {
            let mut found = topologies::damage(moment)?;
            if found.is_empty() {
                for row in topologies::list(moment, &ListFilter::default())?.rows {
                    match topologies::load(moment, row.id) {
                        Err(Fault::Refusal(RepoError::Corrupt { what })) => found.push(format!("{}: {what}", row.id)),
                        outcome => drop(outcome?),
                    }
                }
            }
            Ok(found)
        });
        match found.await {
            Err(RepoError::Corrupt { what }) => Ok(vec![what]),
            found => found,
        }
    }

    /// Reads one moment of the store, off the async threads.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, RepoError> {
        self.transact(TransactionBehavior::Deferred, work).await
    }

    /// Writes to the store, or leaves it as it was, off the async threads.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, RepoError> {
        self.transact(TransactionBehavior::Immediate, work).await
    }

    async fn transact<T: Send + 'static>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, RepoError> {
        let connection = Arc::clone(&self.connection);
        let task = tokio::task::spawn_blocking(move || {
            // A panic has undone its transaction, so the connection is as good as before.
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = connection.transaction_with_behavior(behavior)?;
            let outcome = work(&transaction)?;
            transaction.commit()?;
            Ok::<T, Fault>(outcome)
        });
        match task.await {
            Ok(outcome) => Ok(outcome?),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(RepoError::Medium { source: error.into() }),
            },
        }
    }
}

#[async_trait]
impl Repo for SqliteRepo {
    async fn instance(&self) -> Result<InstanceId, RepoError> {
        self.read(topologies::instance).await
    }

    async fn schema_version(&self) -> Result<u32, RepoError> {
        Ok(schema::latest())
    }

    async fn create(&self, new: NewTopology, at: Timestamp) -> Result<StoredTopology, RepoError> {
        self.write(move |tx| topologies::create(tx, &mut rng::topology_id, new, at))
            .await
    }

    async fn get(&self, id: TopologyId) -> Result<TopologyRow, RepoError> {
        self.read(move |moment| Ok(topologies::find(moment, id)?.row)).await
    }

    async fn list(&self, filter: &ListFilter) -> Result<Page, RepoError> {
        let filter = filter.clone();
        self.read(move |moment| topologies::list(moment, &filter)).await
    }

    async fn load(&self, id: TopologyId) -> Result<StoredTopology, RepoError> {
        self.read(move |moment| topologies::load(moment, id)).await
    }

    async fn edit(&self, id: TopologyId, edit: Edit, at: Timestamp) -> Result<StoredTopology, RepoError> {
        self.write(move |tx| topologies::edit(tx, id, edit, at)).await
    }

    async fn set_status(&self, id: TopologyId, change: StatusChange, at: Timestamp) -> Result<TopologyRow, RepoError> {
        self.write(move |tx| topologies::set_status(tx, id, change, at)).await
    }

    async fn status_events(&self, id: TopologyId) -> Result<Vec<StatusEvent>, RepoError> {
        self.read(move |moment| topologies::status_events(moment, id)).await
    }

    async fn set_settings(
        &self,
        id: TopologyId,
        settings: DeploySettings,
        at: Timestamp,
    ) -> Result<TopologyRow, RepoError> {
        self.write(move |tx| topologies::set_settings(tx, id, settings, at))
            .await
    }

    async fn set_needs_resync(&self, id: TopologyId, needs_resync: bool, at: Timestamp) -> Result<(), RepoError> {
        self.write(move |tx| topologies::set_needs_resync(tx, id, needs_resync, at))
            .await
    }

    async fn claims(&self, except: Option<TopologyId>) -> Result<Vec<Claim>, RepoError> {
        self.read(move |moment| maze::claims(moment, except, maze::EVERYWHERE))
            .await
    }

    async fn acquire_lease(
        &self,
        id: TopologyId,
        holder: &Holder,
        time: SignedDuration,
        superseding: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<Lease, RepoError> {
        let holder = holder.clone();
        self.write(move |tx| leases::acquire(tx, id, &holder, time, superseding, at))
            .await
    }

    async fn renew_lease(
        &self,
        id: TopologyId,
        token: LeaseToken,
        time: SignedDuration,
        at: Timestamp,
    ) -> Result<Lease, RepoError> {
        self.write(move |tx| leases::renew(tx, id, token, time, at)).await
    }

    async fn release_lease(&self, id: TopologyId, token: LeaseToken) -> Result<(), RepoError> {
        self.write(move |tx| leases::release(tx, id, token)).await
    }

    async fn lease(&self, id: TopologyId, at: Timestamp) -> Result<Option<Lease>, RepoError> {
        self.read(move |moment| leases::held(moment, id, at)).await
    }

    async fn enqueue(
        &self,
        id: TopologyId,
        new: NewMutation,
        expected: Option<Version>,
        at: Timestamp,
    ) -> Result<MutationRow, RepoError> {
        self.write(move |tx| mutations::enqueue(tx, id, new, expected, at))
            .await
    }

    async fn claim_mutation(
        &self,
        topology: Option<TopologyId>,
        holder: &Holder,
        time: SignedDuration,
        superseding: Option<ClaimToken>,
        at: Timestamp,
    ) -> Result<Option<MutationRow>, RepoError> {
        let holder = holder.clone();
        self.write(move |tx| mutations::claim(tx, topology, &holder, time, superseding, at))
            .await
    }

    async fn renew_claim(
        &self,
        id: MutationId,
        token: ClaimToken,
        time: SignedDuration,
        at: Timestamp,
    ) -> Result<MutationClaim, RepoError> {
        self.write(move |tx| mutations::renew(tx, id, token, time, at)).await
    }

    async fn give_back(&self, id: MutationId, token: ClaimToken, at: Timestamp) -> Result<(), RepoError> {
        self.write(move |tx| mutations::give_back(tx, id, token, at)).await
    }

    async fn store_mutation(
        &self,
        id: MutationId,
        token: ClaimToken,
        topology: Topology,
        at: Timestamp,
    ) -> Result<StoredTopology, RepoError> {
        self.write(move |tx| mutations::store(tx, id, token, topology, at))
            .await
    }

    async fn finish_mutation(
        &self,
        id: MutationId,
        token: ClaimToken,
        outcome: Outcome,
        at: Timestamp,
    ) -> Result<MutationRow, RepoError> {
        self.write(move |tx| mutations::finish(tx, id, token, outcome, at))
            .await
    }

    async fn mutation(&self, id: MutationId) -> Result<MutationRow, RepoError> {
        self.read(move |moment| mutations::find(moment, id)).await
    }

    async fn mutations(&self, filter: &MutationFilter) -> Result<MutationPage, RepoError> {
        let filter = filter.clone();
        self.read(move |moment| mutations::list(moment, &filter)).await
    }

    async fn has_pending(&self, id: TopologyId) -> Result<bool, RepoError> {
        self.read(move |moment| mutations::has_pending(moment, id)).await
    }

    async fn topologies_with_work(&self, at: Timestamp) -> Result<Vec<TopologyId>, RepoError> {
        self.read(move |moment| mutations::topologies_with_work(moment, at))
            .await
    }

    async fn decky_changes(&self, id: TopologyId, since: Option<Timestamp>) -> Result<Vec<RecordedChange>, RepoError> {
        self.read(move |moment| changes::list(moment, id, since)).await
    }

    async fn delete(&self, id: TopologyId, at: Timestamp) -> Result<(), RepoError> {
        self.write(move |tx| topologies::delete(tx, id, at)).await
    }
}
