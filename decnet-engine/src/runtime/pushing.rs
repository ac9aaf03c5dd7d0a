use std::fmt::Debug;

use async_trait::async_trait;
use decnet_topology::TopologyId;

use super::RuntimeError;
use crate::pushed::{AppliedTopology, PushedStore, TopologyPush};

/// A host whose agent plans and deploys a topology itself. It has one topology at most.
#[async_trait]
pub trait TopologyHost: Send + Sync + Debug {
    /// Describes the store of the agent.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::AgentUnreachable`], [`RuntimeError::AgentUntrusted`] or [`RuntimeError::AgentVersion`] if there is no answer.
    async fn pushed(&self) -> Result<PushedStore, RuntimeError>;

    /// Pushes a topology. The agent deploys it, or changes what runs; another topology is torn down first. It can be repeated.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::AgentRefused`] with the code of the agent's error, [`RuntimeError::AgentSuperseded`] if it has seen a newer lease,
    /// and those of [`pushed`](Self::pushed).
    async fn push(&self, push: &TopologyPush) -> Result<AppliedTopology, RuntimeError>;

    /// Tears down a topology. If the agent does not have it, nothing happens.
    ///
    /// # Errors
    ///
    /// Those of [`push`](Self::push). [`RuntimeError::AgentRefused`] with `teardown_incomplete` if something is left.
    async fn take_down(&self, topology: TopologyId) -> Result<Option<AppliedTopology>, RuntimeError>;
}
