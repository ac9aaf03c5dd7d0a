//! Reads a maze file, checks it, and prints what a deploy would do. No daemon is asked.
//!
//! `cargo run --example plan_without_docker -- MAZE.yaml`

use std::{env, error::Error, fs, path::Path};

use decnet_engine::{
    api::ApiVersion,
    desired::{Desired, DesiredContext},
    observe::Observed,
    plan::diff,
};
use decnet_topology::{
    Catalog, DeploySettings, RuleSet,
    alloc::SubnetPool,
    document::{self, Syntax},
    rng,
};

fn main() -> Result<(), Box<dyn Error>> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("mazes/corp.yaml");
    let path = env::args_os().nth(1).map_or(own, Into::into);
    let catalog = Catalog::builtin();

    // A draft may have holes and faults, and says so; what is missing is allocated, past what others claim.
    let draft = document::parse(fs::read(path)?, Syntax::Auto)?;
    let topology = draft.resolve(&SubnetPool::default())?;
    let valid = topology.validate(&catalog, RuleSet::deploy())?;
    for warning in valid.report().warnings() {
        eprintln!("{warning}");
    }

    let settings = DeploySettings::default();
    let setting = DesiredContext {
        instance: rng::instance_id(),
        topology: rng::topology_id(),
        catalog: &catalog,
        decoy: "decnet-decoy:example",
        api: ApiVersion::v1(41),
        settings: &settings,
        host_addresses: &[],
    };
    let desired = Desired::new(&valid, &setting)?;
    // The plan from nothing; with what a runtime observed in its place, the plan from there.
    let plan = diff(&desired, &Observed::default());
    for (at, step) in plan.steps().iter().enumerate() {
        println!("{at:3} {} (after {:?})", step.action, step.needs);
    }
    Ok(())
}
