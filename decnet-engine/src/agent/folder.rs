use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::pki::{Credentials, Identity, PkiError, Trust, read_file_if_any, write_file};

/// What an agent writes at first, in bytes: keys, certificates and an empty store.
const ROOM: usize = 512 << 10;

/// The folder where an agent keeps its state: its identity, whom it trusts, its master, the highest generations, when a master last
/// answered, and the stores that masters worked for. Only its owner may use it, and only one agent at a time.
#[derive(Debug, Clone)]
pub struct AgentFolder {
    path: PathBuf,
    /// The lock of the folder, which ends with the last clone.
    _lock: Arc<File>,
}

/// Where an agent and its master are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AgentPlace {
    /// The address of the master's listener: `host:port`.
    pub master: String,
    /// The address of the agent, as masters reach it: `host:port`.
    pub address: String,
}

impl AgentPlace {
    /// Creates it.
    pub fn new(master: impl Into<String>, address: impl Into<String>) -> Self {
        Self {
            master: master.into(),
            address: address.into(),
        }
    }
}

impl AgentFolder {
    /// Opens a folder, which is created with mode 700, and locks it.
    ///
    /// # Errors
    ///
    /// [`PkiError::ExposedKey`] if others may use it, [`PkiError::FolderInUse`] if another agent uses it, [`PkiError::NotWritten`] if it
    /// cannot be created or locked.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, PkiError> {
        let path = path.into();
        let not_written = |source| PkiError::NotWritten {
            path: path.clone(),
            source,
        };
        let created = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        created.map_err(not_written)?;
        let mode = fs::metadata(&path).map_err(not_written)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(PkiError::ExposedKey { path, mode });
        }
        let lock = File::create(path.join("lock")).map_err(not_written)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(PkiError::FolderInUse { path }),
            Err(TryLockError::Error(source)) => return Err(not_written(source)),
        }
        Ok(Self {
            path,
            _lock: Arc::new(lock),
        })
    }

    /// Checks that the folder can be written to, and has room for what an agent needs at first: a token must not be used up in vain.
    ///
    /// # Errors
    ///
    /// [`PkiError::NotWritten`] if not.
    pub fn check_room(&self) -> Result<(), PkiError> {
        let path = self.path.join("room");
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(&vec![0; ROOM])?;
            file.sync_all()
        });
        let removed = fs::remove_file(&path);
        let checked = written.and(removed);
        checked.map_err(|source| PkiError::NotWritten { path, source })
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of the store for the topology that is pushed.
    pub fn store(&self) -> PathBuf {
        self.path.join("topology.db")
    }

    /// Returns the path of the cursor of the logs.
    pub fn cursor(&self) -> PathBuf {
        self.path.join("logs.cursor")
    }

    pub(super) fn answered(&self) -> PathBuf {
        self.path.join("answered")
    }

    pub(super) fn instances(&self) -> PathBuf {
        self.path.join("instances")
    }

    pub(super) fn generation(&self) -> PathBuf {
        self.path.join("generation")
    }

    fn identity(&self) -> PathBuf {
        self.path.join("identity.pem")
    }

    fn trust(&self) -> PathBuf {
        self.path.join("trust.json")
    }

    fn place(&self) -> PathBuf {
        self.path.join("agent.json")
    }

    /// Reads what [`save`](Self::save) wrote; none if the agent has not joined.
    pub fn load(&self) -> Result<Option<(Credentials, AgentPlace)>, PkiError> {
        let not_read = |source| PkiError::NotRead {
            path: self.place(),
            source,
        };
        let Some(text) = read_file_if_any(&self.place()).map_err(not_read)? else {
            return Ok(None);
        };
        let parsed = serde_json::from_str(&text);
        let place = parsed.map_err(|error| not_read(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        let credentials = Credentials::new(Identity::load(&self.identity())?, Trust::load(&self.trust())?)?;
        Ok(Some((credentials, place)))
    }

    /// Writes the credentials of an agent that has joined, and then where it and its master are.
    pub fn save(&self, credentials: &Credentials, place: &AgentPlace) -> Result<(), PkiError> {
        self.save_credentials(credentials)?;
        write_file(&self.place(), &format!("{:#}\n", serde_json::json!(place)), 0o600)
    }

    /// Replaces the credentials.
    pub(super) fn save_credentials(&self, credentials: &Credentials) -> Result<(), PkiError> {
        credentials.trust().save(&self.trust())?;
        credentials.identity().save(&self.identity())
    }
}

/// Names the file in an error about it.
pub(super) fn of_file(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
