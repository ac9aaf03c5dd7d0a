//! Drawing and routing mazes: the time per decky stays the same from 100 to 100 000 deckies.

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use decnet_topology::{Catalog, Topology, TopologyConfig, generate::generate, graph::Graph};

/// Finds a config whose maze has about so many deckies: two a LAN, in a tree of at most three children each.
fn config(deckies: usize) -> TopologyConfig {
    let distance = |config: &TopologyConfig| maze(config).deckies().len().abs_diff(deckies);
    // The mean LAN has two children: 2^(depth + 1) LANs.
    let depth = u8::try_from((deckies / 2).max(2).ilog2()).expect("depth");
    let configs = (0..24).map(|seed| {
        TopologyConfig::builder("bench", depth, 3)
            .deckies_per_lan(2, 2)
            .cross_edge_probability(0.1)
            .base("0.0.0.0/0")
            .seed(seed)
            .build()
            .expect("config")
    });
    configs.min_by_key(distance).expect("a config")
}

fn maze(config: &TopologyConfig) -> Topology {
    generate(config, &Catalog::builtin(), &[]).expect("maze")
}

fn generating(criterion: &mut Criterion) {
    let catalog = Catalog::builtin();
    let mut group = criterion.benchmark_group("generate");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    for deckies in [100, 1_000, 10_000, 100_000] {
        let config = config(deckies);
        let drawn = maze(&config).deckies().len();
        group.throughput(Throughput::Elements(drawn as u64));
        group.bench_with_input(BenchmarkId::from_parameter(drawn), &config, |bencher, config| {
            bencher.iter(|| generate(black_box(config), &catalog, &[]));
        });
    }
    group.finish();
}

fn routing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("routes");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    for deckies in [100, 1_000, 8_000] {
        let topology = maze(&config(deckies));
        group.throughput(Throughput::Elements(topology.deckies().len() as u64));
        let name = format!("{} LANs, {} deckies", topology.lans().len(), topology.deckies().len());
        group.bench_with_input(BenchmarkId::from_parameter(name), &topology, |bencher, topology| {
            bencher.iter(|| Graph::new(black_box(topology)).routes());
        });
    }
    group.finish();
}

criterion_group!(benches, generating, routing);
criterion_main!(benches);
