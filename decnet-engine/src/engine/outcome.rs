use decnet_topology::{Finding, TopologyRow};
use serde::Serialize;

/// What an operation came to.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The topology's row afterwards; its id differs from the one asked for where a fresh copy was deployed.
    #[serde(flatten)]
    pub row: TopologyRow,
    /// How many steps changed something.
    pub changed: usize,
    /// What is not as it should be, where the topology is degraded.
    pub reason: Option<String>,
    /// What works, but is most likely not meant, as the rules found it before anything was done.
    pub warnings: Vec<Finding>,
}
