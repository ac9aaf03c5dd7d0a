//! The placement of a maze on the members of a fleet.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use decnet_benches::{Limit, Table, maze, repeat};
use decnet_topology::{
    Distribution, GenericUuid, Member, PlaceRequest, PlacementRules, Topology, TopologyId, Uuid, place,
};

const MEMBERS: u8 = 50;

/// A fleet with room for the maze and a quarter more.
fn request(maze: &Topology, distribution: Distribution) -> PlaceRequest {
    let deckies = u32::try_from(maze.deckies().len()).expect("few");
    let capacity = (deckies * 5 / 4).div_ceil(u32::from(MEMBERS)).max(2);
    let members = (1..=MEMBERS).map(|number| {
        let name = format!("host-{number}").parse().expect("a DNS label");
        Member::new(name, capacity, [192, 0, 2, number].into(), 1500).labelled("public".parse().expect("a DNS label"))
    });
    let id = TopologyId::from_untyped_uuid(Uuid::from_u128(1));
    PlaceRequest::new(id, members).with_rules(PlacementRules::default().distribute(distribution))
}

fn all(criterion: &mut Criterion) {
    let mut table = Table::new("place on 50 members", "");
    for lans in [10, 100, 1_000, 4_000] {
        let maze = maze(lans);
        for (kind, distribution) in [("pack", Distribution::Pack), ("spread", Distribution::Spread)] {
            let request = request(&maze, distribution);
            let run = repeat(|| place(black_box(&maze), &request).expect("there is room"));
            table.measure(criterion, kind, &maze, run);
        }
        let request = request(&maze, Distribution::Pack);
        let placement = place(&maze, &request).expect("there is room");
        let request = request.after(placement);
        table.measure(
            criterion,
            "again",
            &maze,
            repeat(|| place(black_box(&maze), &request).expect("it stays")),
        );
    }
    table.also(Limit::Milliseconds(50.0));
    table.finish().expect("the results are written");
}

criterion_group!(benches, all);
criterion_main!(benches);
