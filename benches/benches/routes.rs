//! The routes of all deckies.

use std::{collections::HashSet, hint::black_box, mem};

use criterion::{Criterion, criterion_group, criterion_main};
use decnet_benches::{Limit, Table, maze, repeat};
use decnet_topology::{Decky, Graph, Topology};
use foldhash::fast::FixedState;

/// The LANs that routers connect to each LAN, by their positions in the maze: concatenated lists.
struct Joined {
    /// The start of the list of each LAN, and the end of the last list.
    starts: Vec<u32>,
    lans: Vec<u32>,
}

impl Joined {
    fn new(maze: &Topology) -> Self {
        let routers = || maze.deckies().iter().filter(|decky| decky.is_router());
        let mut starts = vec![0; maze.lans().len() + 1];
        for router in routers() {
            let others = index(router.attachments().len() - 1);
            places(maze, router).for_each(|lan| starts[lan as usize] += others);
        }
        let mut end = 0;
        for start in &mut starts {
            end += *start;
            *start = end;
        }
        // Each list is filled from its end; its start is where the last item was written.
        let mut lans = vec![0; end as usize];
        for router in routers() {
            for one in places(maze, router) {
                for other in places(maze, router).filter(|other| *other != one) {
                    starts[one as usize] -= 1;
                    lans[starts[one as usize] as usize] = other;
                }
            }
        }
        Self { starts, lans }
    }

    fn to(&self, lan: u32) -> &[u32] {
        let lan = lan as usize;
        &self.lans[self.starts[lan] as usize..self.starts[lan + 1] as usize]
    }
}

fn index(place: usize) -> u32 {
    u32::try_from(place).expect("there are fewer parts")
}

/// Walks the positions of a decky's LANs, home first.
fn places(maze: &Topology, decky: &Decky) -> impl Iterator<Item = u32> {
    let places = decky.attachments().iter().filter_map(|at| maze.lan_index(at.lan));
    places.map(index)
}

/// Searches that mark the found LANs with the number of the search.
struct Searches {
    joined: Joined,
    seen: Vec<u32>,
    queue: Vec<u32>,
}

impl Searches {
    fn new(maze: &Topology) -> Self {
        Self {
            joined: Joined::new(maze),
            seen: vec![0; maze.lans().len()],
            queue: Vec::with_capacity(maze.lans().len()),
        }
    }

    /// Searches breadth first from one LAN, and returns the number of found LANs.
    fn search(&mut self, from: u32, mark: u32) -> usize {
        self.queue.clear();
        self.queue.push(from);
        self.seen[from as usize] = mark;
        let mut next = 0;
        while let Some(&lan) = self.queue.get(next) {
            next += 1;
            for &other in self.joined.to(lan) {
                if self.seen[other as usize] != mark {
                    self.seen[other as usize] = mark;
                    self.queue.push(other);
                }
            }
        }
        next
    }
}

/// Makes one search for each distinct set of LANs of deckies, which is the number of distinct route tables.
fn once_per_table(maze: &Topology) -> usize {
    let mut searches = Searches::new(maze);
    let mut is_alone_on = vec![false; maze.lans().len()];
    let mut on_several = HashSet::with_hasher(FixedState::default());
    let (mut found, mut tables) = (0, 0);
    for decky in maze.deckies() {
        let Some(home) = places(maze, decky).next() else {
            continue;
        };
        let is_new = if decky.is_bridge() {
            on_several.insert(places(maze, decky).collect::<Vec<_>>())
        } else {
            !mem::replace(&mut is_alone_on[home as usize], true)
        };
        if is_new {
            tables += 1;
            found += searches.search(home, tables);
        }
    }
    found
}

/// Makes all deckies with several LANs forward, so that the routed maze has cycles.
fn with_cycles(maze: Topology) -> Topology {
    let (lans, deckies) = maze.into_parts();
    let deckies = deckies.into_iter().map(|decky| {
        let forwards = decky.forwards_l3() || decky.is_bridge();
        decky.forwarding(forwards)
    });
    Topology::new(lans, deckies.collect()).expect("names and ids are unchanged")
}

fn benches(criterion: &mut Criterion) {
    let floor = "one breadth-first search, without its routes, for each different table";
    let mut table = Table::new("graph.routes", floor).limit(Limit::Ratio(3.0));
    let trees = [10, 100, 1_000, 4_000].map(|lans| ("", maze(lans)));
    let cyclic = [1_000, 4_000].map(|lans| ("with cycles", with_cycles(maze(lans))));
    for (kind, maze) in trees.into_iter().chain(cyclic) {
        let routes = || Graph::new(black_box(&maze)).routes();
        let length: usize = routes().values().map(|routes| routes.len()).sum();
        println!("{length} routes in all");
        table.compare_kind(criterion, kind, &maze, repeat(routes), repeat(|| once_per_table(&maze)));
    }
    table.finish().expect("the results are written");
}

criterion_group!(group, benches);
criterion_main!(group);
