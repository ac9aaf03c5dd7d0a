//! Time per decky of parse, validate, apply and hash, from 100 to 100 000 deckies: it should stay flat.
//!
//! Ends with a table of validate beside its floor, the least that anything can do that looks at the whole model once. What
//! does not fit in the processor's caches is slower to reach, and the floor shows by how much.

use std::{
    collections::HashSet,
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use decnet_topology::{
    Catalog, Decky, DeckyId, Draft, Lan, LanId, Mutation, Name, RuleSet, Topology,
    document::{self, Syntax},
    hash::canonical_hash,
    model::Attachment,
    mutation::{AttachDecky, Context, Stage, apply},
    validate::validate,
};

/// A tree of LANs with two deckies each, one of which is attached to the LAN above as well.
fn maze(deckies: u32) -> Topology {
    const BASE: u32 = 10 << 24;
    let lan_count = (deckies / 2).max(1);
    let subnet = |lan: u32| BASE + lan * 64;
    let lans = (0..lan_count).map(|lan| {
        let net = format!("{}/26", std::net::Ipv4Addr::from(subnet(lan)));
        let name = format!("LAN-{lan:05}").parse().expect("a name");
        Lan::new(LanId::new(lan), name, net.parse().expect("a subnet"), lan == 0)
    });
    let at = |lan: u32, host: u32| Attachment {
        lan: LanId::new(lan),
        ip: (subnet(lan) + host).into(),
    };
    let deckies = (0..lan_count * 2).map(|decky| {
        let lan = decky / 2;
        let mut attachments = vec![at(lan, 2 + decky % 2)];
        if decky % 2 == 0 && lan > 0 {
            attachments.push(at((lan - 1) / 3, 10 + (lan - 1) % 3));
        }
        let services = if decky % 2 == 0 {
            ["ssh", "http"]
        } else {
            ["smb", "rdp"]
        };
        Decky::new(
            DeckyId::new(decky),
            format!("decky-{decky:06}").parse().expect("a name"),
        )
        .with_services(services.map(Into::into))
        .forwarding(decky % 2 == 0)
        .with_attachments(attachments)
    });
    Topology::new(lans.collect(), deckies.collect()).expect("a maze")
}

const SIZES: [u32; 5] = [100, 1_000, 8_000, 80_000, 100_000];

/// Walks the model, puts each attachment into a hash set that is large enough, and sorts the subnets.
fn floor(maze: &Topology) -> usize {
    let mut seen = HashSet::with_capacity(2 * maze.deckies().len());
    let mut walked = 0;
    for decky in maze.deckies() {
        walked += decky
            .services()
            .iter()
            .map(|service| service.as_str().len())
            .sum::<usize>();
        walked += decky.service_config().len();
        seen.extend(decky.attachments().iter().map(|at| (at.lan, at.ip)));
    }
    let mut subnets: Vec<_> = maze.lans().iter().map(Lan::subnet).collect();
    subnets.sort_unstable();
    walked + seen.len() + black_box(subnets).len()
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn by_size(criterion: &mut Criterion) {
    let catalog = Catalog::builtin();
    let mut group = criterion.benchmark_group("per_decky");
    for size in SIZES {
        let maze = maze(size);
        let report = validate(&maze, &catalog, RuleSet::deploy());
        assert_eq!(report.findings(), []);
        let mut draft = Draft::from(&maze);
        draft.header.name = "bench".into();
        let text = document::print(&draft, Syntax::Json);
        group.throughput(Throughput::Elements(u64::from(size)));
        group.sample_size(10);
        group.bench_with_input(BenchmarkId::new("validate", size), &maze, |bencher, maze| {
            bencher.iter(|| validate(black_box(maze), &catalog, RuleSet::deploy()));
        });
        group.bench_with_input(BenchmarkId::new("validate_floor", size), &maze, |bencher, maze| {
            bencher.iter(|| floor(black_box(maze)));
        });
        group.bench_with_input(BenchmarkId::new("validate_draft", size), &draft, |bencher, draft| {
            bencher.iter(|| validate(black_box(draft), &catalog, RuleSet::deploy()));
        });
        let attach = Mutation::from(AttachDecky::new(name("decky-000001"), name("LAN-00007")));
        let context = Context::new(&catalog, Stage::Live);
        group.bench_with_input(BenchmarkId::new("apply", size), &maze, |bencher, maze| {
            bencher.iter(|| apply(black_box(maze), &attach, &context).expect("legal"));
        });
        group.bench_with_input(BenchmarkId::new("hash", size), &maze, |bencher, maze| {
            bencher.iter(|| canonical_hash(black_box(maze)));
        });
        group.bench_with_input(BenchmarkId::new("parse", size), &text, |bencher, text| {
            bencher.iter(|| document::parse(black_box(text), Syntax::Json));
        });
        group.bench_with_input(BenchmarkId::new("serde_json_plain", size), &text, |bencher, text| {
            bencher.iter(|| serde_json::from_str::<plain::Document>(black_box(text)).expect("a document"));
        });
    }
    group.finish();
}

/// What a parser would read into that collects no faults: the yardstick for `parse`.
mod plain {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only read into")]
    pub(super) struct Document {
        format: String,
        name: String,
        lans: Vec<Lan>,
        deckies: Vec<Decky>,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only read into")]
    struct Lan {
        name: String,
        subnet: Option<String>,
        #[serde(default)]
        dmz: bool,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only read into")]
    struct Decky {
        name: String,
        #[serde(default)]
        services: Vec<String>,
        #[serde(default)]
        service_config: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
        #[serde(default)]
        forwards_l3: bool,
        #[serde(default)]
        attachments: Vec<Attachment>,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only read into")]
    struct Attachment {
        lan: String,
        ip: Option<String>,
    }
}

/// Prints the best times per decky of validate and its floor, taken in turn, and how they grow with the maze.
fn table(_: &mut Criterion) {
    const DECKIES: u32 = 3_000_000;
    let catalog = Catalog::builtin();
    let mut smallest = None;
    println!("deckies | validate, ns per decky | growth | floor, ns per decky | growth | ratio | validate, ms");
    for size in SIZES {
        let maze = maze(size);
        let (mut best, mut best_floor) = (Duration::MAX, Duration::MAX);
        for _ in 0..DECKIES / size {
            best = best.min(timed(|| validate(black_box(&maze), &catalog, RuleSet::deploy())));
            best_floor = best_floor.min(timed(|| floor(black_box(&maze))));
        }
        let per_decky = |time: Duration| time.as_secs_f64() * 1e9 / f64::from(size);
        let (ours, floors) = (per_decky(best), per_decky(best_floor));
        let (first, first_floor) = *smallest.get_or_insert((ours, floors));
        println!(
            "{size:>7} | {ours:>22.1} | {:>6.2} | {floors:>19.1} | {:>6.2} | {:>5.2} | {:>12.3}",
            ours / first,
            floors / first_floor,
            ours / floors,
            best.as_secs_f64() * 1e3
        );
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

criterion_group!(benches, by_size, table);
criterion_main!(benches);
