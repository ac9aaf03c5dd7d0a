//! The file of tokens: read at once, replaced at once.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rustix::{
    fs::{FlockOperation, OFlags, flock},
    process::geteuid,
};
use serde::{Deserialize, Serialize};

use super::{
    super::scope::{AccessScope, Principal},
    error::TokenError,
};

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

impl AccessToken {
    /// Returns the sender of requests with it.
    pub(super) fn principal(&self) -> Principal {
        Principal::new(&*self.name, self.scope).id(&*self.id)
    }
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
        let about = file.metadata().map_err(failed)?;
        if about.mode() & OTHERS_WRITE != 0 {
            return Err(TokenError::Exposed { path: path.into() });
        }
        if !is_trusted(about.uid(), geteuid().as_raw()) {
            return Err(TokenError::ForeignOwner {
                path: path.into(),
                owner: about.uid(),
            });
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
        let lock = private()
            .create(true)
            .truncate(false)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(with_ending(path, ".lock"))
            .map_err(failed)?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
        let tokens = Self::read(path)?.map(|stored| stored.tokens).unwrap_or_default();
        let mut stored = Self { v: VERSION, tokens };
        change(&mut stored.tokens);
        let temporary = with_ending(path, ".tmp");
        let mut text = serde_json::to_string_pretty(&stored).map_err(|error| failed(error.into()))?;
        text.push('\n');
        replace(path, &temporary, text.as_bytes()).map_err(failed)
    }
}

/// Replaces a file at once, so that the new content is there after a crash too.
fn replace(path: &Path, temporary: &Path, text: &[u8]) -> io::Result<()> {
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        // It is from a process that was killed: this one has the lock.
        _ => {}
    }
    // A file or link that is there again was made by another user, and is not written to.
    let mut file = private().create_new(true).open(temporary)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(temporary, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Returns whether the owner of a file may decide who is admitted: the user of this process, and root.
fn is_trusted(owner: u32, user: u32) -> bool {
    owner == user || owner == 0
}

/// Returns the options for a file that only its owner can read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(MODE);
    options
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::is_trusted;

    #[test]
    fn only_root_and_the_own_user_may_have_the_tokens() {
        for (owner, user, expected) in [
            (1000, 1000, true),
            (0, 1000, true),
            (0, 0, true),
            (1000, 0, false),
            (1, 2, false),
        ] {
            assert_eq!(is_trusted(owner, user), expected, "{owner}, {user}");
        }
    }
}
