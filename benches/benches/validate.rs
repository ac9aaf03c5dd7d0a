//! Validating a maze with the rules of a deploy.

use std::{collections::HashSet, hint::black_box};

use criterion::{Criterion, criterion_group, criterion_main};
use decnet_benches::{Limit, SIZES, Table, maze, repeat};
use decnet_topology::{Catalog, Lan, RuleSet, Topology, validate};

/// Walks the model, puts each attachment into a hash set that is large enough, and sorts the subnets.
fn floor(maze: &Topology) -> usize {
    let mut seen = HashSet::with_capacity(2 * maze.deckies().len());
    let mut walked = 0;
    for decky in maze.deckies() {
        let services = decky.services().iter();
        walked += services.map(|service| service.as_str().len()).sum::<usize>();
        walked += decky.service_config().len();
        seen.extend(decky.attachments().iter().map(|at| (at.lan, at.ip)));
    }
    let mut subnets: Vec<_> = maze.lans().iter().map(Lan::subnet).collect();
    subnets.sort_unstable();
    walked + seen.len() + black_box(subnets).len()
}

fn benches(criterion: &mut Criterion) {
    let catalog = Catalog::builtin();
    let mut table = Table::new(
        "validate",
        "one walk over the model with one hash insertion per attachment, and one sort of the subnets",
    )
    .limit(Limit::Ratio(3.0));
    for lans in SIZES {
        let maze = maze(lans);
        assert_eq!(validate(&maze, &catalog, RuleSet::deploy()).findings(), []);
        table.compare(
            criterion,
            &maze,
            repeat(|| validate(black_box(&maze), &catalog, RuleSet::deploy())),
            repeat(|| floor(black_box(&maze))),
        );
    }
    table.also(Limit::Milliseconds(40.0));
    table.finish().expect("the results are written");
}

criterion_group!(group, benches);
criterion_main!(group);
