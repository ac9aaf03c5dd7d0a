//! The memory of a maze, and time and memory per decky as mazes grow.

use criterion::{Criterion, criterion_group, criterion_main};
use decnet_benches::{Limit, Table, Unit, drawn, machine, maze, plain, repeat};
use decnet_topology::{
    Catalog, Decky, Draft, Mutation, RuleSet, Topology,
    document::{self, Syntax},
    generate::generate,
    hash::canonical_hash,
    mutation::{AddDecky, Context, Stage, apply},
    validate::validate,
};

/// From one to the other in how many steps of ten.
const DECKIES: [u32; 4] = [100, 1_000, 10_000, 100_000];
/// So many deckies are in memory in all while that is measured: enough that single pages do not count.
const MEASURED: usize = 200_000;

/// So many rounds of copies are made at most to fill the holes that others left.
const ROUNDS: usize = 64;

/// Returns how many bytes a copy of a maze needs, as the system counts them; none if it does not.
///
/// The first copies fill the holes that others left. They are not counted, nor is the round with the last of them.
#[expect(clippy::cast_precision_loss, reason = "fewer bytes than 2^53")]
fn resident(maze: &Topology) -> Option<f64> {
    let copies = MEASURED.div_ceil(maze.deckies().len()).max(2);
    let least = copies * maze.deckies().len() * size_of::<Decky>();
    let mut kept: Vec<Vec<Topology>> = Vec::new();
    let mut is_full = false;
    for _ in 0..ROUNDS {
        let before = machine::resident()?;
        kept.push((0..copies).map(|_| maze.clone()).collect());
        let grown = machine::resident()?.saturating_sub(before);
        if is_full {
            return Some(grown as f64 / copies as f64);
        }
        is_full = grown >= least as u64;
    }
    None
}

#[expect(clippy::cast_precision_loss, reason = "fewer bytes than 2^53")]
fn memory() {
    let mut table = Table::new(
        "memory",
        "the bytes of its names, services, configuration and addresses",
    )
    .bytes();
    table = table.limit(Limit::Ratio(3.0));
    for deckies in DECKIES {
        let maze = maze(deckies / 2);
        let Some(bytes) = resident(&maze) else {
            println!("memory is not measured: there is no /proc/self/status with RssAnon");
            return;
        };
        println!("{} in use", Unit::Bytes.figure(bytes));
        let what = format!("{} LANs, {deckies} deckies", maze.lans().len());
        table.push(what, maze.deckies().len(), bytes, Some(plain::bytes(&maze) as f64));
    }
    table.finish().expect("the results are written");
}

fn growth(criterion: &mut Criterion) {
    let catalog = Catalog::builtin();
    let new = |subject: &str| Table::new(&format!("growth, {subject}"), "");
    let [mut draw, mut judge, mut hash, mut parse, mut print, mut change] =
        ["generate", "validate", "hash", "parse", "print", "apply"].map(new);
    for deckies in DECKIES {
        let (config, drawn) = drawn(deckies / 2);
        draw.measure(criterion, "", &drawn, repeat(|| generate(&config, &catalog, &[])));
        let maze = maze(deckies / 2);
        judge.measure(
            criterion,
            "",
            &maze,
            repeat(|| validate(&maze, &catalog, RuleSet::deploy())),
        );
        hash.measure(criterion, "", &maze, repeat(|| canonical_hash(&maze)));
        let mut draft = Draft::from(&maze);
        draft.header.name = "bench".into();
        let text = document::print(&draft, Syntax::Json);
        parse.measure(criterion, "", &maze, repeat(|| document::parse(&text, Syntax::Json)));
        print.measure(criterion, "", &maze, repeat(|| document::print(&draft, Syntax::Json)));
        let name = |text: &str| text.parse().expect("a DNS label");
        let add = Mutation::from(AddDecky::new(name("guest"), name("LAN-00007")).services(["ssh"]));
        let context = Context::new(&catalog, Stage::Live);
        change.measure(criterion, "", &maze, repeat(|| apply(&maze, &add, &context)));
    }
    for table in [draw, judge, hash, parse, print, change] {
        table.finish().expect("the results are written");
    }
}

fn benches(criterion: &mut Criterion) {
    memory();
    growth(criterion);
}

criterion_group!(group, benches);
criterion_main!(group);
