use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

use decnet_decoy::protocol::{Mac, NetState};
use decnet_topology::{LogSettings, Name, Port, Protocol, ServiceName, Tmpfs, Vni};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::Seccomp;
use crate::naming::{ContainerName, Labels, LinkName, NetworkName, VolumeName};

/// The capabilities of a base: it sets the routes and interfaces of its own namespace, and then drops even these.
pub(crate) const BASE_CAPABILITIES: [&str; 1] = ["NET_ADMIN"];

/// The resolver of deckies: their own address, where nothing answers. Docker's own resolver reveals names and asks servers
/// outside.
pub(crate) const RESOLVER: &str = "127.0.0.1";

/// An image that containers are made from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ImageSpec {
    /// The decoy program of this project, loaded without a registry.
    Decoy {
        /// Its reference on Docker.
        reference: String,
    },
    /// Another image, pulled if it is missing.
    Pulled {
        /// Its reference on Docker and its registry.
        reference: String,
    },
    /// An image that the daemon builds.
    Built {
        /// Its reference on Docker.
        reference: String,
        /// The folder with the Dockerfile.
        context: PathBuf,
    },
}

impl ImageSpec {
    /// Returns the reference on Docker.
    pub fn reference(&self) -> &str {
        match self {
            Self::Decoy { reference } | Self::Pulled { reference } | Self::Built { reference, .. } => reference,
        }
    }
}

/// What a network connects to, in addition to the routers on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NetworkReach {
    /// Nothing: the host has no address on it.
    Isolated,
    /// The host. The gateway is the host's address, and the host can publish ports of the containers.
    Host,
    /// The host and, behind the host's address, the outside.
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
    /// The gateway: the host's address unless the network is isolated.
    pub gateway: Ipv4Addr,
    /// What it connects to.
    pub reach: NetworkReach,
    /// The MTU in bytes; none for the default of the engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
    /// The labels, the digest among them.
    pub labels: Labels,
}

/// One end of the tunnel that joins the networks of a LAN on several members of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkSpec {
    /// The name of its network device, and the member.
    pub name: LinkName,
    /// The network that it joins with the others.
    pub network: NetworkName,
    /// The LAN.
    pub lan: Name,
    /// The identifier of the LAN in the tunnel.
    pub vni: Vni,
    /// The address of this member on the network that connects the members.
    pub local: Ipv4Addr,
    /// The addresses of the other members that have the LAN. Packets from anywhere else are dropped.
    pub peers: BTreeSet<Ipv4Addr>,
    /// The MTU in bytes.
    pub mtu: u16,
    /// The labels of its maze.
    pub labels: Labels,
}

/// One interface of a base.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InterfaceSpec {
    /// The network.
    pub network: NetworkName,
    /// The LAN.
    pub lan: Name,
    /// The address.
    pub ip: Ipv4Addr,
    /// The hardware address. The runtime uses it if it can; the base sets it anyway.
    pub mac: Mac,
    /// The interface with the highest priority has the default route and the published ports, if the engine supports it
    /// (`GwPriority`, API 1.48).
    pub priority: i64,
}

/// A port of the host that leads to a port of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortMapping {
    /// The host address. An unspecified address means all addresses of its family; without any address, Docker would also
    /// publish on IPv6.
    pub host_ip: IpAddr,
    /// The port on the host.
    pub host_port: u16,
    /// The port of the gateway.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
}

/// The log settings of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSpec {
    /// Docker's log driver.
    pub driver: String,
    /// Its options.
    pub options: BTreeMap<String, String>,
}

impl LogSpec {
    /// Converts the settings for Docker.
    pub fn new(settings: &LogSettings) -> Self {
        Self {
            driver: settings.driver.as_str().into(),
            options: settings.resolved(),
        }
    }

    /// Returns whether these are the default settings. Digests omit the default, which is older than this field.
    fn is_usual(&self) -> bool {
        *self == Self::usual()
    }

    fn usual() -> Self {
        Self::new(&LogSettings::default())
    }
}

/// The limits of a container.
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

/// The user of built-in services, and of images that would run as root: nobody.
pub(crate) const NOBODY: &str = "65534:65534";

/// The user that a service runs as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunAs {
    /// This user: `uid[:gid]` or a name in the image.
    User(String),
    /// The image's own user, or nobody (`65534:65534`) if that is root. The runtime inspects the image when it creates the
    /// container.
    ImageUserUnlessRoot,
}

/// The network of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServiceNetwork {
    /// None. The service connects to a Unix socket in the volume of its base, and the base passes it the sockets that
    /// it listens on. They repeat this when one of them restarts.
    HandedSockets,
    /// The network namespace of its base. Images that do not know this project need it. The base must run first.
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
    /// The host name: the decky's name.
    pub hostname: String,
    /// The image's reference.
    pub image: String,
    /// Its interfaces, home first.
    pub interfaces: Vec<InterfaceSpec>,
    /// The published ports; only gateways have any.
    pub publish: BTreeSet<PortMapping>,
    /// Its routes and forwarding.
    pub state: NetState,
    /// The sysctls of its namespace.
    pub sysctls: Sysctls,
    /// Its limits.
    pub limits: Limits,
    /// The allowed system calls.
    pub seccomp: Seccomp,
    /// The log settings.
    #[serde(default = "LogSpec::usual", skip_serializing_if = "LogSpec::is_usual")]
    pub log: LogSpec,
    /// The labels, including the digests.
    pub labels: Labels,
}

/// A named volume of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VolumeSpec {
    /// Its name on Docker.
    pub name: VolumeName,
    /// Where it is in the container.
    pub path: String,
    /// The labels. [`KEEP`](crate::naming::KEEP) is one of them if the volume stays when its service is removed.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
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
    /// The network.
    pub network: ServiceNetwork,
    /// The image's reference.
    pub image: String,
    /// The folder that the image is built from, if it is built. If the teardown of another maze removed the image meanwhile, it
    /// is built again. Not part of the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<PathBuf>,
    /// The arguments, or none for those of the image.
    pub command: Option<Vec<String>>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// The capabilities, without `CAP_`.
    pub capabilities: BTreeSet<String>,
    /// The ports that it must answer on. Not part of the digest, because the container does not depend on them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ports: BTreeSet<Port>,
    /// Whether it answers every datagram. If not, no answer is not a fault. Not part of the digest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answers_datagrams: bool,
    /// The limit of bytes written to its root, if the storage driver supports it; none if the root is read-only.
    pub writable_root: Option<i64>,
    /// The folders that are writable and in memory.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tmpfs: BTreeSet<Tmpfs>,
    /// The named volumes, by name. Only their names and paths are part of the digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeSpec>,
    /// The user.
    pub user: RunAs,
    /// Its limits.
    pub limits: Limits,
    /// The allowed system calls.
    pub seccomp: Seccomp,
    /// The log settings.
    #[serde(default = "LogSpec::usual", skip_serializing_if = "LogSpec::is_usual")]
    pub log: LogSpec,
    /// The labels, including the digest.
    pub labels: Labels,
}
