//! Access to the file of a store.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{fault, image::Image, schema};
use crate::repo::RepoError;

/// The access to the store.
#[derive(Debug)]
pub(super) enum Access {
    /// Through its file.
    File(Connection),
    /// Through a copy in memory, because the file cannot or must not be written to.
    Image(Image),
}

impl Access {
    pub(super) fn connection(&mut self) -> &mut Connection {
        match self {
            Self::File(connection) => connection,
            Self::Image(image) => &mut image.connection,
        }
    }

    /// Opens the file, or reads it into memory if it cannot be written to.
    pub(super) fn open(path: &Path, timeout: Duration) -> Result<Self, RepoError> {
        match open_file(path, timeout) {
            Err(error) if error.is_unwritable() && path.exists() => Ok(Self::Image(Image::read(path)?)),
            opened => opened.map(Self::File),
        }
    }

    /// Reads the file into memory.
    pub(super) fn read(path: &Path) -> Result<Self, RepoError> {
        Ok(Self::Image(Image::read(path)?))
    }

    /// Prepares to read or to write.
    pub(super) fn prepare(
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
