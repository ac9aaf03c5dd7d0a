//! Addresses of deckies on their LANs.

use ipnet::Ipv4Net;

use crate::{
    finding::{Code, Finding, Target},
    net,
    validate::view::View,
};

/// The longest prefix with a network, a broadcast and a gateway address to speak of.
const LONGEST_WITH_RESERVED: u8 = 30;

/// `IP_OUT_OF_SUBNET`: an address outside its LAN's subnet.
pub(super) fn outside(view: &View<'_>, findings: &mut Vec<Finding>) {
    for (decky, lan, attachment) in view.attachments() {
        let (Some(ip), Some(subnet)) = (attachment.ip, lan.subnet) else {
            continue;
        };
        if !subnet.contains(&ip) {
            let message = format!(
                "{ip} of decky `{}` lies outside {subnet} of LAN `{}`; take an address of the LAN, or none to have one allocated",
                decky.name, lan.name
            );
            findings.push(Finding::new(Code::IpOutOfSubnet, target(decky.name, lan.name), message));
        }
    }
}

/// `IP_RESERVED`: a network, broadcast or gateway address.
pub(super) fn reserved(view: &View<'_>, findings: &mut Vec<Finding>) {
    let judged = |subnet: &Ipv4Net| subnet.prefix_len() <= LONGEST_WITH_RESERVED;
    for (decky, lan, attachment) in view.attachments() {
        let (Some(ip), Some(subnet)) = (attachment.ip, lan.subnet.filter(judged)) else {
            continue;
        };
        if let Some(purpose) = net::reserved(subnet, ip) {
            let message = format!(
                "{ip} of decky `{}` is the {purpose} address of LAN `{}` ({subnet}); take another address",
                decky.name, lan.name
            );
            findings.push(Finding::new(Code::IpReserved, target(decky.name, lan.name), message));
        }
    }
}

/// `IP_COLLISION`: two deckies with one address on one LAN. Each is told of the first that has it.
pub(super) fn collisions(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut taken: Vec<_> = view
        .attachments()
        .enumerate()
        .filter_map(|(order, (decky, lan, at))| Some(((at.lan, at.ip?), order, decky.name, lan.name)))
        .collect();
    taken.sort_unstable();
    for same in taken.chunk_by(|one, other| one.0 == other.0) {
        let Some(((first, later), (_, ip))) = same.split_first().map(|halves| (halves, same[0].0)) else {
            continue;
        };
        for (_, _, decky, lan) in later {
            let message = format!(
                "decky `{decky}` has the address {ip} on LAN `{lan}`, which decky `{}` has already; take another address",
                first.2
            );
            findings.push(Finding::new(Code::IpCollision, target(decky, lan), message));
        }
    }
}

fn target(decky: &str, lan: &str) -> Target {
    Target::Attachment {
        decky: decky.into(),
        lan: lan.into(),
    }
}
