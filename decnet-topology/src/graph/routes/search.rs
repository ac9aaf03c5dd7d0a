use std::ops::Range;

use super::{
    adjacency::Adjacency,
    order::{Order, Stretch},
};

/// A search through the routed maze, breadth first. Its buffers are reused for every decky.
#[derive(Debug)]
pub(super) struct Search {
    adjacency: Adjacency,
    /// What each LAN and router represents, in the order of positions: LANs first, then routers.
    found_with: Vec<(Range<u32>, u32)>,
    /// The search that found a LAN or router last.
    found: Vec<u32>,
    number: u32,
    /// The address on the decky's LANs over which each was found; none for these LANs themselves.
    via: Vec<Option<u32>>,
    /// LANs, in the order in which they were found.
    queue: Vec<u32>,
}

impl Search {
    /// Prepares a search. `found_with` has the places of the LANs that each LAN and router represents.
    pub(super) fn new(adjacency: Adjacency, found_with: Vec<(Range<u32>, u32)>) -> Self {
        let count = adjacency.lan_count() + adjacency.router_count();
        Self {
            adjacency,
            found_with,
            found: vec![0; count],
            number: 0,
            via: vec![None; count],
            queue: Vec::new(),
        }
    }

    /// Prepares a search in which each LAN represents itself.
    pub(super) fn of_lans(adjacency: Adjacency, order: &Order) -> Self {
        let places = (0..).zip(&order.lan_at).map(|(place, &lan)| (place..place + 1, lan));
        Self::new(adjacency, places.collect())
    }

    /// Finds, for each LAN in the zones, the router on one of the decky's own LANs that packets go to.
    ///
    /// The adjacent routers are tried in order of preference. The queue keeps that order in every layer, so the first path found
    /// to a LAN is the preferred one of the shortest. No path uses `except`.
    pub(super) fn ways_from(
        &mut self,
        (home, others): (&[u32], &[u32]),
        except: Option<u32>,
        zones: impl IntoIterator<Item = Range<u32>>,
        ways: &mut Vec<Stretch>,
    ) {
        self.number += 1;
        self.queue.clear();
        for &lan in home.iter().chain(others) {
            self.found[lan as usize] = self.number;
            self.via[lan as usize] = None;
        }
        if let Some(router) = except {
            let at = self.adjacency.lan_count() + router as usize;
            self.found[at] = self.number;
            self.via[at] = None;
        }
        let routers = |lans: &[u32]| {
            lans.iter()
                .flat_map(|&lan| self.adjacency.routers_of(lan))
                .copied()
                .collect()
        };
        let (mut near, mut elsewhere): (Vec<_>, Vec<_>) = (routers(home), routers(others));
        near.sort_unstable();
        elsewhere.sort_unstable();
        for router in near.into_iter().chain(elsewhere) {
            self.cross(router.number, router.address);
        }
        let mut next = 0;
        while let Some(&lan) = self.queue.get(next) {
            next += 1;
            let Some(via) = self.via[lan as usize] else { continue };
            for at in 0..self.adjacency.routers_of(lan).len() {
                self.cross(self.adjacency.routers_of(lan)[at].number, via);
            }
        }
        for zone in zones {
            let start = self.found_with.partition_point(|(places, _)| places.start < zone.start);
            let here = self.found_with[start..].iter();
            let here = here.take_while(|(places, _)| places.start < zone.end);
            ways.extend(here.filter_map(|(places, one)| {
                let is_found = self.found[*one as usize] == self.number;
                let via = self.via[*one as usize].filter(|_| is_found)?;
                Some(Stretch {
                    places: places.clone(),
                    via,
                })
            }));
        }
    }

    /// Visits the LANs of a router, unless an earlier path already did.
    fn cross(&mut self, router: u32, via: u32) {
        let at = self.adjacency.lan_count() + router as usize;
        if std::mem::replace(&mut self.found[at], self.number) == self.number {
            return;
        }
        self.via[at] = Some(via);
        for lan in self.adjacency.lans_of(router) {
            let lan = lan.number;
            if std::mem::replace(&mut self.found[lan as usize], self.number) != self.number {
                self.via[lan as usize] = Some(via);
                self.queue.push(lan);
            }
        }
    }
}
