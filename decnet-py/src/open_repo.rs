//! The two classes of stores: for threads, and for asyncio.

use std::{path::PathBuf, sync::Arc};

use decnet_topology::{MemoryRepo, PostgresRepo, RepoError, SqliteRepo};
use pyo3::prelude::*;

use crate::{
    argument::FilePath,
    operation::{Answer, Operation, Stop, Waiter},
    repo::{OpenRepo, RepoMethods},
    store_place::StorePlace,
};

/// Lets `with` and `async with` close what they opened. The text is the type that `async with` waits for.
macro_rules! context_managers {
    ($thread:ident, $event_loop:ident, $coming:tt) => {
        #[pymethods]
        impl $thread {
            fn __enter__(slf: Py<Self>) -> Py<Self> {
                slf
            }

            #[pyo3(signature = (*_arguments: "object"))]
            fn __exit__(slf: &Bound<'_, Self>, _arguments: &Bound<'_, pyo3::types::PyTuple>) -> PyResult<()> {
                slf.as_super().get().close()
            }
        }

        #[pymethods]
        impl $event_loop {
            #[pyo3(signature = () -> $coming)]
            fn __aenter__(slf: &Bound<'_, Self>) -> Answer {
                $crate::open_repo::coroutine_of(slf.py(), slf.clone().unbind().into_any())
            }

            #[pyo3(signature = (*_arguments: "object") -> "Coroutine[Any, Any, None]")]
            fn __aexit__(
                slf: &Bound<'_, Self>,
                py: Python<'_>,
                _arguments: &Bound<'_, pyo3::types::PyTuple>,
            ) -> Answer {
                slf.as_super().get().close()?;
                $crate::open_repo::coroutine_of(py, py.None())
            }
        }
    };
}
pub(crate) use context_managers;

/// A store of topologies: in memory, in one file that several processes can use, or in a PostgreSQL database that several hosts
/// can use.
///
/// Every method is one transaction, and can be called from any thread. A method that depends on an earlier read takes the value
/// that was read (a version, a status, a token), and is refused if it has changed. `at` is the current time by default.
#[pyclass(name = "Repo", frozen, extends = RepoMethods, module = "decnet")]
pub(crate) struct PyRepo;

/// A store of topologies, with coroutines as methods.
#[pyclass(frozen, extends = RepoMethods, module = "decnet.aio")]
pub(crate) struct AioRepo;

/// Opens the store in a file, or on a server if the path has the scheme of an address.
async fn open(path: FilePath) -> Result<Arc<OpenRepo>, RepoError> {
    let path = path.take();
    if let Some(address) = path.to_str().filter(|text| text.contains("://")) {
        let repo = PostgresRepo::open(address).await?;
        let place = StorePlace::Server(address.into());
        return Ok(OpenRepo::new(Arc::new(repo), place));
    }
    let place = StorePlace::File(path.clone());
    Ok(OpenRepo::new(Arc::new(open_file(path).await?), place))
}

/// Opens the store in a file, on a thread that may wait.
pub(crate) async fn open_file(path: PathBuf) -> Result<SqliteRepo, RepoError> {
    let opened = tokio::task::spawn_blocking(move || SqliteRepo::open(path)).await;
    opened.unwrap_or_else(|error| Err(RepoError::Medium { source: error.into() }))
}

#[pymethods]
impl PyRepo {
    /// Opens a store in memory that lives as long as the process.
    #[staticmethod]
    fn memory(py: Python<'_>) -> PyResult<Py<Self>> {
        Self::make(py, OpenRepo::new(Arc::new(MemoryRepo::new()), StorePlace::Memory))
    }

    /// Opens the store in a file, and creates the file if it is missing; or in a database, `postgres://user:password@host/database`.
    #[staticmethod]
    #[pyo3(signature = (path: "str | PathLike[str]") -> "Repo")]
    fn open(py: Python<'_>, path: FilePath) -> Answer {
        let finish = |py: Python<'_>, opened| Ok(Self::make(py, opened)?.into_any());
        Waiter::Thread.wait(py, Operation::new(Stop::Never, |_| open(path), finish), None)
    }
}

impl PyRepo {
    fn make(py: Python<'_>, open: Arc<OpenRepo>) -> PyResult<Py<Self>> {
        let methods = RepoMethods::new(open, Waiter::Thread);
        Py::new(py, PyClassInitializer::from(methods).add_subclass(Self))
    }
}

#[pymethods]
impl AioRepo {
    /// Uses an open store.
    #[new]
    #[pyo3(signature = (repo: "Repo | AioRepo"))]
    fn new(repo: &Bound<'_, RepoMethods>) -> PyResult<PyClassInitializer<Self>> {
        repo.get().shared().map(Self::make)
    }

    /// Opens a store in memory that lives as long as the process.
    #[staticmethod]
    fn memory(py: Python<'_>) -> PyResult<Py<Self>> {
        Py::new(
            py,
            Self::make(OpenRepo::new(Arc::new(MemoryRepo::new()), StorePlace::Memory)),
        )
    }

    /// Opens the store in a file, and creates the file if it is missing; or in a database, `postgres://user:password@host/database`.
    ///
    /// `await` returns the store; `async with` also closes it.
    #[staticmethod]
    #[pyo3(signature = (path: "str | PathLike[str]") -> "Opening")]
    fn open(py: Python<'_>, path: FilePath) -> Answer {
        let finish = |py: Python<'_>, opened| Ok(Py::new(py, Self::make(opened))?.into_any());
        let opened = Waiter::EventLoop.wait(py, Operation::new(Stop::Never, |_| open(path), finish), None)?;
        Ok(py
            .import("decnet._asyncio")?
            .getattr("Opening")?
            .call1((opened,))?
            .unbind())
    }
}

impl AioRepo {
    fn make(open: Arc<OpenRepo>) -> PyClassInitializer<Self> {
        PyClassInitializer::from(RepoMethods::new(open, Waiter::EventLoop)).add_subclass(Self)
    }
}

context_managers!(PyRepo, AioRepo, "Coroutine[Any, Any, AioRepo]");

/// Returns a coroutine that returns a value.
pub(crate) fn coroutine_of(py: Python<'_>, value: Py<PyAny>) -> Answer {
    let work = |_| async { Ok::<_, RepoError>(()) };
    Waiter::EventLoop.wait(py, Operation::new(Stop::Never, work, |_, ()| Ok(value)), None)
}
