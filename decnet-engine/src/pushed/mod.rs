//! Topologies that are pushed to the agent of a host as a whole, and what agents report of them.

pub(crate) mod push;
pub(crate) mod report;

pub(crate) use push::{AgentState, AppliedTopology, PushedStore, TopologyPush};
pub(crate) use report::{HostHealth, HostReport};
