use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{catalog, decode::At, name::ServiceName};

/// What a maze pins of the host that a decky pretends to be. The rest follows from its archetype, its name and a secret of the
/// store.
///
/// ```
/// use decnet_topology::Persona;
///
/// let persona = Persona::default().os("windows-server-2019").version("ssh", "OpenSSH_for_Windows_8.1");
/// assert!(Persona::SYSTEMS.contains(&persona.os.as_deref().unwrap_or_default()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "persona", deny_unknown_fields)]
#[schemars(description = "What is pinned of the host that a decky pretends to be.")]
#[must_use]
#[non_exhaustive]
pub struct Persona {
    /// The operating system, as it is written: one of [`SYSTEMS`](Self::SYSTEMS) if it is valid.
    #[schemars(with = "String", description = "The operating system.", extend("enum" = Self::SYSTEMS))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// The name that built-in services give to the host: a DNS label.
    #[schemars(with = "String", length(min = 1, max = 63))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The versions that services report, by service.
    #[schemars(with = "BTreeMap<String, String>")]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<ServiceName, String>,
}

impl Persona {
    /// The known operating systems.
    pub const SYSTEMS: &[&str] = catalog::SYSTEMS;

    /// Sets the operating system.
    pub fn os(mut self, os: &str) -> Self {
        self.os = Some(os.into());
        self
    }

    /// Sets the host name.
    pub fn hostname(mut self, hostname: &str) -> Self {
        self.hostname = Some(hostname.into());
        self
    }

    /// Sets the version that a service reports.
    pub fn version(mut self, service: &str, version: &str) -> Self {
        self.versions.insert(ServiceName::new(service), version.into());
        self
    }

    /// Returns whether nothing is pinned.
    pub fn is_empty(&self) -> bool {
        self.os.is_none() && self.hostname.is_none() && self.versions.is_empty()
    }

    /// Reads a persona of a document or a mutation.
    pub(crate) fn decode(at: At<'_, '_>) -> Option<Self> {
        let fields = at.fields(
            "a map with `os`, `hostname` and `versions`",
            "a persona",
            &["os", "hostname", "versions"],
        )?;
        let text = |key| fields.given(key).and_then(|at| at.text("a text")).map(Into::into);
        let versions = fields.given("versions");
        let versions = versions.iter().flat_map(|at| at.entries("a map of services"));
        let versions =
            versions.filter_map(|(service, at)| Some((ServiceName::new(service), at.text("a text")?.into())));
        Some(Self {
            os: text("os"),
            hostname: text("hostname"),
            versions: versions.collect(),
        })
    }
}
