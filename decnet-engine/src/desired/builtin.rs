//! The state that is passed to a built-in service.

use decnet_decoy::protocol::{self, BuiltinService, Listen, ServiceState};
use decnet_topology::{Catalog, Decky, DeploySettings, Protocol, Service};

use super::persona;

/// Returns the state that is passed to a built-in service.
pub(super) fn state_of(
    decky: &Decky,
    entry: &Service,
    catalog: &Catalog,
    settings: &DeploySettings,
    secret: String,
) -> ServiceState {
    let fields = decky.service_config().get(&entry.name);
    let listen = entry.ports.iter().map(|port| Listen {
        port: port.number,
        protocol: transport(port.protocol),
    });
    let mut fields: serde_json::Map<_, _> = fields
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if let Some(banner) = &entry.banner {
        fields.entry("banner").or_insert_with(|| banner.as_str().into());
    }
    ServiceState {
        decky: decky.name().to_string(),
        persona: persona::of(decky, catalog),
        secret,
        services: vec![BuiltinService {
            name: entry.name.to_string(),
            listen: listen.collect(),
            fields,
        }],
        passwords: !settings.hide_passwords,
    }
}

/// Returns whether a built-in service answers to any datagram, because its maze or catalogue sets a banner.
pub(super) fn answers_every_datagram(service: &BuiltinService) -> bool {
    let banner = service.fields.get("banner").and_then(|banner| banner.as_str());
    banner.is_some_and(|banner| !banner.is_empty())
}

pub(super) fn transport(protocol: Protocol) -> protocol::Protocol {
    match protocol {
        Protocol::Tcp => protocol::Protocol::Tcp,
        Protocol::Udp => protocol::Protocol::Udp,
    }
}
