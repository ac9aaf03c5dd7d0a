//! Where other processes hear of what this one does.

use std::{
    env,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use decnet_engine::{
    bus::{Bus, unix::UnixBus},
    event::{Envelope, Event},
};
use decnet_topology::TopologyRow;
use etcetera::BaseStrategy;

use crate::{command_error::CommandError, globals::Globals};

/// Where services of the machine have their sockets.
const SYSTEM: &str = "/run/decnet";

/// How long the end of a command may be held up by events that are on their way.
const PATIENCE: Duration = Duration::from_secs(1);

/// The bus, connected when something is to be told, and whether it is served or not.
#[derive(Debug)]
pub(crate) struct SharedBus {
    path: Option<PathBuf>,
    bus: OnceLock<Arc<UnixBus>>,
}

impl SharedBus {
    /// Connects nothing yet.
    pub(crate) fn new(globals: &Globals) -> Self {
        Self {
            // Who cannot be told where the bus is tells nobody: the store is the truth.
            path: path(globals).ok(),
            bus: OnceLock::new(),
        }
    }

    /// Returns the bus for an engine.
    pub(crate) fn connected(&self) -> Option<Arc<dyn Bus>> {
        Some(self.get()?.clone())
    }

    /// Tells that a topology was stored.
    pub(crate) fn publish_creation(&self, row: &TopologyRow) {
        let event = Event::Status {
            topology: row.id,
            from: None,
            to: row.status,
            reason: Some("created".into()),
        };
        if let Some(bus) = self.get() {
            bus.publish(Envelope::new(event, row.created_at));
        }
    }

    /// Waits a moment for what is on its way.
    pub(crate) async fn settle(&self) {
        if let Some(bus) = self.bus.get() {
            bus.flush(PATIENCE).await;
        }
    }

    fn get(&self) -> Option<&Arc<UnixBus>> {
        let path = self.path.as_ref()?;
        let name = || format!("decnet {}", std::process::id());
        Some(self.bus.get_or_init(|| Arc::new(UnixBus::new(path, name()))))
    }
}

/// Returns where the bus is: as given, else in the user's runtime folder, else with the services of the machine where those have
/// a folder or the user is root, else in the user's data folder.
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
