//! The routes that a maze implies.

mod adjacency;
mod aggregate;
mod order;
mod route;
mod search;
mod trees;

use std::{collections::BTreeMap, ops::Range, sync::Arc};

pub use self::route::Route;

use self::{
    adjacency::{Adjacency, index},
    order::{Order, Stretch},
    search::Search,
    trees::Trees,
};
use crate::{
    graph::{Graph, places},
    id::DeckyId,
    model::Decky,
};

impl Graph<'_> {
    /// Returns the routes that every decky needs, including routers: one to each LAN that it reaches but is not attached to, and
    /// no others.
    ///
    /// A packet goes to the router that is nearest to the destination LAN, counted in routers. Of several nearest ones, a router
    /// on the home LAN wins, then the one with the lowest address. Every hop brings the packet nearer, so there are no loops. The
    /// return path may use other routers, so a reverse path filter on routers must be loose (RFC 3704, section 2.4).
    ///
    /// Routes are in the order of their destinations, and aggregated: neighbours with the same router are merged if the result
    /// covers exactly the same addresses. Address space that no LAN declares is never announced.
    ///
    /// Deckies that are attached to the same single LAN share their routes. A maze without cycles needs no search, and takes time
    /// in proportion to its routes. One search is made from each LAN on a cycle, and from each non-forwarding bridge decky
    /// between LANs of one zone.
    pub fn routes(&self) -> BTreeMap<DeckyId, Arc<[Route]>> {
        let mut tables = Tables::new(self);
        let mut of_lan: Vec<Option<Arc<[Route]>>> = vec![None; self.topology.lans().len()];
        let mut count = 0;
        let of_deckies = self.topology.deckies().iter().map(|decky| {
            let router = decky.is_router().then_some(count);
            count += u32::from(decky.is_router());
            let mut lans = places(self.topology, decky).map(|(lan, _)| lan);
            let table = match (lans.next(), lans.next()) {
                (Some(lan), None) => Arc::clone(of_lan[lan].get_or_insert_with(|| tables.routes(decky, router).into())),
                _ => tables.routes(decky, router).into(),
            };
            (decky.id(), table)
        });
        of_deckies.collect()
    }

    /// Returns the [routes](Self::routes) of one decky; none for an unknown one.
    ///
    /// It makes one search, and takes time and memory in proportion to the maze.
    pub fn routes_of(&self, decky: DeckyId) -> Vec<Route> {
        let Some(decky) = self.topology.decky(decky) else {
            return Vec::new();
        };
        let before = self
            .topology
            .deckies()
            .iter()
            .take_while(|other| other.id() != decky.id());
        let router = decky
            .is_router()
            .then(|| index(before.filter(|other| other.is_router()).count()));
        let order = Order::new(self);
        let lans = own_lans(self, decky);
        let zones = own_zones(self, &order, &lans);
        let mut ways = Vec::new();
        let mut search = Search::of_lans(Adjacency::new(self.topology), &order);
        search.ways_from(home_and_others(&lans), router, zones, &mut ways);
        order.routes(&mut ways)
    }
}

/// Returns the places of the LANs of a decky, home first.
fn own_lans(graph: &Graph<'_>, decky: &Decky) -> Vec<u32> {
    places(graph.topology, decky).map(|(lan, _)| index(lan)).collect()
}

/// Splits the home, which comes first, from the other LANs of a decky; none if it has no attachments.
fn home_and_others(lans: &[u32]) -> (&[u32], &[u32]) {
    lans.split_at(lans.len().min(1))
}

/// Returns the positions of the LANs in the zones of some LANs, each zone once.
fn own_zones(graph: &Graph<'_>, order: &Order, lans: &[u32]) -> Vec<Range<u32>> {
    let mut zones: Vec<usize> = lans.iter().map(|&lan| graph.zone_of[lan as usize]).collect();
    zones.sort_unstable();
    zones.dedup();
    zones.into_iter().map(|zone| order.zone(zone)).collect()
}

/// The data that is needed to build the route tables.
#[derive(Debug)]
struct Tables<'g> {
    graph: &'g Graph<'g>,
    order: Order,
    adjacency: Adjacency,
    trees: Trees,
    core: Search,
    /// The search through all of the maze, once one is made.
    whole: Option<Search>,
}

impl<'g> Tables<'g> {
    fn new(graph: &'g Graph<'g>) -> Self {
        let order = Order::new(graph);
        let adjacency = Adjacency::new(graph.topology);
        let trees = Trees::new(&adjacency, &order);
        Self {
            graph,
            core: Search::new(trees.core(&adjacency), trees.hanging_from_core()),
            whole: None,
            order,
            adjacency,
            trees,
        }
    }

    /// Builds the table of a decky. `router` is its number if it is a router.
    fn routes(&mut self, decky: &Decky, router: Option<u32>) -> Vec<Route> {
        let lans = own_lans(self.graph, decky);
        let zones = own_zones(self.graph, &self.order, &lans);
        let mut ways = Vec::new();
        // Between two LANs of one zone there are two paths to every destination. A router connects its LANs: from each of them,
        // the rest of the maze is on the other side.
        if router.is_some() || zones.len() == lans.len() {
            self.ways_from_each(&lans, router, zones, &mut ways);
        } else {
            let whole = self
                .whole
                .get_or_insert_with(|| Search::of_lans(self.adjacency.clone(), &self.order));
            whole.ways_from(home_and_others(&lans), None, zones, &mut ways);
        }
        self.order.routes(&mut ways)
    }

    fn ways_from_each(&mut self, lans: &[u32], router: Option<u32>, zones: Vec<Range<u32>>, ways: &mut Vec<Stretch>) {
        let in_core = |lan: &u32| self.trees.is_lan_in_core(*lan);
        let (home, others) = home_and_others(lans);
        let [home, others] = [home, others].map(|lans| lans.iter().copied().filter(in_core).collect::<Vec<_>>());
        if !home.is_empty() || !others.is_empty() {
            self.core.ways_from((&home, &others), router, zones, ways);
        }
        for &lan in lans {
            let around = (self.graph, &self.order);
            self.trees.ways_from(lan, router, around, &self.adjacency, ways);
        }
    }
}
