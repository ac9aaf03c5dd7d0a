//! The maze as a graph: reachability, routes, depth and weak points.

mod analysis;
mod drawing;
mod hosts;
mod layout;
mod routes;
mod shape;
mod svg;
mod tree;

use std::{collections::BTreeSet, net::Ipv4Addr};

use petgraph::{
    graph::{NodeIndex, UnGraph},
    unionfind::UnionFind,
};

pub use analysis::{Analysis, AnalysisReport, Crossing, DeckyAnalysis, LanAnalysis, Loss, LossCounts};
pub(crate) use layout::{Forest, Links, links};
pub use layout::{LanBox, LanLink, Layout};
pub use routes::Route;
pub use shape::ChokePoints;
pub use svg::DrawnState;
pub use tree::{ChokePointNames, GraphShape, TreeRow};

use crate::{
    id::{DeckyId, LanId},
    model::{Decky, Topology},
    placement::Placement,
};

/// A node of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum GraphNode {
    /// A LAN.
    Lan(LanId),
    /// A decky.
    Decky(DeckyId),
}

/// A topology as a graph of LANs and deckies. Creating one takes time and memory in proportion to the topology.
///
/// A [`Graph`] has two views of a [`Topology`]. **The maze** connects LANs by every bridge decky: an intruder who breaks into
/// each bridge can move this way. **The routed maze** connects them only by routers: packets can travel this way.
///
/// ```
/// use decnet_topology::{Graph, Topology};
///
/// let topology = Topology::builder()
///     .dmz("dmz", "10.0.0.0/24")
///     .lan("office", "10.0.1.0/24")
///     .lan("vault", "10.0.2.0/24")
///     .decky("web", |decky| decky.on("dmz", "10.0.0.2"))
///     .decky("router", |decky| decky.on("office", "10.0.1.2").on("dmz", "10.0.0.3").forwards())
///     .decky("clerk", |decky| decky.on("office", "10.0.1.3").on("vault", "10.0.2.2"))
///     .build()?;
/// let graph = Graph::new(&topology);
/// let web = topology.deckies()[0].id();
/// assert_eq!(graph.reach(web).len(), 2, "the vault is behind a decky that does not forward");
/// let routes: Vec<String> = graph.routes_of(web).iter().map(ToString::to_string).collect();
/// assert_eq!(routes, ["10.0.1.0/24 via 10.0.0.3"]);
/// assert_eq!(graph.layers().len(), 3, "but an intruder gets there");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Graph<'a> {
    topology: &'a Topology,
    maze: UnGraph<GraphNode, Ipv4Addr>,
    /// For each LAN, by its position in the topology, its zone.
    zone_of: Vec<usize>,
    /// Positions of LANs that routers connect, in order of their subnets.
    zones: Vec<Vec<usize>>,
    placement: Option<&'a Placement>,
}

impl<'a> Graph<'a> {
    /// Creates the graph of a topology.
    pub fn new(topology: &'a Topology) -> Self {
        let (lans, deckies) = (topology.lans(), topology.deckies());
        let mut maze = UnGraph::with_capacity(lans.len() + deckies.len(), topology.edges().count());
        for lan in lans {
            maze.add_node(GraphNode::Lan(lan.id()));
        }
        for decky in deckies {
            let at = maze.add_node(GraphNode::Decky(decky.id()));
            for (lan, ip) in places(topology, decky) {
                maze.add_edge(at, NodeIndex::new(lan), ip);
            }
        }
        let (zone_of, zones) = zones(topology);
        Self {
            topology,
            maze,
            zone_of,
            zones,
            placement: None,
        }
    }

    /// Returns the topology.
    pub fn topology(&self) -> &'a Topology {
        self.topology
    }

    /// Returns the graph: LANs first, then deckies, each in the order of the topology. An edge is an attachment; its weight is
    /// the address.
    pub fn as_petgraph(&self) -> &UnGraph<GraphNode, Ipv4Addr> {
        &self.maze
    }

    /// Returns the LANs that a decky can send packets to: its own LANs, and those that routers connect to them. Empty for an
    /// unknown decky.
    ///
    /// Routers forward in both directions, so reach is mutual: a decky on a reached LAN can reply.
    pub fn reach(&self, decky: DeckyId) -> BTreeSet<LanId> {
        let zones = self.zones_of(decky);
        let places = zones.iter().flat_map(|&zone| &self.zones[zone]);
        places.map(|&lan| self.topology.lans()[lan].id()).collect()
    }

    /// Returns whether one decky can send packets to at least one address of another.
    pub fn reaches(&self, one: DeckyId, other: DeckyId) -> bool {
        !self.zones_of(one).is_disjoint(&self.zones_of(other))
    }

    /// Returns the LANs by zone. Within a zone, packets can pass from each LAN to every other one. Zones are in the order of
    /// their first LANs.
    pub fn zones(&self) -> Vec<Vec<LanId>> {
        let ids = |zone: &Vec<usize>| {
            let mut ids: Vec<LanId> = zone.iter().map(|&lan| self.topology.lans()[lan].id()).collect();
            ids.sort();
            ids
        };
        self.zones.iter().map(ids).collect()
    }

    fn zones_of(&self, decky: DeckyId) -> BTreeSet<usize> {
        let decky = self.topology.decky(decky);
        let places = decky.into_iter().flat_map(|decky| places(self.topology, decky));
        places.map(|(lan, _)| self.zone_of[lan]).collect()
    }
}

/// Walks the attachments of a decky: the positions of the LANs in the topology, and the addresses.
fn places<'a>(topology: &'a Topology, decky: &'a Decky) -> impl Iterator<Item = (usize, Ipv4Addr)> + 'a {
    let attachments = decky.attachments().iter();
    attachments.filter_map(|attachment| Some((topology.lan_index(attachment.lan)?, attachment.ip)))
}

/// Puts LANs that routers connect into zones; the LANs of each zone are in the order of their subnets.
fn zones(topology: &Topology) -> (Vec<usize>, Vec<Vec<usize>>) {
    let lans = topology.lans();
    let mut joined = UnionFind::<usize>::new(lans.len());
    for router in topology.deckies().iter().filter(|decky| decky.is_router()) {
        let mut places = places(topology, router).map(|(lan, _)| lan);
        if let Some(first) = places.next() {
            for other in places {
                joined.union(first, other);
            }
        }
    }
    let mut zone_of_root = vec![None; lans.len()];
    let mut count = 0;
    let zone_of: Vec<usize> = (0..lans.len())
        .map(|lan| {
            *zone_of_root[joined.find(lan)].get_or_insert_with(|| {
                count += 1;
                count - 1
            })
        })
        .collect();
    let mut by_subnet: Vec<usize> = (0..lans.len()).collect();
    by_subnet.sort_by_key(|&lan| (lans[lan].subnet().network(), lans[lan].subnet().prefix_len()));
    let mut zones = vec![Vec::new(); count];
    for lan in by_subnet {
        zones[zone_of[lan]].push(lan);
    }
    (zone_of, zones)
}
