//! What a decky may begin to talk to, as a table of the kernel's packet filter.
//!
//! Answers to whoever came in pass, as do own LANs and the destinations of declared routes, which is where the maze goes on.
//! All else is dropped: the host, the outside, the engine's resolver, and IPv6.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::{
    netfilter::{Chain, End, Hook, Rule, Table},
    protocol::{Egress, NetState},
};

/// Where Docker's resolver listens in the namespace; its rules lead port 53 there to another port of the same address.
const RESOLVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

const TCP: u8 = 6;
const UDP: u8 = 17;
const DNS: u16 = 53;

/// What [`Egress::RateLimited`] lets out: enough to look around, too little to flood anybody.
const PACKETS_A_SECOND: u32 = 32;
const PACKETS_AT_ONCE: u32 = 64;

/// Works out the table for a state.
pub(crate) fn table(state: &NetState) -> Table {
    let destinations = state.routes.iter().map(|route| &route.to);
    // A default route leads out of the maze.
    let destinations = destinations.filter(|to| to.prefix_len() > 0);
    Table {
        inside: ranges(state.lans.iter().chain(destinations)),
        chains: vec![
            Chain {
                hook: Hook::Output,
                rules: output(state),
            },
            Chain {
                hook: Hook::Forward,
                rules: forward(state),
            },
        ],
    }
}

fn output(state: &NetState) -> Vec<Rule> {
    let mut rules = vec![
        Rule::ipv4().with(End::Destination, RESOLVER).drop(),
        Rule::all().over_loopback().accept(),
        Rule::not_ipv4().drop(),
        // In this direction only: what was begun from here is judged by where it goes, packet for packet, so that a connection
        // does not outlive the state that let it pass.
        Rule::all().answering().accept(),
    ];
    rules.extend(closed(state, End::Destination));
    rules.push(Rule::ipv4().inside(End::Destination).accept());
    match state.egress {
        Egress::None => {}
        Egress::DnsOnly => rules.extend([UDP, TCP].map(|protocol| Rule::all().at_port(protocol, DNS).accept())),
        Egress::RateLimited => rules.push(Rule::all().at_most(PACKETS_A_SECOND, PACKETS_AT_ONCE).accept()),
        Egress::Open => rules.push(Rule::all().accept()),
    }
    rules
}

/// Both ends have to be inside: a router takes no outsider's packets into the maze, and none of the maze's out of it.
fn forward(state: &NetState) -> Vec<Rule> {
    if !state.forward {
        return Vec::new();
    }
    let mut rules: Vec<Rule> = [End::Source, End::Destination]
        .into_iter()
        .flat_map(|end| closed(state, end))
        .collect();
    rules.push(Rule::ipv4().inside(End::Source).inside(End::Destination).accept());
    rules
}

fn closed(state: &NetState, end: End) -> impl Iterator<Item = Rule> {
    state
        .closed
        .iter()
        .map(move |address| Rule::ipv4().with(end, *address).drop())
}

/// Joins subnets to ranges that neither meet nor touch, ascending.
fn ranges<'a>(subnets: impl Iterator<Item = &'a Ipv4Net>) -> Vec<(Ipv4Addr, Ipv4Addr)> {
    let mut subnets: Vec<_> = subnets.map(|subnet| (subnet.network(), subnet.broadcast())).collect();
    subnets.sort_unstable();
    let mut ranges: Vec<(Ipv4Addr, Ipv4Addr)> = Vec::new();
    for (from, to) in subnets {
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
        let shown: Vec<String> = ranges(subnets.iter())
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
