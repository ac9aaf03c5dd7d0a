//! The memory of a maze, and time and memory per decky as mazes grow.

use criterion::{Criterion, criterion_group, criterion_main};
use decnet_benches::{Limit, Table, drawn, machine, maze, of_kind, plain, repeat};
use decnet_topology::{
    AddDecky, Catalog, Decky, Draft, Mutation, MutationContext, RuleSet, Stage, SubnetPool, Syntax, Topology, apply,
    canonical_hash, document, generate, validate,
};

/// The sizes grow tenfold in this many steps.
const DECKIES: [u32; 4] = [100, 1_000, 10_000, 100_000];
/// The total number of deckies in memory during a measurement: large enough that single pages do not matter.
const MEASURED: usize = 200_000;
/// The maximum number of rounds that fill holes in the heap.
const ROUNDS: usize = 64;
/// The number of measured rounds; the median counts, because glibc may keep or release recently freed memory.
const COUNTED: usize = 5;

const NO_RSS: &str = "there is no /proc/self/status with RssAnon";
const NEVER_FULL: &str = "the holes in the heap were not filled";

/// Returns the memory of a maze in bytes, as the system counts it, or why it cannot be measured.
///
/// Each maze is created from one parsed document, because a clone would share its workloads. The document stays in memory,
/// because short-lived allocations between the mazes would leave holes. The first mazes fill existing holes. Neither they nor the
/// round with the last of them are counted.
#[expect(clippy::cast_precision_loss, reason = "fewer bytes than 2^53")]
fn resident(maze: &Topology) -> Result<f64, &'static str> {
    let mut draft = Draft::from(maze);
    draft.header.name = "bench".into();
    let text = document::print(&draft, Syntax::Json);
    let draft = document::parse(text, Syntax::Json).expect("it was printed");
    let catalog = Catalog::builtin();
    // Its clone does not share pages with short-lived allocations, and keeps the workloads.
    let create = |_| {
        draft
            .resolve(&catalog, &SubnetPool::default())
            .expect("the document is complete")
            .clone()
    };
    let copies = MEASURED.div_ceil(maze.deckies().len()).max(2);
    let least = copies * maze.deckies().len() * size_of::<Decky>();
    let mut kept: Vec<Vec<Topology>> = Vec::new();
    let mut round = || -> Result<u64, &str> {
        let before = machine::resident().ok_or(NO_RSS)?;
        kept.push((0..copies).map(create).collect());
        let after = machine::resident().ok_or(NO_RSS)?;
        Ok(after.saturating_sub(before))
    };
    for _ in 0..ROUNDS {
        if round()? >= least as u64 {
            let mut grown = (0..COUNTED).map(|_| round()).collect::<Result<Vec<_>, _>>()?;
            grown.sort_unstable();
            return Ok(grown[COUNTED / 2] as f64 / copies as f64);
        }
    }
    Err(NEVER_FULL)
}

#[expect(clippy::cast_precision_loss, reason = "fewer bytes than 2^53")]
fn memory() {
    let mut table = Table::new(
        "memory",
        "the bytes of its names, services, configuration and addresses",
    )
    .bytes();
    table = table.limit(Limit::Ratio(3.0));
    let uniform = DECKIES.iter().map(|deckies| ("", maze(deckies / 2)));
    let varied = DECKIES.iter().map(|deckies| ("drawn", drawn(deckies / 2).1));
    for (kind, maze) in uniform.chain(varied) {
        let what = of_kind(kind, &maze);
        match resident(&maze) {
            Ok(bytes) => table.push(what, maze.deckies().len(), bytes, Some(plain::bytes(&maze) as f64)),
            Err(why) => println!("{what}: memory is not measured: {why}"),
        }
    }
    if !table.rows.is_empty() {
        table.finish().expect("the results are written");
    }
}

fn growth(criterion: &mut Criterion) {
    let catalog = Catalog::builtin();
    let new = |subject: &str| Table::new(&format!("growth, {subject}"), "");
    let [mut draw, mut judge, mut hash, mut parse, mut print, mut change] =
        ["generate", "validate", "hash", "parse", "print", "apply"].map(new);
    for deckies in DECKIES {
        let (config, drawn) = drawn(deckies / 2);
        draw.measure(
            criterion,
            "",
            &drawn,
            repeat(|| generate(&config, &catalog, &[]).expect("there are enough subnets")),
        );
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
        parse.measure(
            criterion,
            "",
            &maze,
            repeat(|| document::parse(&text, Syntax::Json).expect("the text was printed by the same version")),
        );
        print.measure(criterion, "", &maze, repeat(|| document::print(&draft, Syntax::Json)));
        let name = |text: &str| text.parse().expect("a DNS label");
        let add = Mutation::from(AddDecky::new(name("guest"), name("LAN-00007")).services(["ssh"]));
        let context = MutationContext::new(&catalog, Stage::Live);
        change.measure(
            criterion,
            "",
            &maze,
            repeat(|| apply(&maze, &add, &context).expect("it is legal")),
        );
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
