//! Free subnets and addresses.

use std::sync::Arc;

use decnet_topology::{
    DEFAULT_LAN_PREFIX, DEFAULT_SUBNET_BASE_PREFIX, IpAllocator, Ipv4Net, Lan, Name, SubnetAllocator, Topology,
    did_you_mean, net,
};
use serde_json::json;

use super::{
    answer::{Answer, ok},
    api::Api,
    call::Call,
    problem::Problem,
};

/// Returns the next free subnet: none of the stored mazes, of the runtime's networks and of the host's routes overlaps it.
pub(super) async fn next_subnet(api: Arc<Api>, call: Call) -> Answer {
    let base = match call.query.get("base") {
        Some(text) => net::parse_base(text)
            .map_err(|error| Problem::new("invalid_parameter", format!("`base` is `{text}`: {error}")))?,
        None => DEFAULT_SUBNET_BASE_PREFIX,
    };
    let prefix = call.parameter("prefix")?.unwrap_or(DEFAULT_LAN_PREFIX);
    let mut pool = SubnetAllocator::new(base, prefix)?;
    for subnet in api.engine.taken_subnets(None).await? {
        pool.reserve(subnet);
    }
    let subnet: Ipv4Net = pool.next_free()?;
    ok(&json!({ "subnet": subnet }))
}

/// Returns the next free address of a LAN.
pub(super) async fn next_ip(api: Arc<Api>, call: Call) -> Answer {
    let topology = api.engine.repo().load(call.id()?).await?.topology;
    let lan = lan_named(&topology, call.segment("lan"))?;
    let mut addresses = IpAllocator::new(lan.subnet())?;
    for ip in topology.deckies().iter().filter_map(|decky| decky.ip_on(lan.id())) {
        // The validator reports addresses outside the subnet and reserved ones.
        let _ = addresses.reserve(ip);
    }
    ok(&json!({ "lan": lan.name(), "ip": addresses.next_free()? }))
}

/// Finds a LAN by its name.
pub(super) fn lan_named<'t>(topology: &'t Topology, text: &str) -> Result<&'t Lan, Problem> {
    let name = Name::new(text).ok();
    name.and_then(|name| topology.lan_named(&name)).ok_or_else(|| {
        let hint = did_you_mean(text, topology.lans().iter().map(|lan| lan.name().as_str()));
        Problem::new("not_found", format!("no LAN named `{text}`{hint}"))
    })
}
