//! Generating a maze from its seed.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use decnet_benches::{Limit, SIZES, Table, drawn, repeat};
use decnet_topology::{Catalog, generate};

fn benches(criterion: &mut Criterion) {
    let catalog = Catalog::builtin();
    let mut table = Table::new("generate", "").limit(Limit::Growth(2.0));
    for lans in SIZES {
        let (config, maze) = drawn(lans);
        table.measure(
            criterion,
            "",
            &maze,
            repeat(|| generate(black_box(&config), &catalog, &[])),
        );
    }
    table.also(Limit::Milliseconds(150.0));
    table.finish().expect("the results are written");
}

criterion_group!(group, benches);
criterion_main!(group);
