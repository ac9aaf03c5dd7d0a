//! The loop that keeps stored mazes running as they are meant to: it makes mutations, and heals.
//!
//! [`watch`] wakes when a mutation is enqueued, and looks at everything every few seconds besides, because events may be lost: what
//! this engine enqueues is heard even while its bus is down, and an edit that nobody told of is known by the version. Topologies
//! are worked on side by side, each by one worker at a time, and one that cannot be helped holds up no other: it is tried again
//! after pauses that grow.
//!
//! # Guarantees
//!
//! - A mutation is called applied only after the runtime was seen to match ([`Engine::drain`](crate::engine::Engine::drain)).
//! - A topology that is up and not as it should be is [reconciled](crate::engine::Engine::reconcile) until it is, whether the
//!   store says so (degraded), the runtime does (a container is gone), or, asked every minute, a container itself (a route is
//!   gone). Containers that run are never made anew for that.
//! - One that is degraded and meant to be down is taken down further, never healed.
//! - What is to be made does not wait for what is only looked at, nor for a pause to end.
//! - A worker that panics is replaced.
//! - When the token fires, no step is begun any more, what runs is waited for, and claims and leases are given back.
//!
//! # Assumptions
//!
//! Several loops may run on one store, in one process or in many: a lease says who is at work on a topology, and the others come
//! back to it. A runtime that is out of reach is waited for, and asked every second.
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
