//! The Rust half of `decnet-py/benches/overhead.py`: prints a seed that gives about 1 000 LANs, their exact number, and the
//! shortest time in seconds to generate, validate and hash them.

use std::time::Instant;

use decnet_topology::{Catalog, RuleSet, TopologyConfig, canonical_hash, generate, validate};

const ROUNDS: usize = 41;

fn config(seed: u64) -> TopologyConfig {
    TopologyConfig::builder("large", 9, 3)
        .deckies_per_lan(2, 4)
        .subnet_base_prefix("10.0.0.0/8")
        .cross_edge_probability(0.2)
        .seed(seed)
        .build()
        .expect("a config")
}

fn main() {
    let catalog = Catalog::builtin();
    let lans = |seed: &u64| generate(&config(*seed), &catalog, &[]).expect("a maze").lans().len();
    let seed = (0..1000).min_by_key(|seed| lans(seed).abs_diff(1000)).expect("a seed");
    let times = (0..ROUNDS).map(|_| {
        let begun = Instant::now();
        let maze = generate(&config(seed), &catalog, &[]).expect("a maze");
        assert!(validate(&maze, &catalog, RuleSet::deploy()).is_clean());
        std::hint::black_box(canonical_hash(&maze));
        // As in Python, the maze is dropped inside the measured time.
        drop(maze);
        begun.elapsed().as_secs_f64()
    });
    let least = times.min_by(f64::total_cmp).expect("a round");
    println!("{seed} {} {least}", lans(&seed));
}
