use crate::{
    graph::places,
    model::{Decky, Topology},
};

/// The neighbours in the routed maze: the routers on each LAN, and the LANs of each router. LANs are numbered by their positions
/// in the topology, routers in the order of the deckies.
#[derive(Debug, Clone)]
pub(super) struct Adjacency {
    routers_of_lan: Lists,
    lans_of_router: Lists,
}

/// A router on a LAN, or a LAN of a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Neighbour {
    /// The router's address on the LAN.
    pub(super) address: u32,
    /// The number of the router or LAN.
    pub(super) number: u32,
}

impl Adjacency {
    /// Collects the neighbours of a topology.
    pub(super) fn new(topology: &Topology) -> Self {
        let mut on_lan = vec![Vec::new(); topology.lans().len()];
        let mut of_router = Vec::new();
        let routers = topology.deckies().iter().filter(|decky| decky.is_router());
        for (number, router) in (0..).zip(routers) {
            of_router.push(lans_of(topology, router).collect());
            for (lan, ip) in places(topology, router) {
                let address = ip.to_bits();
                on_lan[lan].push(Neighbour { address, number });
            }
        }
        for routers in &mut on_lan {
            routers.sort_unstable();
        }
        Self {
            routers_of_lan: Lists::new(&on_lan),
            lans_of_router: Lists::new(&of_router),
        }
    }

    /// Removes LANs and routers. The others keep their numbers.
    pub(super) fn of_those(&self, lan: impl Fn(u32) -> bool, router: impl Fn(u32) -> bool) -> Self {
        Self {
            routers_of_lan: self.routers_of_lan.of_those(&lan, &router),
            lans_of_router: self.lans_of_router.of_those(&router, &lan),
        }
    }

    /// Counts the LANs.
    pub(super) fn lan_count(&self) -> usize {
        self.routers_of_lan.len()
    }

    /// Counts the routers.
    pub(super) fn router_count(&self) -> usize {
        self.lans_of_router.len()
    }

    /// Returns the routers on a LAN, by their addresses there.
    pub(super) fn routers_of(&self, lan: u32) -> &[Neighbour] {
        self.routers_of_lan.get(lan)
    }

    /// Returns the LANs of a router, home first.
    pub(super) fn lans_of(&self, router: u32) -> &[Neighbour] {
        self.lans_of_router.get(router)
    }
}

/// Walks the LANs of a decky, home first, with its addresses.
fn lans_of<'t>(topology: &'t Topology, decky: &'t Decky) -> impl Iterator<Item = Neighbour> + 't {
    places(topology, decky).map(|(lan, ip)| Neighbour {
        address: ip.to_bits(),
        number: index(lan),
    })
}

/// Returns a position in a list as 32 bits, which are enough for it.
pub(super) fn index(place: usize) -> u32 {
    u32::try_from(place).expect("ids have 32 bits, so there are fewer parts")
}

/// Lists of neighbours in one contiguous block of memory.
#[derive(Debug, Clone)]
struct Lists {
    starts: Vec<usize>,
    neighbours: Vec<Neighbour>,
}

impl Lists {
    fn new(lists: &[Vec<Neighbour>]) -> Self {
        let mut end = 0;
        let ends = lists.iter().map(|list| {
            end += list.len();
            end
        });
        Self {
            starts: [0].into_iter().chain(ends).collect(),
            neighbours: lists.concat(),
        }
    }

    fn of_those(&self, list: impl Fn(u32) -> bool, neighbour: impl Fn(u32) -> bool) -> Self {
        let kept = |at| {
            let all = if list(at) { self.get(at) } else { &[] };
            all.iter().filter(|other| neighbour(other.number)).copied().collect()
        };
        Self::new(&(0..index(self.len())).map(kept).collect::<Vec<_>>())
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    fn get(&self, at: u32) -> &[Neighbour] {
        &self.neighbours[self.starts[at as usize]..self.starts[at as usize + 1]]
    }
}
