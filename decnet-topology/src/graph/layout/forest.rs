use std::collections::BTreeMap;

use crate::{
    graph::places,
    model::{Lan, Topology},
};

/// The deckies between two LANs, by the positions of the LANs, the smaller first. Each decky has its position and that of its home.
pub(crate) type Links = BTreeMap<(usize, usize), Vec<(usize, usize)>>;

/// The LANs as trees: each LAN below one that is nearer to the root.
pub(crate) struct Forest {
    pub(crate) parents: Vec<Option<usize>>,
    /// In the order of the topology.
    pub(crate) children: Vec<Vec<usize>>,
    /// The DMZ, and the first LAN of each part that is cut off from it.
    pub(crate) roots: Vec<usize>,
    /// Each parent before its children.
    pub(crate) order: Vec<usize>,
}

/// Finds the pairs of LANs that a decky connects: its home with each other LAN of it.
pub(crate) fn links(topology: &Topology) -> Links {
    let mut links = Links::new();
    for (at, decky) in topology.deckies().iter().enumerate() {
        let mut lans = places(topology, decky).map(|(lan, _)| lan);
        let Some(home) = lans.next() else { continue };
        for other in lans {
            let pair = (home.min(other), home.max(other));
            links.entry(pair).or_default().push((at, home));
        }
    }
    links
}

impl Forest {
    /// Searches breadth first, from the DMZ and then from each LAN that was not found.
    pub(crate) fn new(topology: &Topology, links: &Links) -> Self {
        let lans = topology.lans();
        let mut adjacent = vec![Vec::new(); lans.len()];
        for &(one, other) in links.keys() {
            adjacent[one].push(other);
            adjacent[other].push(one);
        }
        let mut found = vec![false; lans.len()];
        let mut forest = Self {
            parents: vec![None; lans.len()],
            children: vec![Vec::new(); lans.len()],
            roots: Vec::new(),
            order: Vec::with_capacity(lans.len()),
        };
        let dmz = lans.iter().position(Lan::is_dmz);
        for root in dmz.into_iter().chain(0..lans.len()) {
            if std::mem::replace(&mut found[root], true) {
                continue;
            }
            forest.roots.push(root);
            let mut next = forest.order.len();
            forest.order.push(root);
            while let Some(&lan) = forest.order.get(next) {
                next += 1;
                for &other in &adjacent[lan] {
                    if !std::mem::replace(&mut found[other], true) {
                        forest.parents[other] = Some(lan);
                        forest.children[lan].push(other);
                        forest.order.push(other);
                    }
                }
            }
        }
        forest
    }
}
