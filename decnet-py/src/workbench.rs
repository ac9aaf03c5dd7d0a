//! The parts of an engine.

use std::sync::{Arc, Mutex, PoisonError};

use decnet_engine::{
    Bus, DecoyImage, DockerHost, DockerOptions, EngineError, EngineOptions, FleetMaster, Runtime, RuntimeError,
    RuntimeInfo, StoreFleet,
};
use decnet_topology::Repo;
use pyo3::{exceptions::PyTypeError, prelude::*, types::PyString};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::{
    argument::{self, FilePath},
    convert,
    errors::{self, Raise as _},
    repo::CloseWithRepo,
    simulated::Simulated,
};

/// The parts of an engine. Each operation has its own engine, whose events are only those of the operation. All of them publish
/// on the same bus.
#[derive(Debug, Clone)]
pub(crate) struct Workbench {
    pub(crate) repo: Arc<dyn Repo>,
    pub(crate) runtime: Arc<dyn Runtime>,
    /// The address of the daemon, for people.
    pub(crate) place: String,
    pub(crate) connected: Arc<OnceCell<RuntimeInfo>>,
    pub(crate) options: EngineOptions,
    pub(crate) bus: Arc<dyn Bus>,
    /// Is cancelled when the engine is closed, which cancels its operations.
    pub(crate) closing: CancellationToken,
}

impl Workbench {
    /// Creates an engine, which connects to the daemon when an operation needs it.
    pub(crate) fn engine(&self) -> decnet_engine::Engine {
        decnet_engine::Engine::new(Arc::clone(&self.repo), Arc::clone(&self.runtime), self.options.clone())
    }

    /// Connects to the daemon if necessary. This can be cancelled; the operations that change Docker cannot be while they connect.
    pub(crate) async fn connect(&self, cancel: &CancellationToken) -> Result<(), EngineError> {
        let info = || self.runtime.info();
        let connected = cancel.run_until_cancelled(self.connected.get_or_try_init(info)).await;
        connected.ok_or_else(|| RuntimeError::Cancelled {
            what: "the connection to the daemon".into(),
        })??;
        Ok(())
    }
}

/// A workbench, until the engine is closed.
#[derive(Debug)]
pub(crate) struct Slot(pub(crate) Mutex<Option<Workbench>>);

impl Slot {
    /// Returns the workbench, if the engine is open.
    pub(crate) fn workbench(&self) -> PyResult<Workbench> {
        let bench = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bench.clone().ok_or_else(|| errors::unusable("the engine is closed"))
    }
}

impl CloseWithRepo for Slot {
    fn end(&self) {
        if let Some(bench) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bench.closing.cancel();
        }
    }
}

/// A daemon of this machine.
#[derive(Debug)]
pub(crate) enum Daemon {
    /// One in memory.
    Simulated(Arc<dyn Runtime>),
    /// Docker, and its address for people.
    Docker(Result<DockerOptions, RuntimeError>, String),
}

impl Daemon {
    /// Creates the engine of an agent.
    pub(crate) fn engine_of_agent(self, repo: Arc<dyn Repo>, options: EngineOptions) -> decnet_engine::Engine {
        match self {
            Self::Simulated(runtime) => decnet_engine::Engine::new(repo, runtime, options),
            Self::Docker(docker, _) => {
                let docker = docker.map(DockerOptions::of_agent);
                decnet_engine::Engine::on_docker_when_needed(repo, docker, options)
            }
        }
    }
}

/// Returns where the containers run that are not placed on hosts, and the name of that place. The hosts are those of the store, as they are
/// at each call. A simulated daemon has none.
pub(crate) fn runtime(repo: &Arc<dyn Repo>, options: &EngineOptions, daemon: Daemon) -> (Arc<dyn Runtime>, String) {
    match daemon {
        Daemon::Simulated(runtime) => (runtime, "a simulated daemon".into()),
        Daemon::Docker(docker, place) => {
            let engine = StoreFleet::new(Arc::clone(repo), FleetMaster::usual_name()).engine(docker, options.clone());
            (Arc::clone(engine.runtime()), place)
        }
    }
}

/// Reads the arguments `docker` and `timeout`.
pub(crate) fn daemon(docker: Option<&Bound<'_, PyAny>>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Daemon> {
    if let Some(simulated) = docker.and_then(|docker| docker.cast::<Simulated>().ok()) {
        return Ok(Daemon::Simulated(simulated.get().runtime()));
    }
    let host = match docker {
        // Other clients of Docker behave the same.
        None => DockerHost::find(
            |name| std::env::var(name).ok(),
            |path| std::fs::read_to_string(path).ok(),
        ),
        Some(docker) if docker.is_instance_of::<PyString>() => {
            let host = convert::text(docker, "the daemon's address")?.parse();
            Ok(host.map_err(|error: RuntimeError| error.raise(docker.py()))?)
        }
        Some(other) => {
            let kind = convert::kind(other);
            return Err(PyTypeError::new_err(format!(
                "docker must be None, a str or a Simulated, not {kind}"
            )));
        }
    };
    let timeout = argument::timeout(timeout)?;
    let place = host.as_ref().map_or_else(|_| "Docker".into(), ToString::to_string);
    let docker = host.map(|host| {
        let mut docker = DockerOptions::default().host(host);
        docker.timeout = timeout.unwrap_or(docker.timeout);
        docker
    });
    Ok(Daemon::Docker(docker, place))
}

/// Reads the argument `decoy`.
pub(crate) fn image(decoy: Option<FilePath>) -> PyResult<Option<Arc<DecoyImage>>> {
    let program = match decoy {
        Some(path) => Some(argument::read_file(&path.take())?),
        None => DecoyImage::embedded_program().map(<[u8]>::to_vec),
    };
    Ok(program.map(|program| Arc::new(DecoyImage::pack(&program))))
}
