//! The bus that carries the events of this process to others.

use std::{
    env,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use decnet_engine::{Bus, UnixBus};
use etcetera::BaseStrategy;

use crate::{command_error::CommandError, globals::Globals};

/// The folder of sockets of system services.
const SYSTEM: &str = "/run/decnet";

/// How long a command waits at its end until its events are sent.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The bus, connected when the first event is published.
#[derive(Debug)]
pub(crate) struct SharedBus {
    path: Option<PathBuf>,
    bus: OnceLock<Arc<UnixBus>>,
}

impl SharedBus {
    /// Creates the bus. It is not connected yet.
    pub(crate) fn new(globals: &Globals) -> Self {
        Self {
            // Without a path nothing is published; the store has the true state.
            path: path(globals).ok(),
            bus: OnceLock::new(),
        }
    }

    /// Returns the bus for an engine.
    pub(crate) fn connected(&self) -> Option<Arc<dyn Bus>> {
        Some(self.get()?.clone())
    }

    /// Waits a moment until events are sent.
    pub(crate) async fn flush(&self) {
        if let Some(bus) = self.bus.get() {
            bus.flush(TIMEOUT).await;
        }
    }

    fn get(&self) -> Option<&Arc<UnixBus>> {
        let path = self.path.as_ref()?;
        let name = || format!("decnet {}", std::process::id());
        Some(self.bus.get_or_init(|| Arc::new(UnixBus::new(path, name()))))
    }
}

/// Returns the path of the socket: as given, else in the user's runtime folder, else in the folder of system services if that
/// exists or the user is root, else in the user's data folder.
pub(crate) fn path(globals: &Globals) -> Result<PathBuf, CommandError> {
    if let Some(path) = &globals.bus {
        return Ok(path.clone());
    }
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    if let Some(folder) = runtime.filter(|folder| folder.is_absolute()) {
        return Ok(folder.join("decnet").join("bus.sock"));
    }
    let system = Path::new(SYSTEM);
    if system.is_dir() || rustix::process::geteuid().is_root() {
        return Ok(system.join("bus.sock"));
    }
    let strategy = etcetera::choose_base_strategy().map_err(|_| CommandError::NoDataFolder)?;
    Ok(strategy.data_dir().join("decnet").join("bus.sock"))
}
