use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{
    access::Access,
    check,
    commits::{Commits, FileId},
    create,
    fault::{self, Fault},
    lock, schema,
    statement::SqliteSql,
};
use crate::repo::{
    RepoError, Stamp,
    backend::{Backend, Tables},
    blocking::on_blocking_thread,
    sql::SqlTables,
};

/// A store in one SQLite file that several processes can use at the same time.
///
/// Writes use a write-ahead log and are on disk when a method returns. A crash at any time loses no completed write. A process
/// that finds the file locked waits up to [`SqliteOptions::timeout`].
///
/// A store that cannot be written to, because the disk is full or the file or its folder is read-only, is read into memory.
/// Writes are then refused ([`RepoError::Full`], [`RepoError::ReadOnly`]); each write tries the file again first.
///
/// The methods of [`Repo`](crate::Repo) need a tokio runtime and work on its blocking threads. A future that is dropped early
/// leaves the store consistent, but its change may still have been made.
///
/// ```
/// use decnet_topology::{SqliteRepo, TopologyStore};
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
    /// None for a store in memory and one that is only read. It is closed before the store's own connection, which then removes the
    /// log.
    commits: Option<Commits>,
    pub(super) access: Arc<Mutex<Access>>,
    path: Option<PathBuf>,
    timeout: Duration,
}

/// The options to open a [`SqliteRepo`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct SqliteOptions {
    /// How long to wait for other processes before [`RepoError::Locked`]; 10 s by default.
    pub timeout: Duration,
    /// Whether the file is only read: nothing is created, migrated or written. False by default.
    pub read_only: bool,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            read_only: false,
        }
    }
}

impl SqliteOptions {
    /// Sets how long to wait for other processes.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets whether the file is only read.
    ///
    /// The store is then a copy in memory, which is read again if the file changes. An older layout is migrated in this copy. A
    /// write opens the file.
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Opens the store in a file, as [`SqliteRepo::open`] does.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<SqliteRepo, RepoError> {
        let path = path.as_ref();
        fault::refuse_path(path)?;
        if self.read_only {
            return Ok(SqliteRepo::with(Access::read(path)?, Some(path.into()), self.timeout));
        }
        create::if_missing(path, self.timeout)?;
        let file = FileId::at(path);
        let mut repo = SqliteRepo::with(Access::open(path, self.timeout)?, Some(path.into()), self.timeout);
        if repo.is_writable() {
            repo.commits = file.and_then(|file| Commits::open(path, file));
        }
        Ok(repo)
    }
}

impl SqliteRepo {
    /// Opens the store in a file, creates it if the file is missing, and migrates an older layout. Blocks the thread meanwhile.
    ///
    /// Refused, with the file unchanged: a missing folder, a path that is a folder, a file that is not a store, is empty or
    /// damaged, was created by a newer program, or is locked for too long.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RepoError> {
        SqliteOptions::default().open(path)
    }

    /// Creates a store in memory that lives as long as the value.
    pub fn open_in_memory() -> Result<Self, RepoError> {
        let mut connection = Connection::open_in_memory().map_err(Fault::from)?;
        let timeout = SqliteOptions::default().timeout;
        schema::prepare(&mut connection, Path::new(":memory:"), timeout)?;
        Ok(Self::with(Access::File(connection), None, timeout))
    }

    /// Removes the file of a store and its write-ahead log. Missing files are ignored.
    ///
    /// The log is removed first: a store is complete without it, but it is useless without the store.
    pub fn remove(path: impl AsRef<Path>) -> io::Result<()> {
        for ending in ["-wal", "-shm", ""] {
            let mut file = path.as_ref().as_os_str().to_owned();
            file.push(ending);
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    let file = Path::new(&file).display();
                    return Err(io::Error::new(error.kind(), format!("{file}: {error}")));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn with(access: Access, path: Option<PathBuf>, timeout: Duration) -> Self {
        Self {
            commits: None,
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

    /// Returns the path of the file; none if the store is in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Returns the version of the layout of the file.
    pub fn schema_version(&self) -> u32 {
        schema::latest()
    }

    /// Checks for damage: in the file, in references between rows, in every topology and every mutation. Returns one line for
    /// each fault; none if the store is sound. It reads the whole store.
    pub async fn check(&self) -> Result<Vec<String>, RepoError> {
        match self.transact(TransactionBehavior::Deferred, check::damage).await {
            Err(RepoError::Corrupt { what }) => Ok(vec![what]),
            found => found,
        }
    }

    /// Runs a transaction on a blocking thread of tokio.
    pub(super) async fn transact<T: Send + 'static>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, RepoError> {
        let (access, path, timeout) = (Arc::clone(&self.access), self.path.clone(), self.timeout);
        on_blocking_thread(move || {
            // A panic has rolled back its transaction, so the connection is still usable.
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

impl Backend for SqliteRepo {
    async fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut dyn Tables) -> Result<T, RepoError> + Send + 'static,
    ) -> Result<T, RepoError> {
        let work = move |moment: &Transaction<'_>| Ok(work(&mut SqlTables(&mut SqliteSql(moment)))?);
        self.transact(TransactionBehavior::Deferred, work).await
    }

    async fn write<I: Clone + Send + 'static, T: Send + 'static>(
        &self,
        input: I,
        work: impl Fn(&mut dyn Tables, I) -> Result<T, RepoError> + Send + 'static,
    ) -> Result<T, RepoError> {
        let work = move |tx: &Transaction<'_>| Ok(work(&mut SqlTables(&mut SqliteSql(tx)), input)?);
        self.transact(TransactionBehavior::Immediate, work).await
    }

    fn stamp(&self) -> Option<Stamp> {
        self.commits.as_ref()?.stamp()
    }

    async fn lock_unwritten(&self) -> Result<Box<dyn Send + Sync>, RepoError> {
        let Some(path) = self.path.clone() else {
            return Ok(Box::new(()));
        };
        on_blocking_thread(move || lock::take(&path).map(|lock| Box::new(lock) as Box<dyn Send + Sync>)).await
    }
}
