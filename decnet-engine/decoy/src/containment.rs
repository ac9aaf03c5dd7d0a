//! The containment of a decky as a table of the kernel's packet filter: which connections it may open and accept.
//!
//! Packets to own LANs and to the destinations of declared routes pass; that is the maze. From anywhere else, only published
//! ports are reachable, and only their answers leave, at a limited rate. Everything else is dropped: the host, the outside,
//! broadcasts and multicasts on a LAN, the engine's resolver, and IPv6. All dropped packets on their way out, except broadcasts and
//! multicasts, are copied to the base, which logs them.

use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;

use crate::{
    kernel::{IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP},
    netfilter::{Chain, ChainName, End, Rule, Set, SetName, Table, ranges},
    protocol::{Egress, NetState, Protocol, Published, Redirect},
    scan,
};

/// The address of Docker's resolver in the namespace. Docker's rules redirect its port 53 to another port.
const RESOLVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// The addresses of the loopback interface (RFC 1122).
const LOOPBACK: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);

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

/// A table that contains a state, and what it does in addition.
pub(crate) struct Variant {
    pub(crate) table: Table,
    /// Whether it copies the packets of scans to the base.
    pub(crate) watches: bool,
    /// Whether it redirects all ports of the state that have another number inside.
    pub(crate) redirects: bool,
}

/// Returns the tables that contain a state, the best one first: the others are for kernels that cannot redirect ports (before 5.2) or
/// cannot copy packets.
pub(crate) fn variants(state: &NetState) -> Vec<Variant> {
    let ports = &state.redirects[..];
    let mut kinds = vec![(ports, Copies::All), (ports, Copies::None)];
    if !ports.is_empty() {
        kinds.extend([(&[][..], Copies::All), (&[][..], Copies::None)]);
    }
    let variant = |(redirects, copies): (&[Redirect], _)| Variant {
        table: table(state, redirects, copies),
        watches: copies == Copies::All,
        redirects: redirects == ports,
    };
    kinds.into_iter().map(variant).collect()
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

fn table(state: &NetState, redirects: &[Redirect], copies: Copies) -> Table {
    let destinations = state.routes.iter().map(|route| route.to);
    // A default route leads out of the maze.
    let destinations = destinations.filter(|to| to.prefix_len() > 0);
    let set = |name, ranges| Set { name, ranges };
    let chain = |name, rules| Chain { name, rules };
    let mut table = Table {
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
            chain(ChainName::Input, input(state, redirects, copies)),
            chain(ChainName::Forward, forward(state, copies)),
            chain(ChainName::Output, output(state, redirects, copies)),
            chain(ChainName::Answers, answers(copies)),
        ],
    };
    if !redirects.is_empty() {
        let own = state.interfaces.iter().map(|address| (*address, *address));
        table.sets.push(set(SetName::Own, ranges(own.chain([whole(LOOPBACK)]))));
        let redirected: Vec<_> = redirects
            .iter()
            .filter(|one| one.port != one.to)
            .copied()
            .map(redirect)
            .collect();
        table.chains.push(chain(ChainName::Redirect, redirected.clone()));
        table.chains.push(chain(ChainName::RedirectOwn, redirected));
        if copies == Copies::All {
            let own = || Rule::ipv4().within(End::Destination, SetName::Own);
            let local = Rule::all().by_loopback().accept();
            table.chains.push(chain(
                ChainName::Arrivals,
                [local].into_iter().chain(scans(own)).collect(),
            ));
        }
    }
    table
}

/// Returns a rule that redirects connections to a port of this decky. A router does not change what it forwards.
fn redirect(redirect: Redirect) -> Rule {
    Rule::ipv4()
        .within(End::Destination, SetName::Own)
        .at_port(End::Destination, number(redirect.protocol), redirect.port)
        .redirect_to(redirect.to)
}

/// Returns the port on which the program behind a published port listens.
fn inside(published: Published, redirects: &[Redirect]) -> u16 {
    let mut redirects = redirects.iter();
    let found = redirects.find(|one| (one.protocol, one.port) == (published.protocol, published.port));
    found.map_or(published.port, |found| found.to)
}

/// Returns the ports that visitors must not see.
fn hidden(redirects: &[Redirect]) -> impl Iterator<Item = (Protocol, u16)> {
    let seen = |to: &Redirect| {
        redirects
            .iter()
            .any(|one| (one.protocol, one.port) == (to.protocol, to.to))
    };
    let hidden: BTreeSet<_> = redirects
        .iter()
        .filter(|to| !seen(to))
        .map(|to| (to.protocol, to.to))
        .collect();
    hidden.into_iter()
}

/// Returns the rules for incoming packets: from the maze, answers, and connections to published ports.
///
/// Every packet of a connection is checked, so a connection does not outlive the state that allowed it.
fn input(state: &NetState, redirects: &[Redirect], copies: Copies) -> Vec<Rule> {
    let mut rules = vec![Rule::all().by_loopback().accept(), Rule::not_ipv4().drop()];
    // Where ports are redirected, packets are copied before, with the port that the visitor sees.
    if copies == Copies::All && redirects.is_empty() {
        rules.extend(scans(Rule::ipv4));
    }
    rules.extend([
        // Regardless of the kernel's settings: a neighbour must not change routes.
        Rule::ipv4().icmp(ICMP_REDIRECT).drop(),
        Rule::all().answering().accept(),
        // For instance that a packet was too large, or that a port is closed.
        Rule::ipv4().of_protocol(IPPROTO_ICMP).related().accept(),
    ]);
    rules.extend(
        state
            .published
            .iter()
            .map(|published| asking(*published, redirects).accept()),
    );
    rules.push(Rule::ipv4().within(End::Source, SetName::Closed).drop());
    rules.extend(hidden(redirects).map(|(protocol, port)| {
        let direct = Rule::ipv4().within(End::Source, SetName::Inside);
        let direct = direct
            .at_port(End::Destination, number(protocol), port)
            .redirected(false);
        direct.refuse(number(protocol))
    }));
    rules.push(Rule::ipv4().within(End::Source, SetName::Inside).accept());
    rules
}

/// Returns the rules that copy possible scan packets to the base, whether the packets pass or not. `to` begins a rule.
fn scans(to: impl Fn() -> Rule) -> Vec<Rule> {
    let copied = |rule: Rule| rule.copy_to(scan::GROUP, scan::BEGINS);
    let completes = to().tcp_flags(ACK, true).completed(true).once();
    vec![
        // Opens a connection, or has flags outside of any connection: FIN, NULL and XMAS scans.
        copied(to().tcp_flags(ACK | RST, false)),
        // Answers that nothing asked for: ACK scans, and Maimon scans, which the kernel assigns to no connection.
        copied(to().tcp_flags(ACK, true).beginning()),
        copied(to().tcp_flags_exactly(SYN | ACK).unrelated()),
        copied(to().tcp_flags_exactly(FIN | ACK).unrelated()),
        // Resets the answer that it asked for: half-open scans.
        copied(to().tcp_flags(RST, true).completed(false)),
        copied(to().of_protocol(IPPROTO_UDP).beginning()),
        completes.copy_to(scan::GROUP, scan::COMPLETES),
    ]
}

/// Returns a rule for packets to a published port.
fn asking(published: Published, redirects: &[Redirect]) -> Rule {
    let rule = Rule::ipv4().with(End::Destination, published.address);
    let rule = if published.host_only {
        rule.within(End::Source, SetName::Closed)
    } else {
        rule
    };
    let to = inside(published, redirects);
    let rule = rule.at_port(End::Destination, number(published.protocol), to);
    if to == published.port {
        rule
    } else {
        rule.redirected(true)
    }
}

fn output(state: &NetState, redirects: &[Redirect], copies: Copies) -> Vec<Rule> {
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
        rule.at_port(End::Source, number(published.protocol), inside(*published, redirects))
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

    fn mapped(redirects: &[(u16, u16)]) -> NetState {
        let redirects = redirects.iter().map(|(port, to)| Redirect {
            port: *port,
            to: *to,
            protocol: Protocol::Tcp,
        });
        NetState {
            interfaces: vec!["10.0.0.5".parse().unwrap()],
            redirects: redirects.collect(),
            ..NetState::default()
        }
    }

    #[test]
    fn a_kernel_that_cannot_redirect_ports_still_contains() {
        let plain = variants(&mapped(&[]));
        let plain: Vec<_> = plain.iter().map(|one| (one.watches, one.redirects)).collect();
        assert_eq!(plain, [(true, true), (false, true)]);
        let all = variants(&mapped(&[(22, 2222)]));
        let kinds: Vec<_> = all.iter().map(|one| (one.watches, one.redirects)).collect();
        assert_eq!(kinds, [(true, true), (false, true), (true, false), (false, false)]);
        let without = variants(&mapped(&[]));
        assert_eq!(all[2].table, without[0].table);
        assert_eq!(all[3].table, without[1].table);
        let chains = |table: &Table| table.chains.len();
        assert_eq!(
            (chains(&all[0].table), chains(&all[1].table), chains(&all[2].table)),
            (7, 6, 4)
        );
    }

    #[test]
    fn only_an_inside_port_that_no_visitor_sees_is_hidden() {
        let hidden = |redirects: &[(u16, u16)]| {
            let state = mapped(redirects);
            super::hidden(&state.redirects)
                .map(|(_, port)| port)
                .collect::<Vec<_>>()
        };
        assert_eq!(hidden(&[(22, 2222), (2022, 2222), (80, 8080)]), [2222, 8080]);
        assert!(hidden(&[(22, 2222), (2222, 2222)]).is_empty());
        let table = &variants(&mapped(&[(22, 2222), (2222, 2222)]))[0].table;
        let redirecting = table.chains.iter().find(|chain| chain.name == ChainName::Redirect);
        assert_eq!(redirecting.map(|chain| chain.rules.len()), Some(1));
    }
}
