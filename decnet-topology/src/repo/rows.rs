use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    catalog::CatalogExcerpt,
    config::TopologyConfig,
    id::{LeaseToken, TopologyId},
    model::{DeploySettings, StoredTopology, Topology, TopologyRow},
    name::{Name, TopologyName},
    repo::NewMutation,
    rng,
    status::{Intent, Mode, Status},
    version::Version,
};

/// A topology to be stored.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct NewTopology {
    /// The name.
    pub name: TopologyName,
    /// Where its deckies run.
    pub mode: Mode,
    /// The host of the agent, for [`Mode::Agent`].
    pub host: Option<String>,
    /// The config that it was generated from.
    pub config: Option<TopologyConfig>,
    /// How it is deployed.
    pub settings: DeploySettings,
    /// What it uses of a user's catalogue.
    pub catalog: CatalogExcerpt,
    /// The maze.
    pub topology: Topology,
    /// The wanted id. Another is drawn if a topology has the same first eight hex digits.
    pub id: Option<TopologyId>,
}

impl NewTopology {
    /// Creates one for this host from a maze that was not generated, with the default settings.
    pub fn new(name: TopologyName, topology: Topology) -> Self {
        Self {
            name,
            mode: Mode::Unihost,
            host: None,
            config: None,
            settings: DeploySettings::default(),
            catalog: CatalogExcerpt::default(),
            topology,
            id: None,
        }
    }

    /// Sets where the deckies run.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets the host of the agent, for [`Mode::Agent`].
    pub fn host(mut self, host: impl Into<Option<String>>) -> Self {
        self.host = host.into();
        self
    }

    /// Sets the config that the maze was generated from.
    pub fn config(mut self, config: impl Into<Option<TopologyConfig>>) -> Self {
        self.config = config.into();
        self
    }

    /// Sets the settings for deploys.
    pub fn settings(mut self, settings: DeploySettings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets what it uses of a user's catalogue.
    pub fn catalog(mut self, catalog: CatalogExcerpt) -> Self {
        self.catalog = catalog;
        self
    }

    /// Returns it as a store would, under the wanted id or a drawn one. Stores nothing.
    pub fn as_stored(&self, at: Timestamp) -> StoredTopology {
        StoredTopology {
            row: self.first_row(self.id.unwrap_or_else(rng::topology_id), at),
            topology: self.topology.clone(),
        }
    }

    /// Returns its row when it is newly stored.
    pub(super) fn first_row(&self, id: TopologyId, at: Timestamp) -> TopologyRow {
        TopologyRow {
            id,
            name: self.name.clone(),
            mode: self.mode,
            host: self.host.clone(),
            status: Status::Pending,
            intent: None,
            version: Version::FIRST,
            created_at: at,
            changed_at: at,
            needs_resync: false,
            config: self.config.clone(),
            settings: self.settings.clone(),
            catalog: self.catalog.clone(),
            placement: None,
            shuffled_until: at,
        }
    }

    /// Sets the wanted id. Another is drawn if a topology has the same first eight hex digits.
    pub fn id(mut self, id: impl Into<Option<TopologyId>>) -> Self {
        self.id = id.into();
        self
    }
}

/// Selects topologies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
#[non_exhaustive]
pub struct TopologyFilter {
    /// Only these statuses; all if empty.
    pub statuses: Vec<Status>,
    /// The largest number of rows.
    pub limit: Option<usize>,
    /// How many rows to skip.
    pub offset: usize,
}

impl TopologyFilter {
    /// Selects only these statuses. None selects all.
    pub fn statuses(mut self, statuses: impl IntoIterator<Item = Status>) -> Self {
        self.statuses = statuses.into_iter().collect();
        self
    }

    /// Selects all statuses except these.
    ///
    /// ```
    /// use decnet_topology::{Status, TopologyFilter};
    ///
    /// let filter = TopologyFilter::default().without(&[Status::TornDown]);
    /// assert_eq!(filter.statuses.len(), Status::ALL.len() - 1);
    /// ```
    pub fn without(self, statuses: &[Status]) -> Self {
        self.statuses(Status::ALL.iter().copied().filter(|status| !statuses.contains(status)))
    }

    /// Sets the largest number of rows.
    pub fn limit(mut self, limit: impl Into<Option<usize>>) -> Self {
        self.limit = limit.into();
        self
    }

    /// Sets how many rows to skip.
    pub fn offset(mut self, offset: usize) -> Self {
        self.offset = offset;
        self
    }
}

/// One page of rows, and the total number of matches.
#[derive(Debug, Clone, PartialEq)]
pub struct TopologyPage {
    /// The rows.
    pub rows: Vec<TopologyRow>,
    /// The total number of matches.
    pub total: usize,
}

/// A new maze for a pending topology.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Edit {
    /// The version that the topology must have. None means any.
    pub expected: Option<Version>,
    /// The new maze.
    pub topology: Topology,
    /// The entries that are added to the stored ones of a user's catalogue.
    pub catalog: CatalogExcerpt,
    /// The mutation that made the edit. It is stored as applied.
    pub mutation: Option<NewMutation>,
}

impl Edit {
    /// Returns an edit without a mutation, for any version.
    pub fn new(topology: Topology) -> Self {
        Self {
            expected: None,
            topology,
            catalog: CatalogExcerpt::default(),
            mutation: None,
        }
    }

    /// Sets the version that the topology must have.
    pub fn expected(mut self, expected: impl Into<Option<Version>>) -> Self {
        self.expected = expected.into();
        self
    }

    /// Sets the entries that are added to the stored ones of a user's catalogue.
    pub fn catalog(mut self, catalog: CatalogExcerpt) -> Self {
        self.catalog = catalog;
        self
    }

    /// Sets the mutation that made the edit. It is stored as applied.
    pub fn mutation(mut self, mutation: impl Into<Option<NewMutation>>) -> Self {
        self.mutation = mutation.into();
        self
    }
}

/// A change of status.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct StatusChange {
    /// The status that the topology must have.
    pub from: Status,
    /// The version that the topology must have. None is not checked.
    pub version: Option<Version>,
    /// The new status.
    pub to: Status,
    /// The new intent. None keeps it.
    pub intent: Option<Intent>,
    /// The settings from now on. None keeps them.
    pub settings: Option<DeploySettings>,
    /// The reason, for people.
    pub reason: Option<String>,
    /// The lease that the caller must still hold. None is not checked.
    pub held: Option<LeaseToken>,
}

impl StatusChange {
    /// Returns a change without version, intent, settings, reason and lease.
    pub fn new(from: Status, to: Status) -> Self {
        Self {
            from,
            version: None,
            to,
            intent: None,
            settings: None,
            reason: None,
            held: None,
        }
    }

    /// Sets the version that the topology must have: a pending one may be edited meanwhile.
    pub fn version(mut self, version: impl Into<Option<Version>>) -> Self {
        self.version = version.into();
        self
    }

    /// Sets the new intent.
    pub fn intent(mut self, intent: impl Into<Option<Intent>>) -> Self {
        self.intent = intent.into();
        self
    }

    /// Sets the settings from now on. They are stored together with the status, or not at all.
    pub fn settings(mut self, settings: impl Into<Option<DeploySettings>>) -> Self {
        self.settings = settings.into();
        self
    }

    /// Sets the reason, for people.
    pub fn reason(mut self, reason: impl Into<Option<String>>) -> Self {
        self.reason = reason.into();
        self
    }

    /// Sets the lease that the caller must still hold.
    pub fn held(mut self, held: impl Into<Option<LeaseToken>>) -> Self {
        self.held = held.into();
        self
    }
}

/// A subnet that a stored topology claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SubnetClaim {
    /// The topology.
    pub topology: TopologyId,
    /// Its name.
    pub name: TopologyName,
    /// The LAN.
    pub lan: Name,
    /// The LAN's subnet.
    pub subnet: Ipv4Net,
}
