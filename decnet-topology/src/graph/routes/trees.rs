use std::{iter, ops::Range};

use super::{
    adjacency::{Adjacency, Neighbour, index},
    order::{Order, Stretch},
};
use crate::graph::Graph;

/// The routed maze, split into trees and cores.
///
/// LANs with one router, and routers with one remaining LAN, are removed repeatedly. The rest of a zone is one LAN or router,
/// which is the root of a tree, or its **core**, which has cycles. In a tree there is one path to every destination, so no search
/// is needed: down to the subtree, and up to the rest.
///
/// LANs and routers share one numbering: first the LANs, then the routers.
#[derive(Debug)]
pub(super) struct Trees {
    lan_count: u32,
    /// For each, its parent; none for roots and in the core.
    above: Vec<Option<u32>>,
    /// For each, the positions of the LANs in its subtree, including itself: ascending.
    below: Vec<Vec<Range<u32>>>,
    /// For each, whether it is in the core.
    in_core: Vec<bool>,
}

impl Trees {
    pub(super) fn new(adjacency: &Adjacency, order: &Order) -> Self {
        let (lan_count, router_count) = (index(adjacency.lan_count()), index(adjacency.router_count()));
        let lans = order
            .place_of
            .iter()
            .map(|&place| iter::once(place..place + 1).collect());
        let routers = (0..router_count).map(|_| Vec::new());
        let count = (lan_count + router_count) as usize;
        let mut trees = Self {
            lan_count,
            above: vec![None; count],
            below: lans.chain(routers).collect(),
            in_core: vec![false; count],
        };
        let neighbours = |one: u32| trees_neighbours(adjacency, lan_count, one);
        let mut left: Vec<usize> = (0..index(count)).map(|one| neighbours(one).count()).collect();
        let mut is_gone = vec![false; count];
        let mut ends: Vec<u32> = (0..index(count)).filter(|&one| left[one as usize] == 1).collect();
        let mut next = 0;
        while let Some(&end) = ends.get(next) {
            next += 1;
            // No neighbour is left if it is the last of its zone.
            let Some(above) = neighbours(end).find(|&above| !is_gone[above as usize]) else {
                continue;
            };
            is_gone[end as usize] = true;
            trees.above[end as usize] = Some(above);
            join(&mut trees.below[end as usize]);
            let below = trees.below[end as usize].clone();
            trees.below[above as usize].extend(below);
            left[above as usize] -= 1;
            if left[above as usize] == 1 {
                ends.push(above);
            }
        }
        for one in (0..count).filter(|&one| !is_gone[one]) {
            join(&mut trees.below[one]);
            trees.in_core[one] = left[one] > 1;
        }
        trees
    }

    /// Returns whether a LAN is in the core.
    pub(super) fn is_lan_in_core(&self, lan: u32) -> bool {
        self.in_core[lan as usize]
    }

    /// Returns only the core.
    pub(super) fn core(&self, adjacency: &Adjacency) -> Adjacency {
        adjacency.of_those(
            |lan| self.in_core[lan as usize],
            |router| self.in_core[(self.lan_count + router) as usize],
        )
    }

    /// Lists the subtrees of each part of the core, in the order of positions.
    pub(super) fn hanging_from_core(&self) -> Vec<(Range<u32>, u32)> {
        let core = (0..).zip(&self.below).filter(|(one, _)| self.in_core[*one as usize]);
        let mut hanging: Vec<_> = core
            .flat_map(|(one, below)| below.iter().map(move |places| (places.clone(), one)))
            .collect();
        hanging.sort_unstable_by_key(|(places, _)| places.start);
        hanging
    }

    /// Lists the paths over the routers on a LAN that are its parent or its children, but not over `except`. If the LAN is not in
    /// the core, these are all paths.
    pub(super) fn ways_from(
        &self,
        lan: u32,
        except: Option<u32>,
        (graph, order): (&Graph<'_>, &Order),
        adjacency: &Adjacency,
        ways: &mut Vec<Stretch>,
    ) {
        for &Neighbour { address: via, number } in adjacency.routers_of(lan) {
            if except == Some(number) {
                continue;
            }
            let router = self.lan_count + number;
            if self.above[router as usize] == Some(lan) {
                let below = &self.below[router as usize];
                ways.extend(below.iter().cloned().map(|places| Stretch { places, via }));
            } else if self.above[lan as usize] == Some(router) {
                let zone = order.zone(graph.zone_of[lan as usize]);
                let rest = without(zone, &self.below[lan as usize]);
                ways.extend(rest.map(|places| Stretch { places, via }));
            }
        }
    }
}

fn trees_neighbours(adjacency: &Adjacency, lan_count: u32, one: u32) -> impl Iterator<Item = u32> {
    let (list, first) = match one.checked_sub(lan_count) {
        Some(router) => (adjacency.lans_of(router), 0),
        None => (adjacency.routers_of(one), lan_count),
    };
    list.iter().map(move |neighbour| first + neighbour.number)
}

/// Sorts ranges, and merges adjacent ones.
fn join(ranges: &mut Vec<Range<u32>>) {
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, range| {
        let goes_on = range.end == next.start;
        if goes_on {
            range.end = next.end;
        }
        goes_on
    });
    ranges.shrink_to_fit();
}

/// Walks the parts of a range that remain without some subranges, which are in order.
fn without(whole: Range<u32>, parts: &[Range<u32>]) -> impl Iterator<Item = Range<u32>> {
    let starts = [whole.start].into_iter().chain(parts.iter().map(|part| part.end));
    let ends = parts.iter().map(|part| part.start).chain([whole.end]);
    starts
        .zip(ends)
        .map(|(start, end)| start..end)
        .filter(|left| !left.is_empty())
}
