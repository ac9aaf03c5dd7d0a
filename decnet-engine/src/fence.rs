//! Which lease the caller of a runtime holds.

use decnet_topology::{InstanceId, TopologyId};

/// Says which lease the caller of a runtime holds, so that an agent can refuse the holder of an older one: it may still run after it
/// lost its lease, and not know it yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// The store of the lease. Generations of different stores are not compared.
    pub store: InstanceId,
    /// The topology of the lease.
    pub topology: TopologyId,
    /// The generation of the lease: [`Lease::generation`](decnet_topology::Lease::generation).
    pub generation: u64,
}
