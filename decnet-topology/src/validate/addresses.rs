//! Addresses of deckies on their LANs.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::{
    finding::{Code, Finding, Target},
    net,
    validate::view::{DeckyView, LanView, View},
};

/// The longest prefix with a network, a broadcast and a gateway address to speak of.
const LONGEST_WITH_RESERVED: u8 = 30;

/// `IP_OUT_OF_SUBNET`: an address outside its LAN's subnet.
pub(super) fn outside(decky: &DeckyView<'_>, findings: &mut Vec<Finding>) {
    for (lan, ip) in decky.lans() {
        let (Some(ip), Some(subnet)) = (ip, lan.subnet()) else {
            continue;
        };
        if !subnet.contains(&ip) {
            let (decky, lan) = (decky.name, lan.name());
            let message = format!(
                "{ip} of decky `{decky}` lies outside {subnet} of LAN `{lan}`; take an address of the LAN, or none to have one allocated"
            );
            findings.push(Finding::new(Code::IpOutOfSubnet, target(decky, lan), message));
        }
    }
}

/// `IP_RESERVED`: a network, broadcast or gateway address.
pub(super) fn reserved(decky: &DeckyView<'_>, findings: &mut Vec<Finding>) {
    let judged = |subnet: &Ipv4Net| subnet.prefix_len() <= LONGEST_WITH_RESERVED;
    for (lan, ip) in decky.lans() {
        let (Some(ip), Some(subnet)) = (ip, lan.subnet().filter(judged)) else {
            continue;
        };
        if let Some(purpose) = net::reserved(subnet, ip) {
            let (decky, lan) = (decky.name, lan.name());
            let message = format!(
                "{ip} of decky `{decky}` is the {purpose} address of LAN `{lan}` ({subnet}); take another address"
            );
            findings.push(Finding::new(Code::IpReserved, target(decky, lan), message));
        }
    }
}

/// `IP_COLLISION`: two deckies with one address on one LAN. Each is told of the first that has it.
pub(super) fn collisions(view: &View<'_>, taken: Taken, findings: &mut Vec<Finding>) {
    if !taken.twice() {
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
                "decky `{decky}` has the address {ip} on LAN `{lan}`, which decky `{first}` has already; take another address",
            );
            findings.push(Finding::new(Code::IpCollision, target(decky, lan), message));
        }
    }
}

/// The addresses that deckies have on each LAN.
pub(super) struct Taken {
    /// Of LANs of at most 256 addresses, a bit for each.
    narrow: Vec<[u64; 4]>,
    /// Whatever has no bit, with the place of its LAN.
    other: Vec<(usize, Ipv4Addr)>,
    twice: bool,
}

/// The widest prefix of a LAN whose addresses have a bit each.
const NARROW: u8 = 24;

impl Taken {
    pub(super) fn new(lan_count: usize) -> Self {
        Self {
            narrow: vec![[0; 4]; lan_count],
            other: Vec::new(),
            twice: false,
        }
    }

    /// Takes note of a decky's addresses.
    pub(super) fn by(&mut self, decky: &DeckyView<'_>) {
        for attachment in decky.attachments {
            let (Some(lan), Some(ip)) = (attachment.lan, attachment.ip) else {
                continue;
            };
            let narrow = |subnet: Ipv4Net| subnet.prefix_len() >= NARROW && subnet.contains(&ip);
            if lan.subnet().is_some_and(narrow) {
                let [.., last] = ip.octets();
                let word = &mut self.narrow[attachment.at][usize::from(last / 64)];
                let bit = 1 << (last % 64);
                self.twice |= *word & bit != 0;
                *word |= bit;
            } else {
                self.other.push((attachment.at, ip));
            }
        }
    }

    /// Tells whether an address of a LAN was taken twice.
    fn twice(mut self) -> bool {
        self.other.sort_unstable();
        self.twice || self.other.array_windows().any(|[one, other]| one == other)
    }
}

fn target(decky: &str, lan: &str) -> Target {
    Target::Attachment {
        decky: decky.into(),
        lan: lan.into(),
    }
}
