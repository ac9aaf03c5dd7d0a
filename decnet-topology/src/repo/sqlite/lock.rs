//! The lock for processes that cannot write to the store.

#![expect(clippy::disallowed_methods, reason = "a store opens its own file")]

use std::{
    fs::{File, TryLockError},
    path::Path,
};

use crate::repo::RepoError;

/// Locks the folder of a store. This works on a full disk and on a read-only file system. The store's own file must not be locked
/// here: closing it would release SQLite's locks on it in this process.
///
/// The lock ends when the value is dropped or the process ends.
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
