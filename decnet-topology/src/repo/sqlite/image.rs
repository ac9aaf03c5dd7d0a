//! A store that cannot be written to, as a copy in memory: the disk is full, or the file or its folder is read-only.

#![expect(clippy::disallowed_methods, reason = "a store opens its own file")]

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rusqlite::Connection;

use super::{
    fault::{self, Fault},
    schema, wal,
};
use crate::repo::RepoError;

/// How many times a file is read if others write to it meanwhile.
const TRIES: usize = 20;

/// The lengths and modification times of the database and its log.
type Stamps = [Option<(u64, SystemTime)>; 2];

/// A consistent copy of the file in memory.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) connection: Connection,
    read_from: Stamps,
}

impl Image {
    /// Reads a file and its log, and migrates an older layout in memory.
    pub(super) fn read(path: &Path) -> Result<Self, RepoError> {
        let (read_from, bytes) = snapshot(path)?;
        let mut connection = Connection::open_in_memory().map_err(Fault::from)?;
        let size = bytes.len();
        connection
            .deserialize_read_exact("main", &bytes[..], size, false)
            .map_err(Fault::from)?;
        schema::prepare_in_memory(&mut connection, path).map_err(|fault| fault::preparing(fault, path))?;
        Ok(Self { connection, read_from })
    }

    /// Reads the file again if it was changed.
    pub(super) fn refresh(&mut self, path: &Path) -> Result<(), RepoError> {
        if stamps(path) != self.read_from {
            *self = Self::read(path)?;
        }
        Ok(())
    }
}

/// The database and its log.
fn files(path: &Path) -> [PathBuf; 2] {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    [path.into(), log.into()]
}

/// Returns the values that change when the files are written to.
fn stamps(path: &Path) -> Stamps {
    files(path).map(|file| {
        let file = file.metadata().ok()?;
        Some((file.len(), file.modified().ok()?))
    })
}

/// Reads the database with all committed transactions.
///
/// A page that is checkpointed from the log to the database during the read stays in the log until the log restarts. So if the
/// log is the same after the database was read, both together are a consistent snapshot.
fn snapshot(path: &Path) -> Result<(Stamps, Vec<u8>), RepoError> {
    let [database, log] = files(path);
    let failed = |source: io::Error| RepoError::Open {
        path: path.into(),
        source: source.into(),
    };
    let log_bytes = || match fs::read(&log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(failed),
    };
    for _ in 0..TRIES {
        let stamps_before = stamps(path);
        let before = log_bytes()?;
        let mut bytes = fs::read(&database).map_err(failed)?;
        if log_bytes()? == before && stamps(path) == stamps_before {
            wal::apply(&mut bytes, &before);
            // A database in memory has no log: bytes 18 and 19 hold the journal mode of the file.
            if let Some(versions) = bytes.get_mut(18..20) {
                versions.fill(1);
            }
            return Ok((stamps_before, bytes));
        }
    }
    Err(RepoError::Locked)
}
