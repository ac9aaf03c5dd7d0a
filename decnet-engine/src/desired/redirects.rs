//! The ports that visitors see under other numbers than the programs listen on.

use decnet_decoy::protocol;
use decnet_topology::{Service, ServicePort};

use super::builtin::transport;

/// Returns the ports of a service that have another number inside, and those that have the number of such a port.
pub(super) fn redirects(entry: &Service) -> impl Iterator<Item = protocol::Redirect> {
    let is_inside = move |port: ServicePort| {
        let mut mapped = entry.listens().filter(|other| other.is_mapped());
        mapped.any(|other| other.inside_port() == port.outside)
    };
    let ports = entry.listens().filter(move |port| port.is_mapped() || is_inside(*port));
    ports.map(|port| protocol::Redirect {
        port: port.outside.number,
        to: port.inside,
        protocol: transport(port.outside.protocol),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mapped_ports_and_those_with_the_number_of_one_inside_are_redirected() {
        let text =
            "[services.pot]\nimage = \"pot:1\"\nports = [\"22:2222/tcp\", \"2222/tcp\", \"2222/udp\", \"80/tcp\"]\n";
        let catalog = decnet_topology::Catalog::empty().extend_from_toml(text).expect("valid");
        let of = |name: &str| {
            let service = catalog.service(name).expect("a service");
            redirects(service).map(|one| (one.port, one.to)).collect::<Vec<_>>()
        };
        assert_eq!(of("pot"), [(22, 2222), (2222, 2222)]);
        let builtin = decnet_topology::Catalog::builtin();
        assert!(builtin.services().all(|service| redirects(service).next().is_none()));
    }
}
