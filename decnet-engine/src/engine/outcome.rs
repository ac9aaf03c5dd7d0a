use decnet_topology::{Finding, TopologyRow};
use serde::Serialize;

use super::LostHost;
use crate::naming::VolumeName;

/// The result of an operation.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The topology's row afterwards; it has another id if a fresh copy was deployed.
    #[serde(flatten)]
    pub row: TopologyRow,
    /// How many steps changed something.
    pub changed: usize,
    /// How the runtime differs from the maze, if the topology is degraded.
    pub reason: Option<String>,
    /// The volumes that a teardown kept, because the catalogue says so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept_volumes: Vec<VolumeName>,
    /// The hosts that a teardown did not ask: they are not in the fleet any more, so nobody knows what they still have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub given_up: Vec<LostHost>,
    /// The warnings of the validation: valid, but probably not intended.
    pub warnings: Vec<Finding>,
}
