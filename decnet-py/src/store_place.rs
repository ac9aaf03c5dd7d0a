//! Where a store is.

use std::{fmt, path::PathBuf, sync::Arc};

use decnet_engine::{Bus, LocalBus, PostgresBus};
use decnet_topology::PostgresRepo;
use pyo3::prelude::*;

use crate::runtime;

/// Where a store is.
pub(crate) enum StorePlace {
    /// In the memory of this process.
    Memory,
    /// In a file.
    File(PathBuf),
    /// In a database on a server. The address may have a password.
    Server(String),
}

impl StorePlace {
    /// Returns a bus for an engine on the store: that of the server if it is on one, so that events also reach other processes and come from
    /// them, otherwise one within this process.
    pub(crate) fn bus(&self, py: Python<'_>) -> PyResult<Arc<dyn Bus>> {
        let Self::Server(address) = self else {
            return Ok(Arc::new(LocalBus::default()));
        };
        let _entered = runtime::threads(py)?.tokio.enter();
        Ok(Arc::new(PostgresBus::new(address)))
    }
}

impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("in memory"),
            Self::File(path) => write!(f, "{:?}", path.display().to_string()),
            Self::Server(address) => write!(f, "{:?}", PostgresRepo::shown_address(address).unwrap_or_default()),
        }
    }
}

/// The address of a server may have a password.
impl fmt::Debug for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorePlace({self})")
    }
}
