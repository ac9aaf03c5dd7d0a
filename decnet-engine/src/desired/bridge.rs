//! The options of Docker's bridge driver for a network.
//!
//! The Docker runtime and the Compose file use them. The digest of a network includes them, so an engine that needs more
//! options has another spec.

use std::{collections::BTreeMap, net::Ipv4Addr};

use decnet_topology::Name;
use ipnet::Ipv4Net;
use serde::Serialize;

use super::{NetworkReach, NetworkSpec, digest::digest};
use crate::{
    api::ApiVersion,
    naming::{Labels, NetworkName},
};

/// The first API whose bridge guards its containers against routed packets unless an option prevents it (Docker 28).
const NAT_UNPROTECTED_SINCE: ApiVersion = ApiVersion::v1(48);

/// Options of the bridge driver, by name.
type BridgeOptions = BTreeMap<&'static str, String>;

/// Lets containers on one network communicate. A daemon may have another default (`default-network-opts`).
const ICC: &str = "com.docker.network.bridge.enable_icc";

/// Sets the MTU of the bridge and of the interfaces of containers.
const MTU: &str = "com.docker.network.driver.mtu";

/// Returns the options of a network for an engine with this API.
pub(crate) fn bridge_options(spec: &NetworkSpec, api: ApiVersion) -> BridgeOptions {
    let mut options = digested(spec.reach, api);
    options.insert(ICC, "true".into());
    options.extend(spec.mtu.map(|mtu| (MTU, mtu.to_string())));
    options
}

/// Returns the options that are part of the digest. The MTU is a field of its own there.
fn digested(reach: NetworkReach, api: ApiVersion) -> BridgeOptions {
    // Isolated networks too: packets to the bridge itself get no answer from outside.
    let masquerade = if reach == NetworkReach::Outside {
        "true"
    } else {
        "false"
    };
    let mut options = BridgeOptions::from([("com.docker.network.bridge.enable_ip_masquerade", masquerade.into())]);
    if reach == NetworkReach::Isolated {
        options.insert("com.docker.network.bridge.inhibit_ipv4", "true".into());
    }
    if api >= NAT_UNPROTECTED_SINCE {
        options.insert("com.docker.network.bridge.gateway_mode_ipv4", "nat-unprotected".into());
    }
    options
}

/// The digested form of a network. Running mazes have such digests, so it must not change.
#[derive(Serialize)]
struct Digested<'a> {
    name: &'a NetworkName,
    lan: &'a Name,
    subnet: Ipv4Net,
    gateway: Ipv4Addr,
    options: BridgeOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u16>,
    labels: &'a Labels,
}

/// Digests the spec of a network for an engine with this API.
pub(super) fn network_digest(spec: &NetworkSpec, api: ApiVersion) -> String {
    digest(&Digested {
        name: &spec.name,
        lan: &spec.lan,
        subnet: spec.subnet,
        gateway: spec.gateway,
        options: digested(spec.reach, api),
        mtu: spec.mtu,
        labels: &spec.labels,
    })
}
