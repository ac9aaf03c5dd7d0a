//! Deploy, teardown, plan, reconcile, reap, inspect, verify: the public face.

mod access;
mod catalog;
mod converge;
mod describe;
mod error;
mod host_fault;
mod operations;
mod options;
mod outcome;
mod session;
mod shown;
mod verify;

use std::sync::Arc;

use decnet_topology::{Catalog, FindError, Repo, TopologyRow};
use jiff::Timestamp;

pub use crate::lease::{BrokenLease, HolderState, break_lease, holder_state};
pub use access::{
    AccessError, CaptureOptions, CapturePoint, CaptureReport, CollectOptions, Collected, CommandEnd, CopyOptions,
    CopyReport, DeckyAnswer, DeckyVerb, Entered, ExecChoices, ExecOptions, LanAddress, PacketFilter, PacketProtocol,
    RunningCapture, VerbTarget,
};
pub(crate) use converge::REQUEST_PAUSE;
pub use converge::{
    DueShuffles, EnqueuedMutation, Prepared, PreparedReap, ReapOptions, ReapReport, Reaped, Submitted, next_shuffle,
    submit,
};
pub use error::EngineError;
pub(crate) use error::require_version;
pub use host_fault::{LostHost, MissingUnderlay};
pub use operations::{
    ApplyOptions, CreateOptions, SettingsChange, StoreOutcome, StoreResult, describe_difference, own_images,
};
pub use options::{DeployOptions, EngineOptions, Operation, Replacement, RestartOptions};
pub use outcome::Outcome;
pub use verify::{
    DeckyState, InsideOnly, Inspection, InterfaceState, Observation, PathEnd, Reach, ReachDeviation, ServiceState,
    SkippedPath, VerifyReport,
};

#[cfg(feature = "docker")]
use crate::runtime::{
    RuntimeError,
    docker::{Docker, DockerOptions, LazyDocker},
};
use crate::{
    bus::{Bus, Pattern, Subscription, local::LocalBus},
    decoy::DecoyImage,
    event::{Envelope, Event},
    pushed::AgentStore,
    runtime::Runtime,
};

/// Deploys stored mazes on a runtime, repairs drift, and tears them down.
///
/// It holds a repo and a runtime, and has no globals and no background work between calls. Every operation that changes Docker
/// takes the topology's lease, plans the change from the observed to the desired resources, and executes it. Dropping a running
/// operation has the same effect as killing the process: the next operation on the topology continues.
#[derive(Debug, Clone)]
pub struct Engine {
    repo: Arc<dyn Repo>,
    runtime: Arc<dyn Runtime>,
    options: Arc<EngineOptions>,
    image: Option<Arc<DecoyImage>>,
    local: LocalBus,
    /// The store of the agent whose host this engine works on, for a topology of mode `agent`.
    agent: Option<Arc<AgentStore>>,
}

impl Engine {
    /// Creates an engine from a repo and a runtime.
    pub fn new(repo: Arc<dyn Repo>, runtime: Arc<dyn Runtime>, options: EngineOptions) -> Self {
        let image = options.image_or_embedded();
        Self {
            repo,
            runtime,
            options: Arc::new(options),
            image,
            local: LocalBus::default(),
            agent: None,
        }
    }

    /// Creates an engine from a repo and a Docker daemon that is connected at its first use.
    ///
    /// Operations without a runtime, such as [`create`](Self::create), work without a daemon and without its options.
    #[cfg(feature = "docker")]
    pub fn on_docker_when_needed(
        repo: Arc<dyn Repo>,
        docker: Result<DockerOptions, RuntimeError>,
        options: EngineOptions,
    ) -> Self {
        let image = options.image_or_embedded();
        let docker = LazyDocker::new(docker.map(|docker| docker.decoy(image.clone())));
        Self::new(repo, Arc::new(docker), options.image(image))
    }

    /// Creates an engine from a repo and a Docker daemon. The daemon gets the image of the options.
    #[cfg(feature = "docker")]
    pub async fn on_docker(
        repo: Arc<dyn Repo>,
        docker: DockerOptions,
        options: EngineOptions,
    ) -> Result<Self, EngineError> {
        let image = options.image_or_embedded();
        let docker = Docker::connect(docker.decoy(image.clone())).await?;
        Ok(Self::new(repo, Arc::new(docker), options.image(image)))
    }

    /// Returns the repo.
    pub fn repo(&self) -> &Arc<dyn Repo> {
        &self.repo
    }

    /// Finds a stored topology by its id, its name, or the start of its id, as
    /// [`TopologyStore::find`](decnet_topology::TopologyStore::find) does.
    pub async fn find(&self, text: &str) -> Result<TopologyRow, FindError> {
        self.repo.find(text).await
    }

    /// Returns the catalogue of the options. A stored topology may have entries of its own: [`Catalog::with_stored`].
    pub fn catalog(&self) -> &Catalog {
        &self.options.catalog
    }

    /// Returns the runtime.
    pub fn runtime(&self) -> &Arc<dyn Runtime> {
        &self.runtime
    }

    /// Subscribes to all events of this engine from now on.
    pub fn events(&self) -> Subscription {
        self.local.subscribe(&[Pattern::everything()])
    }

    /// Returns the bus of the options, which also has the events of other processes; if there is none, the engine's own bus.
    pub fn bus(&self) -> &dyn Bus {
        self.options.bus.as_deref().unwrap_or(&self.local)
    }

    /// Subscribes to the events of this engine, and to the bus of the options if there is one. That bus may be down; otherwise it
    /// delivers the engine's own events a second time.
    pub(crate) fn listen(&self, patterns: &[Pattern]) -> (Subscription, Option<Subscription>) {
        let shared = self.options.bus.as_ref().map(|bus| bus.subscribe(patterns));
        (self.local.subscribe(patterns), shared)
    }

    /// Publishes an event to the subscribers of this engine, and on the bus of the options.
    pub fn publish(&self, envelope: Envelope) {
        if let Some(bus) = &self.options.bus {
            bus.publish(envelope.clone());
        }
        self.local.publish(envelope);
    }

    /// Publishes an event with the current time.
    fn publish_now(&self, event: Event) {
        self.publish(Envelope::new(event, Timestamp::now()));
    }
}
