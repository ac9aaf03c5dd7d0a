//! Creates a new store: it is completed under another name, then renamed.

#![expect(clippy::disallowed_methods, reason = "a store opens its own file")]

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::Connection;

use super::{fault, schema};
use crate::{repo::RepoError, rng};

/// Creates the store if it does not exist. If several processes do so at the same time, one store remains.
///
/// A crash leaves a file with another name, never an empty or incomplete store: those are refused.
pub(super) fn if_missing(path: &Path, timeout: Duration) -> Result<(), RepoError> {
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    let temporary = TemporaryStore::of(path);
    temporary.make_private().map_err(|error| refusal(error, path))?;
    let mut connection = Connection::open(&temporary.0).map_err(|error| fault::opening(error, path))?;
    schema::prepare(&mut connection, path, timeout).map_err(|fault| fault::preparing(fault, path))?;
    // SQLite checkpoints the log into the file and removes it.
    connection
        .close()
        .map_err(|(_, error)| fault::preparing(error.into(), path))?;
    take_place(&temporary.0, path).map_err(|error| refusal(error, path))
}

/// Gives a complete file its name, unless another file has it.
fn take_place(whole: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(whole, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(_) => copy(whole, path)?,
        Ok(()) => {}
    }
    // The name should survive a power failure. On file systems that cannot sync a folder, it may not.
    if let Some(folder) = folder(path) {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    Ok(())
}

/// Copies a file where the file system has no hard links.
fn copy(whole: &Path, path: &Path) -> io::Result<()> {
    let written = private(path).and_then(|mut file| {
        io::copy(&mut File::open(whole)?, &mut file)?;
        file.sync_all()
    });
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        written => written.inspect_err(|_| drop(fs::remove_file(path))),
    }
}

/// Creates a file that only its owner can access: it contains the configuration of services, including passwords. SQLite gives
/// the same mode to the files that it creates next to it.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn folder(path: &Path) -> Option<&Path> {
    let folder = path.parent()?;
    Some(if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    })
}

fn refusal(error: io::Error, path: &Path) -> RepoError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => RepoError::Full,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => RepoError::ReadOnly,
        _ => RepoError::Open {
            path: path.into(),
            source: error.into(),
        },
    }
}

/// A new store under a temporary name, next to the final one. Dropping it removes it, and the files that SQLite created next to
/// it.
struct TemporaryStore(PathBuf);

impl TemporaryStore {
    fn of(path: &Path) -> Self {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", rng::instance_id()));
        Self(path.with_file_name(name))
    }

    fn make_private(&self) -> io::Result<()> {
        private(&self.0).map(drop)
    }
}

impl Drop for TemporaryStore {
    fn drop(&mut self) {
        for ending in ["", "-wal", "-shm", "-journal"] {
            let mut file = self.0.as_os_str().to_owned();
            file.push(ending);
            let _ = fs::remove_file(file);
        }
    }
}
