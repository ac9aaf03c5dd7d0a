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
    // Small keys, since there are many and hardly ever two alike: names are looked up when they are told.
    let addresses = view.deckies.iter().enumerate().flat_map(|(at, decky)| {
        let attached = view.attached(decky).iter();
        attached.filter_map(move |attachment| Some((attachment.lan, attachment.ip?, at)))
    });
    let mut taken: Vec<_> = addresses.filter(|(lan, ..)| *lan < view.lans.len()).collect();
    taken.sort_unstable();
    for same in taken.chunk_by(|one, other| (one.0, one.1) == (other.0, other.1)) {
        let Some((&(lan, ip, first), later)) = same.split_first() else {
            continue;
        };
        let (lan, first) = (view.lans[lan].name, view.deckies[first].name);
        for (_, _, decky) in later {
            let decky = view.deckies[*decky].name;
            let message = format!(
                "decky `{decky}` has the address {ip} on LAN `{lan}`, which decky `{first}` has already; take another address",
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
