//! Addresses of deckies on their LANs.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::{
    finding::{Code, Finding, Findings, Target},
    net,
    validate::{
        fast::UsedAddresses,
        view::{DeckyView, LanView, TopologyView},
    },
};

/// The longest prefix of a subnet that has network, broadcast and gateway addresses.
const LONGEST_WITH_RESERVED: u8 = 30;

/// `IP_OUT_OF_SUBNET`, `IP_RESERVED`: an address that a host of its LAN cannot have.
pub(super) fn misplaced(decky: &DeckyView<'_>, findings: &mut Findings) {
    for (lan, ip) in decky.lans() {
        let (Some(ip), Some(subnet)) = (ip, lan.subnet()) else {
            continue;
        };
        // Nearly all addresses are valid.
        if is_for_hosts(subnet, ip) {
            continue;
        }
        findings.extend(outside(decky.name, lan.name(), subnet, ip));
        findings.extend(reserved(decky.name, lan.name(), subnet, ip));
    }
}

/// Returns whether an address of a subnet is between the gateway and the broadcast address.
fn is_for_hosts(subnet: Ipv4Net, ip: Ipv4Addr) -> bool {
    let (ip, base, hosts) = (ip.to_bits(), subnet.addr().to_bits(), subnet.hostmask().to_bits());
    (ip ^ base) & !hosts == 0 && 1 < ip & hosts && ip & hosts < hosts
}

/// `IP_OUT_OF_SUBNET`: an address outside its LAN's subnet.
fn outside(decky: &str, lan: &str, subnet: Ipv4Net, ip: Ipv4Addr) -> Option<Finding> {
    let is_outside = !subnet.contains(&ip);
    is_outside.then(|| {
        let message = format!(
            "{ip} of decky `{decky}` is outside {subnet} of LAN `{lan}`; use an address of the LAN, or omit it to allocate one"
        );
        Finding::new(Code::IpOutOfSubnet, target(decky, lan), message)
    })
}

/// `IP_RESERVED`: a network, broadcast or gateway address.
fn reserved(decky: &str, lan: &str, subnet: Ipv4Net, ip: Ipv4Addr) -> Option<Finding> {
    if subnet.prefix_len() > LONGEST_WITH_RESERVED {
        return None;
    }
    let purpose = net::reserved(subnet, ip)?;
    let message =
        format!("{ip} of decky `{decky}` is the {purpose} address of LAN `{lan}` ({subnet}); use another address");
    Some(Finding::new(Code::IpReserved, target(decky, lan), message))
}

/// Records the addresses of a decky.
pub(super) fn record(decky: &DeckyView<'_>, used: &mut UsedAddresses) {
    for attachment in decky.attachments {
        if let (Some(lan), Some(ip)) = (attachment.lan, attachment.ip) {
            used.add(attachment.at, lan.subnet(), ip);
        }
    }
}

/// `IP_COLLISION`: two deckies with the same address on one LAN. Each finding names the first decky with the address.
pub(super) fn collisions(view: &TopologyView<'_>, used: UsedAddresses, findings: &mut Findings) {
    if !used.has_repeated() {
        return;
    }
    let mut addresses = view.addresses();
    addresses.sort_by_key(|(at, ip, _)| (*at, *ip));
    for same in addresses.chunk_by(|one, other| (one.0, one.1) == (other.0, other.1)) {
        let Some(((at, ip, first), later)) = same.split_first() else {
            continue;
        };
        let Some(lan) = view.lan(*at).map(LanView::name) else {
            continue;
        };
        for (_, _, decky) in later {
            let message = format!(
                "decky `{decky}` has the address {ip} on LAN `{lan}`, which decky `{first}` already has; use another address",
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
