use std::net::Ipv4Addr;

use jiff::Timestamp;

use crate::{
    id::TopologyId,
    name::{Name, ServiceName},
};

/// Something that a visitor did, from the log of a decky. It outlives the container.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct Visit {
    /// The id of the line. No other line of the topology has it.
    pub id: String,
    /// The topology.
    pub topology: TopologyId,
    /// When the line was printed.
    pub at: Timestamp,
    /// The decky.
    pub decky: Name,
    /// The service; none for a line of the base.
    pub service: Option<ServiceName>,
    /// The address of the visitor, if the line has one.
    pub source: Option<Ipv4Addr>,
    /// The line, as JSON. The store does not read it.
    pub entry: String,
}

impl Visit {
    /// Creates a visit without a service and a source.
    pub fn new(
        topology: TopologyId,
        id: impl Into<String>,
        at: Timestamp,
        decky: Name,
        entry: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            topology,
            at,
            decky,
            service: None,
            source: None,
            entry: entry.into(),
        }
    }

    /// Sets the service.
    pub fn service(mut self, service: impl Into<Option<ServiceName>>) -> Self {
        self.service = service.into();
        self
    }

    /// Sets the address of the visitor.
    pub fn source(mut self, source: impl Into<Option<Ipv4Addr>>) -> Self {
        self.source = source.into();
        self
    }

    /// Returns what visits are ordered by.
    pub fn place(&self) -> (Timestamp, &str) {
        (self.at, &self.id)
    }
}

/// Selects visits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
#[non_exhaustive]
pub struct VisitFilter {
    /// Only visits of this topology.
    pub topology: Option<TopologyId>,
    /// Only visits of deckies with this name.
    pub decky: Option<Name>,
    /// Only visits of services with this name.
    pub service: Option<ServiceName>,
    /// Only visits from this address.
    pub source: Option<Ipv4Addr>,
    /// Only visits of this time or later.
    pub since: Option<Timestamp>,
    /// Only visits after the one with this time and id, for the next page.
    pub after: Option<(Timestamp, String)>,
    /// The largest number of visits.
    pub limit: Option<usize>,
}

impl VisitFilter {
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

    /// Selects visitors by their address.
    pub fn source(mut self, source: impl Into<Option<Ipv4Addr>>) -> Self {
        self.source = source.into();
        self
    }

    /// Leaves out visits before a time.
    pub fn since(mut self, since: impl Into<Option<Timestamp>>) -> Self {
        self.since = since.into();
        self
    }

    /// Leaves out visits up to the last one of the previous page.
    pub fn after(mut self, last: Option<&Visit>) -> Self {
        self.after = last.map(|last| (last.at, last.id.clone()));
        self
    }

    /// Sets the largest number of visits.
    pub fn limit(mut self, limit: impl Into<Option<usize>>) -> Self {
        self.limit = limit.into();
        self
    }
}
