//! Converts SQLite's errors to errors of the repo.

use std::{io, path::Path};

use rusqlite::ffi::{self, ErrorCode};

use crate::repo::RepoError;

/// A refusal of the repo, or a raw error of SQLite.
#[derive(Debug)]
pub(super) enum Fault {
    /// An error of the repo.
    Refusal(RepoError),
    /// An error of SQLite.
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

/// Returns the error of the repo for an error of SQLite.
pub(super) fn read(error: rusqlite::Error) -> RepoError {
    let full = error
        .sqlite_error()
        .is_some_and(|found| found.extended_code == ffi::SQLITE_IOERR_SHMSIZE);
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            RepoError::Locked
        }
        Some(ErrorCode::ReadOnly) => RepoError::ReadOnly,
        Some(ErrorCode::DiskFull) => RepoError::Full,
        // The index of the write-ahead log is a mapped file: without free disk space, growing it fails.
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

/// Finds the reason why a file cannot be opened before SQLite tries: SQLite has one error for many causes.
pub(super) fn refuse_path(path: &Path) -> Result<(), RepoError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        match folder.metadata() {
            Ok(found) if found.is_dir() => {}
            // It may exist: a folder above it cannot be searched.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(RepoError::Open {
                    path: path.into(),
                    source: error.into(),
                });
            }
            _ => return Err(RepoError::FolderMissing { folder: folder.into() }),
        }
    }
    let Ok(file) = path.metadata() else { return Ok(()) };
    if file.is_dir() {
        return Err(RepoError::IsFolder { path: path.into() });
    }
    // SQLite treats a file of one byte as empty, and would overwrite it.
    if file.len() == 1 {
        return Err(RepoError::NotAStore {
            path: path.into(),
            what: "not an SQLite file".into(),
        });
    }
    // An empty file is a truncated store, because a new store is completed under another name. SQLite would treat the file as new
    // and discard the log with its uncheckpointed contents. The file has its first page before there is a log, so the log is
    // checked first: another process may be creating the store at this moment.
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let has_log = Path::new(&log).metadata().is_ok_and(|log| log.len() > 0);
    if has_log && path.metadata().is_ok_and(|file| file.len() == 0) {
        return Err(RepoError::Corrupt {
            what: "the file is empty, but its write-ahead log is not".into(),
        });
    }
    if file.len() == 0 {
        return Err(RepoError::Empty { path: path.into() });
    }
    Ok(())
}

/// Finds the reason why SQLite could not open a file in an existing folder.
pub(super) fn opening(error: rusqlite::Error, path: &Path) -> RepoError {
    at(path, read(error))
}

/// Finds the reason why SQLite could not prepare a connection to an open file.
pub(super) fn preparing(fault: Fault, path: &Path) -> RepoError {
    let error = match fault {
        Fault::Refusal(refusal) => return refusal,
        Fault::Sqlite(error) => error,
    };
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => RepoError::NotAStore {
            path: path.into(),
            what: "not an SQLite file".into(),
        },
        // The file is open, so the log next to it is what cannot be created.
        Some(ErrorCode::CannotOpen) => RepoError::ReadOnly,
        _ => at(path, read(error)),
    }
}

fn at(path: &Path, error: RepoError) -> RepoError {
    match error {
        RepoError::Medium { source } => RepoError::Open {
            path: path.into(),
            source,
        },
        error => error,
    }
}
