//! Topologies of containerlab: <https://containerlab.dev/manual/topo-def-file/>.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;

use super::lab::{Host, Interface, Lab, Network, Origin, not_taken, note, port, turns_on_forwarding};
use crate::decode::At;

/// The name of the LAN for links that lead out of the lab.
const OUTSIDE: &str = "outside";
/// The kinds of nodes that are ordinary hosts. All others are network operating systems.
const HOST_KINDS: [&str; 4] = ["linux", "ext-container", "k8s-kind", "host"];
/// The kinds of nodes that are networks.
const NETWORK_KINDS: [&str; 2] = ["bridge", "ovs-bridge"];
/// The names of endpoints outside of the lab.
const OUTSIDE_NODES: [&str; 3] = ["host", "mgmt-net", "macvlan"];
/// The types of links with two nodes of the lab.
const INSIDE_LINKS: [&str; 1] = ["veth"];

/// Reads a topology.
pub(super) fn read(root: At<'_, '_>) -> Lab {
    let mut lab = Lab::default();
    for (key, at) in root.entries("a map") {
        match key {
            "name" => lab.name = at.text("a text").map(ToOwned::to_owned),
            "topology" => topology(at, &mut lab),
            _ => not_taken(at),
        }
    }
    lab
}

/// What a node has of its kind, its group and the defaults.
#[derive(Debug, Clone, Default)]
struct Usual {
    kind: Option<String>,
    image: Option<String>,
    forwards: bool,
}

impl Usual {
    /// Reads the keys that a node can inherit.
    fn read(at: At<'_, '_>) -> Self {
        let mut usual = Self::default();
        for (key, at) in at.entries("a map") {
            match key {
                "kind" => usual.kind = at.text("a text").map(ToOwned::to_owned),
                "image" => usual.image = at.text("a text").map(ToOwned::to_owned),
                "sysctls" => usual.forwards = turns_on_forwarding(at),
                _ => not_taken(at),
            }
        }
        usual
    }

    /// Adds what is missing from another one.
    fn or(self, other: &Self) -> Self {
        Self {
            kind: self.kind.or_else(|| other.kind.clone()),
            image: self.image.or_else(|| other.image.clone()),
            forwards: self.forwards || other.forwards,
        }
    }
}

/// The addresses of the interfaces of nodes, by node and interface.
type Addresses = BTreeMap<(String, String), Ipv4Net>;

fn topology(at: At<'_, '_>, lab: &mut Lab) {
    let (mut defaults, mut kinds, mut groups) = (Usual::default(), BTreeMap::new(), BTreeMap::new());
    for (key, at) in at.entries("a map") {
        let named = |at: At<'_, '_>| -> BTreeMap<String, Usual> {
            let entries = at.entries("a map");
            entries.map(|(name, at)| (name.to_owned(), Usual::read(at))).collect()
        };
        match key {
            "defaults" => defaults = Usual::read(at),
            "kinds" => kinds = named(at),
            "groups" => groups = named(at),
            "nodes" | "links" => {}
            _ => not_taken(at),
        }
    }
    let mut addresses = Addresses::new();
    for (_, at) in at.entries("a map").filter(|(key, _)| *key == "nodes") {
        for (name, at) in at.entries("a map of nodes") {
            let usual = |own: Usual, group: Option<&str>| {
                let of_group = group.and_then(|group| groups.get(group)).cloned().unwrap_or_default();
                let kind = own
                    .kind
                    .clone()
                    .or_else(|| of_group.kind.clone())
                    .or_else(|| defaults.kind.clone());
                let of_kind = kind.and_then(|kind| kinds.get(&kind)).cloned().unwrap_or_default();
                own.or(&of_group).or(&of_kind).or(&defaults)
            };
            node(name, at, usual, lab, &mut addresses);
        }
    }
    for (_, at) in at.entries("a map").filter(|(key, _)| *key == "links") {
        for at in at.items("a list of links") {
            link(at, lab, &addresses);
        }
    }
}

/// Reads a node: a host, or a network if it is a bridge.
fn node(
    name: &str,
    at: At<'_, '_>,
    usual: impl Fn(Usual, Option<&str>) -> Usual,
    lab: &mut Lab,
    addresses: &mut Addresses,
) {
    let (mut own, mut group, mut ports, mut forwards) = (Usual::default(), None, Vec::new(), false);
    // A node without keys has those of the defaults.
    for (key, at) in at
        .given()
        .iter()
        .flat_map(|at| at.entries("a map that describes a node"))
    {
        match key {
            "kind" => own.kind = at.text("a text").map(ToOwned::to_owned),
            "image" => own.image = at.text("a text").map(ToOwned::to_owned),
            "group" => group = at.text("a text"),
            "ports" => ports.extend(at.items("a list").filter_map(port)),
            "sysctls" => own.forwards = turns_on_forwarding(at),
            "exec" => {
                for at in at.items("a list of commands") {
                    match at.text("a text").and_then(Command::read) {
                        Some(Command::Forward) => forwards = true,
                        Some(Command::Address { interface, address }) => {
                            addresses.insert((name.to_owned(), interface), address);
                        }
                        None => not_taken(at),
                    }
                }
            }
            _ => not_taken(at),
        }
    }
    let Usual {
        kind,
        image,
        forwards: by_sysctl,
    } = usual(own, group);
    let kind = kind.unwrap_or_else(|| "linux".into());
    let origin = Origin::of(at);
    if NETWORK_KINDS.contains(&kind.as_str()) {
        lab.networks.push(Network {
            origin,
            name: name.into(),
            subnet: None,
            leads_out: false,
            is_internal: false,
        });
        return;
    }
    lab.hosts.push(Host {
        origin,
        name: name.into(),
        image,
        forwards: forwards || by_sysctl || !HOST_KINDS.contains(&kind.as_str()),
        is_published: !ports.is_empty(),
        ports,
        interfaces: Vec::new(),
    });
}

/// A command of a node that a maze can express.
enum Command {
    /// It turns on the forwarding of packets.
    Forward,
    /// It gives an interface an address.
    Address { interface: String, address: Ipv4Net },
}

impl Command {
    /// Reads `sysctl -w net.ipv4.ip_forward=1` and `ip address add 10.0.0.2/24 dev eth1`.
    fn read(text: &str) -> Option<Self> {
        let words: Vec<_> = text.split_whitespace().collect();
        match words[..] {
            ["sysctl", "net.ipv4.ip_forward=1"] | ["sysctl", "-w", "net.ipv4.ip_forward=1"] => Some(Self::Forward),
            ["ip", object, "add", address, "dev", interface] if "address".starts_with(object) => Some(Self::Address {
                interface: interface.into(),
                address: address.parse().ok()?,
            }),
            _ => None,
        }
    }
}

/// One end of a link.
struct End<'t> {
    origin: Origin,
    node: &'t str,
    interface: &'t str,
}

impl End<'_> {
    fn leads_out(&self) -> bool {
        OUTSIDE_NODES.contains(&self.node)
    }
}

/// Reads a link. It becomes a LAN, unless it leads to a network.
fn link(at: At<'_, '_>, lab: &mut Lab, addresses: &Addresses) {
    let (mut ends, mut leads_out) = (Vec::new(), false);
    for (key, at) in at.entries("a map that describes a link") {
        match key {
            "endpoints" => ends.extend(at.items("a list").filter_map(end)),
            "endpoint" => ends.extend(end(at)),
            "type" => leads_out = at.text("a text").is_some_and(|kind| !INSIDE_LINKS.contains(&kind)),
            "host-interface" => {}
            _ => not_taken(at),
        }
    }
    let (outside, inside): (Vec<_>, Vec<_>) = ends.into_iter().partition(End::leads_out);
    leads_out |= !outside.is_empty();
    let found: Vec<_> = inside.iter().map(|end| (end, place(lab, end.node))).collect();
    if let Some((end, _)) = found.iter().find(|(_, place)| place.is_none()) {
        let message = format!("is `{}`, which is not a node: the link is not taken over", end.node);
        return end.origin.note(at.diagnostics(), message);
    }
    let hosts: Vec<_> = found
        .iter()
        .filter_map(|(end, place)| match place {
            Some(Place::Host(host)) => Some((*end, *host)),
            _ => None,
        })
        .collect();
    let bridges = found.iter().filter_map(|(_, place)| match place {
        Some(Place::Network(network)) => Some(*network),
        _ => None,
    });
    let bridges: Vec<_> = bridges.collect();
    let network = match bridges[..] {
        [] if hosts.is_empty() => return note(at, "joins no node, and is not taken over"),
        [] if leads_out => outside_network(at, lab),
        [] if hosts.len() < 2 => return note(at, "joins only one node, and is not taken over"),
        [] => new_network(at, lab, hosts.iter().map(|(end, _)| end.node)),
        [bridge] => {
            lab.networks[bridge].leads_out |= leads_out;
            bridge
        }
        [..] => {
            return note(
                at,
                "joins two bridges: they stay two LANs, and the link is not taken over",
            );
        }
    };
    for (end, host) in hosts {
        let key = (end.node.to_owned(), end.interface.to_owned());
        let address = addresses.get(&key);
        if let Some(address) = address {
            lab.networks[network].subnet.get_or_insert(address.trunc());
        }
        lab.hosts[host].is_published |= leads_out;
        lab.hosts[host].interfaces.push(Interface {
            network,
            address: address.map(Ipv4Net::addr),
        });
    }
}

/// Reads `node:interface`, or a map with `node` and `interface`.
fn end<'t>(at: At<'_, 't>) -> Option<End<'t>> {
    if let Some(text) = at.as_text() {
        let end = text.split_once(':').map(|(node, interface)| End {
            origin: Origin::of(at),
            node,
            interface,
        });
        if end.is_none() {
            note(at, "must be of the form `node:interface`");
        }
        return end;
    }
    let (mut node, mut interface) = (None, "");
    for (key, at) in at.entries("a text, or a map that describes an endpoint") {
        match key {
            "node" => node = at.text("a text"),
            "interface" => interface = at.text("a text").unwrap_or_default(),
            _ => not_taken(at),
        }
    }
    Some(End {
        origin: Origin::of(at),
        node: node?,
        interface,
    })
}

/// Where a node is in the lab.
enum Place {
    Host(usize),
    Network(usize),
}

fn place(lab: &Lab, node: &str) -> Option<Place> {
    let host = lab.hosts.iter().position(|host| host.name == node).map(Place::Host);
    let network = || lab.networks.iter().position(|network| network.name == node);
    host.or_else(|| network().map(Place::Network))
}

/// Returns the network for links that lead out of the lab.
fn outside_network(at: At<'_, '_>, lab: &mut Lab) -> usize {
    let known = lab
        .networks
        .iter()
        .position(|network| network.leads_out && network.name == OUTSIDE);
    known.unwrap_or_else(|| {
        lab.networks.push(Network {
            origin: Origin::of(at),
            name: OUTSIDE.into(),
            subnet: None,
            leads_out: true,
            is_internal: false,
        });
        lab.networks.len() - 1
    })
}

/// Adds the network of a link between nodes, which is named after them.
fn new_network<'n>(at: At<'_, '_>, lab: &mut Lab, nodes: impl Iterator<Item = &'n str>) -> usize {
    lab.networks.push(Network {
        origin: Origin::of(at),
        name: nodes.collect::<Vec<_>>().join("-"),
        subnet: None,
        leads_out: false,
        is_internal: false,
    });
    lab.networks.len() - 1
}
