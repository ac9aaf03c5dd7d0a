use std::{collections::BTreeMap, fmt, net::Ipv4Addr, ops::Range, sync::Arc};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{
    graph::{Graph, places},
    id::DeckyId,
    model::Decky,
};

/// A router with at most so many LANs is small: the pairs of them are few enough to be written down.
const SMALL: usize = 8;

/// A route of a decky: packets to these addresses go to that router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Route {
    /// Where the packets go.
    pub destination: Ipv4Net,
    /// The router's address on a LAN that the decky shares with it.
    pub via: Ipv4Addr,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} via {}", self.destination, self.via)
    }
}

impl Graph<'_> {
    /// Returns the routes that every decky needs, routers among them: to each LAN that it reaches but is not attached to, and
    /// nothing else.
    ///
    /// A packet goes to the router that is nearest to its LAN, by the number of routers on the way; of several, to one on the home
    /// LAN, else to the one with the lowest address. Every step brings it nearer, so it never goes in circles. The way back may
    /// lead over other routers, where there are several: a reverse path filter on routers must be loose (RFC 3704, section 2.4).
    ///
    /// Routes are in the order of their destinations, and aggregated: neighbours with the same router become one where
    /// that covers exactly the same addresses. Space that no LAN declares is never announced.
    ///
    /// Deckies that are attached to the same one LAN share their routes. One search is made for each LAN of such and for each
    /// bridge decky.
    pub fn routes(&self) -> BTreeMap<DeckyId, Arc<[Route]>> {
        let mut search = Search::new(self);
        let mut of_lan: Vec<Option<Arc<[Route]>>> = vec![None; self.topology.lans().len()];
        let none: Arc<[Route]> = Arc::new([]);
        let routes = self.topology.deckies().iter().map(|decky| {
            let mut places = places(self.topology, decky).map(|(lan, _)| lan);
            let routes = match (places.next(), places.next()) {
                (None, _) => Arc::clone(&none),
                (Some(lan), None) => Arc::clone(of_lan[lan].get_or_insert_with(|| search.routes(decky).into())),
                _ => search.routes(decky).into(),
            };
            (decky.id(), routes)
        });
        routes.collect()
    }

    /// Returns the [routes](Self::routes) of one decky; none for one that is not there.
    pub fn routes_of(&self, decky: DeckyId) -> Vec<Route> {
        let decky = self.topology.decky(decky);
        decky.map(|decky| Search::new(self).routes(decky)).unwrap_or_default()
    }
}

/// Lists of numbers, one after the other in one piece of memory.
#[derive(Debug)]
struct Lists {
    starts: Vec<usize>,
    numbers: Vec<u32>,
}

impl Lists {
    fn new(lists: impl IntoIterator<Item = Vec<u32>>) -> Self {
        let mut made = Self {
            starts: vec![0],
            numbers: Vec::new(),
        };
        for list in lists {
            made.numbers.extend(list);
            made.starts.push(made.numbers.len());
        }
        made
    }

    fn get(&self, at: u32) -> &[u32] {
        &self.numbers[self.places(at)]
    }

    fn places(&self, at: u32) -> Range<usize> {
        self.starts[at as usize]..self.starts[at as usize + 1]
    }
}

fn index(number: usize) -> u32 {
    u32::try_from(number).expect("ids have 32 bits, so there are fewer parts")
}

/// A search through the routed maze, breadth first. What it needs is made once and used for every decky.
#[derive(Debug)]
struct Search<'g> {
    graph: &'g Graph<'g>,
    /// For each LAN, the routers on it, by their addresses there.
    routers_of_lan: Lists,
    /// For each LAN, these addresses.
    addresses_on_lan: Lists,
    /// For each router, its LANs.
    lans_of_router: Lists,
    /// For each LAN, the LANs that small routers join to it. A search mostly walks these, without a look at the routers.
    neighbours: Lists,
    /// For each LAN, the routers on it that have too many LANs to write down the neighbours of each.
    large_routers_of_lan: Lists,
    /// Which search found a LAN, and a router, last.
    lan_found: Vec<u32>,
    router_found: Vec<u32>,
    number: u32,
    /// For each LAN, the way to it from next door.
    next_door: Vec<Way>,
    /// Over which router of the decky's LANs each LAN was found.
    via: Vec<u32>,
    queue: Vec<u32>,
}

impl<'g> Search<'g> {
    fn new(graph: &'g Graph<'g>) -> Self {
        let topology = graph.topology;
        let routers: Vec<&Decky> = topology.deckies().iter().filter(|decky| decky.is_router()).collect();
        let mut on_lan: Vec<Vec<(u32, u32)>> = vec![Vec::new(); topology.lans().len()];
        for (number, router) in (0..).zip(&routers) {
            for (lan, ip) in places(topology, router) {
                on_lan[lan].push((ip.to_bits(), number));
            }
        }
        for routers in &mut on_lan {
            routers.sort_unstable();
        }
        let lans_of = |router: &Decky| places(topology, router).map(|(lan, _)| index(lan)).collect();
        let lans_of_router = Lists::new(routers.iter().map(|router| lans_of(router)));
        let sizes_of_lan = |large: bool, on: &[(u32, u32)]| -> Vec<u32> {
            let routers = on.iter().map(|&(_, router)| router);
            routers
                .filter(|&router| (lans_of_router.get(router).len() > SMALL) == large)
                .collect()
        };
        let neighbours = (0..).zip(&on_lan).map(|(lan, on)| {
            let small = sizes_of_lan(false, on).into_iter();
            let lans = small.flat_map(|router| lans_of_router.get(router).iter().copied());
            lans.filter(|&other| other != lan).collect()
        });
        Self {
            graph,
            routers_of_lan: Lists::new(on_lan.iter().map(|on| on.iter().map(|&(_, router)| router).collect())),
            addresses_on_lan: Lists::new(on_lan.iter().map(|on| on.iter().map(|&(ip, _)| ip).collect())),
            neighbours: Lists::new(neighbours),
            large_routers_of_lan: Lists::new(on_lan.iter().map(|on| sizes_of_lan(true, on))),
            lans_of_router,
            lan_found: vec![0; topology.lans().len()],
            router_found: vec![0; routers.len()],
            number: 0,
            next_door: topology.lans().iter().map(|lan| Way::to(lan.subnet())).collect(),
            via: vec![0; topology.lans().len()],
            queue: Vec::new(),
        }
    }

    fn routes(&mut self, decky: &Decky) -> Vec<Route> {
        let own: Vec<usize> = places(self.graph.topology, decky).map(|(lan, _)| lan).collect();
        self.find_ways(&own);
        let mut zones: Vec<usize> = own.iter().map(|&lan| self.graph.zone_of[lan]).collect();
        zones.sort_unstable();
        zones.dedup();
        let way = |&lan: &usize| Way {
            via: self.via[lan],
            ..self.next_door[lan]
        };
        let other = |lan: &&usize| !own.contains(lan);
        if let [zone] = zones[..] {
            return aggregate(self.graph.zones[zone].iter().filter(other).map(way));
        }
        let places = zones.iter().flat_map(|&zone| &self.graph.zones[zone]);
        let mut others: Vec<Way> = places.filter(other).map(way).collect();
        others.sort_unstable_by_key(|way| (way.network, way.prefix));
        aggregate(others)
    }

    /// Finds for each LAN the router, on one of the decky's own LANs, that packets go to.
    ///
    /// The routers next door are tried in the order of preference. The queue keeps that order in every layer, so the first way found
    /// to a LAN is the preferred one of the shortest.
    fn find_ways(&mut self, own: &[usize]) {
        self.number += 1;
        self.queue.clear();
        for &lan in own {
            self.lan_found[lan] = self.number;
        }
        let next_door = |lan: &usize| {
            let routers = self.routers_of_lan.get(index(*lan)).iter().copied();
            self.addresses_on_lan.get(index(*lan)).iter().copied().zip(routers)
        };
        let mut first: Vec<(u32, u32)> = own.iter().take(1).flat_map(next_door).collect();
        let elsewhere = first.len();
        first.extend(own.iter().skip(1).flat_map(next_door));
        first[elsewhere..].sort_unstable();
        for (address, router) in first {
            self.cross(router, address);
        }
        let mut next = 0;
        while let Some(&lan) = self.queue.get(next) {
            next += 1;
            let via = self.via[lan as usize];
            for at in self.neighbours.places(lan) {
                self.find(self.neighbours.numbers[at], via);
            }
            for at in self.large_routers_of_lan.places(lan) {
                self.cross(self.large_routers_of_lan.numbers[at], via);
            }
        }
    }

    /// Goes over a router, unless an earlier way did, to its LANs.
    fn cross(&mut self, router: u32, via: u32) {
        let found = &mut self.router_found[router as usize];
        if std::mem::replace(found, self.number) == self.number {
            return;
        }
        for at in self.lans_of_router.places(router) {
            self.find(self.lans_of_router.numbers[at], via);
        }
    }

    /// Comes to a LAN, unless an earlier way did.
    fn find(&mut self, lan: u32, via: u32) {
        let found = &mut self.lan_found[lan as usize];
        if std::mem::replace(found, self.number) != self.number {
            self.via[lan as usize] = via;
            self.queue.push(lan);
        }
    }
}

/// A route, as plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Way {
    network: u32,
    prefix: u8,
    via: u32,
}

impl Way {
    fn to(subnet: Ipv4Net) -> Self {
        Self {
            network: subnet.network().to_bits(),
            prefix: subnet.prefix_len(),
            via: 0,
        }
    }

    /// Tells whether the first bits of an address are those of the destination.
    fn holds(&self, address: u32) -> bool {
        // A shift by all bits is none: a prefix of 0 holds everything.
        (self.network ^ address)
            .checked_shr(32 - u32::from(self.prefix))
            .unwrap_or(0)
            == 0
    }

    /// Returns the subnet that this one is a half of.
    fn whole(&self) -> Option<Self> {
        let prefix = self.prefix.checked_sub(1)?;
        let low_bit = 1 << (31 - prefix);
        Some(Self {
            network: self.network & !low_bit,
            prefix,
            via: self.via,
        })
    }

    fn route(&self) -> Route {
        Route {
            destination: Ipv4Net::new_assert(Ipv4Addr::from_bits(self.network), self.prefix),
            via: Ipv4Addr::from_bits(self.via),
        }
    }
}

/// Joins routes, given in the order of their destinations, as long as the same addresses go the same way.
fn aggregate(ways: impl IntoIterator<Item = Way>) -> Vec<Route> {
    let mut joined: Vec<Way> = Vec::new();
    for way in ways {
        if let Some(last) = joined.last() {
            // Subnets that overlap are against the rules, but may be drawn: the same again, or an inner one, says nothing new.
            let same = (last.network, last.prefix) == (way.network, way.prefix);
            if same || last.via == way.via && last.prefix <= way.prefix && last.holds(way.network) {
                continue;
            }
        }
        joined.push(way);
        while let Some(whole) = joined_halves(&joined) {
            joined.truncate(joined.len() - 2);
            joined.push(whole);
        }
    }
    joined.iter().map(Way::route).collect()
}

/// Joins the last two routes, if they are the halves of a subnet that has no route of its own.
fn joined_halves(ways: &[Way]) -> Option<Way> {
    let [before @ .., low, high] = ways else { return None };
    if low.via != high.via || low.prefix != high.prefix {
        return None;
    }
    let whole = low.whole()?;
    let has_own = |own: &Way| (own.network, own.prefix) == (whole.network, whole.prefix);
    (whole.holds(high.network) && !before.last().is_some_and(has_own)).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(routes: &[(&str, u32)]) -> Vec<String> {
        let ways = routes.iter().map(|&(net, via)| Way {
            via,
            ..Way::to(net.parse().expect("subnet"))
        });
        aggregate(ways).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn halves_become_one_and_nothing_undeclared_is_announced() {
        let all = [
            ("10.0.0.0/24", 1),
            ("10.0.1.0/24", 1),
            ("10.0.2.0/25", 1),
            ("10.0.2.128/25", 1),
            ("10.0.3.0/24", 1),
        ];
        assert_eq!(joined(&all), ["10.0.0.0/22 via 0.0.0.1"]);
        let gap = [("10.0.0.0/24", 1), ("10.0.2.0/24", 1), ("10.0.3.0/24", 1)];
        assert_eq!(joined(&gap), ["10.0.0.0/24 via 0.0.0.1", "10.0.2.0/23 via 0.0.0.1"]);
        let no_halves = [("10.0.1.0/24", 1), ("10.0.2.0/24", 1)];
        assert_eq!(joined(&no_halves).len(), 2);
        let two_ways = [("10.0.0.0/24", 1), ("10.0.1.0/24", 2)];
        assert_eq!(joined(&two_ways).len(), 2);
    }

    #[test]
    fn overlapping_subnets_keep_their_ways() {
        assert_eq!(
            joined(&[("10.0.0.0/23", 1), ("10.0.0.0/24", 1), ("10.0.1.0/24", 1)]),
            ["10.0.0.0/23 via 0.0.0.1"]
        );
        assert_eq!(
            joined(&[("10.0.0.0/23", 1), ("10.0.0.0/24", 2), ("10.0.1.0/24", 2)]).len(),
            3
        );
        assert_eq!(
            joined(&[("10.0.0.0/24", 1), ("10.0.0.0/24", 2)]),
            ["10.0.0.0/24 via 0.0.0.1"]
        );
    }
}
