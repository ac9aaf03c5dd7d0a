//! Random topologies that the model can represent, sensible or not.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;
use proptest::prelude::*;
use serde_json::Value;

use crate::{
    config::TopologyConfig,
    id::{DeckyId, LanId},
    model::{Attachment, Coordinate, Decky, Lan, Persona, Position, Topology},
    name::{Name, ServiceName},
    repo::NewTopology,
    status::Mode,
};

/// Generates a random topology to store.
pub(super) fn new_topology() -> impl Strategy<Value = NewTopology> {
    let host = proptest::option::of("[a-z.]{1,20}");
    (topology_name(), any::<bool>(), host, any::<bool>(), topology()).prop_map(
        |(name, agent, host, generated, topology)| {
            NewTopology::new(name.parse().expect("a topology's name"), topology)
                .mode(if agent { Mode::Agent } else { Mode::Unihost })
                .host(host)
                .config(generated.then(config))
        },
    )
}

/// Returns a random config for a maze.
pub(super) fn config() -> TopologyConfig {
    let written = serde_json::json!({
        "name": "Generated", "mode": "unihost", "depth": 3, "branching_factor": 2,
        "deckies_per_lan_min": 1, "deckies_per_lan_max": 3,
        "bridge_forward_probability": 0.1, "cross_edge_probability": 0.300_000_000_000_000_04,
        "subnet_base_prefix": "172.16.0.0/12", "lan_prefix": 24, "randomize_services": true,
        "services_explicit": ["ssh"], "dmz_gateway": true, "seed": u64::MAX,
    });
    serde_json::from_value(written).expect("a config")
}

fn topology_name() -> impl Strategy<Value = String> {
    "[^\\p{C}\\s][^\\p{C}]{0,63}"
}

fn label() -> impl Strategy<Value = Name> {
    let text = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
    text.prop_map(|text| text.parse().expect("a name"))
}

fn position() -> impl Strategy<Value = Position> {
    let coordinate = || any::<f64>().prop_filter_map("finite", |number| Coordinate::new(number).ok());
    let maybe = || proptest::option::of(coordinate());
    (maybe(), maybe()).prop_map(|(x, y)| Position { x, y })
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(".{0,6}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn service() -> impl Strategy<Value = ServiceName> {
    "[a-z_'\"{\u{0}-\u{ff}]{0,8}".prop_map(|text| ServiceName::new(&text))
}

fn lan() -> impl Strategy<Value = (u32, Ipv4Net, bool, Position)> {
    let subnet = (any::<u32>(), 0_u8..=32);
    let subnet = subnet.prop_map(|(bits, prefix)| Ipv4Net::new(bits.into(), prefix).expect("a prefix"));
    (any::<u32>(), subnet, any::<bool>(), position())
}

fn decky() -> impl Strategy<Value = Decky> {
    let fields = proptest::collection::btree_map(".{0,6}", value(), 0..3);
    let config = proptest::collection::btree_map(service(), fields, 0..3);
    let services = proptest::collection::btree_set(service(), 0..4);
    let archetype = proptest::option::of(".{0,9}");
    let persona = (proptest::option::of(".{0,9}"), ".{0,3}").prop_map(|(os, version)| {
        let persona = os.map(|os| Persona::default().os(&os))?;
        Some(persona.version("ssh", &version))
    });
    let attachments = proptest::collection::vec((any::<prop::sample::Index>(), any::<u32>()), 0..4);
    (
        any::<u32>(),
        services,
        config,
        (archetype, persona),
        any::<bool>(),
        attachments,
        position(),
    )
        .prop_map(
            |(id, services, config, (archetype, persona), forwards, attachments, position)| {
                // The index of a LAN is used until the LANs are known.
                let attachments = attachments.into_iter().map(|(lan, ip)| Attachment {
                    lan: LanId::new(u32::try_from(lan.index(1 << 16)).unwrap_or_default()),
                    ip: ip.into(),
                });
                Decky::new(DeckyId::new(id), "unnamed".parse().expect("a name"))
                    .with_services(services)
                    .with_service_config(config)
                    .with_archetype(archetype)
                    .with_persona(persona)
                    .forwarding(forwards)
                    .with_attachments(attachments)
                    .at(position)
            },
        )
}

fn topology() -> impl Strategy<Value = Topology> {
    let lans = proptest::collection::vec(lan(), 0..6);
    let deckies = proptest::collection::vec(decky(), 0..6);
    let names = || proptest::collection::btree_set(label(), 6);
    (lans, deckies, names(), names()).prop_map(|(lans, deckies, lan_names, decky_names)| {
        let lans: BTreeMap<u32, Lan> = lans
            .into_iter()
            .zip(lan_names)
            .map(|((id, subnet, dmz, position), name)| (id, Lan::new(LanId::new(id), name, subnet, dmz).at(position)))
            .collect();
        let lans: Vec<Lan> = lans.into_values().collect();
        let deckies: BTreeMap<DeckyId, Decky> = deckies
            .into_iter()
            .zip(decky_names)
            .map(|(decky, name)| (decky.id(), settle(&decky, name, &lans)))
            .collect();
        Topology::new(lans, deckies.into_values().collect()).expect("a well-formed topology")
    })
}

/// Gives a decky its name, and attachments to existing LANs in random order.
fn settle(decky: &Decky, name: Name, lans: &[Lan]) -> Decky {
    let mut seen = BTreeSet::new();
    let attachments = decky.attachments().iter().filter_map(|attachment| {
        let index = usize::try_from(attachment.lan.ordinal()).ok()?;
        let lan = lans.get(index.checked_rem(lans.len())?)?.id();
        seen.insert(lan).then_some(Attachment { lan, ip: attachment.ip })
    });
    Decky::new(decky.id(), name)
        .with_services(decky.services().iter().cloned())
        .with_service_config(decky.service_config().clone())
        .with_archetype(decky.archetype().map(Into::into))
        .with_persona(decky.persona().cloned())
        .forwarding(decky.forwards_l3())
        .with_attachments(attachments)
        .at(decky.position())
}
