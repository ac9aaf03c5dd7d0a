//! The memory of a maze, and time and memory per decky as mazes grow.

use criterion::{Criterion, criterion_group, criterion_main};
use decnet_benches::{Limit, Table, drawn, machine, maze, of_kind, plain, repeat};
use decnet_topology::{
    Catalog, Decky, Draft, Mutation, RuleSet, Topology,
    alloc::SubnetPool,
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
/// So many rounds of mazes are made at most to fill the holes that others left.
const ROUNDS: usize = 64;
/// So many rounds are measured then, and the one in the middle counts: glibc keeps or gives back at will what was freed last.
const COUNTED: usize = 5;

const NOT_TOLD: &str = "there is no /proc/self/status with RssAnon";
const NEVER_FULL: &str = "the holes that others left are never full";

/// Returns how many bytes a maze needs, as the system counts them, or says why it cannot be told.
///
/// Each is made anew of one document that was read, for a clone would share what its deckies run; and the document stays, since what
/// comes and goes between the mazes would leave holes among them. The first ones fill the holes that others left. They are not
/// counted, nor is the round with the last of them.
#[expect(clippy::cast_precision_loss, reason = "fewer bytes than 2^53")]
fn resident(maze: &Topology) -> Result<f64, &'static str> {
    let mut draft = Draft::from(maze);
    draft.header.name = "bench".into();
    let text = document::print(&draft, Syntax::Json);
    let draft = document::parse(text, Syntax::Json).expect("it was printed");
    // Its clone lies apart from what came and went while it was made, and keeps what its deckies run.
    let anew = |_| {
        draft
            .resolve(&SubnetPool::default())
            .expect("nothing is left open")
            .clone()
    };
    let copies = MEASURED.div_ceil(maze.deckies().len()).max(2);
    let least = copies * maze.deckies().len() * size_of::<Decky>();
    let mut kept: Vec<Vec<Topology>> = Vec::new();
    let mut round = || -> Result<u64, &str> {
        let before = machine::resident().ok_or(NOT_TOLD)?;
        kept.push((0..copies).map(anew).collect());
        let after = machine::resident().ok_or(NOT_TOLD)?;
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
            repeat(|| generate(&config, &catalog, &[]).expect("there are subnets enough")),
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
            repeat(|| document::parse(&text, Syntax::Json).expect("it was printed")),
        );
        print.measure(criterion, "", &maze, repeat(|| document::print(&draft, Syntax::Json)));
        let name = |text: &str| text.parse().expect("a DNS label");
        let add = Mutation::from(AddDecky::new(name("guest"), name("LAN-00007")).services(["ssh"]));
        let context = Context::new(&catalog, Stage::Live);
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
