//! The routes of all deckies.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hint::black_box,
};

use criterion::{Criterion, criterion_group, criterion_main};
use decnet_benches::{Limit, Table, maze, repeat};
use decnet_topology::{Lan, LanId, Topology, graph::Graph};

/// Which LANs each LAN is joined to by routers, by their places in the maze.
fn neighbours(maze: &Topology) -> Vec<Vec<usize>> {
    let places: HashMap<LanId, usize> = maze.lans().iter().map(Lan::id).zip(0..).collect();
    let mut neighbours = vec![Vec::new(); places.len()];
    for router in maze.deckies().iter().filter(|decky| decky.is_router()) {
        let joined: Vec<usize> = router.attachments().iter().map(|at| places[&at.lan]).collect();
        for one in &joined {
            neighbours[*one].extend(joined.iter().filter(|other| *other != one));
        }
    }
    neighbours
}

/// Searches breadth first from one LAN, and returns how many it finds.
fn search(neighbours: &[Vec<usize>], from: usize, seen: &mut [usize], mark: usize) -> usize {
    let mut queue = VecDeque::from([from]);
    seen[from] = mark;
    let mut found = 0;
    while let Some(lan) = queue.pop_front() {
        found += 1;
        for &next in &neighbours[lan] {
            if seen[next] != mark {
                seen[next] = mark;
                queue.push_back(next);
            }
        }
    }
    found
}

/// Makes one search for each component that routers join.
fn once_a_component(maze: &Topology) -> usize {
    let neighbours = neighbours(maze);
    let mut seen = vec![0; neighbours.len()];
    let mut components = 0;
    for lan in 0..neighbours.len() {
        if seen[lan] == 0 {
            components += 1;
            search(&neighbours, lan, &mut seen, components);
        }
    }
    components
}

/// Makes one search for each set of LANs that deckies stand on, which is how many different tables of routes there are.
fn once_a_table(maze: &Topology) -> usize {
    let neighbours = neighbours(maze);
    let mut homes = BTreeMap::new();
    for decky in maze.deckies() {
        let lans: Vec<_> = decky.attachments().iter().map(|at| at.lan).collect();
        homes.entry(lans).or_insert_with(|| decky.home());
    }
    let mut seen = vec![0; neighbours.len()];
    let homes = homes.into_values().flatten();
    let places = homes.filter_map(|home| maze.lan_index(home.lan));
    let found = places
        .zip(1..)
        .map(|(lan, mark)| search(&neighbours, lan, &mut seen, mark));
    found.sum()
}

fn benches(criterion: &mut Criterion) {
    let floor = "one breadth-first search per router component";
    let mut table = Table::new("graph.routes", floor).limit(Limit::Ratio(3.0));
    let mut by_table = Table::new(
        "graph.routes, by table",
        "one breadth-first search, nothing written down, per different set of LANs that deckies stand on",
    );
    for lans in [10, 100, 1_000, 4_000] {
        let maze = maze(lans);
        let routes = || Graph::new(black_box(&maze)).routes();
        let length: usize = routes().values().map(|routes| routes.len()).sum();
        println!("{length} routes in all");
        table.compare(criterion, &maze, repeat(routes), repeat(|| once_a_component(&maze)));
        by_table.compare(criterion, &maze, repeat(routes), repeat(|| once_a_table(&maze)));
    }
    table.finish().expect("the results are written");
    by_table.finish().expect("the results are written");
}

criterion_group!(group, benches);
criterion_main!(group);
