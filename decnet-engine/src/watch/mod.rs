//! The loop that applies queued mutations and heals running mazes.
//!
//! [`watch`] wakes up when a mutation is queued. It also checks all topologies every few seconds, because events may be lost:
//! mutations by this engine are noticed even if its bus is down, and the version reveals an edit without an event. Topologies are
//! processed in parallel, each by one worker. A topology that cannot be healed does not block others: it is retried with backoff.
//!
//! # Guarantees
//!
//! - A mutation becomes applied only after the runtime was observed to match ([`Engine::drain`](crate::engine::Engine::drain)).
//! - A running topology that drifted is [reconciled](crate::engine::Engine::reconcile) until it matches its maze: if its status
//!   is degraded, if a container is missing, or if a base lacks a route (checked every minute). This never recreates running
//!   containers.
//! - A degraded topology that is meant to be down is not healed; its teardown is continued.
//! - Mutations do not wait for checks or for the end of a backoff.
//! - A worker that panics is replaced.
//! - When the token fires, no more steps start, running steps are waited for, and claims and leases are released.
//!
//! # Assumptions
//!
//! Several loops may run on one store, in one or several processes: a lease allows only one of them to work on a topology, and
//! the others retry soon. A runtime that does not answer is retried every second.
//!
//! ```
//! use std::sync::Arc;
//!
//! use decnet_engine::{CancellationToken, DeployOptions, Engine, EngineOptions, Operation, WatchOptions};
//! use decnet_engine::{simulated::Simulated, watch};
//! use decnet_topology::{
//!     Catalog, MemoryRepo, Mutation, MutationFilter, MutationQueue, MutationState, NewMutation, NewTopology, Topology,
//!     TopologyStore,
//! };
//! use jiff::Timestamp;
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let repo = Arc::new(MemoryRepo::new());
//! let topology = Topology::builder().dmz("dmz", "172.20.0.0/24").build()?;
//! let new = NewTopology::new("corp".parse()?, topology);
//! let id = repo.create(new, Timestamp::now()).await?.row.id;
//! let engine = Engine::new(repo.clone(), Arc::new(Simulated::new()), EngineOptions::new(Catalog::builtin()));
//! engine.deploy(id, DeployOptions::default(), &CancellationToken::new()).await?;
//!
//! let stop = CancellationToken::new();
//! let keeper = tokio::spawn({
//!     let (engine, stop) = (engine.clone(), stop.clone());
//!     async move { watch(&engine, &WatchOptions::default(), &stop).await }
//! });
//!
//! let mutation = Mutation::from_json(r#"{"op": "add_decky", "payload": {"name": "web", "lan": "dmz", "services": ["http"]}}"#)?;
//! engine.submit(id, NewMutation::new(mutation), None).await?;
//! while !repo.mutations(&MutationFilter::default()).await?.rows.iter().all(|row| row.state == MutationState::Applied) {
//!     tokio::time::sleep(std::time::Duration::from_millis(10)).await;
//! }
//! assert!(engine.prepare(id, Operation::Reconcile { force: false }).await?.plan().is_empty(), "the decky runs");
//!
//! stop.cancel();
//! keeper.await??;
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod dispatch;
mod schedule;
mod visit;

pub use dispatch::{WatchOptions, watch};
