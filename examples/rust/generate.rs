//! Generates a maze from a config and prints it as a maze file. The same seed gives the same maze everywhere.
//!
//! `cargo run --example generate -- SEED`

use std::{env, error::Error};

use decnet_topology::{Catalog, Draft, Graph, RuleSet, Syntax, TopologyConfig, canonical_hash, document, generate};

fn main() -> Result<(), Box<dyn Error>> {
    let seed = env::args().nth(1).map_or(Ok(7), |seed| seed.parse())?;
    let catalog = Catalog::builtin();
    let config = TopologyConfig::builder("corp", 2, 2)
        .deckies_per_lan(1, 2)
        .dmz_gateway(true)
        .seed(seed)
        .build()?;
    // This example knows nothing of the machine; a program that deploys passes the used subnets.
    let topology = generate(&config, &catalog, &[])?;

    let mut draft = Draft::from(&topology);
    draft.header.name = config.name().to_string();
    draft.header.seed = Some(seed);
    print!("{}", document::print(&draft, Syntax::Yaml));

    let graph = Graph::new(&topology);
    eprintln!(
        "LANs by their distance from the DMZ: {:?}",
        graph.layers().iter().map(Vec::len).collect::<Vec<_>>()
    );
    eprintln!("canonical hash: {}", canonical_hash(&topology));
    let valid = topology.validate(&catalog, RuleSet::deploy())?;
    eprintln!(
        "{} deckies, {} warnings",
        valid.deckies().len(),
        valid.report().warnings().count()
    );
    Ok(())
}
