//! The containment of a decky as a table of the kernel's packet filter: which connections it may open and accept.
//!
//! Packets to own LANs and to the destinations of declared routes pass; that is the maze. From anywhere else, only published
//! ports are reachable, and only their answers leave, at a limited rate. Everything else is dropped: the host, the outside,
//! broadcasts and multicasts on a LAN, the engine's resolver, and IPv6. All dropped packets on their way out, except broadcasts and
//! multicasts, are copied to the base, which logs them.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::{
    kernel::{IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP},
    netfilter::{Chain, ChainName, End, Rule, Set, SetName, Table},
    protocol::{Egress, NetState, Protocol, Published},
    scan,
};

/// The address of Docker's resolver in the namespace. Docker's rules redirect its port 53 to another port.
const RESOLVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

const DNS: u16 = 53;
const ICMP_REDIRECT: u8 = 5;

/// All multicast addresses (RFC 5771). They include the address of all hosts on the LAN.
const MULTICAST: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 4);

/// The limits of [`Egress::RateLimited`]: enough to look around, too little for a flood.
const PACKETS_A_SECOND: u32 = 32;
const PACKETS_AT_ONCE: u32 = 64;

/// The limit in bytes of TCP answers that leave the maze, per second and as a burst. A TCP client has proved its address, and
/// downloads must be as fast as from other servers.
const TCP_BYTES: u32 = 4 << 20;
/// The same for UDP, where the source address may be forged: enough for banners, too little for a flood.
const UDP_BYTES: u32 = 32 << 10;

/// Flags of TCP (RFC 9293).
const FIN: u8 = 0x1;
const SYN: u8 = 0x2;
const RST: u8 = 0x4;
const ACK: u8 = 0x10;

/// Returns the tables that contain a state: one that also copies scan packets, and one for kernels that cannot copy.
pub(crate) fn tables(state: &NetState) -> [Table; 2] {
    [table(state, Copies::All), table(state, Copies::None)]
}

/// Which packets the filter copies to the base.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Copies {
    /// Those of scans, and those that it drops on their way out.
    All,
    /// None: the kernel cannot copy.
    None,
}

impl Copies {
    /// Returns a rule that drops packets on their way out.
    fn drop(self, rule: Rule) -> Rule {
        self.copy(rule).drop()
    }

    fn copy(self, rule: Rule) -> Rule {
        match self {
            Self::All => rule.copy_to(scan::DROPS, scan::DROPPED),
            Self::None => rule,
        }
    }

    /// Returns the last rule of a chain, which copies the packets that its policy drops.
    fn rest(self) -> Option<Rule> {
        (self == Self::All).then(|| self.copy(Rule::all()))
    }
}

fn table(state: &NetState, copies: Copies) -> Table {
    let destinations = state.routes.iter().map(|route| route.to);
    // A default route leads out of the maze.
    let destinations = destinations.filter(|to| to.prefix_len() > 0);
    let set = |name, ranges| Set { name, ranges };
    let chain = |name, rules| Chain { name, rules };
    Table {
        sets: vec![
            set(
                SetName::Inside,
                ranges(state.lans.iter().copied().chain(destinations).map(whole)),
            ),
            set(
                SetName::Closed,
                ranges(state.closed.iter().map(|address| (*address, *address))),
            ),
            set(SetName::Broadcast, ranges(to_everybody(state))),
        ],
        chains: vec![
            chain(ChainName::Input, input(state, copies)),
            chain(ChainName::Forward, forward(state, copies)),
            chain(ChainName::Output, output(state, copies)),
            chain(ChainName::Answers, answers(copies)),
        ],
    }
}

/// Returns the rules for incoming packets: from the maze, answers, and connections to published ports.
///
/// Every packet of a connection is checked, so a connection does not outlive the state that allowed it.
fn input(state: &NetState, copies: Copies) -> Vec<Rule> {
    let mut rules = vec![Rule::all().by_loopback().accept(), Rule::not_ipv4().drop()];
    if copies == Copies::All {
        rules.extend(scans());
    }
    rules.extend([
        // Regardless of the kernel's settings: a neighbour must not change routes.
        Rule::ipv4().icmp(ICMP_REDIRECT).drop(),
        Rule::all().answering().accept(),
        // For instance that a packet was too large, or that a port is closed.
        Rule::ipv4().of_protocol(IPPROTO_ICMP).related().accept(),
    ]);
    rules.extend(state.published.iter().map(|published| asking(*published).accept()));
    rules.extend([
        Rule::ipv4().within(End::Source, SetName::Closed).drop(),
        Rule::ipv4().within(End::Source, SetName::Inside).accept(),
    ]);
    rules
}

/// Returns the rules that copy possible scan packets to the base, whether the packets pass or not.
fn scans() -> Vec<Rule> {
    let copied = |rule: Rule| rule.copy_to(scan::GROUP, scan::BEGINS);
    let completes = Rule::ipv4().tcp_flags(ACK, true).completed(true).once();
    vec![
        // Opens a connection, or has flags outside of any connection: FIN, NULL and XMAS scans.
        copied(Rule::ipv4().tcp_flags(ACK | RST, false)),
        // Answers that nothing asked for: ACK scans, and Maimon scans, which the kernel assigns to no connection.
        copied(Rule::ipv4().tcp_flags(ACK, true).beginning()),
        copied(Rule::ipv4().tcp_flags_exactly(SYN | ACK).unrelated()),
        copied(Rule::ipv4().tcp_flags_exactly(FIN | ACK).unrelated()),
        // Resets the answer that it asked for: half-open scans.
        copied(Rule::ipv4().tcp_flags(RST, true).completed(false)),
        copied(Rule::ipv4().of_protocol(IPPROTO_UDP).beginning()),
        completes.copy_to(scan::GROUP, scan::COMPLETES),
    ]
}

/// Returns a rule for packets to a published port.
fn asking(published: Published) -> Rule {
    let rule = Rule::ipv4().with(End::Destination, published.address);
    let rule = if published.host_only {
        rule.within(End::Source, SetName::Closed)
    } else {
        rule
    };
    rule.at_port(End::Destination, number(published.protocol), published.port)
}

fn output(state: &NetState, copies: Copies) -> Vec<Rule> {
    let mut rules = vec![
        copies.drop(Rule::ipv4().with(End::Destination, RESOLVER)),
        Rule::all().over_loopback().accept(),
        // The kernel itself sends some of these, where IPv6 is on.
        Rule::not_ipv4().for_ipv6_groups().drop(),
        copies.drop(Rule::not_ipv4()),
    ];
    // The host is on the LAN as well, and its services receive broadcasts.
    let declared = state.broadcast.iter().map(|port| {
        let rule = Rule::ipv4().within(End::Destination, SetName::Broadcast);
        rule.at_port(End::Destination, IPPROTO_UDP, *port).accept()
    });
    rules.extend(declared);
    rules.extend([
        Rule::ipv4().within(End::Destination, SetName::Broadcast).drop(),
        Rule::ipv4()
            .within(End::Destination, SetName::Inside)
            .not_within(End::Destination, SetName::Closed)
            .accept(),
    ]);
    // Only in this direction: connections opened from here are checked by their destination.
    rules.extend(state.published.iter().map(|published| {
        let rule = Rule::ipv4().with(End::Source, published.address).answering();
        rule.at_port(End::Source, number(published.protocol), published.port)
            .go_to(ChainName::Answers)
    }));
    rules.push(copies.drop(Rule::ipv4().within(End::Destination, SetName::Closed)));
    match state.egress {
        Egress::None => {}
        Egress::DnsOnly => {
            rules.extend(
                [IPPROTO_UDP, IPPROTO_TCP]
                    .map(|protocol| Rule::all().at_port(End::Destination, protocol, DNS).accept()),
            );
        }
        Egress::RateLimited => {
            rules.push(Rule::all().at_most_packets(PACKETS_A_SECOND, PACKETS_AT_ONCE).accept());
        }
        Egress::Open => rules.push(Rule::all().accept()),
    }
    rules.extend(copies.rest());
    rules
}

/// Returns the rules for answers that leave the maze, for all published ports together.
fn answers(copies: Copies) -> Vec<Rule> {
    let limited = |protocol, bytes| Rule::all().of_protocol(protocol).at_most_bytes(bytes, bytes).accept();
    let limited = [limited(IPPROTO_TCP, TCP_BYTES), limited(IPPROTO_UDP, UDP_BYTES)];
    limited.into_iter().chain(copies.rest()).collect()
}

/// Returns the rules for forwarded packets. Both ends must be inside: a router forwards no packets between the maze and the
/// outside.
fn forward(state: &NetState, copies: Copies) -> Vec<Rule> {
    if !state.forward {
        return Vec::new();
    }
    let closed = |end| copies.drop(Rule::ipv4().within(end, SetName::Closed));
    let mut rules = vec![
        closed(End::Source),
        closed(End::Destination),
        Rule::ipv4()
            .within(End::Source, SetName::Inside)
            .within(End::Destination, SetName::Inside)
            .accept(),
    ];
    rules.extend(copies.rest());
    rules
}

fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => IPPROTO_TCP,
        Protocol::Udp => IPPROTO_UDP,
    }
}

/// Returns the shared addresses: multicast, broadcast, and the first and the last address of every own LAN.
fn to_everybody(state: &NetState) -> impl Iterator<Item = (Ipv4Addr, Ipv4Addr)> {
    let own = state.lans.iter().flat_map(|lan| [lan.network(), lan.broadcast()]);
    let single = own.chain([Ipv4Addr::BROADCAST]).map(|address| (address, address));
    single.chain([whole(MULTICAST)])
}

fn whole(subnet: Ipv4Net) -> (Ipv4Addr, Ipv4Addr) {
    (subnet.network(), subnet.broadcast())
}

/// Merges ranges that overlap or touch, and sorts them.
fn ranges(parts: impl Iterator<Item = (Ipv4Addr, Ipv4Addr)>) -> Vec<(Ipv4Addr, Ipv4Addr)> {
    let mut parts: Vec<_> = parts.collect();
    parts.sort_unstable();
    let mut ranges: Vec<(Ipv4Addr, Ipv4Addr)> = Vec::new();
    for (from, to) in parts {
        match ranges.last_mut() {
            Some((_, last)) if from.to_bits() <= last.to_bits().saturating_add(1) => *last = to.max(*last),
            _ => ranges.push((from, to)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_that_meet_or_touch_are_one_range() {
        let subnets: Vec<Ipv4Net> = [
            "10.0.2.0/24",
            "10.0.0.0/23",
            "10.0.1.0/24",
            "255.255.255.0/24",
            "10.0.4.0/24",
        ]
        .map(|subnet| subnet.parse().unwrap())
        .to_vec();
        let shown: Vec<String> = ranges(subnets.iter().copied().map(whole))
            .into_iter()
            .map(|(from, to)| format!("{from}-{to}"))
            .collect();
        assert_eq!(
            shown,
            [
                "10.0.0.0-10.0.2.255",
                "10.0.4.0-10.0.4.255",
                "255.255.255.0-255.255.255.255"
            ]
        );
    }
}
