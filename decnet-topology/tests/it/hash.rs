use decnet_topology::{
    Attachment, Coordinate, Decky, DeckyId, Digest, Draft, Lan, LanId, Name, Position, ServiceName, Syntax, Topology,
    canonical_hash, document,
};
use ipnet::Ipv4Net;
use proptest::{collection, option, prelude::*};
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::{strategies, vectors::vectors};

/// Creates a topology from a complete document.
fn topology(document: &Value) -> Topology {
    let draft = document::parse(document.to_string(), Syntax::Json).expect("a document");
    assert_eq!(draft.findings, []);
    let Draft { lans, deckies, .. } = draft;
    let lans = lans.into_iter().zip(0..).map(|(lan, id)| {
        let name = lan.name.parse().expect("name");
        Lan::new(LanId::new(id), name, lan.subnet.expect("subnet"), lan.is_dmz).at(lan.position)
    });
    let deckies = deckies.into_iter().zip(0..).map(|(decky, id)| {
        let attachments = decky.attachments.iter().map(|attachment| Attachment {
            lan: LanId::new(u32::try_from(attachment.lan).expect("few LANs")),
            ip: attachment.ip.expect("address"),
        });
        Decky::new(DeckyId::new(id), decky.name.parse().expect("name"))
            .with_services(decky.services.unwrap_or_default())
            .with_service_config(decky.service_config)
            .with_archetype(decky.archetype)
            .with_persona(decky.persona)
            .forwarding(decky.forwards_l3)
            .with_attachments(attachments)
            .at(decky.position)
    });
    Topology::new(lans.collect(), deckies.collect()).expect("a topology")
}

#[test]
fn the_conformance_pairs_are_same_or_different_as_listed() {
    for row in vectors("hash.json") {
        let (a, b) = (
            canonical_hash(&topology(&row["a"])),
            canonical_hash(&topology(&row["b"])),
        );
        assert_eq!(Some(a == b), row["same"].as_bool(), "{}: {}", row["name"], row["why"]);
    }
}

#[test]
fn the_published_documents_have_the_published_hashes() {
    for row in vectors("hash-golden.json") {
        let topology = topology(&row["document"]);
        assert_eq!(canonical_hash(&topology).to_string(), row["hash"], "{}", row["name"]);
        assert_eq!(canonical_hash(&topology), naive(&topology), "{}", row["name"]);
        if let Some(canonical) = row["canonical"].as_str() {
            assert_eq!(naive_json(&topology), canonical, "{}", row["name"]);
        }
    }
}

#[test]
fn a_hash_is_parsed_from_its_printed_form_only() {
    let text = "0123456789abcdef".repeat(4);
    assert_eq!(
        text.parse::<Digest>().map(|digest| digest.to_string()),
        Ok(text.clone())
    );
    for bad in [
        "",
        "0",
        &text.to_uppercase(),
        &text[1..],
        &format!("{text}0"),
        &text.replace('0', "g"),
    ] {
        assert!(bad.parse::<Digest>().is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn the_hash_is_that_of_the_canonical_json(topology in any_topology()) {
        prop_assert_eq!(canonical_hash(&topology), naive(&topology));
    }

    #[test]
    fn order_ids_and_positions_do_not_affect_the_hash(topology in any_topology(), x in -1e6..1e6) {
        prop_assert_eq!(canonical_hash(&reversed(&topology, x)), canonical_hash(&topology));
    }
}

fn naive(topology: &Topology) -> Digest {
    let text = format!("decnet.topology/1\n{}", naive_json(topology));
    let hex: Vec<_> = sha2::Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    hex.concat().parse().expect("a digest")
}

/// The canonical JSON, built from a tree of values whose objects are ordered by key.
fn naive_json(topology: &Topology) -> String {
    let lan_name = |id| topology.lan(id).expect("known").name();
    let mut lans: Vec<_> = topology.lans().iter().collect();
    lans.sort_by_key(|lan| lan.name().to_lowercase());
    let lans: Vec<_> = lans
        .iter()
        .map(|lan| json!({"name": lan.name().as_str(), "subnet": lan.subnet().to_string(), "dmz": lan.is_dmz()}))
        .collect();
    let mut deckies: Vec<_> = topology.deckies().iter().collect();
    deckies.sort_by_key(|decky| decky.name().to_lowercase());
    let deckies: Vec<_> = deckies
        .iter()
        .map(|decky| {
            let mut attachments = decky.attachments().to_vec();
            if let Some((_, others)) = attachments.split_first_mut() {
                others.sort_by_key(|attachment| lan_name(attachment.lan).to_lowercase());
            }
            let attachments: Vec<_> = attachments
                .iter()
                .map(|attachment| json!({"lan": lan_name(attachment.lan).as_str(), "ip": attachment.ip.to_string()}))
                .collect();
            let mut naive = json!({
                "name": decky.name().as_str(),
                "archetype": decky.archetype(),
                "services": decky.services(),
                "service_config": decky.service_config(),
                "forwards_l3": decky.forwards_l3(),
                "attachments": attachments,
            });
            if let Some(persona) = decky.persona() {
                naive["persona"] = json!(persona);
            }
            naive
        })
        .collect();
    json!({"lans": lans, "deckies": deckies}).to_string()
}

/// The same maze with everything except homes in reverse order, and with other ids and positions.
fn reversed(topology: &Topology, x: f64) -> Topology {
    let place = Position {
        x: Coordinate::new(x).ok(),
        y: None,
    };
    let lan_id = |id: LanId| LanId::new(1000 - id.ordinal());
    let lans = topology.lans().iter();
    let lans = lans.map(|lan| Lan::new(lan_id(lan.id()), lan.name().clone(), lan.subnet(), lan.is_dmz()).at(place));
    let deckies = topology.deckies().iter().map(|decky| {
        let mut attachments = decky.attachments().to_vec();
        for attachment in &mut attachments {
            attachment.lan = lan_id(attachment.lan);
        }
        attachments.reverse();
        let home = attachments.len().min(1);
        attachments.rotate_right(home);
        Decky::new(DeckyId::new(1000 - decky.id().ordinal()), decky.name().clone())
            .with_services(decky.services().iter().rev().cloned())
            .with_service_config(decky.service_config().clone())
            .with_archetype(decky.archetype().map(Into::into))
            .with_persona(decky.persona().cloned())
            .forwarding(decky.forwards_l3())
            .with_attachments(attachments)
    });
    Topology::new(lans.collect(), deckies.collect()).expect("the same maze")
}

fn name() -> impl Strategy<Value = Name> {
    "[a-zA-Z0-9]([a-zA-Z0-9-]{0,3}[a-zA-Z0-9])?".prop_map(|text| text.parse().expect("a label"))
}

fn any_topology() -> impl Strategy<Value = Topology> {
    let lans = collection::btree_map(name(), (any::<u32>(), 0_u8..=32, any::<bool>()), 0..5);
    let services = collection::btree_set(strategies::text().prop_map(|name| ServiceName::new(&name)), 0..4);
    let attachments = collection::btree_map(0_u32..5, any::<u32>(), 0..4);
    let decky = (
        services,
        strategies::service_config(),
        (option::of(strategies::text()), strategies::persona()),
        any::<bool>(),
        attachments,
    );
    let deckies = collection::btree_map(name(), decky, 0..5);
    (lans, deckies).prop_map(|(lans, deckies)| {
        let count = u32::try_from(lans.len()).expect("few");
        let lans = lans.into_iter().zip(0..).map(|((name, (bits, prefix, is_dmz)), id)| {
            let subnet = Ipv4Net::new(bits.into(), prefix).expect("prefix");
            Lan::new(LanId::new(id), name, subnet, is_dmz)
        });
        let deckies = deckies.into_iter().zip(0..).map(|((name, parts), id)| {
            let (services, config, (archetype, persona), forwards, attachments) = parts;
            let attachments = attachments.into_iter().rev().filter(|(lan, _)| *lan < count);
            Decky::new(DeckyId::new(id), name)
                .with_services(services)
                .with_service_config(config)
                .with_archetype(archetype)
                .with_persona(persona)
                .forwarding(forwards)
                .with_attachments(attachments.map(|(lan, ip)| Attachment {
                    lan: LanId::new(lan),
                    ip: ip.into(),
                }))
        });
        Topology::new(lans.collect(), deckies.collect()).expect("names and places are unique")
    })
}
