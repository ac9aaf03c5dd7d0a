//! The options in which Docker's bridge driver is asked for a network.
//!
//! The Docker runtime and the Compose file are written with them. The digest of a network is taken over them, too: on an engine that
//! wants more options, a network is made from another spec.

use std::{collections::BTreeMap, net::Ipv4Addr};

use decnet_topology::Name;
use ipnet::Ipv4Net;
use serde::Serialize;

use super::{NetworkReach, NetworkSpec, digest::digest};
use crate::{
    api::ApiVersion,
    naming::{Labels, NetworkName},
};

/// The API from which a bridge must be told not to guard its containers against routed packets (Docker 28).
const NAT_UNPROTECTED_SINCE: ApiVersion = ApiVersion::v1(48);

/// Options of the bridge driver, by name.
pub(crate) type BridgeOptions = BTreeMap<&'static str, &'static str>;

/// Lets containers on one network talk to each other. A daemon may have another default (`default-network-opts`).
const ICC: &str = "com.docker.network.bridge.enable_icc";

/// Returns the options of a network for an engine with an API.
pub(crate) fn bridge_options(reach: NetworkReach, api: ApiVersion) -> BridgeOptions {
    let mut options = digested(reach, api);
    options.insert(ICC, "true");
    options
}

/// Returns the options that the digest is taken over.
fn digested(reach: NetworkReach, api: ApiVersion) -> BridgeOptions {
    // On an isolated network too: what is sent to the bridge itself gets no answer from outside.
    let masquerade = if reach == NetworkReach::Outside {
        "true"
    } else {
        "false"
    };
    let mut options = BridgeOptions::from([("com.docker.network.bridge.enable_ip_masquerade", masquerade)]);
    if reach == NetworkReach::Isolated {
        options.insert("com.docker.network.bridge.inhibit_ipv4", "true");
    }
    if api >= NAT_UNPROTECTED_SINCE {
        options.insert("com.docker.network.bridge.gateway_mode_ipv4", "nat-unprotected");
    }
    options
}

/// What the digest of a network is taken over. Running mazes have such digests, so it stays as it is.
#[derive(Serialize)]
struct Digested<'a> {
    name: &'a NetworkName,
    lan: &'a Name,
    subnet: Ipv4Net,
    gateway: Ipv4Addr,
    options: BridgeOptions,
    labels: &'a Labels,
}

/// Digests the spec of a network for an engine with an API.
pub(super) fn network_digest(spec: &NetworkSpec, api: ApiVersion) -> String {
    digest(&Digested {
        name: &spec.name,
        lan: &spec.lan,
        subnet: spec.subnet,
        gateway: spec.gateway,
        options: digested(spec.reach, api),
        labels: &spec.labels,
    })
}
