use std::{cmp::Reverse, collections::BinaryHeap};

use petgraph::graph::NodeIndex;

use crate::{graph::Graph, model::Lan};

/// How an intruder reaches each LAN, by its position in the topology.
#[derive(Debug, Clone)]
pub(super) struct Compromises(Vec<Option<Reached>>);

/// The cheapest path to a LAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reached {
    pub(super) compromises: usize,
    /// The number of deckies on the path.
    pub(super) crossings: usize,
    /// The positions of the last decky on the path and of the LAN before it; none for a DMZ.
    pub(super) from: Option<(usize, usize)>,
}

impl Compromises {
    /// Searches from the DMZ, the cheapest LANs first. The first LAN on which a decky is found is the cheapest from which it can be
    /// crossed, so each decky is crossed once.
    pub(super) fn new(graph: &Graph<'_>) -> Self {
        let (lans, deckies) = (graph.topology.lans(), graph.topology.deckies());
        let mut found = vec![None; lans.len()];
        let mut crossed = vec![false; deckies.len()];
        let outer = lans.iter().enumerate().filter(|(_, lan)| Lan::is_dmz(lan));
        let mut queue: BinaryHeap<_> = outer.map(|(lan, _)| Reverse((0, 0, lan, None))).collect();
        while let Some(Reverse((compromises, crossings, lan, from))) = queue.pop() {
            if found[lan].is_some() {
                continue;
            }
            found[lan] = Some(Reached {
                compromises,
                crossings,
                from,
            });
            for node in graph.maze.neighbors(NodeIndex::new(lan)) {
                let decky = node.index() - lans.len();
                if std::mem::replace(&mut crossed[decky], true) {
                    continue;
                }
                let cost = usize::from(!deckies[decky].is_router());
                for other in graph.maze.neighbors(node).map(NodeIndex::index) {
                    if found[other].is_none() {
                        queue.push(Reverse((compromises + cost, crossings + 1, other, Some((decky, lan)))));
                    }
                }
            }
        }
        Self(found)
    }

    /// Returns the cheapest path to the LAN at a position.
    pub(super) fn lan(&self, at: usize) -> Option<Reached> {
        self.0[at]
    }
}
