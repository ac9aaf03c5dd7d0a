//! The logs of containers.

use std::fmt::Write as _;

use bollard::{container::LogOutput, query_parameters::LogsOptionsBuilder};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, future, stream};
use jiff::Timestamp;

use super::Docker;
use crate::{
    naming::ContainerName,
    runtime::{LogLine, LogLines, LogRequest, LogStream, RuntimeError},
};

/// How many bytes of a line are kept. A program in a container chooses the length of its lines, and destinations of logs refuse
/// large ones. Docker splits lines of more than 16 KiB into parts.
const LONGEST_LINE: usize = 64 << 10;

impl Docker {
    pub(super) fn read_log(&self, request: LogRequest) -> LogLines<'_> {
        stream::once(self.open_log(request)).try_flatten().boxed()
    }

    async fn open_log(&self, request: LogRequest) -> Result<LogLines<'_>, RuntimeError> {
        let LogRequest {
            instance,
            id,
            since,
            follow,
        } = request;
        let found = self.find_ours(instance, &ContainerName::from_docker(&*id)).await?;
        let name = found.name.unwrap_or_default();
        // Docker counts in whole seconds here.
        let since = since.and_then(|at| i32::try_from(at.as_second()).ok()).unwrap_or(0);
        let options = LogsOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .timestamps(true)
            .since(since)
            .follow(follow)
            .build();
        let pieces = self.read_on(
            format!("read the log of {}", name.trim_start_matches('/')),
            self.client.logs(&id, Some(options)),
        );
        let lines = pieces
            .map_err(RuntimeError::from)
            .scan(Joined::default(), |joined, piece| {
                future::ready(Some(piece.map(|piece| joined.push(piece)).transpose()))
            });
        Ok(lines.filter_map(future::ready).boxed())
    }
}

/// The parts of a long line.
#[derive(Default)]
struct Joined {
    parts: Option<LogLine>,
    /// The number of bytes that were left out.
    left_out: usize,
}

impl Joined {
    /// Adds a part, and returns the line if it is complete.
    fn push(&mut self, piece: LogOutput) -> Option<LogLine> {
        let (stream, message) = match piece {
            LogOutput::StdErr { message } => (LogStream::Stderr, message),
            LogOutput::StdOut { message } | LogOutput::StdIn { message } | LogOutput::Console { message } => {
                (LogStream::Stdout, message)
            }
        };
        let (at, text, is_end) = split(&message)?;
        let mut line = match self.parts.take() {
            Some(line) if line.stream == stream => line,
            _ => {
                self.left_out = 0;
                LogLine {
                    at,
                    stream,
                    text: String::new(),
                }
            }
        };
        let end = text.floor_char_boundary(LONGEST_LINE.saturating_sub(line.text.len()));
        line.text.push_str(&text[..end]);
        self.left_out += text.len() - end;
        if !is_end {
            self.parts = Some(line);
            return None;
        }
        if self.left_out > 0 {
            // Writing to memory does not fail.
            let _ = write!(line.text, "… ({} bytes skipped)", self.left_out);
        }
        Some(line)
    }
}

/// Splits a message into its time and its text, and returns whether the line ends with it.
fn split(message: &Bytes) -> Option<(Timestamp, String, bool)> {
    let text = String::from_utf8_lossy(message);
    let (at, text) = text.split_once(' ').unwrap_or((text.trim_end(), ""));
    let at = at.parse().ok()?;
    let is_end = text.ends_with('\n') || text.is_empty();
    Some((at, text.trim_end_matches(['\n', '\r']).to_owned(), is_end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(text: &str) -> LogOutput {
        LogOutput::StdOut {
            message: Bytes::copy_from_slice(text.as_bytes()),
        }
    }

    #[test]
    fn the_parts_of_a_long_line_are_one_line() {
        let mut joined = Joined::default();
        assert_eq!(joined.push(out("2030-01-01T00:00:00.000000001Z one ")), None);
        let line = joined.push(out("2030-01-01T00:00:00.000000002Z two\r\n")).unwrap();
        assert_eq!((line.text.as_str(), line.at.as_nanosecond() % 10), ("one two", 1));
        let line = joined.push(out("2030-01-01T00:00:00Z \n")).unwrap();
        assert_eq!(line.text, "");
        assert_eq!(joined.push(out("no time")), None);
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_and_marked() {
        let mut joined = Joined::default();
        let part = format!("2030-01-01T00:00:00Z {}", "é".repeat(8 << 10));
        for _ in 0..7 {
            assert_eq!(joined.push(out(&part)), None);
        }
        let line = joined.push(out(&format!("{part}\n"))).unwrap();
        let mark = format!("… ({} bytes skipped)", 4 * (16 << 10));
        assert_eq!(line.text.len(), LONGEST_LINE + mark.len());
        assert!(line.text.ends_with(&mark), "{}", &line.text[LONGEST_LINE..]);
        assert_eq!(joined.push(out("2030-01-01T00:00:00Z next\n")).unwrap().text, "next");
    }
}
