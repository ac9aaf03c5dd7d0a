use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The reason why a cursor was not read from its file or written to it.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum LogCursorError {
    /// The file cannot be read or written.
    #[error("the cursor file {path} cannot be used")]
    #[strum(serialize = "io")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is not a cursor.
    #[error("{path} is not a cursor file; remove it to start with the oldest line")]
    #[strum(serialize = "malformed_cursor")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
}

impl LogCursorError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}

/// Which lines of which containers were read.
///
/// A collector that starts with the cursor of the one before continues where that one ended: no line is lost or doubled. It is
/// JSON on the wire, with the position in the log of each container by its id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogCursor {
    containers: BTreeMap<String, Position>,
}

/// A position in the log of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The time of the last line.
    at: Timestamp,
    /// The number of lines with this time.
    lines: u64,
    /// The last sequence number of each service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    sequences: BTreeMap<String, u64>,
}

impl Position {
    pub(super) const fn at(&self) -> Timestamp {
        self.at
    }

    /// Returns the number of the last line among those with its time, from 1.
    pub(super) const fn line(&self) -> u64 {
        self.lines
    }

    /// Notes the sequence number of a line of a service. Returns how many lines before it are missing.
    pub(super) fn missing(&mut self, service: &str, sequence: u64) -> u64 {
        let last = self.sequences.insert(service.into(), sequence);
        match last {
            Some(last) if sequence > last => sequence - last - 1,
            // A restart begins with 1.
            _ => sequence.saturating_sub(1),
        }
    }
}

/// The lines of one container that are read again because the runtime counts in whole seconds.
#[derive(Debug, Default)]
pub(super) struct Reread {
    at: Option<Timestamp>,
    lines: u64,
}

impl LogCursor {
    /// Returns whether no line was read.
    pub fn is_empty(&self) -> bool {
        self.containers.is_empty()
    }

    /// Reads a cursor from a file. If the file does not exist, no line was read.
    pub fn read(path: &Path) -> Result<Self, LogCursorError> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(unusable(path, source)),
        };
        serde_json::from_slice(&text).map_err(|source| LogCursorError::Malformed {
            path: path.into(),
            source,
        })
    }

    /// Writes the cursor to a file, which is replaced as a whole.
    pub fn write(&self, path: &Path) -> Result<(), LogCursorError> {
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(".new");
        let written = serde_json::to_vec(self)
            .map_err(io::Error::from)
            .and_then(|text| fs::write(&fresh, text))
            .and_then(|()| fs::rename(&fresh, path));
        if written.is_err() {
            let _ = fs::remove_file(&fresh);
        }
        written.map_err(|source| unusable(path, source))
    }

    pub(super) fn position(&self, container: &str) -> Option<&Position> {
        self.containers.get(container)
    }

    pub(super) fn set(&mut self, container: String, position: Position) {
        self.containers.insert(container, position);
    }

    /// Forgets a container that was removed.
    pub(super) fn forget(&mut self, container: &str) {
        self.containers.remove(container);
    }

    pub(super) fn containers(&self) -> impl Iterator<Item = &String> {
        self.containers.keys()
    }

    /// Advances past a line. Returns none if it was read before.
    pub(super) fn advance(&mut self, container: &str, reread: &mut Reread, at: Timestamp) -> Option<&mut Position> {
        reread.lines = if reread.at == Some(at) { reread.lines + 1 } else { 1 };
        reread.at = Some(at);
        let lines = reread.lines;
        match self.containers.get(container) {
            Some(position) if (at, lines) <= (position.at, position.lines) => return None,
            Some(_) => {}
            None => self.set(
                container.into(),
                Position {
                    at,
                    lines,
                    sequences: BTreeMap::new(),
                },
            ),
        }
        let position = self.containers.get_mut(container)?;
        (position.at, position.lines) = (at, lines);
        Some(position)
    }
}

fn unusable(path: &Path, source: io::Error) -> LogCursorError {
    LogCursorError::Io {
        path: path.into(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_kept_in_a_file_and_a_damaged_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cursor.json");
        assert!(LogCursor::read(&path).unwrap().is_empty());
        let mut cursor = LogCursor::default();
        cursor
            .advance("a", &mut Reread::default(), at(7))
            .unwrap()
            .missing("ssh", 1);
        cursor.write(&path).unwrap();
        assert_eq!(LogCursor::read(&path).unwrap(), cursor);
        fs::write(&path, "{\"a\"").unwrap();
        assert_eq!(LogCursor::read(&path).unwrap_err().code(), "malformed_cursor");
        assert_eq!(cursor.write(folder.path()).unwrap_err().code(), "io");
        assert_eq!(LogCursor::read(folder.path()).unwrap_err().code(), "io");
    }

    fn at(nanosecond: i128) -> Timestamp {
        Timestamp::from_nanosecond(nanosecond).unwrap()
    }

    #[test]
    fn a_line_that_is_read_again_is_skipped_even_if_others_have_its_time() {
        let times = [1, 2, 2, 3].map(at);
        for read in 0..=times.len() {
            let mut cursor = LogCursor::default();
            let mut reread = Reread::default();
            for time in &times[..read] {
                assert!(cursor.advance("a", &mut reread, *time).is_some());
            }
            let text = serde_json::to_string(&cursor).unwrap();
            let mut cursor: LogCursor = serde_json::from_str(&text).unwrap();
            let mut reread = Reread::default();
            let new = times
                .iter()
                .filter(|time| cursor.advance("a", &mut reread, **time).is_some());
            assert_eq!(new.count(), times.len() - read, "{text}");
        }
    }

    #[test]
    fn missing_lines_are_counted_by_sequence_number() {
        let mut cursor = LogCursor::default();
        let position = cursor.advance("a", &mut Reread::default(), at(1)).unwrap();
        let missing: Vec<u64> = [("ssh", 3), ("ssh", 4), ("ssh", 7), ("http", 1), ("ssh", 1), ("ssh", 2)]
            .map(|(service, sequence)| position.missing(service, sequence))
            .into();
        assert_eq!(missing, [2, 0, 2, 0, 0, 0]);
    }
}
