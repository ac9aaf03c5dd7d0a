//! The two classes of engines: for threads, and for asyncio.

use std::sync::{Arc, Mutex};

use decnet_engine::{EngineOptions, LocalBus};
use pyo3::{prelude::*, types::PyTuple};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::{
    argument::{FilePath, count},
    catalog::Catalog,
    engine::EngineMethods,
    open_repo::at_once,
    operation::{Answer, Operation, Stop, Waiter},
    repo::{CloseWithRepo, RepoMethods},
    workbench::{Host, Slot, Workbench, image},
};

/// Deploys the mazes of a store on Docker, reconciles them, and tears them down.
///
/// `docker` is None for the daemon of the `docker` command (`DOCKER_HOST`, else the selected context, else the default socket),
/// an address like `unix:///var/run/docker.sock`, or a `Simulated` daemon. Methods can be called from any thread.
///
/// Ctrl-C during a change of Docker undoes the change and then raises `KeyboardInterrupt`. An exception of a `progress` callable, which
/// is called with every event of the operation, does the same.
#[pyclass(name = "Engine", frozen, extends = EngineMethods, module = "decnet")]
pub(crate) struct PyEngine;

/// An engine with coroutines as methods. It connects to the daemon at the first call, or in `async with`.
///
/// Cancelling a task that changes Docker undoes the change first, and then raises `CancelledError`.
#[pyclass(frozen, extends = EngineMethods, module = "decnet.aio")]
pub(crate) struct AioEngine;

/// The arguments of the constructors.
struct Arguments<'a, 'py> {
    repo: &'a RepoMethods,
    docker: Option<&'a Bound<'py, PyAny>>,
    catalog: Option<&'a Bound<'py, Catalog>>,
    width: Option<&'a Bound<'py, PyAny>>,
    timeout: Option<&'a Bound<'py, PyAny>>,
    decoy: Option<FilePath>,
}

impl Arguments<'_, '_> {
    fn workbench(self, py: Python<'_>) -> PyResult<Workbench> {
        let bus = LocalBus::default();
        let catalog = Catalog::or_builtin(self.catalog.map(Bound::get));
        Ok(Workbench {
            repo: self.repo.repo()?,
            host: Host::new(py, self.docker, self.timeout)?,
            runtime: Arc::new(OnceCell::new()),
            options: EngineOptions::new((*catalog).clone())
                .bus(Arc::new(bus.clone()))
                .image(image(self.decoy)?)
                .width(self.width.map(|width| count(width, "a width")).transpose()?)
                .label("decnet (Python)"),
            bus,
            closing: CancellationToken::new(),
        })
    }
}

fn methods(repo: &RepoMethods, bench: Workbench, waiter: Waiter) -> PyResult<EngineMethods> {
    let slot = Arc::new(Slot(Mutex::new(Some(bench))));
    let dependant: Arc<dyn CloseWithRepo> = slot.clone();
    repo.keep(Arc::downgrade(&dependant))?;
    Ok(EngineMethods::new(slot, waiter))
}

/// Returns a connection to the daemon.
fn connect(bench: Workbench, finish: impl FnOnce(Python<'_>) -> Answer + Send + 'static) -> Operation {
    let work = |_| async move { bench.engine().await };
    Operation::new(Stop::Drop, work, |py, _| finish(py))
}

#[pymethods]
impl PyEngine {
    /// Connects to the daemon.
    #[new]
    #[pyo3(signature = (repo: "Repo", docker: "str | Simulated | None" = None, *, catalog = None, width: "int | None" = None, timeout: "float | None" = None, decoy: "str | PathLike[str] | None" = None))]
    fn new(
        py: Python<'_>,
        repo: &Bound<'_, RepoMethods>,
        docker: Option<&Bound<'_, PyAny>>,
        catalog: Option<&Bound<'_, Catalog>>,
        width: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
        decoy: Option<FilePath>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let arguments = Arguments {
            repo: repo.get(),
            docker,
            catalog,
            width,
            timeout,
            decoy,
        };
        let bench = arguments.workbench(py)?;
        Waiter::Thread.wait(py, connect(bench.clone(), |py| Ok(py.None())), None)?;
        let methods = methods(repo.get(), bench, Waiter::Thread)?;
        Ok(PyClassInitializer::from(methods).add_subclass(Self))
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_arguments: "object"))]
    fn __exit__(slf: &Bound<'_, Self>, _arguments: &Bound<'_, PyTuple>) -> PyResult<()> {
        slf.as_super().get().close()
    }
}

#[pymethods]
impl AioEngine {
    #[new]
    #[pyo3(signature = (repo: "AioRepo | Repo", docker: "str | Simulated | None" = None, *, catalog = None, width: "int | None" = None, timeout: "float | None" = None, decoy: "str | PathLike[str] | None" = None))]
    fn new(
        py: Python<'_>,
        repo: &Bound<'_, RepoMethods>,
        docker: Option<&Bound<'_, PyAny>>,
        catalog: Option<&Bound<'_, Catalog>>,
        width: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
        decoy: Option<FilePath>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let arguments = Arguments {
            repo: repo.get(),
            docker,
            catalog,
            width,
            timeout,
            decoy,
        };
        let methods = methods(repo.get(), arguments.workbench(py)?, Waiter::EventLoop)?;
        Ok(PyClassInitializer::from(methods).add_subclass(Self))
    }

    #[pyo3(signature = () -> "Coroutine[Any, Any, AioEngine]")]
    fn __aenter__(slf: &Bound<'_, Self>, py: Python<'_>) -> Answer {
        let bench = slf.as_super().get().workbench()?;
        let slf = slf.clone().unbind();
        Waiter::EventLoop.wait(py, connect(bench, |_| Ok(slf.into_any())), None)
    }

    #[pyo3(signature = (*_arguments: "object") -> "Coroutine[Any, Any, None]")]
    fn __aexit__(slf: &Bound<'_, Self>, py: Python<'_>, _arguments: &Bound<'_, PyTuple>) -> Answer {
        slf.as_super().get().close()?;
        at_once(py, py.None())
    }
}
