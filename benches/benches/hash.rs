//! The canonical hash.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use decnet_benches::{Limit, SIZES, Table, maze, repeat};
use decnet_topology::{Topology, canonical_hash, document::FORMAT};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Writes the hashed bytes, by the rule of `docs/canonical-hash.md`. Maps print in order of their keys.
fn canonical(maze: &Topology) -> Vec<u8> {
    let lan_name = |id| maze.lan(id).map(|lan| lan.name().to_string());
    let mut deckies: Vec<_> = maze.deckies().iter().collect();
    deckies.sort_by_key(|decky| decky.name());
    let deckies: Vec<Value> = deckies
        .iter()
        .map(|decky| {
            let attachments = decky.attachments().iter();
            let attachments: Vec<Value> = attachments
                .map(|attachment| json!({ "ip": attachment.ip, "lan": lan_name(attachment.lan) }))
                .collect();
            json!({
                "archetype": decky.archetype(),
                "attachments": attachments,
                "forwards_l3": decky.forwards_l3(),
                "name": decky.name(),
                "service_config": decky.service_config(),
                "services": decky.services(),
            })
        })
        .collect();
    let mut lans: Vec<_> = maze.lans().iter().collect();
    lans.sort_by_key(|lan| lan.name());
    let lans: Vec<Value> = lans
        .iter()
        .map(|lan| json!({ "dmz": lan.is_dmz(), "name": lan.name(), "subnet": lan.subnet() }))
        .collect();
    let json = json!({ "deckies": deckies, "lans": lans });
    format!("{FORMAT}\n{json}").into_bytes()
}

fn benches(criterion: &mut Criterion) {
    let mut table = Table::new("canonical_hash", "SHA-256 over precomputed canonical bytes").limit(Limit::Ratio(1.5));
    for lans in SIZES {
        let maze = maze(lans);
        let bytes = canonical(&maze);
        assert_eq!(Sha256::digest(&bytes)[..], canonical_hash(&maze).as_bytes()[..]);
        table.compare(
            criterion,
            &maze,
            repeat(|| canonical_hash(black_box(&maze))),
            repeat(|| Sha256::digest(black_box(&bytes))),
        );
    }
    table.finish().expect("the results are written");
}

criterion_group!(group, benches);
criterion_main!(group);
