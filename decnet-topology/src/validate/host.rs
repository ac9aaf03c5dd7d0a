//! The ports that gateways publish on the host, and conflicts with the host.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{
    catalog::{Catalog, ImageSource, Port},
    finding::{Code, Finding, Findings, Target},
    name::ServiceName,
    publish::{HostPort, Publish},
    validate::{
        subnets::overlapping_lans,
        view::{DeckyView, TopologyView},
    },
};

/// The facts about the host for the rules of the preflight. The engine collects them.
///
/// They must exclude everything of the topology itself (its networks, their routes, its published ports).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostFacts {
    /// The listening sockets.
    pub listeners: Vec<Listener>,
    /// Docker networks of others.
    pub networks: Vec<DaemonNetwork>,
    /// The host's routes. Default routes do not count as overlapping.
    pub routes: Vec<HostRoute>,
    /// The kernel's neighbour table; none if unknown. Of several hosts, the smallest one.
    pub neighbours: Option<NeighbourTable>,
    /// The storage of containers, if it cannot limit writes to their roots.
    pub unlimited_storage: Option<String>,
    /// The resources that the daemon cannot limit, in words: `memory`.
    pub unlimited: Vec<String>,
    /// Whether the daemon runs rootless, so that a proxy forwards published ports.
    pub rootless: bool,
    /// The images of services that a runtime does not have and cannot get.
    pub unavailable_images: BTreeMap<ImageSource, UnavailableImage>,
    /// The missing features of the engine that mazes need, each with a remedy.
    pub engine_lacks: Vec<String>,
}

/// Why an image is not available.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnavailableImage {
    /// What is wrong, on the first host.
    pub reason: String,
    /// The hosts that lack it; empty if it is this machine.
    pub hosts: BTreeSet<String>,
}

/// A listening socket of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// The address; every IPv4 address if none. A socket on `::` usually accepts IPv4 as well.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: Port,
    /// Its owner, if known: a process, a container.
    pub owner: Option<String>,
    /// The member of a fleet that it is on; none if it is this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// A Docker network of someone else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonNetwork {
    /// Its name.
    pub name: String,
    /// One of its subnets.
    pub subnet: Ipv4Net,
}

/// A route of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRoute {
    /// Its destination.
    pub subnet: Ipv4Net,
    /// Its interface, for people.
    pub owner: String,
    /// The member of a fleet that it is on; none if it is this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// The neighbour table of the host's kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeighbourTable {
    /// Its size, for all network namespaces together (`gc_thresh3`).
    pub size: u64,
    /// The member of a fleet that it is on; none if it is this machine.
    pub host: Option<String>,
}

/// A port of a gateway's service, and its host port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PublishedPort {
    /// The gateway.
    pub decky: String,
    /// The service.
    pub service: ServiceName,
    /// The port that the service listens on.
    pub port: Port,
    /// The host port.
    pub host: HostPort,
}

/// Lists the published ports of a maze's gateways, in order of decky as written, service and port.
///
/// ```
/// use decnet_topology::{Catalog, Publish, Topology, published_ports};
///
/// let maze = Topology::builder()
///     .dmz("dmz", "172.20.0.0/24")
///     .decky("web", |decky| decky.on("dmz", "172.20.0.10").services(["http", "ssh"]).forwards())
///     .build()?;
/// let published = published_ports(&maze, &Catalog::builtin(), &["ssh=2222".parse()?].into_iter().collect::<Publish>());
/// let host: Vec<_> = published.iter().map(|published| published.host.to_string()).collect();
/// assert_eq!(host, ["80/tcp", "2222/tcp"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn published_ports<'a>(
    maze: impl Into<TopologyView<'a>>,
    catalog: &Catalog,
    publish: &Publish,
) -> Vec<PublishedPort> {
    let mut published = Vec::new();
    maze.into()
        .each_decky(catalog, &mut |decky| published.extend(published_by(decky, publish)));
    published
}

/// Walks the published ports of a decky: none unless it is a gateway.
pub(super) fn published_by(decky: &DeckyView<'_>, publish: &Publish) -> impl Iterator<Item = PublishedPort> {
    let gateway = Some(decky).filter(|decky| decky.is_gateway());
    let running = gateway.into_iter().flat_map(DeckyView::running);
    running.flat_map(move |service| {
        service.ports.iter().map(move |port| PublishedPort {
            decky: decky.name.into(),
            service: service.name.clone(),
            port: *port,
            host: publish.host_port(decky.name, service, *port),
        })
    })
}

/// `GATEWAY_PORT_CLASH`: two gateways publish the same host port, or one publishes two ports there.
pub(super) fn gateway_clashes(published: &[PublishedPort], findings: &mut Findings) {
    let mut by_port: BTreeMap<Port, Vec<&PublishedPort>> = BTreeMap::new();
    for one in published {
        let earlier = by_port.entry(one.host.port).or_default();
        // Two services of one decky on one port are a SERVICE_PORT_CLASH instead.
        let other = |other: &&&PublishedPort| {
            other.host.clashes(one.host) && (other.decky != one.decky || other.port != one.port)
        };
        if let Some(other) = earlier.iter().find(other) {
            let message = format!(
                "`{}` of gateway `{}` and `{}` of gateway `{}` both publish host port {}; publish one of them elsewhere ({}.{}:{}=PORT)",
                other.service, other.decky, one.service, one.decky, one.host, one.decky, one.service, one.port.number
            );
            findings.push(Finding::new(Code::GatewayPortClash, target(one), message));
        }
        earlier.push(one);
    }
}

/// `PUBLISH_IPV6`: a port published on IPv6, where the log does not show the visitor's address.
pub(super) fn ipv6(published: &[PublishedPort], findings: &mut Findings) {
    for one in published.iter().filter(|one| one.host.is_ipv6()) {
        let message = format!(
            "`{}` of gateway `{}` is published on {}: Docker's proxy forwards visitors over IPv6, so the log has the address of \
             the DMZ's bridge instead of theirs; publish it on an IPv4 address to log the visitors' addresses",
            one.service, one.decky, one.host
        );
        findings.push(Finding::new(Code::PublishIpv6, target(one), message));
    }
}

/// `PUBLISH_ROOTLESS`: a gateway published by a rootless daemon, where the log does not show the visitor's address.
pub(super) fn rootless(published: &[PublishedPort], host: &HostFacts, findings: &mut Findings) {
    let is_open = |one: &&PublishedPort| one.host.address.is_none_or(|address| !address.is_loopback());
    let Some(one) = published.iter().find(is_open).filter(|_| host.rootless) else {
        return;
    };
    let message = format!(
        "the daemon runs rootless, so a port driver forwards the published ports of gateways (first `{}` of gateway `{}`): unless \
         it is slirp4netns, the log has an address of the daemon instead of the visitor's; set \
         DOCKERD_ROOTLESS_ROOTLESSKIT_PORT_DRIVER=slirp4netns for the daemon, or publish from a daemon of root",
        one.service, one.decky
    );
    findings.push(Finding::new(Code::PublishRootless, target(one), message));
}

/// `HOST_PORT_TAKEN`: a host port that a gateway publishes is in use.
pub(super) fn taken(published: &[PublishedPort], host: &HostFacts, findings: &mut Findings) {
    let mut by_port: BTreeMap<Port, Vec<&Listener>> = BTreeMap::new();
    for listener in &host.listeners {
        by_port.entry(listener.port).or_default().push(listener);
    }
    for one in published {
        let listening = |listener: &&&Listener| {
            one.host.clashes(HostPort {
                address: listener.address,
                port: listener.port,
            })
        };
        let listeners = by_port.get(&one.host.port).map(Vec::as_slice).unwrap_or_default();
        if let Some(listener) = listeners.iter().find(listening) {
            let owner = listener.owner.as_deref().unwrap_or("something");
            let on = on_host(listener.host.as_deref());
            let message = format!(
                "{owner} on {on} listens on {}, where gateway `{}` publishes `{}`; stop it, or publish elsewhere ({}.{}:{}=PORT)",
                one.host, one.decky, one.service, one.decky, one.service, one.port.number
            );
            findings.push(Finding::new(Code::HostPortTaken, target(one), message));
        }
    }
}

/// `SUBNET_HOST_OVERLAP`: a foreign Docker network or a route of the host overlaps a subnet.
pub(super) fn overlaps(view: &TopologyView<'_>, host: &HostFacts, findings: &mut Findings) {
    // The route of a Docker network is not reported as well.
    let bridged: std::collections::BTreeSet<_> = host.networks.iter().map(|network| network.subnet).collect();
    let networks = host.networks.iter().map(|network| {
        let owner = format!("the Docker network `{}`", network.name);
        (network.subnet, owner)
    });
    let routes = host.routes.iter().filter(|route| !bridged.contains(&route.subnet));
    let routes = routes.map(|route| {
        let on = on_host(route.host.as_deref());
        (route.subnet, format!("a route of {on} by {}", route.owner))
    });
    let others: Vec<_> = networks
        .chain(routes)
        .filter(|(subnet, _)| subnet.prefix_len() > 0)
        .collect();
    let subnets: Vec<_> = others.iter().map(|(subnet, _)| *subnet).collect();
    for (lan, subnet, other) in overlapping_lans(view, &subnets) {
        let (other, owner) = &others[other];
        let message = format!(
            "{subnet} of LAN `{}` overlaps {other} of {owner}; use another subnet, or remove the other",
            lan.name()
        );
        let target = Target::Lan { lan: lan.name().into() };
        findings.push(Finding::new(Code::SubnetHostOverlap, target, message));
    }
}

/// Names a member of a fleet, or this machine.
pub(super) fn on_host(member: Option<&str>) -> String {
    member.map_or_else(|| "the host".into(), |member| format!("host {member}"))
}

fn target(published: &PublishedPort) -> Target {
    Target::HostPort {
        decky: published.decky.clone(),
        service: published.service.to_string(),
        port: published.host.port.number,
    }
}
