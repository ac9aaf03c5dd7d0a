//! The home of the repo in one SQLite file.

mod changes;
mod check;
mod create;
mod fault;
mod image;
mod leases;
mod lock;
mod maze;
mod mutations;
mod repo;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod topologies;
mod wal;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::repo::RepoError;
use fault::Fault;
use image::Image;

/// A store in one SQLite file, which several processes may use at once.
///
/// Writes go through a write-ahead log and are on the disk when a method returns; a crash at any moment leaves what was
/// written before it, whole. A process that finds the file locked waits for its turn for [`SqliteOptions::timeout`].
///
/// A store that cannot be written to, because the disk is full or the file or its folder is read-only, is read all the same, into
/// memory. Writes are refused then ([`RepoError::Full`], [`RepoError::ReadOnly`]); each tries the file again first.
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
    access: Arc<Mutex<Access>>,
    path: Option<PathBuf>,
    timeout: Duration,
}

/// How the store is reached.
#[derive(Debug)]
enum Access {
    /// In its file.
    File(Connection),
    /// By what was read of its file, which cannot be written to.
    Image(Image),
}

impl Access {
    fn connection(&mut self) -> &mut Connection {
        match self {
            Self::File(connection) => connection,
            Self::Image(image) => &mut image.connection,
        }
    }

    /// Opens the file, or reads it where it cannot be written to.
    fn open(path: &Path, timeout: Duration) -> Result<Self, RepoError> {
        match open_file(path, timeout) {
            Err(error) if error.is_unwritable() && path.exists() => Ok(Self::Image(Image::read(path)?)),
            opened => opened.map(Self::File),
        }
    }

    /// Gets ready to read or to write.
    fn prepare(
        &mut self,
        path: Option<&Path>,
        behavior: TransactionBehavior,
        timeout: Duration,
    ) -> Result<(), RepoError> {
        let (Self::Image(image), Some(path)) = (&mut *self, path) else {
            return Ok(());
        };
        if matches!(behavior, TransactionBehavior::Deferred) {
            return image.refresh(path);
        }
        *self = Self::File(open_file(path, timeout)?);
        Ok(())
    }
}

fn open_file(path: &Path, timeout: Duration) -> Result<Connection, RepoError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags);
    let mut connection = opened.map_err(|error| fault::opening(error, path))?;
    schema::prepare(&mut connection, path, timeout).map_err(|fault| fault::preparing(fault, path))?;
    Ok(connection)
}

/// How a [`SqliteRepo`] is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// How long to wait for other processes before [`RepoError::Locked`]; 10 s unless set.
    pub timeout: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
        }
    }
}

impl SqliteOptions {
    /// Sets how long to wait for other processes.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Opens the store in a file, as [`SqliteRepo::open`] does.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<SqliteRepo, RepoError> {
        let path = path.as_ref();
        fault::refuse_path(path)?;
        create::if_missing(path, self.timeout)?;
        let access = Access::open(path, self.timeout)?;
        Ok(SqliteRepo::with(access, Some(path.into()), self.timeout))
    }
}

impl SqliteRepo {
    /// Opens the store in a file, makes it if the file is missing, and brings an older layout up to date. Blocks the thread
    /// meanwhile.
    ///
    /// Refused, with the file left as it is: a folder that is missing or a path that is one, a file that is no store, is empty or
    /// of a newer program, one that is damaged or locked for too long.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RepoError> {
        SqliteOptions::default().open(path)
    }

    /// Makes a store that lives as long as the value.
    pub fn open_in_memory() -> Result<Self, RepoError> {
        let mut connection = Connection::open_in_memory().map_err(Fault::from)?;
        let timeout = SqliteOptions::default().timeout;
        schema::prepare(&mut connection, Path::new(":memory:"), timeout)?;
        Ok(Self::with(Access::File(connection), None, timeout))
    }

    fn with(access: Access, path: Option<PathBuf>, timeout: Duration) -> Self {
        Self {
            access: Arc::new(Mutex::new(access)),
            path,
            timeout,
        }
    }

    /// Returns whether the store could be written to when it was opened or last written to.
    pub fn is_writable(&self) -> bool {
        let access = self.access.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(*access, Access::File(_))
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
        let (access, path, timeout) = (Arc::clone(&self.access), self.path.clone(), self.timeout);
        off_the_async_threads(move || {
            // A panic has undone its transaction, so the connection is as good as before.
            let mut access = access.lock().unwrap_or_else(PoisonError::into_inner);
            access.prepare(path.as_deref(), behavior, timeout)?;
            let transaction = access.connection().transaction_with_behavior(behavior)?;
            let outcome = work(&transaction)?;
            transaction.commit()?;
            Ok::<T, Fault>(outcome)
        })
        .await
    }
}

async fn off_the_async_threads<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, RepoError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => Ok(outcome?),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(RepoError::Medium { source: error.into() }),
        },
    }
}
