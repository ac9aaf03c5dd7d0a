//! The loop that applies queued mutations and heals running mazes.
//!
//! [`watch`] wakes when a mutation is enqueued. It also checks all topologies every few seconds, because events may be lost: mutations
//! of this engine are noticed while its bus is down, and the version shows an edit without an event. Topologies are worked on at the
//! same time, each by one worker. One that cannot be healed does not block others: it is retried with backoff.
//!
//! # Guarantees
//!
//! - A mutation is called applied only after the runtime was seen to match ([`Engine::drain`](crate::engine::Engine::drain)).
//! - A running topology that drifted is [reconciled](crate::engine::Engine::reconcile) until it matches its maze: where its status is
//!   degraded, where the runtime lacks a container, or where a base lacks a route (checked every minute). Running containers are never
//!   recreated for that.
//! - The teardown of a degraded topology that is meant to be down is continued; it is never healed.
//! - Mutations do not wait for checks, nor for a backoff to end.
//! - A worker that panics is replaced.
//! - When the token fires, no further step is begun, running steps are waited for, and claims and leases are released.
//!
//! # Assumptions
//!
//! Several loops may run on one store, in one process or in many: a lease allows one of them to work on a topology, and the others try
//! again later. A runtime that does not answer is asked every second.
//!
//! ```
//! use std::sync::Arc;
//!
//! use decnet_engine::{
//!     engine::{DeployOptions, Engine, EngineOptions, Operation},
//!     runtime::simulated::Simulated,
//!     watch::{WatchOptions, watch},
//! };
//! use decnet_topology::{
//!     Catalog, MutationQueue, MutationState, Topology, TopologyStore,
//!     mutation::Mutation,
//!     repo::{MemoryRepo, MutationFilter, NewMutation, NewTopology},
//! };
//! use jiff::Timestamp;
//! use tokio_util::sync::CancellationToken;
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
