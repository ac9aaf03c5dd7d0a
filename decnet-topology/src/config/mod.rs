//! The input of `generate`: [`TopologyConfig`], checked and complete.

mod builder;
mod hosts;
mod read;
mod schema;
mod text;

use std::{fmt, ops::RangeInclusive};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

pub use builder::ConfigBuilder;
pub use hosts::{Naming, ServiceChoice};
pub use text::{ConfigSyntax, ConfigTextError};

use crate::{
    catalog::Catalog,
    name::{ServiceName, TopologyName},
    status::Mode,
};

/// The default pool for subnets: 172.16.0.0/12 (RFC 1918, section 3).
pub const DEFAULT_SUBNET_BASE_PREFIX: Ipv4Net = Ipv4Net::new_assert(std::net::Ipv4Addr::new(172, 16, 0, 0), 12);
/// The default length of a subnet.
pub const DEFAULT_LAN_PREFIX: u8 = 24;

const DEPTH: RangeInclusive<u8> = 1..=16;
const BRANCHING: RangeInclusive<u8> = 1..=8;
const DECKIES_MIN: RangeInclusive<u8> = 0..=32;
const DECKIES_MAX: RangeInclusive<u8> = 1..=32;
const LAN_PREFIX: RangeInclusive<u8> = 16..=29;

/// The parameters of a generated maze: checked, complete, and with the seed.
///
/// ```
/// use decnet_topology::{Catalog, TopologyConfig};
///
/// let value = serde_json::json!({"name": "corp", "depth": 0, "branching_factor": 2, "colour": "red"});
/// let refused = TopologyConfig::from_value(&value, &Catalog::builtin(), || 7).unwrap_err();
/// let fields: Vec<_> = refused.faults.iter().map(|fault| fault.field.as_str()).collect();
/// assert_eq!(fields, ["colour", "depth"]);
/// ```
///
/// [`TopologyConfig::from_value`] reads a config from a JSON value, which [`TopologyConfig::value_from_text`] makes from JSON,
/// YAML or TOML. [`TopologyConfig::builder`] builds one. Both report all faults at once. A stored config serializes with all its
/// fields, including its seed, so that every maze can be generated again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "serde_json::Value")]
pub struct TopologyConfig {
    name: TopologyName,
    mode: Mode,
    depth: u8,
    branching_factor: u8,
    deckies_per_lan_min: u8,
    deckies_per_lan_max: u8,
    bridge_forward_probability: f64,
    cross_edge_probability: f64,
    subnet_base_prefix: Ipv4Net,
    lan_prefix: u8,
    randomize_services: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    services_explicit: Option<Vec<ServiceName>>,
    dmz_gateway: bool,
    // Configs of earlier releases lack these, and are stored as before.
    #[serde(rename = "services", skip_serializing_if = "hosts::is_usual")]
    service_choice: ServiceChoice,
    #[serde(skip_serializing_if = "hosts::is_usual")]
    naming: Naming,
    seed: u64,
}

impl TopologyConfig {
    /// Returns the name of the topology.
    pub fn name(&self) -> &TopologyName {
        &self.name
    }

    /// Returns where its deckies run.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Returns the number of levels below the DMZ, 1 to 16.
    pub fn depth(&self) -> u8 {
        self.depth
    }

    /// Returns the largest number of children of a LAN, 1 to 8.
    pub fn branching_factor(&self) -> u8 {
        self.branching_factor
    }

    /// Returns how many deckies each LAN except the DMZ has: minimum and maximum. No LAN has fewer than one.
    pub fn deckies_per_lan(&self) -> RangeInclusive<u8> {
        self.deckies_per_lan_min.max(1)..=self.deckies_per_lan_max
    }

    /// Returns the probability that the decky that joins a LAN to its parent forwards packets.
    pub fn bridge_forward_probability(&self) -> f64 {
        self.bridge_forward_probability
    }

    /// Returns the probability that a decky of a LAN is also attached to a LAN elsewhere.
    pub fn cross_edge_probability(&self) -> f64 {
        self.cross_edge_probability
    }

    /// Returns the pool for subnets.
    pub fn subnet_base_prefix(&self) -> Ipv4Net {
        self.subnet_base_prefix
    }

    /// Returns the length of a subnet, 16 to 29.
    pub fn lan_prefix(&self) -> u8 {
        self.lan_prefix
    }

    /// Returns whether services are chosen at random if none are named.
    pub fn randomize_services(&self) -> bool {
        self.randomize_services
    }

    /// Returns the services that every decky runs; none if they are chosen at random.
    pub fn services_explicit(&self) -> Option<&[ServiceName]> {
        self.services_explicit.as_deref()
    }

    /// Returns whether the DMZ's decky is a gateway.
    pub fn dmz_gateway(&self) -> bool {
        self.dmz_gateway
    }

    /// Returns how the services of deckies are chosen if none are named.
    pub fn services(&self) -> ServiceChoice {
        self.service_choice
    }

    /// Returns how deckies are named.
    pub fn naming(&self) -> Naming {
        self.naming
    }

    /// Returns the seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the same config with another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Checks the named services against a catalogue: each is known, may run on a decky, and no two use the same port.
    pub fn check_services(&self, catalog: &Catalog) -> Result<(), InvalidConfig> {
        let faults = service_faults(self.services_explicit().unwrap_or_default(), catalog);
        if faults.is_empty() {
            Ok(())
        } else {
            Err(InvalidConfig::sorted(faults))
        }
    }
}

/// One fault of a config.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ConfigFault {
    /// The key, or `*` for a fault of several keys.
    pub field: String,
    /// What is wrong, and how to fix it.
    pub message: String,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "*" => f.write_str(&self.message),
            field => write!(f, "{field}: {}", self.message),
        }
    }
}

/// All faults of a config.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the config has {} fault(s): {}", .faults.len(), list(.faults))]
pub struct InvalidConfig {
    /// The faults, by field; at least one.
    pub faults: Vec<ConfigFault>,
}

impl InvalidConfig {
    /// Returns a stable code for programs.
    pub const fn code(&self) -> &'static str {
        "invalid_config"
    }

    fn sorted(mut faults: Vec<ConfigFault>) -> Self {
        faults.sort();
        Self { faults }
    }
}

fn list(faults: &[ConfigFault]) -> String {
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    faults.join("; ")
}

/// Finds services that are unknown, cannot run on a decky, or need a port of an earlier one.
fn service_faults(services: &[ServiceName], catalog: &Catalog) -> Vec<ConfigFault> {
    let mut faults = Vec::new();
    let mut fault = |message: String| {
        faults.push(ConfigFault {
            field: "services_explicit".into(),
            message,
        });
    };
    let mut chosen = Vec::new();
    for name in services {
        match catalog.decky_service(name.as_str()) {
            Some(service) => chosen.push(service),
            None if catalog.service(name.as_str()).is_some() => {
                fault(format!("`{name}` is a singleton that never runs on a decky"));
            }
            None => fault(format!("no service named `{name}`")),
        }
    }
    for (at, one) in chosen.iter().enumerate() {
        let earlier = chosen[..at].iter().filter(|other| other.name != one.name);
        for other in earlier {
            if one.occupied().any(|port| other.occupied().any(|taken| taken == port)) {
                fault(format!("`{}` and `{}` use the same port", other.name, one.name));
            }
        }
    }
    faults
}
