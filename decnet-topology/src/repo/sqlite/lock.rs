//! The lock of those who cannot write to the store.

#![expect(clippy::disallowed_methods, reason = "a store opens its own file")]

use std::{
    fs::{File, TryLockError},
    path::Path,
};

use crate::repo::RepoError;

/// Locks the folder of a store, which works on a full disk and where nothing can be written. The store's own file is SQLite's to
/// lock: to close it would give up the locks that SQLite has on it in this process.
///
/// The lock ends with the value, and with the process.
pub(super) fn take(path: &Path) -> Result<File, RepoError> {
    let failed = |source: std::io::Error| RepoError::Open {
        path: path.into(),
        source: source.into(),
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = File::open(folder.unwrap_or(Path::new("."))).map_err(failed)?;
    match folder.try_lock() {
        Ok(()) => Ok(folder),
        Err(TryLockError::WouldBlock) => Err(RepoError::Locked),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
