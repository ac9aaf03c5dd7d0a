//! Raises mazes of decoy hosts on Docker, keeps them as they should be, and takes them down without a trace.
//!
//! **There is one way to change Docker: make a plan and execute it.** What should be there ([`desired`]) is computed from a valid
//! topology; what is there ([`observe`]) is read; [`Engine::prepare`](engine::Engine::prepare) compares
//! the two and makes a [`plan`], a DAG of steps; [`execute`] runs it,
//! bounded, and on failure undoes what this run did and no more. Deploying is the plan from nothing, tearing down the plan to
//! nothing, healing the plan from what broke. So any command converges from any state, and a dry run prints the plan.
//!
//! # Raising a maze
//!
//! An [`Engine`](engine::Engine) joins a store and a [`Runtime`](runtime::Runtime). This one runs on the simulation, which does what
//! Docker does, in memory; `runtime::docker` (feature `docker`, on by default) is the real one.
//!
//! ```
//! use std::sync::Arc;
//!
//! use decnet_engine::{
//!     engine::{DeployOptions, Engine, EngineOptions, Operation},
//!     runtime::simulated::Simulated,
//! };
//! use decnet_topology::{Catalog, Status, Topology, TopologyStore, repo::{MemoryRepo, NewTopology}};
//! use jiff::Timestamp;
//! use tokio_util::sync::CancellationToken;
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let repo = Arc::new(MemoryRepo::new());
//! let topology = Topology::builder()
//!     .dmz("dmz", "172.20.0.0/24")
//!     .decky("web", |decky| decky.on("dmz", "172.20.0.10").services(["http"]))
//!     .build()?;
//! let new = NewTopology::new("corp".parse()?, topology);
//! let id = repo.create(new, Timestamp::now()).await?.row.id;
//!
//! let engine = Engine::new(repo, Arc::new(Simulated::new()), EngineOptions::new(Catalog::builtin()));
//! let never = CancellationToken::new();
//!
//! // What would be done, and nothing done.
//! let prepared = engine.prepare(id, Operation::Deploy(DeployOptions::default())).await?;
//! let steps: Vec<String> = prepared.plan().steps().iter().map(|step| step.action.to_string()).collect();
//! assert!(steps.iter().any(|step| step.starts_with("create network") && step.ends_with("172.20.0.0/24")));
//!
//! // The plan that was shown is the one that runs; `Engine::deploy` does both in one call.
//! let outcome = prepared.execute(&never).await?;
//! assert_eq!((outcome.row.status, outcome.changed), (Status::Active, steps.len()));
//! assert!(engine.prepare(id, Operation::Reconcile { force: false }).await?.plan().is_empty(), "nothing to do");
//!
//! assert_eq!(engine.teardown(id, &never).await?.row.status, Status::TornDown);
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Without a store, without a daemon
//!
//! What should be there is data, and computed without I/O. Only [`prepare`](engine::Engine::prepare) makes plans.
//!
//! ```
//! use decnet_engine::{api::ApiVersion, compose, desired::{Desired, DesiredContext}};
//! use decnet_topology::{Catalog, DeploySettings, RuleSet, Topology, rng};
//!
//! let catalog = Catalog::builtin();
//! let valid = Topology::builder()
//!     .dmz("dmz", "172.20.0.0/24")
//!     .decky("web", |decky| decky.on("dmz", "172.20.0.10").services(["http"]))
//!     .build()?
//!     .validate(&catalog, RuleSet::deploy())?;
//! let desired = Desired::new(&valid, &DesiredContext {
//!     instance: rng::instance_id(),
//!     topology: rng::topology_id(),
//!     catalog: &catalog,
//!     decoy: "decnet-decoy:1",
//!     api: ApiVersion::v1(48),
//!     settings: &DeploySettings::default(),
//!     host_addresses: &[],
//! })?;
//! assert_eq!((desired.networks.len(), desired.bases.len(), desired.services.len()), (1, 1, 1));
//! assert!(compose::print(&desired).contains("network_mode: none"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Whose a resource is
//!
//! Everything that is made carries the label [`naming::INSTANCE`] with the id of the store. What does not carry it is never touched,
//! whatever its name or subnet; where it stands in the way, that is an error that names it. A second store on the same daemon, or
//! somebody's own networks, are safe.
//!
//! # What survives
//!
//! An operation holds the topology's lease. A process that is killed, or an operation whose future is dropped, leaves a status and
//! labels that say how far it came, and the next `deploy` or `teardown` takes it up. Cancelling the token that each operation takes
//! is the orderly way: it stops, and undoes what it did.
//!
//! # Features
//!
//! - `docker` (default): the runtime that talks to a Docker daemon, 20.10 or later.
//! - `testing`: the suite that any runtime must pass.

pub mod api;
pub mod bus;
mod claim;
pub mod compose;
pub mod decoy;
pub mod desired;
pub mod engine;
pub mod event;
pub mod execute;
pub mod feed;
pub mod host;
mod lease;
pub mod naming;
pub mod observe;
pub mod plan;
pub mod runtime;
#[cfg(feature = "testing")]
pub mod testing;
pub mod watch;
