use std::net::Ipv4Addr;

use decnet_decoy::protocol::Record;
use decnet_topology::{Name, ServiceName, TopologyId, TopologyName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    naming::ContainerName,
    runtime::{LogLine, LogStream},
};

/// Something that a container printed, with its place in the mazes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogEntry {
    /// An id that no other line has. It is the same if the line is read again.
    pub id: String,
    /// When the runtime received the line.
    pub at: Timestamp,
    /// The topology.
    pub topology: TopologyId,
    /// The name of the topology; none if it was deleted from the store.
    pub maze: Option<TopologyName>,
    /// The decky.
    pub decky: Name,
    /// The service; none for a line of the base.
    pub service: Option<ServiceName>,
    /// The container.
    pub container: ContainerName,
    /// The decky that the visitor came from; none if the visitor came from outside of the maze, or if no decky is known to have had
    /// the visitor's address.
    pub from: Option<Name>,
    /// Whether the visitor's address is one of a LAN of the maze, and no decky is known to have had it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inside: bool,
    /// What was printed.
    #[serde(flatten)]
    pub content: LogContent,
}

/// The keys that honeypots use for the address of a visitor: Cowrie and Dionaea the first, Heralding and `SentryPeer` the second,
/// and Dicompot the third. `source.ip` of ECS comes before them.
const VISITOR_KEYS: [&str; 3] = ["src_ip", "source_ip", "IP"];

/// The keys that these use for the port of the decky. `destination.port` of ECS comes before them.
const PORT_KEYS: [&str; 2] = ["dst_port", "destination_port"];

/// What a container printed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LogContent {
    /// An event of a built-in service.
    Record(Box<Record>),
    /// A JSON object that another program printed.
    Json {
        /// Whether it was printed on stderr.
        is_error: bool,
        /// The object.
        message: serde_json::Map<String, serde_json::Value>,
    },
    /// A line of another program.
    Text {
        /// Whether it was printed on stderr.
        is_error: bool,
        /// The line.
        message: String,
    },
}

/// An item of [`Logs`](crate::Logs).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LogItem {
    /// A line.
    Entry(LogEntry),
    /// Docker dropped lines before they were read, because the log was full.
    Dropped {
        /// The container.
        container: ContainerName,
        /// The service.
        service: String,
        /// The number of lines.
        lines: u64,
    },
    /// The log of a container cannot be read, for instance because its log driver keeps no lines.
    Unreadable {
        /// The container.
        container: ContainerName,
        /// The reason.
        reason: String,
    },
    /// The runtime does not answer. The collector tries again every second.
    Disconnected {
        /// The reason.
        reason: String,
    },
    /// The runtime answers again.
    Connected {},
}

impl LogEntry {
    /// Returns the address of the visitor, if the line has one.
    pub fn visitor(&self) -> Option<Ipv4Addr> {
        self.content.visitor()
    }
}

impl LogContent {
    /// Reads a line that a container of a decky printed.
    pub(super) fn read(line: LogLine, decky: &Name) -> Self {
        match serde_json::from_str::<Record>(&line.text) {
            Ok(mut record) => {
                // An intruder in a container can print any line, but only as its own decky.
                record.host.name = decky.to_string();
                Self::Record(Box::new(record))
            }
            Err(_) => Self::of(line.stream, line.text),
        }
    }

    /// Returns what a program printed that does not write events.
    pub(super) fn of(stream: LogStream, line: String) -> Self {
        let is_error = stream == LogStream::Stderr;
        // Most lines are not JSON. Objects that are nested too deeply are text.
        let object = line.trim_start().starts_with('{').then(|| serde_json::from_str(&line));
        match object {
            Some(Ok(message)) => Self::Json { is_error, message },
            _ => Self::Text {
                is_error,
                message: line,
            },
        }
    }

    /// Returns the port of the decky; none if the line does not have it.
    pub(super) fn port(&self) -> Option<u16> {
        match self {
            Self::Record(record) => record.destination?.port,
            Self::Json { message, .. } => {
                let nested = message
                    .get("destination")
                    .and_then(|destination| destination.get("port"));
                let named = PORT_KEYS.iter().find_map(|key| message.get(*key));
                nested.or(named)?.as_u64()?.try_into().ok()
            }
            Self::Text { .. } => None,
        }
    }

    /// Returns the address of the visitor; none if the line does not have it.
    pub(super) fn visitor(&self) -> Option<Ipv4Addr> {
        match self {
            Self::Record(record) => record.source?.ip,
            Self::Json { message, .. } => {
                let nested = message.get("source").and_then(|source| source.get("ip"));
                let named = VISITOR_KEYS.iter().find_map(|key| message.get(*key));
                let text = nested.or(named)?.as_str()?;
                // A socket that accepts both families shows IPv4 addresses like this.
                text.strip_prefix("::ffff:").unwrap_or(text).parse().ok()
            }
            Self::Text { .. } => None,
        }
    }
}
