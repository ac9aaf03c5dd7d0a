//! Random documents, for property tests.

use std::collections::BTreeMap;

use decnet_topology::{
    Coordinate, Draft, DraftAttachment, DraftDecky, DraftLan, Header, Persona, Position, ServiceConfig, ServiceName,
    Status, TopologyId, Version,
};
use proptest::{collection, option, prelude::*};
use serde_json::{Number, Value};

/// Text that often causes faults: quotes, indicators, words with a special meaning in YAML, control characters.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z][a-z0-9 _-]{0,12}",
        4 => any::<String>(),
        1 => "[ \\t\\r\\n:#&*!|>'\"%@`{}\\[\\],?~-]{0,6}",
        2 => prop::sample::select(vec![
            "", "null", "~", "true", "no", "on", "y", "1", "0x10", "0o7", "1e3", ".nan", ".inf", "1_000", "12:30:45",
            "2001-01-01", "- a", "a: b", "# c", "<<", "=", "---", "...", "\u{feff}", "\u{2028}", "\u{85}", "a\n\nb\n", "\n", " a",
            "a ", "\u{0}", "\u{1b}[0m", "'", "\"", "\\", "!!str", "&a", "*a", "%", "|", ">", "? a", "{", "[", "\u{1f600}", "\r\n",
            "key:", ": v", "\t", "a\tb", "a #b", "\u{7f}", "\u{a0}",
        ]).prop_map(String::from),
    ]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |value| Number::from_f64(value).map(Value::Number)),
        (-1000_i32..1000).prop_map(|value| Value::from(f64::from(value))),
        Just(Value::from(-0.0)),
    ]
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        text().prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            collection::btree_map(text(), inner, 0..4).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

pub(crate) fn service_config() -> impl Strategy<Value = ServiceConfig> {
    let name = prop_oneof!["[a-z]{1,6}", text()].prop_map(|name| ServiceName::new(&name));
    collection::btree_map(name, collection::btree_map(text(), value(), 0..3), 0..3)
}

pub(crate) fn persona() -> impl Strategy<Value = Option<Persona>> {
    let versions = collection::btree_map(text(), text(), 0..3);
    (option::of(text()), option::of(text()), versions).prop_map(|(os, hostname, versions)| {
        let mut persona = Persona::default();
        (persona.os, persona.hostname) = (os, hostname);
        for (service, version) in versions {
            persona = persona.version(&service, &version);
        }
        Some(persona).filter(|persona| !persona.is_empty())
    })
}

fn position() -> impl Strategy<Value = Position> {
    let coordinate = || any::<f64>().prop_filter_map("finite", |number| Coordinate::new(number).ok());
    (option::of(coordinate()), option::of(coordinate())).prop_map(|(x, y)| Position { x, y })
}

fn lan() -> impl Strategy<Value = DraftLan> {
    let subnet = (any::<u32>(), 0_u8..=32)
        .prop_map(|(bits, prefix)| ipnet::Ipv4Net::new(bits.into(), prefix).expect("prefix").trunc());
    (text(), option::of(subnet), any::<bool>(), position()).prop_map(|(name, subnet, is_dmz, position)| DraftLan {
        name,
        subnet,
        is_dmz,
        position,
    })
}

fn decky() -> impl Strategy<Value = DraftDecky> {
    let services = option::of(collection::vec(text().prop_map(|name| ServiceName::new(&name)), 0..4));
    let attachments = collection::vec((any::<prop::sample::Index>(), option::of(any::<u32>())), 0..4);
    (
        text(),
        services,
        service_config(),
        (option::of(text()), persona()),
        any::<bool>(),
        attachments,
        position(),
    )
        .prop_map(
            |(name, services, service_config, (archetype, persona), forwards_l3, attachments, position)| DraftDecky {
                name,
                services,
                service_config,
                archetype,
                persona,
                forwards_l3,
                // Positions in the list of LANs; `draft` brings them into range.
                attachments: attachments
                    .into_iter()
                    .map(|(lan, ip)| DraftAttachment {
                        lan: lan.index(1 << 20),
                        ip: ip.map(Into::into),
                    })
                    .collect(),
                position,
            },
        )
}

fn header() -> impl Strategy<Value = Header> {
    let id = any::<u128>().prop_map(|bits| {
        let text = format!("{bits:032x}");
        text.parse::<TopologyId>().expect("a UUID")
    });
    let status = prop::sample::select(Status::ALL);
    let version = any::<u64>().prop_map(Version::new);
    (
        "[ -~]{0,20}[a-z]",
        option::of(id),
        option::of(status),
        option::of(version),
        option::of(any::<u64>()),
    )
        .prop_map(|(name, id, status, version, seed)| Header {
            name,
            id,
            status,
            version,
            seed,
            config: None,
        })
}

/// A draft as a document may hold it: LANs and deckies of any names, attachments to some of the LANs, each once.
pub(crate) fn draft() -> impl Strategy<Value = Draft> {
    (header(), collection::vec(lan(), 0..5), collection::vec(decky(), 0..5)).prop_map(|(header, lans, mut deckies)| {
        // Names mean the first LAN that has them.
        let mut first = BTreeMap::new();
        for (at, lan) in lans.iter().enumerate() {
            first.entry(lan.name.to_ascii_lowercase()).or_insert(at);
        }
        let places: Vec<_> = first.into_values().collect();
        for decky in &mut deckies {
            let mut taken = std::collections::BTreeSet::new();
            decky.attachments.retain_mut(|attachment| {
                if places.is_empty() {
                    return false;
                }
                attachment.lan = places[attachment.lan % places.len()];
                taken.insert(attachment.lan)
            });
        }
        Draft {
            header,
            lans,
            deckies,
            ..Draft::default()
        }
    })
}
