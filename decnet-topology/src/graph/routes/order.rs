use std::{iter, net::Ipv4Addr, ops::Range};

use ipnet::Ipv4Subnets;

use super::{
    adjacency::index,
    aggregate::{Way, aggregate},
};
use crate::{
    graph::{Graph, Route},
    model::Topology,
};

/// Neighbours in the order of subnets, and the router that packets to them go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) places: Range<u32>,
    pub(super) via: u32,
}

/// The order of the LANs: zone by zone, the LANs of each by their subnets.
#[derive(Debug)]
pub(super) struct Order {
    /// For each position, the LAN.
    pub(super) lan_at: Vec<u32>,
    /// For each LAN, its position.
    pub(super) place_of: Vec<u32>,
    /// For each zone, the positions of its LANs.
    zones: Vec<Range<u32>>,
    /// For each position, the first and the last address.
    spans: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// For each position, the end of the run of LANs in its zone whose subnets follow each other without a gap. If any two
    /// subnets of the maze overlap (against the rules, but possible in a draft), each LAN is its own run.
    gapless_to: Vec<u32>,
}

impl Order {
    pub(super) fn new(graph: &Graph<'_>) -> Self {
        let lans = graph.topology.lans();
        let lan_at: Vec<u32> = graph.zones.iter().flatten().map(|&lan| index(lan)).collect();
        let mut place_of = vec![0; lans.len()];
        for (place, &lan) in (0..).zip(&lan_at) {
            place_of[lan as usize] = place;
        }
        let mut end = 0;
        let zones = graph.zones.iter().map(|zone| {
            let start = end;
            end += index(zone.len());
            start..end
        });
        let spans: Vec<_> = lan_at.iter().map(|&lan| span(graph.topology, lan)).collect();
        let mut order = Self {
            gapless_to: (1..=index(lans.len())).collect(),
            lan_at,
            place_of,
            zones: zones.collect(),
            spans,
        };
        if !order.has_overlaps() {
            order.join();
        }
        order
    }

    fn has_overlaps(&self) -> bool {
        let mut spans = self.spans.clone();
        spans.sort_unstable();
        spans.windows(2).any(|pair| pair[1].0 <= pair[0].1)
    }

    fn join(&mut self) {
        for zone in &self.zones {
            for place in zone.clone().rev().skip(1).map(|place| place as usize) {
                let (last, next) = (self.spans[place].1, self.spans[place + 1].0);
                if last.to_bits().checked_add(1) == Some(next.to_bits()) {
                    self.gapless_to[place] = self.gapless_to[place + 1];
                }
            }
        }
    }

    /// Returns the places of a zone's LANs.
    pub(super) fn zone(&self, zone: usize) -> Range<u32> {
        self.zones[zone].clone()
    }

    /// Builds routes from runs that do not overlap.
    pub(super) fn routes(&self, stretches: &mut Vec<Stretch>) -> Vec<Route> {
        // Most are a few ascending lists, which a stable sort merges.
        stretches.sort_by_key(|stretch| stretch.places.start);
        stretches.dedup_by(|next, stretch| {
            let goes_on = stretch.places.end == next.places.start && stretch.via == next.via;
            if goes_on {
                stretch.places.end = next.places.end;
            }
            goes_on
        });
        let mut ways: Vec<Way> = stretches.iter().flat_map(|stretch| self.ways(stretch)).collect();
        // They are in order unless they lead to several zones.
        ways.sort_by_key(|way| (way.network, way.prefix));
        aggregate(ways)
    }

    /// Covers a run exactly with the fewest subnets.
    fn ways(&self, stretch: &Stretch) -> impl Iterator<Item = Way> {
        let (end, via) = (stretch.places.end, stretch.via);
        let mut at = stretch.places.start;
        let pieces = iter::from_fn(move || {
            let start = (at < end).then_some(at)?;
            at = end.min(self.gapless_to[start as usize]);
            Some((self.spans[start as usize].0, self.spans[at as usize - 1].1))
        });
        pieces.flat_map(move |(first, last)| {
            Ipv4Subnets::new(first, last, 0).map(move |subnet| Way {
                network: subnet.addr().to_bits(),
                prefix: subnet.prefix_len(),
                via,
            })
        })
    }
}

fn span(topology: &Topology, lan: u32) -> (Ipv4Addr, Ipv4Addr) {
    let subnet = topology.lans()[lan as usize].subnet();
    (subnet.network(), subnet.broadcast())
}
