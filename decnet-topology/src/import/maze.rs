//! A lab as the draft of a maze.

use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;

use super::{
    lab::{Host, Lab, Network},
    services::{self, GENERAL, ROUTER},
};
use crate::{
    catalog::Catalog,
    decode::Diagnostics,
    model::{Draft, DraftAttachment, DraftDecky, DraftLan, Header},
    name::{Name, TopologyName},
    net,
};

/// The longest name of a LAN or a decky.
const LONGEST: usize = 63;

/// Turns a lab into a draft, and records what the draft does not have or has in another form.
pub(super) fn draft(lab: Lab, name: &str, catalog: &Catalog, diagnostics: &Diagnostics<'_>) -> Draft {
    let Lab {
        name: own,
        networks,
        hosts,
    } = lab;
    // Only networks with hosts become LANs.
    let mut lans: Vec<Option<usize>> = Vec::new();
    let mut drafts = Vec::new();
    let mut names = Names::default();
    let dmz = dmz(&networks, &hosts);
    for (index, network) in networks.iter().enumerate() {
        let mut members = hosts
            .iter()
            .filter(|host| host.interfaces.iter().any(|one| one.network == index));
        if members.next().is_none() {
            network.origin.note(diagnostics, "has no hosts, and is not taken over");
            lans.push(None);
            continue;
        }
        let given = names.of(&network.name, "lan");
        if given != network.name {
            network.origin.note(diagnostics, format!("becomes the LAN `{given}`"));
        }
        lans.push(Some(drafts.len()));
        drafts.push(DraftLan {
            name: given,
            subnet: network.subnet.filter(|subnet| is_usable(network, *subnet, diagnostics)),
            is_dmz: dmz == Some(index),
            ..DraftLan::default()
        });
    }
    if let Some(dmz) = dmz.filter(|_| !hosts.iter().any(|host| host.is_published)) {
        let network = &networks[dmz];
        network.origin.note(
            diagnostics,
            "becomes the DMZ, because it is the first network and no host publishes a port",
        );
    }
    let mut names = Names::default();
    let mut taken = BTreeSet::new();
    let deckies = hosts.iter().filter_map(|host| {
        let attachments = attachments(host, &lans, &drafts, &mut taken, diagnostics);
        decky(host, attachments, &drafts, &mut names, catalog, diagnostics)
    });
    let deckies = deckies.collect();
    Draft {
        header: Header {
            name: topology_name(own.as_deref(), name),
            ..Header::default()
        },
        lans: drafts,
        deckies,
        ..Draft::default()
    }
}

/// Returns the network that becomes the DMZ: one that leads out of the lab, or the one whose hosts publish the most ports, or the
/// first.
fn dmz(networks: &[Network], hosts: &[Host]) -> Option<usize> {
    let members = |index: usize| {
        hosts
            .iter()
            .filter(move |host| host.interfaces.iter().any(|interface| interface.network == index))
    };
    let candidates = (0..networks.len()).filter(|index| members(*index).next().is_some());
    candidates.min_by_key(|index| {
        let published: usize = members(*index)
            .filter(|host| host.is_published)
            .map(|host| host.ports.len().max(1))
            .sum();
        let network = &networks[*index];
        (!network.leads_out, network.is_internal, usize::MAX - published, *index)
    })
}

/// Returns whether a LAN can have a subnet.
fn is_usable(network: &Network, subnet: Ipv4Net, diagnostics: &Diagnostics<'_>) -> bool {
    let special = net::unusable(subnet);
    if let Some(special) = &special {
        let message = format!("has the subnet {subnet}, which overlaps {special}: another one is allocated");
        network.origin.note(diagnostics, message);
    }
    special.is_none()
}

/// Returns the attachments of a host, the DMZ first: it is then the home of the decky.
fn attachments(
    host: &Host,
    lans: &[Option<usize>],
    drafts: &[DraftLan],
    taken: &mut BTreeSet<(usize, Ipv4Addr)>,
    diagnostics: &Diagnostics<'_>,
) -> Vec<DraftAttachment> {
    let mut attachments: Vec<DraftAttachment> = Vec::new();
    for interface in &host.interfaces {
        let Some(lan) = lans[interface.network] else { continue };
        let draft = &drafts[lan];
        if attachments.iter().any(|known| known.lan == lan) {
            let message = format!("has two interfaces in `{}`; a decky has one", draft.name);
            host.origin.note(diagnostics, message);
            continue;
        }
        let ip = interface.address.filter(|address| {
            let reason = match draft.subnet {
                None => Some("whose subnet is not known".to_owned()),
                Some(subnet) if !subnet.contains(address) => Some(format!("which is {subnet}")),
                Some(subnet) => net::reserved(subnet, *address).map(|role| format!("whose {role} address it is")),
            };
            let reason =
                reason.or_else(|| (!taken.insert((lan, *address))).then(|| "where another host has it".into()));
            if let Some(reason) = &reason {
                let message = format!(
                    "has {address} in `{}`, {reason}: another address is allocated",
                    draft.name
                );
                host.origin.note(diagnostics, message);
            }
            reason.is_none()
        });
        attachments.push(DraftAttachment { lan, ip });
    }
    attachments.sort_by_key(|attachment| !drafts[attachment.lan].is_dmz);
    attachments
}

fn decky(
    host: &Host,
    attachments: Vec<DraftAttachment>,
    lans: &[DraftLan],
    names: &mut Names,
    catalog: &Catalog,
    diagnostics: &Diagnostics<'_>,
) -> Option<DraftDecky> {
    let note = |message: String| host.origin.note(diagnostics, message);
    if attachments.is_empty() {
        note("is attached to no network, and is not taken over".into());
        return None;
    }
    let name = names.of(&host.name, "decky");
    if name != host.name {
        note(format!("becomes the decky `{name}`"));
    }
    let (services, unknown) = services::services(catalog, &host.ports, host.image.as_deref());
    if !unknown.is_empty() {
        let unknown: Vec<_> = unknown.iter().map(ToString::to_string).collect();
        note(format!(
            "listens on {}, which no service of the catalogue answers",
            unknown.join(", ")
        ));
    }
    let (archetype, services) = if services.is_empty() {
        let archetype = if host.forwards { ROUTER } else { GENERAL };
        note(format!(
            "names no service of the catalogue, and becomes a `{archetype}`"
        ));
        (Some(archetype), None)
    } else {
        let archetype = services::archetype(catalog, &services);
        (archetype, Some(services.into_iter().collect()))
    };
    let is_in_dmz = attachments.iter().any(|attachment| lans[attachment.lan].is_dmz);
    // With one LAN there is nothing to forward: as a gateway it only publishes its ports.
    let is_gateway = host.is_published && is_in_dmz && (host.forwards || attachments.len() == 1);
    if host.is_published && !is_gateway && !host.ports.is_empty() {
        let why = if is_in_dmz {
            "with `forwards_l3: true` it is one, and forwards packets"
        } else {
            "it is not in the DMZ"
        };
        note(format!("publishes ports, which only a gateway does: {why}"));
    }
    Some(DraftDecky {
        name,
        services,
        archetype: archetype.map(ToOwned::to_owned),
        forwards_l3: is_gateway || host.forwards && (attachments.len() > 1 || host.is_published),
        attachments,
        ..DraftDecky::default()
    })
}

/// Returns the name of the maze: that of the file, or another one.
fn topology_name(own: Option<&str>, other: &str) -> String {
    let candidates = own.into_iter().chain([other]);
    let mut valid = candidates.filter(|name| TopologyName::new(name).is_ok());
    valid
        .next()
        .map_or_else(|| Names::default().of(own.unwrap_or(other), "maze"), ToOwned::to_owned)
}

/// The names of the LANs or the deckies that were given.
#[derive(Debug, Default)]
struct Names {
    /// In lower case.
    given: BTreeSet<String>,
}

impl Names {
    /// Returns a valid name that nothing has yet: the text with hyphens for other characters, and with a number if it is taken.
    fn of(&mut self, text: &str, otherwise: &str) -> String {
        let letters = text.chars().map(|character| {
            if character.is_ascii_alphanumeric() {
                character
            } else {
                '-'
            }
        });
        let letters: String = letters.take(LONGEST).collect();
        let label = match letters.trim_matches('-') {
            "" => otherwise,
            label => label,
        };
        let numbered = (2..).map(|number| {
            let number = format!("-{number}");
            let start = &label[..label.len().min(LONGEST - number.len())];
            format!("{}{number}", start.trim_end_matches('-'))
        });
        let mut candidates = std::iter::once(label.to_owned()).chain(numbered);
        let is_free = |name: &String| Name::new(name).is_ok() && !self.given.contains(&name.to_ascii_lowercase());
        let name = candidates.find(is_free).unwrap_or_default();
        self.given.insert(name.to_ascii_lowercase());
        name
    }
}
