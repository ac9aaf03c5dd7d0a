//! The two classes of agents: for threads, and for asyncio.

use pyo3::prelude::*;

use crate::{
    agent::AgentMethods,
    argument::FilePath,
    open_repo::context_managers,
    operation::{Answer, Waiter},
};

/// The agent of this host: it serves the Docker of the host to the masters of a fleet, as `decnet agent` does.
///
/// The folder has its key, whom it trusts, its master, and the topology that the master pushed. It is created with mode 700, and only one
/// agent at a time may use it (`folder_in_use`). Methods can be called from any thread.
#[pyclass(name = "Agent", frozen, extends = AgentMethods, module = "decnet")]
pub(crate) struct PyAgent;

/// An agent with coroutines as methods.
///
/// Cancelling the task of `serve` ends it: open requests are finished first.
#[pyclass(frozen, extends = AgentMethods, module = "decnet.aio")]
pub(crate) struct AioAgent;

/// Writes the constructor of a class.
macro_rules! constructor {
    ($class:ident, $waiter:ident) => {
        #[pymethods]
        impl $class {
            /// Opens the folder of an agent.
            #[new]
            #[pyo3(signature = (folder: "str | PathLike[str]"))]
            fn new(py: Python<'_>, folder: FilePath) -> PyResult<PyClassInitializer<Self>> {
                let methods = AgentMethods::open(py, folder, Waiter::$waiter)?;
                Ok(PyClassInitializer::from(methods).add_subclass(Self))
            }
        }
    };
}

constructor!(PyAgent, Thread);
constructor!(AioAgent, EventLoop);

context_managers!(PyAgent, AioAgent, "Coroutine[Any, Any, AioAgent]");
