//! The services and archetypes that there are: ports, images, fields of configuration.

mod stub;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::name::ServiceName;

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A port that a service listens on; written `80/tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// The number, from 1.
    pub number: u16,
    /// The protocol.
    pub protocol: Protocol,
}

/// Where the image of a service comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ImageSource {
    /// The responder of this project, which needs no registry.
    Builtin,
    /// A reference, pulled when it is not there.
    Reference(String),
    /// A folder with a Dockerfile, built by the daemon.
    Build(std::path::PathBuf),
}

/// The type of a field of configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FieldType {
    /// One line of text.
    String,
    /// A text that is not shown.
    Password,
    /// A whole number.
    Int,
    /// True or false.
    Bool,
    /// Text of several lines.
    Text,
    /// One of [`Field::options`].
    Enum,
    /// A list of some of [`Field::options`].
    MultiEnum,
}

/// A field of a service's configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// The key in `service_config`.
    pub key: String,
    /// The type of its value.
    pub kind: FieldType,
    /// The values that an enum may have.
    pub options: Vec<String>,
    /// The value when none is given.
    pub default: Option<Value>,
    /// What it is for.
    pub help: String,
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
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// Whether there is one for a whole installation, never one on a decky.
    pub singleton: bool,
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

/// The services and archetypes that there are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Catalog {
    services: BTreeMap<ServiceName, Service>,
    archetypes: BTreeMap<String, Archetype>,
}

impl Catalog {
    /// Returns a service, the singletons among them.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.get(name)
    }

    /// Returns a service that may be put on a decky.
    pub fn decky_service(&self, name: &str) -> Option<&Service> {
        self.service(name).filter(|service| !service.singleton)
    }

    /// Walks the services, by name.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// Returns an archetype.
    pub fn archetype(&self, slug: &str) -> Option<&Archetype> {
        self.archetypes.get(slug)
    }

    /// Walks the archetypes, by slug.
    pub fn archetypes(&self) -> impl Iterator<Item = &Archetype> {
        self.archetypes.values()
    }
}
