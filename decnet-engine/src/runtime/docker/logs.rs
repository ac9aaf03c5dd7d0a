//! The logs of containers.

use bollard::{container::LogOutput, query_parameters::LogsOptionsBuilder};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, future, stream};
use jiff::Timestamp;

use super::Docker;
use crate::{
    naming::ContainerName,
    runtime::{LogLine, LogLines, LogRequest, LogStream, RuntimeError},
};

/// The longest line that is kept whole. Docker splits lines of more than 16 KiB into parts.
const LONGEST_LINE: usize = 1 << 20;

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
        let line = match self.parts.take() {
            Some(mut line) if line.stream == stream => {
                if line.text.len() < LONGEST_LINE {
                    line.text.push_str(&text);
                }
                line
            }
            _ => LogLine { at, stream, text },
        };
        if is_end {
            return Some(line);
        }
        self.parts = Some(line);
        None
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
}
