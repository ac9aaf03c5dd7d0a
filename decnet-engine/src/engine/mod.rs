//! Deploy, teardown, plan, reconcile, reap, inspect, verify: the public face.

mod deploy;
mod drift;
mod error;
mod follow;
mod inspect;
mod options;
mod preflight;
mod reap;
mod reconcile;
mod session;
mod teardown;
mod verify;

use std::sync::Arc;

use decnet_topology::Repo;
use tokio::sync::broadcast;

pub use error::EngineError;
pub use inspect::{DeckyState, Inspection, ServiceState};
pub use options::{DeployOptions, EngineOptions};
pub use reap::{ReapReport, Reaped};
pub use session::Outcome;
pub use verify::{Place, Reach, ReachDeviation, SkippedPath, VerifyReport};

#[cfg(feature = "docker")]
use crate::runtime::docker::{Docker, DockerOptions};
use crate::{bus::local::LocalBus, decoy::DecoyImage, event::Event, runtime::Runtime};

/// Raises stored mazes on a runtime, keeps them as they should be, and takes them down.
///
/// It holds a repo and a runtime and nothing else: no globals, no background work between calls. Every operation that changes
/// Docker takes the topology's lease, makes a plan from what is there to what should be, and executes it. Dropping a running
/// operation leaves what a killed process leaves: the next operation on the topology takes it up.
#[derive(Debug, Clone)]
pub struct Engine {
    repo: Arc<dyn Repo>,
    runtime: Arc<dyn Runtime>,
    options: Arc<EngineOptions>,
    image: Option<Arc<DecoyImage>>,
    bus: LocalBus,
}

impl Engine {
    /// Joins a repo and a runtime.
    pub fn new(repo: Arc<dyn Repo>, runtime: Arc<dyn Runtime>, options: EngineOptions) -> Self {
        let image = options.image();
        Self {
            repo,
            runtime,
            options: Arc::new(options),
            image,
            bus: LocalBus::default(),
        }
    }

    /// Joins a repo and a Docker daemon, which is given the image of the options.
    #[cfg(feature = "docker")]
    pub async fn on_docker(
        repo: Arc<dyn Repo>,
        docker: DockerOptions,
        options: EngineOptions,
    ) -> Result<Self, EngineError> {
        let image = options.image();
        let docker = Docker::connect(DockerOptions {
            decoy: image.clone(),
            ..docker
        })
        .await?;
        Ok(Self::new(repo, Arc::new(docker), EngineOptions { image, ..options }))
    }

    /// Returns the repo.
    pub fn repo(&self) -> &Arc<dyn Repo> {
        &self.repo
    }

    /// Returns the runtime.
    pub fn runtime(&self) -> &Arc<dyn Runtime> {
        &self.runtime
    }

    /// Follows what happens from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.bus.subscribe()
    }
}
