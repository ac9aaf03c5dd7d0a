use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Persona, Protocol};

/// The built-in services of one process.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceState {
    /// The decky's name, as the log shows it.
    pub decky: String,
    /// The host that the decky pretends to be.
    pub persona: Persona,
    /// The source of the decky's keys and ids: 64 hex digits.
    pub secret: String,
    /// The services. No two have the same name or the same port.
    pub services: Vec<BuiltinService>,
    /// Whether the log has the passwords of visitors.
    #[serde(default = "shown", skip_serializing_if = "is_shown")]
    pub passwords: bool,
}

fn shown() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_shown(passwords: &bool) -> bool {
    *passwords
}

/// A built-in service.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuiltinService {
    /// The name in the catalogue.
    pub name: String,
    /// The ports, on every address of the base.
    pub listen: Vec<Listen>,
    /// The fields that the maze sets.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub fields: serde_json::Map<String, serde_json::Value>,
}

/// Logs must have neither the secret nor the passwords in the fields.
impl fmt::Debug for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceState")
            .field("decky", &self.decky)
            .field("persona", &self.persona)
            .field("services", &self.services)
            .field("passwords", &self.passwords)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for BuiltinService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuiltinService")
            .field("name", &self.name)
            .field("listen", &self.listen)
            .field("fields", &self.fields.keys())
            .finish()
    }
}

/// The output of `service list`: the services of a running process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceList {
    /// The services, by name.
    pub services: Vec<ListedService>,
}

/// A service of a running process, without its fields, which may contain passwords.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedService {
    /// The name in the catalogue.
    pub name: String,
    /// The ports, on every address of the base.
    pub listen: Vec<Listen>,
}

/// One port that a service answers on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// The port number.
    pub port: u16,
    /// The transport.
    pub protocol: Protocol,
}
