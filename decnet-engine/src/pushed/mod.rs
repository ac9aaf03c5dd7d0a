//! Topologies that are pushed to the agent of a host as a whole, and what agents report of them.

mod agent_store;
pub(crate) mod push;
pub(crate) mod report;

pub(crate) use agent_store::AgentStore;
#[cfg(feature = "agent")]
pub(crate) use push::AgentState;
pub(crate) use push::{AppliedTopology, PushedStore, PushedVersion, TopologyPush};
#[cfg(feature = "agent")]
pub(crate) use report::HostHealth;
pub(crate) use report::HostReport;
