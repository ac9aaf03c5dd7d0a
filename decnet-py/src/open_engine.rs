//! The two classes of engines: for threads, and for asyncio.

use std::sync::{Arc, Mutex};

use decnet_engine::EngineOptions;
use pyo3::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::{
    argument::{FilePath, count},
    catalog::Catalog,
    engine::EngineMethods,
    open_repo::context_managers,
    operation::{Answer, Waiter},
    repo::{CloseWithRepo, RepoMethods},
    workbench::{self, Slot, Workbench},
};

/// Deploys the mazes of a store on Docker, reconciles them, and tears them down.
///
/// `docker` is None for the daemon of the `docker` command (`DOCKER_HOST`, else the selected context, else the default socket),
/// an address like `unix:///var/run/docker.sock`, or a `Simulated` daemon. It connects to the daemon when an operation needs it.
/// Methods can be called from any thread.
///
/// If the store has hosts (`decnet host`), it also works on them by their agents, and sees those that join later; `docker` has the mazes
/// that are not placed on hosts. With a `Simulated` daemon, nothing is done on hosts.
///
/// If the store is on a server, its events also reach engines and commands in other processes, by `NOTIFY` of the server, and `events`
/// has theirs.
///
/// Ctrl-C during a change of Docker undoes the change and then raises `KeyboardInterrupt`. An exception of a `progress` callable, which
/// is called with every event of the operation, does the same.
#[pyclass(name = "Engine", frozen, extends = EngineMethods, module = "decnet")]
pub(crate) struct PyEngine;

/// An engine with coroutines as methods. It connects to the daemon, and to the hosts of the store, when an operation needs them.
///
/// Cancelling a task that changes Docker undoes the change first, and then raises `CancelledError`.
#[pyclass(frozen, extends = EngineMethods, module = "decnet.aio")]
pub(crate) struct AioEngine;

/// Writes the constructor of a class. Only the type of the store differs.
macro_rules! constructor {
    ($class:ident, $waiter:ident, $repo:tt) => {
        #[pymethods]
        impl $class {
            /// Opens an engine on a store.
            #[new]
            #[pyo3(signature = (repo: $repo, docker: "str | Simulated | None" = None, *, catalog = None, width: "int | None" = None, timeout: "float | None" = None, decoy: "str | PathLike[str] | None" = None))]
            fn new(
                repo: &Bound<'_, RepoMethods>,
                docker: Option<&Bound<'_, PyAny>>,
                catalog: Option<&Bound<'_, Catalog>>,
                width: Option<&Bound<'_, PyAny>>,
                timeout: Option<&Bound<'_, PyAny>>,
                decoy: Option<FilePath>,
            ) -> PyResult<PyClassInitializer<Self>> {
                let options = options(catalog.map(Bound::get), width, decoy)?;
                let methods = methods(repo, options, docker, timeout, Waiter::$waiter)?;
                Ok(PyClassInitializer::from(methods).add_subclass(Self))
            }
        }
    };
}

constructor!(PyEngine, Thread, "Repo");
constructor!(AioEngine, EventLoop, "AioRepo | Repo");

/// Returns the options of an engine.
pub(crate) fn options(
    catalog: Option<&Catalog>,
    width: Option<&Bound<'_, PyAny>>,
    decoy: Option<FilePath>,
) -> PyResult<EngineOptions> {
    let width = width.map(|width| count(width, "a width")).transpose()?;
    Ok(EngineOptions::new((*Catalog::or_builtin(catalog)).clone())
        .image(workbench::image(decoy)?)
        .width(width)
        .label("decnet (Python)"))
}

fn methods(
    repo: &Bound<'_, RepoMethods>,
    options: EngineOptions,
    docker: Option<&Bound<'_, PyAny>>,
    timeout: Option<&Bound<'_, PyAny>>,
    waiter: Waiter,
) -> PyResult<EngineMethods> {
    let (py, repo) = (repo.py(), repo.get());
    let (open, bus) = (repo.repo()?, repo.bus(py)?);
    let (runtime, place) = workbench::runtime(&open, &options, workbench::daemon(docker, timeout)?);
    let bench = Workbench {
        runtime,
        place,
        connected: Arc::default(),
        repo: open,
        options: options.bus(Arc::clone(&bus)),
        bus,
        closing: CancellationToken::new(),
    };
    let slot = Arc::new(Slot(Mutex::new(Some(bench))));
    let dependant: Arc<dyn CloseWithRepo> = slot.clone();
    repo.keep(Arc::downgrade(&dependant))?;
    Ok(EngineMethods::new(slot, waiter))
}

context_managers!(PyEngine, AioEngine, "Coroutine[Any, Any, AioEngine]");
