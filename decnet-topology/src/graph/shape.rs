use std::collections::BTreeSet;

use petgraph::{algo::articulation_points::articulation_points, graph::NodeIndex};

use crate::{
    graph::{Graph, GraphNode},
    id::{DeckyId, LanId},
    model::{Decky, Lan},
};

/// The places where the maze splits if one decky or LAN is removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChokePoints {
    /// Deckies whose removal disconnects LANs.
    pub deckies: Vec<DeckyId>,
    /// LANs whose removal disconnects bridge deckies.
    pub lans: Vec<LanId>,
}

impl Graph<'_> {
    /// Returns the LANs by their distance from the DMZ (of several, the first), counted in bridge deckies: the DMZ itself, the
    /// adjacent LANs, and so on. Disconnected LANs are not included; see [`orphan_lans`](Self::orphan_lans).
    pub fn layers(&self) -> Vec<Vec<LanId>> {
        let mut layers: Vec<Vec<LanId>> = Vec::new();
        for (lan, depth) in self.topology.lans().iter().zip(self.depths()) {
            if let Some(depth) = depth {
                if layers.len() <= depth {
                    layers.resize_with(depth + 1, Vec::new);
                }
                layers[depth].push(lan.id());
            }
        }
        layers
    }

    /// Returns the number of bridge deckies between the DMZ and a LAN; none if they are not connected. It searches the whole
    /// maze; for all LANs, [`layers`](Self::layers) is cheaper.
    pub fn depth(&self, lan: LanId) -> Option<usize> {
        self.depths()[self.topology.lan_index(lan)?]
    }

    /// Returns the LANs that no chain of bridge deckies connects to the DMZ; all LANs if there is no DMZ.
    pub fn orphan_lans(&self) -> Vec<LanId> {
        let lans = self.topology.lans().iter().zip(self.depths());
        lans.filter(|(_, depth)| depth.is_none())
            .map(|(lan, _)| lan.id())
            .collect()
    }

    /// Returns the deckies without attachments.
    pub fn orphan_deckies(&self) -> Vec<DeckyId> {
        let deckies = self.topology.deckies().iter();
        deckies
            .filter(|decky| decky.attachments().is_empty())
            .map(Decky::id)
            .collect()
    }

    /// Returns the groups of LANs that bridge deckies connect, in the order of their first LANs.
    pub fn components(&self) -> Vec<Vec<LanId>> {
        let lans = self.topology.lans();
        let mut found = vec![None; lans.len()];
        let mut crossed = self.none_crossed();
        let mut components = Vec::new();
        for start in 0..lans.len() {
            if found[start].is_none() {
                let mut component: Vec<usize> = self.search(start, &mut found, &mut crossed);
                component.sort_unstable();
                components.push(component.into_iter().map(|lan| lans[lan].id()).collect());
            }
        }
        components
    }

    /// Finds the articulation points of the graph of LANs and bridge deckies.
    pub fn choke_points(&self) -> ChokePoints {
        let bridges_only = self.maze.filter_map(
            |at, node| match node {
                GraphNode::Lan(_) => Some(*node),
                GraphNode::Decky(_) => (self.maze.neighbors(at).count() > 1).then_some(*node),
            },
            |_, _| Some(()),
        );
        let points: BTreeSet<GraphNode> = articulation_points(&bridges_only)
            .into_iter()
            .map(|at| bridges_only[at])
            .collect();
        let mut chokes = ChokePoints::default();
        for point in points {
            match point {
                GraphNode::Lan(lan) => chokes.lans.push(lan),
                GraphNode::Decky(decky) => chokes.deckies.push(decky),
            }
        }
        chokes
    }

    /// Returns the distance of each LAN from the DMZ, in bridge deckies.
    pub(super) fn depths(&self) -> Vec<Option<usize>> {
        let lans = self.topology.lans();
        let mut depths = vec![None; lans.len()];
        if let Some(dmz) = lans.iter().position(Lan::is_dmz) {
            self.search(dmz, &mut depths, &mut self.none_crossed());
        }
        depths
    }

    fn none_crossed(&self) -> Vec<bool> {
        vec![false; self.topology.deckies().len()]
    }

    /// Searches the maze from a LAN, breadth first. Records the distance of each LAN, and returns the positions of those found.
    fn search(&self, start: usize, depths: &mut [Option<usize>], crossed: &mut [bool]) -> Vec<usize> {
        depths[start] = Some(0);
        let mut queue = vec![start];
        let mut next = 0;
        while let Some(&lan) = queue.get(next) {
            next += 1;
            let further = depths[lan].map(|depth| depth + 1);
            for decky in self.maze.neighbors(NodeIndex::new(lan)) {
                if std::mem::replace(&mut crossed[decky.index() - depths.len()], true) {
                    continue;
                }
                for other in self.maze.neighbors(decky) {
                    if depths[other.index()].is_none() {
                        depths[other.index()] = further;
                        queue.push(other.index());
                    }
                }
            }
        }
        queue
    }
}
