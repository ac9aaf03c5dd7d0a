use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use crate::{
    catalog::{Field, Port},
    name::ServiceName,
};

/// Where the image of a service comes from.
///
/// In a catalogue file: `"builtin"`, a reference like `"nginx:1.27"`, or `{ build = "path/to/folder" }`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ImageSource {
    /// The responder of this project, which needs no registry.
    Builtin,
    /// A reference; the image is pulled if it is missing.
    Reference(String),
    /// A folder with a Dockerfile, built by the daemon.
    Build(PathBuf),
}

/// What a container of a service may use, where it differs from the engine's bounds for all.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Memory, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// Processes and threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
    /// Processors; 0.5 is half of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
    /// Open files of one process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u32>,
    /// What it may write to a writable root, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_mib: Option<u32>,
}

/// Which system calls a service may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Seccomp {
    /// Those that the engine's profile for deckies allows.
    #[default]
    Decnet,
    /// Those that Docker's own profile allows: `io_uring`, AIO and programs of 32 bits, for example.
    Engine,
    /// All of them.
    Unconfined,
}

/// A service that a decky may run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Service {
    /// The name.
    pub name: ServiceName,
    /// The ports that it listens on.
    pub ports: BTreeSet<Port>,
    /// The UDP ports to which it sends broadcasts and multicasts; on inner LANs only, never where a decky is on the DMZ.
    pub broadcast: BTreeSet<Port>,
    /// Where its image comes from.
    pub image: ImageSource,
    /// What is run instead of the image's own command; nothing if empty.
    pub command: Vec<String>,
    /// What a built-in responder says to who connects.
    pub banner: Option<String>,
    /// The fields of its configuration.
    pub fields: Vec<Field>,
    /// The capabilities that it keeps, without `CAP_`.
    pub capabilities: BTreeSet<String>,
    /// Whether its root must be writable.
    pub writable_root: bool,
    /// The user that it runs as, `uid[:gid]`. If none is given, that of the image, or 65534:65534 where that would be root.
    pub user: Option<String>,
    /// What it may use.
    pub limits: Limits,
    /// Which system calls it may make.
    pub seccomp: Seccomp,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// Whether there is one for a whole installation, never one on a decky.
    pub singleton: bool,
}

impl Service {
    /// Puts a service together that the built-in responder answers for, silently and without configuration.
    pub fn new(name: ServiceName, ports: impl IntoIterator<Item = Port>) -> Self {
        Self {
            name,
            ports: ports.into_iter().collect(),
            broadcast: BTreeSet::new(),
            image: ImageSource::Builtin,
            command: Vec::new(),
            banner: None,
            fields: Vec::new(),
            capabilities: BTreeSet::new(),
            writable_root: false,
            user: None,
            limits: Limits::default(),
            seccomp: Seccomp::default(),
            environment: BTreeMap::new(),
            singleton: false,
        }
    }

    /// Returns whether the entry asks for root: by name, or by the number 0.
    pub fn is_root(&self) -> bool {
        self.user.as_deref().is_some_and(is_root)
    }

    /// Returns the field of that key.
    pub fn field(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.key == key)
    }
}

/// Returns whether a user, `name[:group]` or `uid[:gid]`, is root. Docker takes an empty one for root as well.
///
/// ```
/// use decnet_topology::catalog::is_root;
///
/// assert!(is_root("") && is_root("root") && is_root("0:1000") && is_root("root:root") && is_root(":5"));
/// assert!(!is_root("nginx") && !is_root("1000:0") && !is_root("65534:65534"));
/// ```
pub fn is_root(user: &str) -> bool {
    let name = user.split(':').next().unwrap_or_default().trim();
    name.is_empty() || name == "root" || name.parse() == Ok(0_u32)
}

/// A ready-made kind of host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archetype {
    /// The name in documents.
    pub slug: String,
    /// The name for people.
    pub title: String,
    /// What such a host runs.
    pub services: BTreeSet<ServiceName>,
}
