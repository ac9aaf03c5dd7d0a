use std::{
    cmp::Ordering,
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
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

/// How many services of a container have sequence numbers. A built-in container has fewer.
const SERVICES: usize = 64;

/// How many characters of the name of such a service are used.
const LONGEST: usize = 64;

/// A position in the log of a container.
///
/// A log is not strictly in order of time: the clock of the machine may be set back, and two threads of Docker copy stdout and
/// stderr.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The latest time of a line.
    at: Timestamp,
    /// The number of lines with this time.
    lines: u64,
    /// The number of lines after these whose time is not later, but in the same second. They are read again too.
    #[serde(default, skip_serializing_if = "is_zero")]
    late: u64,
    /// The number of lines after these with a time in an earlier second. Some runtimes return them again, and others do not.
    #[serde(default, skip_serializing_if = "is_zero")]
    earlier: u64,
    /// The last sequence number of each service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    sequences: BTreeMap<String, u64>,
}

impl Position {
    pub(super) const fn at(&self) -> Timestamp {
        self.at
    }

    /// Notes the sequence number of a line of a service. Returns how many lines before it are missing.
    pub(super) fn missing(&mut self, service: &str, sequence: u64) -> u64 {
        let service: String = service.chars().take(LONGEST).collect();
        if self.sequences.len() >= SERVICES && !self.sequences.contains_key(&service) {
            return 0;
        }
        let last = self.sequences.insert(service, sequence);
        match last {
            Some(last) if sequence > last => sequence - last - 1,
            // A restart begins with 1.
            _ => sequence.saturating_sub(1),
        }
    }
}

/// One reading of the log of a container. It starts with lines that were read before, because the runtime counts in whole seconds.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The position to reach; none if it is reached.
    until: Option<Position>,
    /// That position, and the numbers of lines after it that were read before.
    passed: Option<Position>,
    /// The time of the last line.
    at: Option<Timestamp>,
    /// The number of lines with this time, one after the other.
    lines: u64,
}

impl Reading {
    /// Counts a line. Returns its number among those with its time, and whether it is new.
    fn count(&mut self, at: Timestamp) -> (u64, bool) {
        self.lines = if self.at == Some(at) { self.lines + 1 } else { 1 };
        self.at = Some(at);
        (self.lines, self.is_new(at))
    }

    fn is_new(&mut self, at: Timestamp) -> bool {
        if let Some(until) = &self.until {
            match (at, self.lines).cmp(&(until.at, until.lines)) {
                Ordering::Less => return false,
                Ordering::Equal => {
                    self.passed = self.until.take();
                    return false;
                }
                // The line of the position is no longer in the log.
                Ordering::Greater => {
                    self.until = None;
                    return true;
                }
            }
        }
        let Some(passed) = &mut self.passed else {
            return true;
        };
        let left = match at.as_second().cmp(&passed.at.as_second()) {
            Ordering::Less => &mut passed.earlier,
            Ordering::Equal => &mut passed.late,
            Ordering::Greater => return true,
        };
        let is_new = *left == 0;
        *left = left.saturating_sub(1);
        is_new
    }
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
            .and_then(|text| write_to_disk(Path::new(&fresh), &text))
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

    /// Starts to read the log of a container from its position.
    pub(super) fn reading(&self, container: &str) -> Reading {
        Reading {
            until: self.containers.get(container).cloned(),
            ..Reading::default()
        }
    }

    /// Advances past a line. Returns its number among those with its time, from 1, and the position; none if it was read before.
    pub(super) fn advance(
        &mut self,
        container: &str,
        reading: &mut Reading,
        at: Timestamp,
    ) -> Option<(u64, &mut Position)> {
        let (lines, is_new) = reading.count(at);
        if !is_new {
            return None;
        }
        let position = self.containers.entry(container.into()).or_insert(Position {
            at,
            lines: 0,
            late: 0,
            earlier: 0,
            sequences: BTreeMap::new(),
        });
        match at.cmp(&position.at) {
            Ordering::Greater => {
                (position.at, position.lines) = (at, lines);
                (position.late, position.earlier) = (0, 0);
            }
            Ordering::Equal if position.late == 0 => position.lines = lines,
            _ if at.as_second() == position.at.as_second() => position.late += 1,
            _ => position.earlier += 1,
        }
        Some((lines, position))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Writes a file that is whole even if the machine loses its power after it was renamed.
fn write_to_disk(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text)?;
    file.sync_all()
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
            .advance("a", &mut Reading::default(), at(7))
            .unwrap()
            .1
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
    fn a_line_that_is_read_again_is_skipped_even_if_others_have_its_time_or_a_later_one() {
        const SECOND: i128 = 1_000_000_000;
        for times in [
            vec![1, 2, 2, 3],
            vec![1, 3, 2],
            vec![1, 3, 2, 2, 1, 3, 4],
            // The clock is set back.
            vec![40 * SECOND, 40 * SECOND + 1, 10 * SECOND, 11 * SECOND],
            vec![SECOND - 1, SECOND + 5, SECOND - 1, SECOND + 4, SECOND + 4, SECOND + 5],
        ] {
            let times: Vec<Timestamp> = times.into_iter().map(at).collect();
            for read in 0..=times.len() {
                let mut cursor = LogCursor::default();
                let mut reading = cursor.reading("a");
                for time in &times[..read] {
                    assert!(cursor.advance("a", &mut reading, *time).is_some());
                }
                let text = serde_json::to_string(&cursor).unwrap();
                let mut cursor: LogCursor = serde_json::from_str(&text).unwrap();
                let mut reading = cursor.reading("a");
                let since = cursor.position("a").map_or(0, |position| position.at().as_second());
                let again = |time: &&Timestamp| time.as_second() >= since;
                let expected = times[read..].iter().filter(again).count();
                let new = times
                    .iter()
                    .filter(again)
                    .filter(|time| cursor.advance("a", &mut reading, **time).is_some());
                assert_eq!(new.count(), expected, "{read} of {times:?}: {text}");

                // Newer versions of Docker filter only until the first line that is late enough.
                let mut cursor: LogCursor = serde_json::from_str(&text).unwrap();
                let mut reading = cursor.reading("a");
                let start = times.iter().position(|time| time.as_second() >= since);
                let new = times[start.unwrap_or(times.len())..]
                    .iter()
                    .filter(|time| cursor.advance("a", &mut reading, **time).is_some());
                assert_eq!(new.count(), times.len() - read, "{read} of {times:?}: {text}");
            }
        }
    }

    #[test]
    fn reading_goes_on_if_the_line_of_the_position_is_no_longer_in_the_log() {
        let mut cursor = LogCursor::default();
        let mut reading = cursor.reading("a");
        assert!(cursor.advance("a", &mut reading, at(5)).is_some());
        let mut reading = cursor.reading("a");
        for time in [7, 6, 7] {
            assert!(cursor.advance("a", &mut reading, at(time)).is_some(), "{time}");
        }
    }

    #[test]
    fn missing_lines_are_counted_by_sequence_number() {
        let mut cursor = LogCursor::default();
        let (_, position) = cursor.advance("a", &mut Reading::default(), at(1)).unwrap();
        let missing: Vec<u64> = [("ssh", 3), ("ssh", 4), ("ssh", 7), ("http", 1), ("ssh", 1), ("ssh", 2)]
            .map(|(service, sequence)| position.missing(service, sequence))
            .into();
        assert_eq!(missing, [2, 0, 2, 0, 0, 0]);
        for service in 0..1000 {
            position.missing(&service.to_string(), 1);
        }
        assert_eq!(position.sequences.len(), SERVICES, "the memory is bounded");
    }
}
