//! What a maze is generated from.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{
    name::{ServiceName, TopologyName},
    status::Mode,
};

/// What a maze is generated from: checked, complete, and with its seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    services_explicit: Option<Vec<ServiceName>>,
    dmz_gateway: bool,
    seed: u64,
}
