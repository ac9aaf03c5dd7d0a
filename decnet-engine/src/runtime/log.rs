//! The log of a container.

use decnet_topology::InstanceId;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::RuntimeError;

/// Which lines of the log of a container to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRequest {
    /// The store that the container belongs to.
    pub instance: InstanceId,
    /// The id of the container.
    pub id: String,
    /// The time of the first line. A runtime may return lines of the second before it.
    pub since: Option<Timestamp>,
    /// Whether to wait for more lines until the container ends.
    pub follow: bool,
}

/// A line that a container printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When the runtime received it, in nanoseconds.
    pub at: Timestamp,
    /// The stream that it was printed on.
    pub stream: LogStream,
    /// The text without a line feed. Bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// A stream that a container prints on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// The standard output.
    Stdout,
    /// The standard error.
    Stderr,
}

/// Lines of a log, oldest first.
pub type LogLines<'a> = BoxStream<'a, Result<LogLine, RuntimeError>>;
