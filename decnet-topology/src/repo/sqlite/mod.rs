//! The home of the repo in one SQLite file.

mod changes;
mod check;
mod fault;
mod leases;
mod maze;
mod mutations;
mod repo;
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

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::repo::RepoError;
use fault::Fault;

/// A store in one SQLite file, which several processes may use at once.
///
/// Writes go through a write-ahead log and are on the disk when a method returns; a crash at any moment leaves what was
/// written before it, whole. A process that finds the file locked waits for its turn for [`SqliteOptions::patience`].
///
/// The methods of [`Repo`](crate::Repo) need a tokio runtime, whose blocking threads they do their work on. A future that is dropped
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

    /// Looks for damage: in the file, in the references between rows, in every topology and every mutation. Returns what was
    /// found, one line each; nothing if the store is sound. Takes as long as reading all of it.
    pub async fn check(&self) -> Result<Vec<String>, RepoError> {
        match self.read(check::damage).await {
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
