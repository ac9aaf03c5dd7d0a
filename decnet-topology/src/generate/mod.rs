//! From a config to a maze: [`generate`].
//!
//! # What is drawn
//!
//! The LANs form a tree, `LAN-00` the DMZ and its root, numbered breadth first: each LAN above the last level has 1 to
//! `branching_factor` children. The DMZ has one decky, every other LAN `deckies_per_lan_min` to `deckies_per_lan_max`, never
//! fewer than one. They are numbered through, LAN by LAN: `decky-000`, `decky-001` and so on; numbers of more digits are just
//! longer. One decky of each LAN but the DMZ is attached to the parent LAN too, and forwards with
//! `bridge_forward_probability`; then, with `cross_edge_probability`, one decky of the LAN is attached to a LAN that is neither
//! its own nor the parent nor a child of that. It forwards nothing because of that.
//!
//! Each LAN takes the lowest subnet of the pool that overlaps nothing reserved. On a LAN, its own deckies have the lowest
//! addresses, then come the deckies of its children, then those of cross edges.
//!
//! A decky runs the config's services, or one to three drawn from the catalogue: no two that want the same port, and a set that
//! no earlier decky runs, unless twenty draws give none.
//!
//! # What stays the same
//!
//! One config, one catalogue and one list of reserved subnets give the same topology on every platform and in every later version of
//! the format. Each decision has a [stream](crate::rng) of its own, keyed by the LAN's number (and the decky's number within the
//! LAN): more deckies a LAN leave the tree of LANs and its subnets as they were.

mod error;
mod populate;
mod services;
mod tree;

use ipnet::Ipv4Net;

use crate::{
    alloc::{AllocError, SubnetAllocator},
    catalog::Catalog,
    config::TopologyConfig,
    id::LanId,
    model::{Lan, Topology},
    name::Numbered,
};
pub use error::GenerateError;
use populate::Population;
use services::ServiceSets;
use tree::Tree;

/// Draws the maze of a config. No subnet of it overlaps a reserved one.
///
/// Takes time and memory in proportion to what is drawn.
///
/// ```
/// use decnet_topology::{Catalog, TopologyConfig, generate::generate};
///
/// let config = TopologyConfig::builder("corp", 2, 2).seed(7).build()?;
/// let topology = generate(&config, &Catalog::builtin(), &["172.16.0.0/24".parse()?])?;
/// let dmz = topology.dmz().expect("every maze has a DMZ");
/// assert_eq!((dmz.name().as_str(), dmz.subnet().to_string()), ("LAN-00", "172.16.1.0/24".into()));
/// assert_eq!(topology, generate(&config, &Catalog::builtin(), &["172.16.0.0/24".parse()?])?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn generate(config: &TopologyConfig, catalog: &Catalog, reserved: &[Ipv4Net]) -> Result<Topology, GenerateError> {
    config.check_services(catalog)?;
    let mut services = ServiceSets::new(config, catalog)?;
    let mut pool = pool(config, reserved).map_err(|source| GenerateError::Subnets { source })?;
    let tree = Tree::grow(config, &pool).map_err(|source| GenerateError::Subnets { source })?;
    let lans = lans(&tree, &mut pool)?;
    let deckies = Population::draw(config, &tree).settle(config, &lans, &mut services)?;
    Ok(Topology::new(lans, deckies)?)
}

fn pool(config: &TopologyConfig, reserved: &[Ipv4Net]) -> Result<SubnetAllocator, AllocError> {
    let mut pool = SubnetAllocator::new(config.subnet_base_prefix(), config.lan_prefix())?;
    for subnet in reserved {
        pool.reserve(*subnet);
    }
    Ok(pool)
}

fn lans(tree: &Tree, pool: &mut SubnetAllocator) -> Result<Vec<Lan>, GenerateError> {
    let names = Numbered::new("LAN-", 2)?;
    let mut lans = Vec::with_capacity(tree.lans().len());
    for ((number, name), _) in (0_u32..).zip(names).zip(tree.lans()) {
        let subnet = pool.next_free().map_err(|source| GenerateError::Subnets { source })?;
        lans.push(Lan::new(LanId::new(number), name, subnet, number == 0));
    }
    Ok(lans)
}
