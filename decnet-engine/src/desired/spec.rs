use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

use decnet_decoy::protocol::NetState;
use decnet_topology::{
    LogSettings, Name, ServiceName,
    catalog::{Port, Protocol},
};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::Seccomp;
use crate::naming::{ContainerName, Labels, NetworkName};

/// What a base may do: set the routes and interfaces of its own namespace. It gives even that up once it has.
pub const BASE_CAPABILITIES: [&str; 1] = ["NET_ADMIN"];

/// The resolver that deckies are given: themselves, where nobody answers. Docker's own tells names and asks the outside.
pub const RESOLVER: &str = "127.0.0.1";

/// An image that containers are made from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Image {
    /// The decoy program of this project, loaded without a registry.
    Decoy {
        /// What Docker calls it.
        reference: String,
    },
    /// Any other, pulled when it is not there.
    Pulled {
        /// What Docker and its registry call it.
        reference: String,
    },
    /// One that the daemon builds.
    Built {
        /// What Docker calls it.
        reference: String,
        /// The folder with the Dockerfile.
        context: PathBuf,
    },
}

impl Image {
    /// Returns what Docker calls it.
    pub fn reference(&self) -> &str {
        match self {
            Self::Decoy { reference } | Self::Pulled { reference } | Self::Built { reference, .. } => reference,
        }
    }
}

/// How far a network leads, beside the routers on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NetworkReach {
    /// Nowhere: the host has no address on it.
    Isolated,
    /// To the host, whose address on it is the gateway, and which can publish ports of its containers.
    Host,
    /// To the host, and with the host's address to the outside.
    Outside,
}

/// The network of a LAN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// Its name on Docker.
    pub name: NetworkName,
    /// The LAN.
    pub lan: Name,
    /// The subnet.
    pub subnet: Ipv4Net,
    /// The gateway: the host's address, unless the network is isolated.
    pub gateway: Ipv4Addr,
    /// How far it leads.
    pub reach: NetworkReach,
    /// The labels, the digest among them.
    pub labels: Labels,
}

/// One interface of a base.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Interface {
    /// The network.
    pub network: NetworkName,
    /// The LAN.
    pub lan: Name,
    /// The address.
    pub ip: Ipv4Addr,
    /// Which interface has the default route and the published ports, where the engine can be told (`GwPriority`, API 1.48):
    /// the highest.
    pub priority: i64,
}

/// A port of the host that leads to a port of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PublishedPort {
    /// The address on the host. Unspecified is all of its own kind; without an address, Docker would open IPv6 as well.
    pub host_ip: IpAddr,
    /// The port on the host.
    pub host_port: u16,
    /// The port of the gateway.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
}

/// Where what a container prints is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// Docker's log driver.
    pub driver: String,
    /// Its options.
    pub options: BTreeMap<String, String>,
}

impl Log {
    /// Works out what Docker is told.
    pub fn new(settings: &LogSettings) -> Self {
        Self {
            driver: settings.driver.as_str().into(),
            options: settings.resolved(),
        }
    }

    /// Returns whether it is the usual one, which digests leave out: it was there before there were others.
    fn is_usual(&self) -> bool {
        *self == Self::usual()
    }

    fn usual() -> Self {
        Self::new(&LogSettings::default())
    }
}

/// What a container may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Processes.
    pub pids: i64,
    /// Memory, in bytes; none of it swapped.
    pub memory: i64,
    /// Processor time, in billionths of a processor.
    pub nano_cpus: i64,
    /// Open files of one process.
    pub open_files: i64,
}

/// The user of a built-in service, and of an image that would run as root: nobody.
pub const NOBODY: &str = "65534:65534";

/// The user that a service runs as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunAs {
    /// This one, `uid[:gid]` or a name that the image knows.
    User(String),
    /// The image's own user, or [`NOBODY`] where that is root. The runtime looks at the image when it creates the container.
    ImageUserUnlessRoot,
}

/// Which network a service has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServiceNetwork {
    /// None. Its base hands it the sockets that it listens on, over a socket in the base's volume, whenever either of them starts.
    HandedSockets,
    /// That of its base, which an image needs that knows nothing of this project. The base has to run before it.
    OfBase,
}

/// Kernel settings of a namespace, by name.
pub type Sysctls = BTreeMap<Cow<'static, str>, Cow<'static, str>>;

/// The base of a decky, which owns its network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseSpec {
    /// Its name on Docker.
    pub name: ContainerName,
    /// The decky.
    pub decky: Name,
    /// What its host calls itself: the decky's name.
    pub hostname: String,
    /// The image's reference.
    pub image: String,
    /// Its interfaces, home first.
    pub interfaces: Vec<Interface>,
    /// The ports that it publishes; only gateways do.
    pub publish: BTreeSet<PublishedPort>,
    /// Its routes and whether it forwards.
    pub state: NetState,
    /// The sysctls of its namespace.
    pub sysctls: Sysctls,
    /// What it may use up.
    pub limits: Limits,
    /// Which system calls it may make.
    pub seccomp: Seccomp,
    /// Where what it prints is kept.
    #[serde(default = "Log::usual", skip_serializing_if = "Log::is_usual")]
    pub log: Log,
    /// The labels, the digests among them.
    pub labels: Labels,
}

/// The container of a decky's service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// Its name on Docker.
    pub name: ContainerName,
    /// The decky.
    pub decky: Name,
    /// The service.
    pub service: ServiceName,
    /// The base of its decky.
    pub base: ContainerName,
    /// Which network it has.
    pub network: ServiceNetwork,
    /// The image's reference.
    pub image: String,
    /// The folder that the image is built from, if it is built: an image that a teardown of another maze removed meanwhile is built
    /// again. Not a part of the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<PathBuf>,
    /// The arguments, if not the image's own.
    pub command: Option<Vec<String>>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// The capabilities that it keeps, without `CAP_`.
    pub capabilities: BTreeSet<String>,
    /// The ports that it should answer on. Its container is not made from them, so they are not a part of the digest.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ports: BTreeSet<Port>,
    /// Whether it answers each datagram; of other services silence says nothing. Not a part of the digest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answers_datagrams: bool,
    /// How many bytes may be written to its root, where the storage driver can limit that; none if the root is read-only.
    pub writable_root: Option<i64>,
    /// The user it runs as.
    pub user: RunAs,
    /// What it may use up.
    pub limits: Limits,
    /// Which system calls it may make.
    pub seccomp: Seccomp,
    /// Where what it prints is kept.
    #[serde(default = "Log::usual", skip_serializing_if = "Log::is_usual")]
    pub log: Log,
    /// The labels, the digest among them.
    pub labels: Labels,
}
