//! What SQLite says, in words of the repo.

use std::path::Path;

use rusqlite::ffi::{self, ErrorCode};

use crate::repo::RepoError;

/// A refusal of our own, or an error of SQLite that was not read yet.
#[derive(Debug)]
pub(super) enum Fault {
    /// Ours.
    Refusal(RepoError),
    /// SQLite's.
    Sqlite(rusqlite::Error),
}

impl From<RepoError> for Fault {
    fn from(refusal: RepoError) -> Self {
        Self::Refusal(refusal)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Fault> for RepoError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refusal(refusal) => refusal,
            Fault::Sqlite(error) => read(error),
        }
    }
}

/// Returns the fault of a stored value that is none.
pub(super) fn corrupt(what: impl Into<String>) -> Fault {
    RepoError::Corrupt { what: what.into() }.into()
}

fn read(error: rusqlite::Error) -> RepoError {
    let full = error
        .sqlite_error()
        .is_some_and(|told| told.extended_code == ffi::SQLITE_IOERR_SHMSIZE);
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            RepoError::Locked
        }
        Some(ErrorCode::ReadOnly) => RepoError::ReadOnly,
        Some(ErrorCode::DiskFull) => RepoError::Full,
        // The index of the write-ahead log is a mapped file: where there is no room for it, growing it fails.
        Some(ErrorCode::SystemIoFailure) if full => RepoError::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => RepoError::Corrupt {
            what: error.to_string(),
        },
        None if is_conversion(&error) => RepoError::Corrupt {
            what: error.to_string(),
        },
        _ => RepoError::Medium { source: error.into() },
    }
}

fn is_conversion(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error};
    matches!(
        error,
        FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | Utf8Error(..)
    )
}

/// Says why a file cannot be opened, before SQLite is asked: it has one answer for many causes.
pub(super) fn refuse_path(path: &Path) -> Result<(), RepoError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(RepoError::FolderMissing { folder: folder.into() });
    }
    let Ok(file) = path.metadata() else { return Ok(()) };
    if file.is_dir() {
        return Err(RepoError::IsFolder { path: path.into() });
    }
    // SQLite takes a file of one byte for an empty one, and would write over it.
    if file.len() == 1 {
        return Err(RepoError::NotAStore {
            path: path.into(),
            what: "no database".into(),
        });
    }
    // An empty file is what is left of a store that was cut off. Whoever makes a store makes it whole, under another name.
    // SQLite would take the file for a new one and throw the log away, with all that is only there. The file has its first page
    // before there is a log, so the log is looked at first: another process may be making the store right now.
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let has_log = Path::new(&log).metadata().is_ok_and(|log| log.len() > 0);
    if has_log && path.metadata().is_ok_and(|file| file.len() == 0) {
        return Err(RepoError::Corrupt {
            what: "the file is empty, its write-ahead log is not".into(),
        });
    }
    if file.len() == 0 {
        return Err(RepoError::Empty { path: path.into() });
    }
    Ok(())
}

/// Says why SQLite could not open a file in a folder that is there.
pub(super) fn opening(error: rusqlite::Error, path: &Path) -> RepoError {
    at(path, read(error))
}

/// Says why SQLite could not make a connection to an open file ready.
pub(super) fn preparing(fault: Fault, path: &Path) -> RepoError {
    let error = match fault {
        Fault::Refusal(refusal) => return refusal,
        Fault::Sqlite(error) => error,
    };
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => RepoError::NotAStore {
            path: path.into(),
            what: "no database".into(),
        },
        // The file is open: what cannot be made is the log beside it.
        Some(ErrorCode::CannotOpen) => RepoError::ReadOnly,
        _ => at(path, read(error)),
    }
}

fn at(path: &Path, told: RepoError) -> RepoError {
    match told {
        RepoError::Medium { source } => RepoError::Open {
            path: path.into(),
            source,
        },
        told => told,
    }
}
