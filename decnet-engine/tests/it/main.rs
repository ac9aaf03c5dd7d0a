//! Tests of the engine's public API.

#[macro_use]
mod guarded;

#[cfg(feature = "agent")]
mod agent;
mod bus;
mod digests;
#[cfg(feature = "docker")]
mod docker;
mod engine;
mod event;
mod feed;
#[cfg(feature = "http")]
mod http;
mod log_targets;
mod plan;
mod runtime;
mod watch;

use decnet_engine::{DeployOptions, Engine, EngineError, Operation, Plan, Prepared};
use decnet_topology::{DeploySettings, Mutation, NewMutation, TopologyId};

/// Returns the plan of a deploy.
async fn planned(engine: &Engine, id: TopologyId, settings: Option<DeploySettings>) -> Result<Plan, EngineError> {
    let options = DeployOptions::default().force(false).settings(settings);
    let prepared = engine.prepare(id, Operation::Deploy(options)).await?;
    Ok(prepared.plan().clone())
}

/// Returns the plan of a teardown.
async fn planned_down(engine: &Engine, id: TopologyId) -> Result<Plan, EngineError> {
    Ok(engine
        .prepare(id, Operation::Teardown { force: false })
        .await?
        .plan()
        .clone())
}

/// Prepares a mutation.
async fn prepared(engine: &Engine, id: TopologyId, mutation: &Mutation) -> Result<Prepared, EngineError> {
    let new = NewMutation::new(mutation.clone());
    engine.prepare(id, Operation::Mutate(new)).await
}
