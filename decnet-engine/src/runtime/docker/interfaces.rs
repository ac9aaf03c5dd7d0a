//! The names of interfaces inside containers of a daemon on this machine, from the kernel's list of routes.

use std::{collections::BTreeMap, fs, net::Ipv4Addr};

use crate::{
    naming::NetworkName,
    observe::{Activity, ObservedContainer},
};

/// Adds the names of a running container's interfaces, if they can be read.
///
/// Docker does not list them. The kernel shows the routes of any process on this machine, also without privileges.
pub(super) fn name(container: &mut ObservedContainer) {
    let is_base = container.shares.is_none() && !container.networks.is_empty();
    if let Some(pid) = container.pid
        && is_base
        && container.activity == Activity::Running
        && let Ok(routes) = fs::read_to_string(format!("/proc/{pid}/net/route"))
    {
        container.interfaces = names(&routes, &container.networks);
    }
}

/// Finds the interface of each network: that with a direct route to the subnet of the container's address.
fn names(routes: &str, networks: &BTreeMap<NetworkName, Option<Ipv4Addr>>) -> BTreeMap<NetworkName, String> {
    let direct: Vec<_> = routes.lines().skip(1).filter_map(direct).collect();
    let named = networks.iter().filter_map(|(network, address)| {
        let address = address.as_ref()?.to_bits();
        // The route with the longest mask, as the kernel chooses.
        let routes = direct.iter().filter(|(_, subnet, mask)| address & mask == *subnet);
        let (name, ..) = routes.max_by_key(|(.., mask)| *mask)?;
        Some((network.clone(), (*name).to_owned()))
    });
    named.collect()
}

/// Returns the interface, subnet and mask of a route without a gateway. The numbers are in the byte order of the network.
fn direct(line: &str) -> Option<(&str, u32, u32)> {
    let mut columns = line.split_whitespace();
    let name = columns.next()?;
    let mut number = |skipped| u32::from_str_radix(columns.nth(skipped)?, 16).ok().map(u32::from_be);
    let (subnet, gateway) = (number(0)?, number(0)?);
    // Flags, references, uses and the metric come before the mask.
    let mask = number(4)?;
    (gateway == 0 && mask != 0).then_some((name, subnet, mask))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100620A\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0000620A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth1\t0001620A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth1\t0002620A\t0301620A\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0
";

    #[test]
    fn a_network_has_the_interface_with_the_direct_route_to_its_subnet() {
        if cfg!(target_endian = "big") {
            return;
        }
        let network = |name: &str| NetworkName::from_docker(name);
        let networks = BTreeMap::from([
            (network("dmz"), Some(Ipv4Addr::new(10, 98, 0, 2))),
            (network("office"), Some(Ipv4Addr::new(10, 98, 1, 2))),
            (network("far"), Some(Ipv4Addr::new(10, 98, 2, 2))),
            (network("lost"), None),
        ]);
        let named = names(ROUTES, &networks);
        let named: Vec<_> = named
            .iter()
            .map(|(network, name)| (network.as_str(), name.as_str()))
            .collect();
        assert_eq!(named, [("dmz", "eth0"), ("office", "eth1")]);
        assert!(names("", &networks).is_empty() && names("no\nroutes\n", &networks).is_empty());
    }
}
