//! The bus that carries the events of this process to others.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use decnet_engine::{Bus, Connectivity, Envelope, NatsBus, NatsUrl, Pattern, PostgresBus, Subscription, UnixBus};
use decnet_topology::PostgresRepo;
use etcetera::BaseStrategy;
use tokio::sync::watch;

use crate::{command_error::CommandError, given_bus::GivenBus, globals::Globals, store::Place};

/// The folder of sockets of system services.
const SYSTEM: &str = "/run/decnet";

/// How long a command waits at its end until its events are sent.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Where a bus is.
#[derive(Clone)]
pub(crate) enum BusAddress {
    /// On a Unix socket, which `decnet bus` serves.
    Socket(PathBuf),
    /// On a NATS server.
    Nats(NatsUrl),
    /// On the PostgreSQL server of the database. The address may have a password.
    Postgres(String),
}

impl BusAddress {
    /// Returns the bus: as given, else the server of the database if it is on one, else the socket in the user's runtime folder, else in
    /// the folder of system services if that exists or the user is root, else in the user's data folder.
    pub(crate) fn of(globals: &Globals) -> Result<Self, CommandError> {
        match &globals.bus {
            Some(GivenBus(given)) => match given.to_str().filter(|text| NatsUrl::is_meant(text)) {
                Some(url) => Ok(Self::Nats(url.parse()?)),
                None => Ok(Self::Socket(given.clone())),
            },
            None => match Place::or_default(globals.db.clone()) {
                Ok(Place::Server(address)) => Ok(Self::Postgres(address)),
                _ => default_socket().map(Self::Socket),
            },
        }
    }

    /// Starts to connect. The role describes this process to people.
    pub(crate) fn connect(&self, role: &str) -> RemoteBus {
        let name = format!("{role} {}", std::process::id());
        match self {
            Self::Socket(path) => RemoteBus::Unix(UnixBus::new(path, name)),
            Self::Nats(url) => RemoteBus::Nats(NatsBus::new(url, name)),
            Self::Postgres(address) => RemoteBus::Postgres(PostgresBus::new(address)),
        }
    }
}

impl fmt::Display for BusAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Nats(url) => url.fmt(f),
            Self::Postgres(address) => f.write_str(&PostgresRepo::shown_address(address).unwrap_or_default()),
        }
    }
}

/// The address of a database may have a password.
impl fmt::Debug for BusAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BusAddress({self})")
    }
}

/// A bus that reaches other processes.
#[derive(Debug)]
pub(crate) enum RemoteBus {
    Unix(UnixBus),
    Nats(NatsBus),
    Postgres(PostgresBus),
}

impl RemoteBus {
    fn as_bus(&self) -> &dyn Bus {
        match self {
            Self::Unix(bus) => bus,
            Self::Nats(bus) => bus,
            Self::Postgres(bus) => bus,
        }
    }

    async fn flush(&self) {
        match self {
            Self::Unix(bus) => bus.flush(TIMEOUT).await,
            Self::Nats(bus) => bus.flush(TIMEOUT).await,
            Self::Postgres(bus) => bus.flush(TIMEOUT).await,
        }
    }
}

impl Bus for RemoteBus {
    fn publish(&self, envelope: Envelope) {
        self.as_bus().publish(envelope);
    }

    fn subscribe(&self, patterns: &[Pattern]) -> Subscription {
        self.as_bus().subscribe(patterns)
    }

    fn connectivity(&self) -> watch::Receiver<Connectivity> {
        self.as_bus().connectivity()
    }
}

/// The bus, connected when the first event is published.
#[derive(Debug)]
pub(crate) struct SharedBus {
    address: Option<BusAddress>,
    bus: OnceLock<Arc<RemoteBus>>,
}

impl SharedBus {
    /// Creates the bus. It is not connected yet.
    pub(crate) fn new(globals: &Globals) -> Self {
        Self {
            // Without an address nothing is published; the store has the true state.
            address: BusAddress::of(globals).ok(),
            bus: OnceLock::new(),
        }
    }

    /// Returns the bus for an engine.
    pub(crate) fn connected(&self) -> Option<Arc<dyn Bus>> {
        let address = self.address.as_ref()?;
        let bus = self.bus.get_or_init(|| Arc::new(address.connect("decnet")));
        Some(Arc::<RemoteBus>::clone(bus))
    }

    /// Waits a moment until events are sent.
    pub(crate) async fn flush(&self) {
        if let Some(bus) = self.bus.get() {
            bus.flush().await;
        }
    }
}

/// Refuses an invalid URL of a server. Without a default socket, a command works and publishes nothing.
pub(crate) fn check(globals: &Globals) -> Result<(), CommandError> {
    match BusAddress::of(globals) {
        Err(error @ CommandError::NatsUrl(_)) => Err(error),
        _ => Ok(()),
    }
}

fn default_socket() -> Result<PathBuf, CommandError> {
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
