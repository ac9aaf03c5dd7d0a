use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use crate::{
    catalog::{Port, ServiceField, ServicePort, ServiceVolume, Tmpfs},
    name::ServiceName,
};

/// The source of a service's image.
///
/// In a catalogue file: `"builtin"`, a reference like `"nginx:1.27"`, or `{ build = "path/to/folder" }`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ImageSource {
    /// The responder of this project. It needs no registry.
    Builtin,
    /// An image reference; a missing image is pulled.
    Reference(String),
    /// A folder with a Dockerfile. The daemon builds it.
    Build(PathBuf),
}

impl fmt::Display for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin => f.write_str("builtin"),
            Self::Reference(reference) => f.write_str(reference),
            Self::Build(folder) => write!(f, "build {}", folder.display()),
        }
    }
}

/// The resource limits of a service's containers where they differ from the engine's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceLimits {
    /// Memory, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// The number of processes and threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
    /// The number of processors; 0.5 is half of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
    /// The number of open files of one process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u32>,
    /// The space on a writable root, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_mib: Option<u32>,
}

/// Which system calls a service may make.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, strum::VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum SeccompMode {
    /// The calls that the engine's profile for deckies allows.
    #[default]
    Decnet,
    /// The calls that Docker's own profile allows: `io_uring`, AIO and 32-bit programs, for example.
    Engine,
    /// All calls.
    Unconfined,
}

impl SeccompMode {
    /// The words for the modes.
    pub(super) const WORDS: &[&str] = <Self as strum::VariantNames>::VARIANTS;
}

/// A service that a decky may run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default = "Service::unnamed", deny_unknown_fields)]
pub struct Service {
    /// The name.
    pub name: ServiceName,
    /// The ports that visitors see.
    pub ports: BTreeSet<Port>,
    /// The numbers of the ports on which its program listens, by the port that visitors see; only those that differ from it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inside: BTreeMap<Port, u16>,
    /// The UDP ports to which it sends broadcasts and multicasts; on inner LANs only, never where a decky is on the DMZ.
    pub broadcast: BTreeSet<Port>,
    /// The source of its image.
    pub image: ImageSource,
    /// The command that replaces the image's own; empty to keep that.
    pub command: Vec<String>,
    /// The text that a built-in responder sends to each visitor.
    pub banner: Option<String>,
    /// A version that a maze can pin in a persona, in the form that the built-in responder reports. Without one, its answers show no
    /// version, and none can be pinned.
    pub version: Option<String>,
    /// The fields of its configuration.
    pub fields: Vec<ServiceField>,
    /// The capabilities that it keeps, without `CAP_`.
    pub capabilities: BTreeSet<String>,
    /// Whether its root must be writable.
    pub writable_root: bool,
    /// The folders that are writable and in memory. They are empty at first.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tmpfs: BTreeSet<Tmpfs>,
    /// The named volumes, by name. They are on the disk of the host.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub volumes: BTreeSet<ServiceVolume>,
    /// The user that it runs as, `uid[:gid]`. The default is the image's user, or 65534:65534 if that is root.
    pub user: Option<String>,
    /// Its resource limits.
    pub limits: ServiceLimits,
    /// The system calls that it may make.
    pub seccomp: SeccompMode,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// Whether one instance serves a whole installation. Such a service never runs on a decky.
    pub singleton: bool,
}

impl Service {
    /// Creates a service that the built-in responder serves, without banner and configuration.
    pub fn new(name: ServiceName, ports: impl IntoIterator<Item = Port>) -> Self {
        Self {
            name,
            ports: ports.into_iter().collect(),
            inside: BTreeMap::new(),
            broadcast: BTreeSet::new(),
            image: ImageSource::Builtin,
            command: Vec::new(),
            banner: None,
            version: None,
            fields: Vec::new(),
            capabilities: BTreeSet::new(),
            writable_root: false,
            tmpfs: BTreeSet::new(),
            volumes: BTreeSet::new(),
            user: None,
            limits: ServiceLimits::default(),
            seccomp: SeccompMode::default(),
            environment: BTreeMap::new(),
            singleton: false,
        }
    }

    /// Returns the defaults of the keys that a stored entry leaves out.
    fn unnamed() -> Self {
        Self::new(ServiceName::new(""), [])
    }

    /// Walks the ports with those on which the program listens.
    pub fn listens(&self) -> impl Iterator<Item = ServicePort> {
        self.ports.iter().map(|outside| ServicePort {
            outside: *outside,
            inside: self.inside.get(outside).copied().unwrap_or(outside.number),
        })
    }

    /// Walks the ports that no other service of its decky may use: those that visitors see, and those on which its program
    /// listens. Each occurs once.
    pub fn occupied(&self) -> impl Iterator<Item = Port> {
        let inside = self.listens().map(ServicePort::inside_port);
        let hidden: BTreeSet<_> = inside.filter(|port| !self.ports.contains(port)).collect();
        self.ports.iter().copied().chain(hidden)
    }

    /// Returns whether the entry runs as root: by name, or by the number 0.
    pub fn is_root(&self) -> bool {
        self.user.as_deref().is_some_and(is_root)
    }

    /// Returns the field of that key.
    pub fn field(&self, key: &str) -> Option<&ServiceField> {
        self.fields.iter().find(|field| field.key == key)
    }
}

/// Returns whether a user, `name[:group]` or `uid[:gid]`, is root. Docker treats an empty user as root too.
///
/// ```
/// use decnet_topology::is_root;
///
/// assert!(is_root("") && is_root("root") && is_root("0:1000") && is_root("root:root") && is_root(":5"));
/// assert!(!is_root("nginx") && !is_root("1000:0") && !is_root("65534:65534"));
/// ```
pub fn is_root(user: &str) -> bool {
    let name = user.split(':').next().unwrap_or_default().trim();
    name.is_empty() || name == "root" || name.parse() == Ok(0_u32)
}

/// A ready-made kind of host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archetype {
    /// The name in documents.
    pub slug: String,
    /// The name for people.
    pub title: String,
    /// The services that such a host runs.
    pub services: BTreeSet<ServiceName>,
    /// The operating system that it pretends to run: one of [`Persona::SYSTEMS`](crate::Persona::SYSTEMS), or `debian-12` if
    /// none is given.
    pub os: Option<String>,
}

/// The entries that a catalogue file defines.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct CatalogEntries {
    /// The services that it adds or overrides, by name.
    pub services: Vec<Service>,
    /// The archetypes that it adds or overrides, by slug.
    pub archetypes: Vec<Archetype>,
}
