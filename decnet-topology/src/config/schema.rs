use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::{
    config::{Naming, ServiceChoice, TopologyConfig},
    status::Mode,
};

/// The parameters of a generated maze.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct ConfigKeys {
    /// The name of the topology.
    #[schemars(length(min = 1, max = 64))]
    name: String,
    /// Where its deckies run.
    #[schemars(default = "unihost")]
    mode: Mode,
    /// The number of levels below the DMZ.
    #[schemars(range(min = 1, max = 16))]
    depth: u8,
    /// The largest number of children of a LAN.
    #[schemars(range(min = 1, max = 8))]
    branching_factor: u8,
    /// The smallest number of deckies of a LAN that is not the DMZ; at least one.
    #[schemars(range(min = 0, max = 32), default = "one")]
    deckies_per_lan_min: u8,
    /// The largest number of deckies of a LAN that is not the DMZ.
    #[schemars(range(min = 1, max = 32), default = "three")]
    deckies_per_lan_max: u8,
    /// The probability that the decky that joins a LAN to its parent forwards packets.
    #[schemars(range(min = 0, max = 1), default = "certain")]
    bridge_forward_probability: f64,
    /// The probability that a decky of a LAN is also attached to a LAN elsewhere.
    #[schemars(range(min = 0, max = 1), default)]
    cross_edge_probability: f64,
    /// The pool for subnets: a CIDR, or the short form `172.20`.
    #[schemars(default = "subnet_base_prefix")]
    subnet_base_prefix: String,
    /// The length of a subnet.
    #[schemars(range(min = 16, max = 29), default = "lan_prefix")]
    lan_prefix: u8,
    /// Whether services are chosen at random if none are named.
    #[schemars(default = "yes")]
    randomize_services: bool,
    /// The services that every decky runs, instead of random ones.
    services_explicit: Option<Vec<String>>,
    /// Whether the DMZ's decky is a gateway.
    #[schemars(default)]
    dmz_gateway: bool,
    /// How the services of deckies are chosen if none are named.
    #[schemars(default)]
    services: ServiceChoice,
    /// How deckies are named.
    #[schemars(default)]
    naming: Naming,
    /// The seed of the maze; drawn from the operating system if absent.
    seed: Option<u64>,
}

fn unihost() -> Mode {
    Mode::Unihost
}

fn one() -> u8 {
    1
}

fn three() -> u8 {
    3
}

fn certain() -> f64 {
    1.0
}

fn subnet_base_prefix() -> String {
    crate::config::DEFAULT_SUBNET_BASE_PREFIX.to_string()
}

fn lan_prefix() -> u8 {
    crate::config::DEFAULT_LAN_PREFIX
}

fn yes() -> bool {
    true
}

impl JsonSchema for TopologyConfig {
    fn schema_name() -> Cow<'static, str> {
        "TopologyConfig".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ConfigKeys::json_schema(generator)
    }
}
