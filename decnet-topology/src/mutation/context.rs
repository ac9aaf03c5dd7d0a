use ipnet::Ipv4Net;

use crate::{
    alloc::SubnetPool, catalog::Catalog, config::TopologyConfig, model::TopologyRow, publish::Publish,
    repo::SubnetClaim, status::Status,
};

/// Whether parts of a maze exist on Docker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Nothing exists: everything may change.
    Pending,
    /// It runs: LANs keep their names and subnets, and the published ports of a gateway and the look of a decky's packets
    /// change only with `force`.
    Live,
}

/// The data that a mutation needs in addition to the maze.
#[derive(Debug, Clone, Copy)]
pub struct MutationContext<'a> {
    /// The catalogue of services and archetypes.
    pub catalog: &'a Catalog,
    /// The subnets of all other topologies that are not torn down.
    pub claims: &'a [SubnetClaim],
    /// Whether the maze runs.
    pub stage: Stage,
    /// The pool for allocated subnets.
    pub pool: Ipv4Net,
    /// The length of allocated subnets.
    pub prefix: u8,
    /// How gateways publish ports on the host; by default each port on the same number.
    pub publish: Option<&'a Publish>,
}

impl<'a> MutationContext<'a> {
    /// Creates a context with a catalogue and no other topologies; subnets come from the default pool, 172.16.0.0/12 by /24.
    pub fn new(catalog: &'a Catalog, stage: Stage) -> Self {
        let SubnetPool { pool, prefix, .. } = SubnetPool::default();
        Self {
            catalog,
            claims: &[],
            stage,
            pool,
            prefix,
            publish: None,
        }
    }

    /// Creates a context from the row of a stored topology and the claims of the others.
    pub fn of(row: &'a TopologyRow, catalog: &'a Catalog, claims: &'a [SubnetClaim]) -> Self {
        let stage = if row.status == Status::Pending {
            Stage::Pending
        } else {
            Stage::Live
        };
        let default = Self::new(catalog, stage);
        let config = row.config.as_ref();
        Self {
            claims,
            pool: config.map_or(default.pool, TopologyConfig::subnet_base_prefix),
            prefix: config.map_or(default.prefix, TopologyConfig::lan_prefix),
            publish: Some(&row.settings.publish),
            ..default
        }
    }
}
