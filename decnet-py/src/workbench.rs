//! The parts of an engine, and where its containers run.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use decnet_engine::{DecoyImage, DockerHost, DockerOptions, EngineError, EngineOptions, LocalBus, Runtime};
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
    pub(crate) host: Host,
    pub(crate) runtime: Arc<OnceCell<Arc<dyn Runtime>>>,
    pub(crate) options: EngineOptions,
    pub(crate) bus: LocalBus,
    /// Is cancelled when the engine is closed, which cancels its operations.
    pub(crate) closing: CancellationToken,
}

impl Workbench {
    /// Creates an engine. The first one connects to the daemon.
    pub(crate) async fn engine(&self) -> Result<decnet_engine::Engine, EngineError> {
        let runtime = self.runtime.get_or_try_init(|| self.connect()).await?;
        Ok(decnet_engine::Engine::new(
            Arc::clone(&self.repo),
            Arc::clone(runtime),
            self.options.clone(),
        ))
    }

    async fn connect(&self) -> Result<Arc<dyn Runtime>, EngineError> {
        match &self.host {
            Host::Simulated(runtime) => Ok(Arc::clone(runtime)),
            Host::Docker(docker) => {
                let (repo, options) = (Arc::clone(&self.repo), self.options.clone());
                let engine = decnet_engine::Engine::on_docker(repo, docker.clone(), options).await?;
                Ok(Arc::clone(engine.runtime()))
            }
        }
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

/// Where the containers run.
#[derive(Debug, Clone)]
pub(crate) enum Host {
    /// On a Docker daemon.
    Docker(DockerOptions),
    /// On a simulated one.
    Simulated(Arc<dyn Runtime>),
}

impl Host {
    /// Reads the argument `docker`.
    pub(crate) fn new(
        py: Python<'_>,
        docker: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        if let Some(simulated) = docker.and_then(|docker| docker.cast::<Simulated>().ok()) {
            return Ok(Self::Simulated(simulated.get().runtime()));
        }
        let host = match docker {
            // Other clients of Docker behave the same.
            None => DockerHost::find(
                |name| std::env::var(name).ok(),
                |path| std::fs::read_to_string(path).ok(),
            ),
            Some(docker) if docker.is_instance_of::<PyString>() => {
                convert::text(docker, "the daemon's address")?.parse()
            }
            Some(other) => {
                let kind = convert::kind(other);
                return Err(PyTypeError::new_err(format!(
                    "docker must be None, a str or a Simulated, not {kind}"
                )));
            }
        };
        let mut options = DockerOptions::default().host(host.map_err(|error| error.raise(py))?);
        if let Some(timeout) = timeout {
            let timeout = argument::seconds(timeout, "a timeout")?;
            options.timeout =
                Duration::try_from(timeout).map_err(|_| errors::unusable("a timeout must not be negative"))?;
        }
        Ok(Self::Docker(options))
    }
}

/// Reads the argument `decoy`.
pub(crate) fn image(decoy: Option<FilePath>) -> PyResult<Option<Arc<DecoyImage>>> {
    let program = match decoy {
        Some(path) => Some(argument::read_file(&path.take())?),
        None => DecoyImage::embedded_program().map(<[u8]>::to_vec),
    };
    Ok(program.map(|program| Arc::new(DecoyImage::pack(&program))))
}
