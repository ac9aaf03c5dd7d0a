use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    config::TopologyConfig,
    id::TopologyId,
    model::Topology,
    name::TopologyName,
    publish::Publish,
    status::{Intent, Mode, Status},
    version::Version,
};

/// How a topology is raised: kept, so that every later change of Docker does as the deploy did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeploySettings {
    /// How the ports of gateways are mapped to the host's.
    pub publish: Publish,
    /// Whether deckies on the DMZ may reach the outside.
    pub dmz_egress: bool,
}

/// All that the store keeps of a topology beside the maze itself.
#[derive(Debug, Clone, PartialEq)]
pub struct TopologyRow {
    /// The id.
    pub id: TopologyId,
    /// The name, unique without case among those not torn down.
    pub name: TopologyName,
    /// Where its deckies run.
    pub mode: Mode,
    /// The host of the agent, for [`Mode::Agent`].
    pub host: Option<String>,
    /// What it is doing.
    pub status: Status,
    /// What it is meant to be; none before its first deploy.
    pub intent: Option<Intent>,
    /// The count of its edits.
    pub version: Version,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it was last written to.
    pub changed_at: Timestamp,
    /// Whether Docker may differ from what is stored.
    pub needs_resync: bool,
    /// What it was generated from.
    pub config: Option<TopologyConfig>,
    /// How it is raised.
    pub settings: DeploySettings,
}

/// A topology and its row.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTopology {
    /// The row.
    pub row: TopologyRow,
    /// The maze.
    pub topology: Topology,
}
