use decnet_topology::{Name, ServiceName, TopologyId};
use jiff::Timestamp;

use super::{LogCursor, Muted};

/// Which lines [`Engine::logs`](crate::Engine::logs) returns. The default is all lines of all mazes that exist now.
#[derive(Debug, Clone, Default)]
#[must_use]
#[non_exhaustive]
pub struct LogOptions {
    /// Only lines of this topology.
    pub topology: Option<TopologyId>,
    /// Only lines of deckies with this name.
    pub decky: Option<Name>,
    /// Only lines of services with this name.
    pub service: Option<ServiceName>,
    /// Only lines of this time or later.
    pub since: Option<Timestamp>,
    /// Whether to wait for more lines, of containers that are created later too.
    pub follow: bool,
    /// The lines that were already read.
    pub cursor: LogCursor,
    /// Visitors whose lines are left out.
    pub muted: Vec<Muted>,
}

impl LogOptions {
    /// Selects a topology.
    pub fn topology(mut self, topology: impl Into<Option<TopologyId>>) -> Self {
        self.topology = topology.into();
        self
    }

    /// Selects deckies by name.
    pub fn decky(mut self, decky: impl Into<Option<Name>>) -> Self {
        self.decky = decky.into();
        self
    }

    /// Selects services by name.
    pub fn service(mut self, service: impl Into<Option<ServiceName>>) -> Self {
        self.service = service.into();
        self
    }

    /// Leaves out lines before a time.
    pub fn since(mut self, since: impl Into<Option<Timestamp>>) -> Self {
        self.since = since.into();
        self
    }

    /// Waits for more lines after the last one.
    pub fn follow(mut self, follow: bool) -> Self {
        self.follow = follow;
        self
    }

    /// Continues after the lines that a cursor has.
    pub fn cursor(mut self, cursor: LogCursor) -> Self {
        self.cursor = cursor;
        self
    }

    /// Leaves out the lines of visitors.
    pub fn mute(mut self, muted: impl IntoIterator<Item = Muted>) -> Self {
        self.muted.extend(muted);
        self
    }
}
