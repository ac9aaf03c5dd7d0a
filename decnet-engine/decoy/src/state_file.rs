//! Where a base keeps its state over restarts.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::protocol::{NetState, STATE_PATH};

/// A state file, held by this process alone until dropped.
pub(crate) struct StateFile {
    path: PathBuf,
    /// Held for its lock: the base's start and two `state set` must not mix.
    _lock: File,
}

impl StateFile {
    /// Takes hold of the base's file, waiting for whoever has it.
    pub(crate) fn of_base() -> io::Result<Self> {
        Self::lock(Path::new(STATE_PATH))
    }

    fn lock(path: &Path) -> io::Result<Self> {
        let lock = File::create(path.with_extension("lock"))?;
        lock.lock()?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Reads the state; `None` when none was ever written.
    pub(crate) fn read(&self) -> io::Result<Option<NetState>> {
        let text = match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        NetState::parse(&text)
            .map(Some)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Writes the state so that a crash at any moment leaves the old file or the new one, whole.
    pub(crate) fn write(&self, state: &NetState) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(state)?)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_the_last_write_wins() {
        let folder = tempfile::tempdir().unwrap();
        let file = StateFile::lock(&folder.path().join("state.json")).unwrap();
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
    fn a_damaged_file_is_an_error_and_not_an_empty_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        fs::write(&path, "{\"forward\":tr").unwrap();
        assert_eq!(
            StateFile::lock(&path).unwrap().read().unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }
}
