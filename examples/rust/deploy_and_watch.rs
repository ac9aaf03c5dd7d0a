//! Deploys a maze on Docker, prints every event and the state of the deckies, and tears the maze down. Ctrl-C undoes the
//! changes.
//!
//! `cargo run --example deploy_and_watch`

use std::{env, error::Error, sync::Arc};

use decnet_engine::{CancellationToken, DeployOptions, DockerHost, DockerOptions, Engine, EngineOptions, Received};
use decnet_topology::{Catalog, MemoryRepo, NewTopology, Timestamp, TopologyConfig, TopologyStore, generate};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let docker = DockerOptions::default().host(DockerHost::from_env(|name| env::var(name).ok())?);

    // A store in memory loses the owner of the containers when the program ends; `SqliteRepo` keeps it.
    let repo = Arc::new(MemoryRepo::new());
    let catalog = Catalog::builtin();
    let engine = Engine::on_docker(repo.clone(), docker, EngineOptions::new(catalog.clone())).await?;
    let taken = engine.runtime().foreign_networks(repo.instance().await?).await?;
    let taken: Vec<_> = taken.iter().map(|network| network.subnet).collect();
    let config = TopologyConfig::builder("example", 1, 1)
        .lan_prefix(29)
        .deckies_per_lan(1, 1)
        .seed(7)
        .build()?;
    let topology = generate(&config, &catalog, &taken)?;
    let new = NewTopology::new(config.name().clone(), topology).config(config.clone());
    let id = repo.create(new, Timestamp::now()).await?.row.id;

    let mut events = engine.events();
    let watching = tokio::spawn(async move {
        while let Some(received) = events.recv().await {
            match received {
                Received::Event(envelope) => println!("{} {:?}", envelope.topic(), envelope.event),
                Received::Lagged(lost) => println!("{lost} events were lost"),
            }
        }
    });
    let cancel = CancellationToken::new();
    let interrupt = cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupt.cancel();
        }
    });

    // A deploy that fails or is interrupted has undone its changes.
    engine.deploy(id, DeployOptions::default(), &cancel).await?;
    for decky in engine.inspect(id).await?.deckies {
        println!("{}: {:?}, services {:?}", decky.decky, decky.base, decky.services);
    }
    engine.teardown(id, &CancellationToken::new()).await?;
    drop(engine);
    watching.await?;
    Ok(())
}
