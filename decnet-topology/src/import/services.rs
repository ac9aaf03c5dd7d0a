//! Which services a decky gets for the ports and the image of a host.

use std::collections::BTreeSet;

use crate::{
    catalog::{Catalog, Port, Service},
    name::ServiceName,
};

/// Programs in the names of images, and the service of the built-in catalogue that answers like them.
const PROGRAMS: &[(&str, &str)] = &[
    ("apache", "http"),
    ("bind9", "dns"),
    ("caddy", "http"),
    ("coredns", "dns"),
    ("dovecot", "imap"),
    ("haproxy", "http"),
    ("httpd", "http"),
    ("mariadb", "mysql"),
    ("mongo", "mongodb"),
    ("mosquitto", "mqtt"),
    ("nginx", "http"),
    ("openldap", "ldap"),
    ("openssh", "ssh"),
    ("opensearch", "elasticsearch"),
    ("postfix", "smtp"),
    ("samba", "smb"),
    ("sshd", "ssh"),
    ("traefik", "http"),
    ("valkey", "redis"),
    ("vsftpd", "ftp"),
];

/// Returns the services for ports and an image, without any that use the same port, and the ports that no service has.
pub(super) fn services(catalog: &Catalog, ports: &[Port], image: Option<&str>) -> (BTreeSet<ServiceName>, Vec<Port>) {
    let mut chosen = BTreeSet::new();
    let mut unknown = Vec::new();
    let by_image = image.and_then(|image| by_image(catalog, image));
    let add = |service: &Service, chosen: &mut BTreeSet<ServiceName>| {
        chosen.insert(service.name.clone());
        if !catalog.clashes(&*chosen).is_empty() {
            chosen.remove(&service.name);
        }
    };
    if let Some(service) = by_image {
        add(service, &mut chosen);
    }
    for port in ports {
        let is_answered = chosen.iter().filter_map(|name| catalog.decky_service(name.as_str()));
        if is_answered.into_iter().any(|service| service.ports.contains(port)) {
            continue;
        }
        match by_port(catalog, *port) {
            Some(service) => add(service, &mut chosen),
            None => unknown.push(*port),
        }
    }
    (chosen, unknown)
}

/// Returns the service that has this port and the fewest others.
fn by_port(catalog: &Catalog, port: Port) -> Option<&Service> {
    let services = catalog.services().filter(|service| !service.singleton);
    let services = services.filter(|service| service.ports.contains(&port));
    services.min_by_key(|service| (service.ports.len(), service.name.clone()))
}

/// Returns the service that an image is named after, such as `mysql` for `registry.example.org/mysql:8`.
fn by_image<'c>(catalog: &'c Catalog, image: &str) -> Option<&'c Service> {
    let image = image.rsplit('/').next().unwrap_or_default();
    let image = image.split([':', '@']).next().unwrap_or_default().to_ascii_lowercase();
    let words: Vec<_> = image.split(['-', '_', '.']).collect();
    let program = PROGRAMS.iter().find(|(program, _)| words.contains(program));
    let program = program.and_then(|(_, service)| catalog.decky_service(service));
    program.or_else(|| words.iter().find_map(|word| catalog.decky_service(word)))
}

/// Returns the archetype whose usual services have the most in common with those of a decky, and the fewest others.
pub(super) fn archetype<'c>(catalog: &'c Catalog, services: &BTreeSet<ServiceName>) -> Option<&'c str> {
    let shared = |usual: &BTreeSet<ServiceName>| usual.intersection(services).count();
    let archetypes = catalog.archetypes().filter(|archetype| shared(&archetype.services) > 0);
    let best = archetypes.min_by_key(|archetype| {
        let shared = shared(&archetype.services);
        let others = archetype.services.len() - shared;
        (
            services.len() - shared,
            others,
            archetype.slug != GENERAL,
            archetype.slug.clone(),
        )
    });
    best.map(|archetype| archetype.slug.as_str())
}

/// The archetype of a host that nothing is known of.
pub(super) const GENERAL: &str = "linux-server";
/// The archetype of a router that nothing is known of.
pub(super) const ROUTER: &str = "network-switch";
