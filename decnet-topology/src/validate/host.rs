//! What gateways publish on the host, and what of the host prevents it.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::Ipv4Net;
use serde::Serialize;

use crate::{
    catalog::{Catalog, Port},
    finding::{Code, Finding, Findings, Target},
    name::ServiceName,
    publish::{HostPort, Publish},
    validate::{
        subnets::meetings,
        view::{DeckyView, View},
    },
};

/// What the rules of the preflight need to know of the host, gathered by the engine.
///
/// What belongs to the topology itself (its networks, their routes, the ports it publishes) must be left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostFacts {
    /// The sockets that listen.
    pub listeners: Vec<Listener>,
    /// Docker networks that are not the topology's.
    pub networks: Vec<ForeignNetwork>,
    /// The host's routes. Default routes overlap nothing.
    pub routes: Vec<HostRoute>,
    /// How many neighbours the kernel keeps for all its network namespaces together (`gc_thresh3`); none if nobody looked.
    pub neighbours: Option<u64>,
    /// What containers are stored with, where that does not limit what they write to their roots.
    pub unlimited_storage: Option<String>,
    /// What of a container's use the daemon cannot limit, in words: `memory`.
    pub unlimited: Vec<String>,
    /// Whether the daemon runs rootless, so that a program of its own forwards published ports.
    pub rootless: bool,
    /// What the engine cannot do that mazes rely on, each with what helps.
    pub engine_lacks: Vec<String>,
}

/// A socket of the host that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The address; every one of IPv4 if none. A socket on `::` usually takes IPv4 as well.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: Port,
    /// Whose it is, if known: a process, a container.
    pub owner: Option<String>,
}

/// A Docker network of someone else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignNetwork {
    /// Its name.
    pub name: String,
    /// One of its subnets.
    pub subnet: Ipv4Net,
}

/// A route of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRoute {
    /// Where it leads to.
    pub subnet: Ipv4Net,
    /// Whose it is: an interface, for people.
    pub owner: String,
}

/// A port of a gateway's service, and where it is published.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PublishedPort {
    /// The gateway.
    pub decky: String,
    /// The service.
    pub service: ServiceName,
    /// The port that the service listens on.
    pub port: Port,
    /// Where it is published.
    pub host: HostPort,
}

/// Lists what the gateways of a maze publish on the host, in order of decky as written, service and port.
///
/// ```
/// use decnet_topology::{Catalog, Topology, publish::Publish, validate};
///
/// let maze = Topology::builder()
///     .dmz("dmz", "172.20.0.0/24")
///     .decky("web", |decky| decky.on("dmz", "172.20.0.10").services(["http", "ssh"]).forwards())
///     .build()?;
/// let published = validate::published(&maze, &Catalog::builtin(), &["ssh=2222".parse()?].into_iter().collect::<Publish>());
/// let host: Vec<_> = published.iter().map(|published| published.host.to_string()).collect();
/// assert_eq!(host, ["80/tcp", "2222/tcp"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn published<'a>(maze: impl Into<View<'a>>, catalog: &Catalog, publish: &Publish) -> Vec<PublishedPort> {
    let mut published = Vec::new();
    maze.into()
        .each_decky(catalog, &mut |decky| published.extend(published_by(decky, publish)));
    published
}

/// Walks what a decky publishes: nothing, unless it is a gateway.
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

/// `GATEWAY_PORT_CLASH`: two gateways that publish the same host port, or one that publishes two ports there.
pub(super) fn gateway_clashes(published: &[PublishedPort], findings: &mut Findings) {
    let mut by_port: BTreeMap<Port, Vec<&PublishedPort>> = BTreeMap::new();
    for one in published {
        let earlier = by_port.entry(one.host.port).or_default();
        // Two services of one decky on one port are SERVICE_PORT_CLASH.
        let other = |other: &&&PublishedPort| {
            other.host.clashes(one.host) && (other.decky != one.decky || other.port != one.port)
        };
        if let Some(other) = earlier.iter().find(other) {
            let message = format!(
                "`{}` of gateway `{}` and `{}` of gateway `{}` both publish host port {}; publish one elsewhere ({}.{}:{}=PORT)",
                other.service, other.decky, one.service, one.decky, one.host, one.decky, one.service, one.port.number
            );
            findings.push(Finding::new(Code::GatewayPortClash, target(one), message));
        }
        earlier.push(one);
    }
}

/// `PUBLISH_IPV6`: a port that is published on IPv6, where visitors are anonymous.
pub(super) fn ipv6(published: &[PublishedPort], findings: &mut Findings) {
    for one in published.iter().filter(|one| one.host.is_ipv6()) {
        let message = format!(
            "`{}` of gateway `{}` is published on {}: visitors over IPv6 come through Docker's proxy, and its log has the address \
             of the DMZ's bridge in the place of theirs; publish it on an IPv4 address to see who came",
            one.service, one.decky, one.host
        );
        findings.push(Finding::new(Code::PublishIpv6, target(one), message));
    }
}

/// `PUBLISH_ROOTLESS`: a gateway that is published by a daemon without root's rights, where visitors are anonymous.
pub(super) fn rootless(published: &[PublishedPort], host: &HostFacts, findings: &mut Findings) {
    let is_open = |one: &&PublishedPort| one.host.address.is_none_or(|address| !address.is_loopback());
    let Some(one) = published.iter().find(is_open).filter(|_| host.rootless) else {
        return;
    };
    let message = format!(
        "the daemon runs rootless, and a program of its own forwards what gateways publish (first `{}` of gateway `{}`): unless that \
         program is slirp4netns, the log has an address of the daemon in place of the visitor's; set \
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
            let message = format!(
                "{owner} on the host listens on {}, where gateway `{}` publishes `{}`; stop it, or publish elsewhere ({}.{}:{}=PORT)",
                one.host, one.decky, one.service, one.decky, one.service, one.port.number
            );
            findings.push(Finding::new(Code::HostPortTaken, target(one), message));
        }
    }
}

/// `SUBNET_HOST_OVERLAP`: a foreign Docker network or a route of the host covers a part of a subnet.
pub(super) fn overlaps(view: &View<'_>, host: &HostFacts, findings: &mut Findings) {
    // The route of a Docker network is not reported again.
    let bridged: std::collections::BTreeSet<_> = host.networks.iter().map(|network| network.subnet).collect();
    let networks = host.networks.iter().map(|network| {
        let owner = format!("the Docker network `{}`", network.name);
        (network.subnet, owner)
    });
    let routes = host.routes.iter().filter(|route| !bridged.contains(&route.subnet));
    let routes = routes.map(|route| (route.subnet, format!("the host's route by {}", route.owner)));
    let others: Vec<_> = networks
        .chain(routes)
        .filter(|(subnet, _)| subnet.prefix_len() > 0)
        .collect();
    let subnets: Vec<_> = others.iter().map(|(subnet, _)| *subnet).collect();
    for (lan, subnet, other) in meetings(view, &subnets) {
        let (other, owner) = &others[other];
        let message = format!(
            "{subnet} of LAN `{}` shares addresses with {other} of {owner}; take another subnet, or remove what is in the way",
            lan.name()
        );
        let target = Target::Lan { lan: lan.name().into() };
        findings.push(Finding::new(Code::SubnetHostOverlap, target, message));
    }
}

fn target(published: &PublishedPort) -> Target {
    Target::HostPort {
        decky: published.decky.clone(),
        service: published.service.to_string(),
        port: published.host.port.number,
    }
}
