//! Reads a maze file, validates it, and prints the steps of a deploy. It needs no daemon: the engine uses a simulation.
//!
//! `cargo run --example plan_without_docker -- MAZE.yaml`

use std::{env, error::Error, fs, path::Path, sync::Arc};

use decnet_engine::{DeployOptions, Engine, EngineOptions, Operation, simulated::Simulated};
use decnet_topology::{Catalog, MemoryRepo, NewTopology, SubnetPool, Syntax, Timestamp, TopologyStore, document};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("mazes/corp.yaml");
    let path = env::args_os().nth(1).map_or(own, Into::into);

    // A draft may be incomplete; missing subnets and addresses are allocated around those of others.
    let draft = document::parse(fs::read(path)?, Syntax::Auto)?;
    let catalog = Catalog::builtin();
    let topology = draft.resolve(&catalog, &SubnetPool::default())?;
    let repo = Arc::new(MemoryRepo::new());
    let new = NewTopology::new("example".parse()?, topology);
    let id = repo.create(new, Timestamp::now()).await?.row.id;

    let engine = Engine::new(repo, Arc::new(Simulated::new()), EngineOptions::new(catalog));
    let prepared = engine.prepare(id, Operation::Deploy(DeployOptions::default())).await?;
    for warning in prepared.warnings() {
        eprintln!("{warning}");
    }
    for (at, step) in prepared.plan().steps().iter().enumerate() {
        println!("{at:3} {step} (after {:?})", step.needs);
    }
    Ok(())
}
