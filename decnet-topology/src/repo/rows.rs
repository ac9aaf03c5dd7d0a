use ipnet::Ipv4Net;
use serde::Serialize;

use crate::{
    config::TopologyConfig,
    id::{LeaseToken, TopologyId},
    model::{DeploySettings, Topology, TopologyRow},
    name::{Name, TopologyName},
    repo::NewMutation,
    status::{Intent, Mode, Status},
    version::Version,
};

/// A topology to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTopology {
    /// The name.
    pub name: TopologyName,
    /// Where its deckies run.
    pub mode: Mode,
    /// The host of the agent, for [`Mode::Agent`].
    pub host: Option<String>,
    /// What it was generated from.
    pub config: Option<TopologyConfig>,
    /// How it is deployed.
    pub settings: DeploySettings,
    /// The maze.
    pub topology: Topology,
    /// The id that it gets, unless another topology has the same first eight hex digits; drawn if none.
    pub id: Option<TopologyId>,
}

impl NewTopology {
    /// Takes a maze for this host that was not generated, to be deployed with the default settings.
    pub fn new(name: TopologyName, topology: Topology) -> Self {
        Self {
            name,
            mode: Mode::Unihost,
            host: None,
            config: None,
            settings: DeploySettings::default(),
            topology,
            id: None,
        }
    }
}

/// Which rows a list holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListFilter {
    /// Only these statuses; all if empty.
    pub statuses: Vec<Status>,
    /// At most so many rows.
    pub limit: Option<usize>,
    /// Leaving out so many first.
    pub offset: usize,
}

/// Some of the rows that match, and how many do.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The rows.
    pub rows: Vec<TopologyRow>,
    /// How many match in all.
    pub total: usize,
}

/// Another maze in the place of a pending one.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// The version that the caller saw, if it matters.
    pub expected: Option<Version>,
    /// The maze to be.
    pub topology: Topology,
    /// The mutation that made it of the maze before, to be kept as applied.
    pub mutation: Option<NewMutation>,
}

impl Edit {
    /// Makes an edit to a maze that no mutation made.
    pub fn to(topology: Topology, expected: Option<Version>) -> Self {
        Self {
            expected,
            topology,
            mutation: None,
        }
    }
}

/// A change of status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChange {
    /// The status that the caller saw.
    pub from: Status,
    /// The status to be.
    pub to: Status,
    /// What the topology is meant to be from now on; unchanged if none.
    pub intent: Option<Intent>,
    /// Why, for people.
    pub reason: Option<String>,
    /// The lease under which the caller acts, which must not have been lost; none is looked at if none is given.
    pub held: Option<LeaseToken>,
}

/// A subnet that a stored topology has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// The topology.
    pub topology: TopologyId,
    /// Its name.
    pub name: TopologyName,
    /// The LAN.
    pub lan: Name,
    /// The LAN's subnet.
    pub subnet: Ipv4Net,
}
