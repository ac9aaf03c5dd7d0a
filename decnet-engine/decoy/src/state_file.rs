//! The file with the state of a base, which survives restarts.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use crate::protocol::{NetState, STATE_PATH, STATE_VARIABLE};

/// A state file. Every user in the base may read it; only its keeper can write it.
pub(crate) struct StateFile {
    path: PathBuf,
}

impl StateFile {
    /// Returns the file of the base.
    pub(crate) fn of_base() -> Self {
        Self::at(Path::new(STATE_PATH))
    }

    fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Reads the state. Returns `None` if none was ever written.
    pub(crate) fn read(&self) -> io::Result<Option<NetState>> {
        let text = match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        NetState::parse(&text)
            .map(Some)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Writes the state atomically: after a crash at any moment, the file has the old or the new state. Writers wait for each
    /// other.
    pub(crate) fn write(&self, state: &NetState) -> io::Result<()> {
        // No other user may open it, so no other user can block a writer.
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.path.with_extension("lock"))?;
        lock.lock()?;
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(state)?)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        match self.path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }

    /// Reads the state that was set last, or the first one from the environment.
    pub(crate) fn read_or_first(&self) -> io::Result<NetState> {
        if let Some(state) = self.read()? {
            return Ok(state);
        }
        let refused = |error: Box<dyn std::error::Error + Send + Sync>| {
            let text = format!("the first state, in {STATE_VARIABLE}, cannot be read: {error}");
            io::Error::new(io::ErrorKind::InvalidInput, text)
        };
        let json = env::var(STATE_VARIABLE).map_err(|error| refused(error.into()))?;
        NetState::parse(&json).map_err(|error| refused(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_state_is_read_and_the_last_write_wins() {
        let folder = tempfile::tempdir().unwrap();
        let file = StateFile::at(&folder.path().join("state.json"));
        assert_eq!(file.read().unwrap(), None);
        let mut state = NetState {
            interfaces: vec!["10.0.0.2".parse().unwrap()],
            ..NetState::default()
        };
        for forward in [false, true] {
            state.forward = forward;
            file.write(&state).unwrap();
            assert_eq!(file.read().unwrap().as_ref(), Some(&state));
        }
    }

    #[test]
    fn a_damaged_file_is_an_error_and_not_an_empty_or_first_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        fs::write(&path, "{\"forward\":tr").unwrap();
        let file = StateFile::at(&path);
        for read in [file.read().map(|_| ()), file.read_or_first().map(|_| ())] {
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }
}
