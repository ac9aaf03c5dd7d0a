//! Compose files: <https://github.com/compose-spec/compose-spec/blob/main/spec.md>.

use super::lab::{Host, Interface, Lab, Network, Origin, not_taken, note, port, port_number, turns_on_forwarding};
use crate::{catalog::Port, decode::At, net};

/// The network of services that name none.
const DEFAULT: &str = "default";

/// Reads a Compose file.
pub(super) fn read(root: At<'_, '_>) -> Lab {
    let mut lab = Lab::default();
    for (key, at) in root.entries("a map") {
        match key {
            "name" => lab.name = at.text("a text").map(ToOwned::to_owned),
            "networks" => {
                let networks = at.entries("a map of networks");
                lab.networks = networks.map(|(name, at)| network(name, at)).collect();
            }
            // A key of old versions, without a meaning.
            "version" | "services" => {}
            _ => not_taken(at),
        }
    }
    for (_, at) in root.entries("a map").filter(|(key, _)| *key == "services") {
        for (name, at) in at.entries("a map of services") {
            service(name, at, &mut lab);
        }
    }
    lab
}

fn network(name: &str, at: At<'_, '_>) -> Network {
    let mut network = Network {
        origin: Origin::of(at),
        name: name.into(),
        subnet: None,
        leads_out: false,
        is_internal: false,
    };
    for (key, at) in at
        .given()
        .iter()
        .flat_map(|at| at.entries("a map that describes a network"))
    {
        match key {
            "internal" => network.is_internal = at.flag().unwrap_or_default(),
            "ipam" => {
                for (key, at) in at.entries("a map") {
                    match key {
                        "config" => at.items("a list").for_each(|at| pool(at, &mut network)),
                        _ => not_taken(at),
                    }
                }
            }
            _ => not_taken(at),
        }
    }
    network
}

/// Reads a subnet of a network. The first of IPv4 counts.
fn pool(at: At<'_, '_>, network: &mut Network) {
    for (key, at) in at.entries("a map") {
        match (key, at.as_text().map(net::parse_subnet)) {
            ("subnet", Some(Ok(subnet))) if network.subnet.is_none() => network.subnet = Some(subnet),
            _ => not_taken(at),
        }
    }
}

fn service(name: &str, at: At<'_, '_>, lab: &mut Lab) {
    let mut host = Host {
        origin: Origin::of(at),
        name: name.into(),
        image: None,
        forwards: false,
        is_published: false,
        ports: Vec::new(),
        interfaces: Vec::new(),
    };
    let mut is_alone = !at.is_map();
    for (key, at) in at.entries("a map that describes a service") {
        match key {
            "image" => host.image = at.text("a text").map(ToOwned::to_owned),
            "ports" => {
                host.is_published = true;
                host.ports.extend(at.items("a list of ports").filter_map(published));
            }
            "expose" => {
                let ports: Vec<_> = at.items("a list of ports").filter_map(port).collect();
                host.ports.extend(ports);
            }
            "sysctls" => host.forwards = turns_on_forwarding(at),
            "networks" => attach(at, lab, &mut host),
            "network_mode" => {
                is_alone = true;
                not_taken(at);
            }
            _ => not_taken(at),
        }
    }
    // A service without `networks` is in the default one.
    if host.interfaces.is_empty() && !is_alone {
        let network = network_named(DEFAULT, at, lab);
        host.interfaces.push(Interface { network, address: None });
    }
    lab.hosts.push(host);
}

/// Reads a published port, in the short or the long form: that of the container.
fn published(at: At<'_, '_>) -> Option<Port> {
    if !at.is_map() {
        return port(at);
    }
    let (mut number, mut protocol) = (None, "tcp");
    for (key, at) in at.entries("a port") {
        match key {
            "target" => number = port_number(at),
            "protocol" => protocol = at.text("a text").unwrap_or_default(),
            // A maze has its own rules for the ports of the host.
            "published" | "mode" | "host_ip" | "name" | "app_protocol" => {}
            _ => not_taken(at),
        }
    }
    format!("{}/{protocol}", number?).parse().ok()
}

/// Reads the networks of a service: a list of names, or a map.
fn attach(at: At<'_, '_>, lab: &mut Lab, host: &mut Host) {
    if !at.is_map() {
        for at in at.items("a list or a map of networks") {
            if let Some(name) = at.text("the name of a network") {
                let network = network_named(name, at, lab);
                host.interfaces.push(Interface { network, address: None });
            }
        }
        return;
    }
    for (name, at) in at.entries("a map of networks") {
        let mut address = None;
        for (key, at) in at.given().iter().flat_map(|at| at.entries("a map")) {
            match key {
                "ipv4_address" => {
                    address = at.text("an address").and_then(|text| text.parse().ok());
                    if address.is_none() {
                        note(at, "is not an IPv4 address");
                    }
                }
                _ => not_taken(at),
            }
        }
        let network = network_named(name, at, lab);
        host.interfaces.push(Interface { network, address });
    }
}

/// Returns a network by its name. One that the file does not describe is added.
fn network_named(name: &str, at: At<'_, '_>, lab: &mut Lab) -> usize {
    let known = lab.networks.iter().position(|network| network.name == name);
    known.unwrap_or_else(|| {
        // It has the place of the host that is in it.
        let path = match name {
            DEFAULT => "the default network".to_owned(),
            name => format!("networks.{name}"),
        };
        lab.networks.push(Network {
            origin: Origin::of(at).called(path),
            name: name.into(),
            subnet: None,
            leads_out: false,
            is_internal: false,
        });
        lab.networks.len() - 1
    })
}
