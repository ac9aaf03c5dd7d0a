//! Keeps mazes in a custom store, `src/audited.rs`, which writes a line for each change.
//!
//! `cargo run --example own_repo`

use std::error::Error;

use decnet_examples::audited::Audited;
use decnet_topology::{Edit, MemoryRepo, NewTopology, Timestamp, Topology, TopologyStore};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let repo = Audited::new(MemoryRepo::new());
    let now = Timestamp::now();
    let new = NewTopology::new(
        "corp".parse()?,
        Topology::builder().dmz("dmz", "172.20.0.0/24").build()?,
    );
    let stored = repo.create(new, now).await?;
    let wider = Topology::builder().dmz("dmz", "172.20.0.0/23").build()?;
    repo.edit(stored.row.id, Edit::new(wider).expected(stored.row.version), now)
        .await?;
    for line in repo.lines() {
        println!("{line}");
    }
    Ok(())
}
