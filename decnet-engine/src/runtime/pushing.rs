use std::fmt::Debug;

use async_trait::async_trait;
use decnet_topology::TopologyId;

use super::RuntimeError;
use crate::pushed::{AppliedTopology, PushedStore, TopologyPush};

/// A host whose agent plans and deploys a topology itself. It has one topology at most.
#[async_trait]
pub trait TopologyHost: Send + Sync + Debug {
    /// Describes the store of the agent.
    async fn pushed(&self) -> Result<PushedStore, RuntimeError>;

    /// Pushes a topology. The agent deploys it, or changes what runs; another topology is torn down first. It can be repeated.
    async fn push(&self, push: &TopologyPush) -> Result<AppliedTopology, RuntimeError>;

    /// Tears down a topology. If the agent does not have it, nothing happens.
    async fn take_down(&self, topology: TopologyId) -> Result<Option<AppliedTopology>, RuntimeError>;
}
