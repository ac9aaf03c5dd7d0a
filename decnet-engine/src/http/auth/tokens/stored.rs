//! The file of tokens: read at once, replaced at once.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::{super::scope::AccessScope, error::TokenError};

/// The version of the file's format.
const VERSION: u32 = 1;

/// Only the owner reads and writes.
const MODE: u32 = 0o600;

/// The permission of others to write.
const OTHERS_WRITE: u32 = 0o022;

/// A token in a [`TokenFile`](crate::TokenFile), without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AccessToken {
    /// Its id.
    pub id: String,
    /// The actor of changes that are made with it.
    pub name: String,
    /// What it allows.
    pub scope: AccessScope,
    /// When it was made.
    pub created_at: Timestamp,
    /// The digest of its secret.
    pub(super) digest: String,
}

/// The content of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    v: u32,
    pub(super) tokens: Vec<AccessToken>,
}

/// What differs between two contents of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp(Option<(u64, u64, i64, i64, u64)>);

impl Stamp {
    /// Reads the stamp of a file, which may be absent.
    pub(super) fn of(path: &Path) -> Result<Self, TokenError> {
        match fs::metadata(path) {
            Ok(found) => Ok(Self(Some((
                found.dev(),
                found.ino(),
                found.mtime(),
                found.mtime_nsec(),
                found.size(),
            )))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self(None)),
            Err(source) => Err(TokenError::Read {
                path: path.into(),
                source,
            }),
        }
    }
}

impl Stored {
    /// Reads a file; none if it does not exist.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, TokenError> {
        let failed = |source| TokenError::Read {
            path: path.into(),
            source,
        };
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if file.metadata().map_err(failed)?.mode() & OTHERS_WRITE != 0 {
            return Err(TokenError::Exposed { path: path.into() });
        }
        let text = io::read_to_string(&mut file).map_err(failed)?;
        let damaged = |source| TokenError::Damaged {
            path: path.into(),
            source,
        };
        let stored: Self = serde_json::from_str(&text).map_err(damaged)?;
        if stored.v != VERSION {
            let text = format!("its version is {}, and this program reads {VERSION}", stored.v);
            return Err(damaged(serde::de::Error::custom(text)));
        }
        Ok(Some(stored))
    }

    /// Changes the tokens of a file, one process at a time.
    pub(super) fn change(path: &Path, change: impl FnOnce(&mut Vec<AccessToken>)) -> Result<(), TokenError> {
        let failed = |source| TokenError::Write {
            path: path.into(),
            source,
        };
        let lock = private(&with_ending(path, ".lock"), false).map_err(failed)?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
        let tokens = Self::read(path)?.map(|stored| stored.tokens).unwrap_or_default();
        let mut stored = Self { v: VERSION, tokens };
        change(&mut stored.tokens);
        let temporary = with_ending(path, ".tmp");
        let mut text = serde_json::to_string_pretty(&stored).map_err(|error| failed(error.into()))?;
        text.push('\n');
        let written = private(&temporary, true).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.and_then(|()| fs::rename(&temporary, path)).map_err(failed)
    }
}

/// Opens a file that only the owner can read, and empties it if it must be new.
fn private(path: &Path, is_new: bool) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(is_new)
        .mode(MODE)
        .open(path)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}
