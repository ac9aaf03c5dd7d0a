use decnet_topology::{Finding, TopologyRow};
use serde::Serialize;

/// The result of an operation.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The topology's row afterwards; its id differs from the one asked for where a fresh copy was deployed.
    #[serde(flatten)]
    pub row: TopologyRow,
    /// How many steps changed something.
    pub changed: usize,
    /// How the runtime differs from the maze, where the topology is degraded.
    pub reason: Option<String>,
    /// The warnings of the rules: what works, but is most likely not intended.
    pub warnings: Vec<Finding>,
}
