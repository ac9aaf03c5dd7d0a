//! The counter of commits of a file, for [`ChangeLog::stamp`](crate::repo::ChangeLog::stamp).
//!
//! `PRAGMA data_version` changes on a connection when any other connection, of this process or another one, has committed
//! (<https://www.sqlite.org/pragma.html#pragma_data_version>). SQLite decides by the same counter whether its cached pages are
//! current. It is in the shared memory of the write-ahead log, so the disk is not read. The connection here never writes, so it
//! also counts the commits of the store's own connection.

use std::{
    hint,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use crate::repo::Stamp;

/// How often a thread tries to lock the connection: for two microseconds, about.
const SPINS: usize = 64;

/// Reads the counter.
#[derive(Debug)]
pub(super) struct Commits {
    connection: Mutex<Connection>,
    path: PathBuf,
    file: FileId,
}

impl Commits {
    /// Opens the file once more. `file` is the file at the path before the store opened it. Returns none if it cannot be opened, or if
    /// another file is there now.
    pub(super) fn open(path: &Path, file: FileId) -> Option<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).ok()?;
        connection.busy_timeout(Duration::ZERO).ok()?;
        let commits = Self {
            connection: Mutex::new(connection),
            path: path.into(),
            file,
        };
        commits.stamp().is_some().then_some(commits)
    }

    /// Returns the counter. None if another thread reads it for longer, if the file is locked, and if it was deleted or replaced.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        if FileId::at(&self.path)? != self.file {
            return None;
        }
        let connection = self.locked()?;
        let mut counter = connection.prepare_cached("PRAGMA data_version").ok()?;
        let number: i64 = counter.query_row([], |row| row.get(0)).ok()?;
        u64::try_from(number).ok().map(Stamp::new)
    }

    /// Locks the connection. Another thread has it for about a microsecond, unless the machine is busy: then it is not waited for.
    fn locked(&self) -> Option<MutexGuard<'_, Connection>> {
        (0..SPINS).find_map(|_| self.connection.try_lock().inspect_err(|_| hint::spin_loop()).ok())
    }
}

/// Distinguishes a file from others that had or get the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// Returns the id of the file at a path.
    #[cfg(unix)]
    pub(super) fn at(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;

        let file = path.metadata().ok()?;
        Some(Self {
            device: file.dev(),
            inode: file.ino(),
        })
    }

    /// Returns none: a file has no such id here, so a store has no stamps.
    #[cfg(not(unix))]
    pub(super) fn at(_: &Path) -> Option<Self> {
        None
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_that_another_thread_reads_is_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file.db");
        Connection::open(&path)
            .and_then(|file| file.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x)"))
            .expect("a database");
        let file = FileId::at(&path).expect("a file");
        let commits = Commits::open(&path, file).expect("it is there");
        let held = commits.connection.lock().expect("free");
        assert_eq!(commits.stamp(), None);
        drop(held);
        assert!(commits.stamp().is_some());
        assert!(Commits::open(&folder.path().join("none.db"), file).is_none());
    }
}
