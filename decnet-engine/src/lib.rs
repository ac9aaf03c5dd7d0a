//! Raises mazes of decoy hosts on Docker, keeps them as they should be, and takes them down without a trace.
//!
//! **There is one way to change Docker: make a plan and execute it.** What should be there ([`desired`]) is computed from a valid
//! topology; what is there ([`observe`]) is read; [`plan::diff`] compares the two and gives a DAG of steps; [`execute`] runs it,
//! bounded, and on failure undoes what this run did and no more. Deploying is the plan from nothing, tearing down the plan to
//! nothing, healing the plan from what broke. So any command converges from any state, and a dry run is a plan that is printed.
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
//!     engine::{DeployOptions, Engine, EngineOptions},
//!     runtime::simulated::Simulated,
//! };
//! use decnet_topology::{Catalog, Repo, Status, Topology, repo::{MemoryRepo, NewTopology}};
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
//! let plan = engine.plan(id, None).await?;
//! let steps: Vec<String> = plan.steps().iter().map(|step| step.action.to_string()).collect();
//! assert!(steps.iter().any(|step| step.starts_with("create network") && step.ends_with("172.20.0.0/24")));
//!
//! let outcome = engine.deploy(id, DeployOptions::default(), &never).await?;
//! assert_eq!((outcome.row.status, outcome.changed), (Status::Active, steps.len()));
//! assert!(engine.plan(id, None).await?.is_empty(), "it is as it should be");
//!
//! assert_eq!(engine.teardown(id, &never).await?.row.status, Status::TornDown);
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Without a store, without a daemon
//!
//! Everything up to the plan is data and pure, and can be had by itself.
//!
//! ```
//! use decnet_engine::{api::ApiVersion, compose, desired::{Desired, DesiredContext}, observe::Observed, plan::diff};
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
//! assert_eq!(diff(&desired, &Observed::default()).steps().len(), 4, "an image, a network, a base, a service");
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
