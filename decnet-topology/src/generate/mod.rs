//! Generates a maze from a config: [`generate`].

mod error;
mod hosts;
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

/// Generates the maze of a config. None of its subnets overlaps a reserved one.
///
/// Takes time and memory in proportion to the size of the maze.
///
/// ```
/// use decnet_topology::{Catalog, TopologyConfig, generate};
///
/// let config = TopologyConfig::builder("corp", 2, 2).seed(7).build()?;
/// let topology = generate(&config, &Catalog::builtin(), &["172.16.0.0/24".parse()?])?;
/// let dmz = topology.dmz().expect("every maze has a DMZ");
/// assert_eq!((dmz.name().as_str(), dmz.subnet().to_string()), ("LAN-00", "172.16.1.0/24".into()));
/// assert_eq!(topology, generate(&config, &Catalog::builtin(), &["172.16.0.0/24".parse()?])?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What is drawn
///
/// The LANs form a tree with the DMZ, `LAN-00`, as its root. They are numbered breadth first. Each LAN above the last level has 1
/// to `branching_factor` children. The DMZ has one decky; every other LAN has `deckies_per_lan_min` to `deckies_per_lan_max`, but
/// at least one. Deckies are numbered LAN by LAN: `decky-000`, `decky-001` and so on; larger numbers have more digits. In each
/// LAN except the DMZ, one decky is also attached to the parent LAN, and forwards with `bridge_forward_probability`. With
/// `cross_edge_probability`, one decky of the LAN is attached to a LAN that is neither its own, nor the parent, nor a child. This
/// attachment does not make it forward.
///
/// Each LAN gets the lowest subnet of the pool that overlaps no reserved one. On a LAN, its own deckies have the lowest
/// addresses, followed by the deckies of its children and those of cross edges.
///
/// A decky runs the config's services, or one to three services drawn from the catalogue. No two of them use the same port. The
/// set differs from those of all earlier deckies, unless twenty draws give no new one.
///
/// With [`ServiceChoice::Archetypes`](crate::ServiceChoice::Archetypes), each decky has an archetype instead, and the services of it:
/// each LAN is an office, a server room or a plant, and has hosts that fit. One decky outside the DMZ is the domain controller; a
/// decky that joins a LAN to its parent is a switch if it forwards, and a jump host if not. With
/// [`Naming::Realistic`](crate::Naming::Realistic), names fit these hosts: `fin-desk-07`, `srv-db-01`. Archetypes that the catalogue
/// does not have, or whose services use the same port, are not drawn.
///
/// # What is stable
///
/// The same config, catalogue and list of reserved subnets give the same topology on every platform and in every later version of
/// the format. Each decision has its own [stream](crate::rng), keyed by the LAN's number (and the decky's number within the LAN).
/// So more deckies per LAN do not change the tree of LANs and its subnets.
pub fn generate(config: &TopologyConfig, catalog: &Catalog, reserved: &[Ipv4Net]) -> Result<Topology, GenerateError> {
    config.check_services(catalog)?;
    let mut services = ServiceSets::new(config, catalog)?;
    let mut pool = pool(config, reserved).map_err(|source| GenerateError::Subnets { source })?;
    let tree = Tree::grow(config, &pool).map_err(|source| GenerateError::Subnets { source })?;
    let lans = lans(&tree, &mut pool)?;
    let deckies = Population::draw(config, &tree).settle(config, catalog, &lans, &mut services)?;
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
