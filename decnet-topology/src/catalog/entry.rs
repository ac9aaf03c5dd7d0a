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
    /// A reference, pulled when it is not there.
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
}

/// A service that a decky may run.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// The name.
    pub name: ServiceName,
    /// The ports that it listens on.
    pub ports: BTreeSet<Port>,
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
    /// The user that it runs as, `uid[:gid]`.
    pub user: Option<String>,
    /// What it may use.
    pub limits: Limits,
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
            image: ImageSource::Builtin,
            command: Vec::new(),
            banner: None,
            fields: Vec::new(),
            capabilities: BTreeSet::new(),
            writable_root: false,
            user: None,
            limits: Limits::default(),
            environment: BTreeMap::new(),
            singleton: false,
        }
    }

    /// Returns the field of that key.
    pub fn field(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.key == key)
    }
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
