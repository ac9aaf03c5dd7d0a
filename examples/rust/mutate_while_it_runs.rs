//! Changes a maze while it runs and while the loop applies the changes, and prints the results. It uses the simulated runtime,
//! so it needs nothing and leaves nothing.
//!
//! `cargo run --example mutate_while_it_runs`

use std::{error::Error, sync::Arc};

use decnet_engine::{
    CancellationToken, DeployOptions, Engine, EngineOptions, Event, MutationStage, Operation, Received, WatchOptions,
    simulated::Simulated, watch,
};
use decnet_topology::{
    AddDecky, Catalog, MemoryRepo, Mutation, NewMutation, NewTopology, RemoveLan, Timestamp, Topology, TopologyStore,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let repo = Arc::new(MemoryRepo::new());
    let engine = Engine::new(
        repo.clone(),
        Arc::new(Simulated::new()),
        EngineOptions::new(Catalog::builtin()),
    );
    let topology = Topology::builder()
        .dmz("dmz", "172.20.0.0/24")
        .decky("web", |decky| decky.on("dmz", "172.20.0.10").services(["http"]))
        .build()?;
    let new = NewTopology::new("corp".parse()?, topology);
    let id = repo.create(new, Timestamp::now()).await?.row.id;
    engine
        .deploy(id, DeployOptions::default(), &CancellationToken::new())
        .await?;

    // The loop may also run in another process on the same store: `decnet watch`.
    let stop = CancellationToken::new();
    let keeper = tokio::spawn({
        let (engine, stop) = (engine.clone(), stop.clone());
        async move { watch(&engine, &WatchOptions::default(), &stop).await }
    });

    // Typed, or from JSON. The second one is refused at once: a LAN that is a home stays.
    let mut events = engine.events();
    let add = AddDecky::new("db".parse()?, "dmz".parse()?).services(["mysql"]);
    let remove = Mutation::from(RemoveLan::new("dmz".parse()?));
    let redis = r#"{"op": "update_decky", "payload": {"decky": "db", "services": ["mysql", "redis"]}}"#;
    let mutations = [Mutation::from(add), remove, Mutation::from_json(redis)?];
    let mut open = 0;
    for mutation in mutations {
        let op = mutation.op();
        let actor = Some("example".into());
        match engine.submit(id, NewMutation::new(mutation).actor(actor), None).await {
            Ok(_) => open += 1,
            Err(error) => println!("{op} refused: {}", error.source().unwrap_or(&error)),
        }
    }

    while open > 0 {
        // Each event is delivered at most once. A reader that must miss nothing reads the store, for instance after `Lagged`.
        let Some(Received::Event(envelope)) = events.recv().await else {
            break;
        };
        if let Event::Mutation {
            mutation,
            op,
            state,
            reason,
            ..
        } = &envelope.event
        {
            println!(
                "{mutation} {op} {} {}",
                state.as_str(),
                reason.as_deref().unwrap_or_default()
            );
            if matches!(
                state,
                MutationStage::Applied | MutationStage::Rejected | MutationStage::Failed
            ) {
                open -= 1;
            }
        }
    }
    stop.cancel();
    keeper.await??;

    let reconcile = engine.prepare(id, Operation::Reconcile { force: false }).await?;
    assert!(reconcile.plan().is_empty(), "the running maze is the stored one");
    for decky in engine.inspect(id).await?.deckies {
        let services: Vec<_> = decky.services.iter().map(|state| state.service.as_str()).collect();
        println!("{}: {}", decky.decky, services.join(" "));
    }
    Ok(())
}
