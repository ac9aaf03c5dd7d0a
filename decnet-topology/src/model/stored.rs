use jiff::Timestamp;

use crate::{
    config::TopologyConfig,
    id::TopologyId,
    model::Topology,
    name::TopologyName,
    status::{Intent, Mode, Status},
    version::Version,
};

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
}

/// A topology and its row.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTopology {
    /// The row.
    pub row: TopologyRow,
    /// The maze.
    pub topology: Topology,
}
