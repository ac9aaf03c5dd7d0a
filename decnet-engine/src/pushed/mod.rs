//! Topologies that are pushed to the agent of a host as a whole, and what agents report of them.

pub(crate) mod push;
pub(crate) mod report;

#[cfg(feature = "agent")]
pub(crate) use push::AgentState;
pub(crate) use push::{AppliedTopology, PushedStore, PushedVersion, TopologyPush};
#[cfg(feature = "agent")]
pub(crate) use report::HostHealth;
pub(crate) use report::HostReport;
