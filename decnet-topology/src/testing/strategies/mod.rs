//! Random configs, topologies and mutations, for property tests.
//!
//! ```
//! use decnet_topology::testing::strategies;
//! use proptest::prelude::*;
//!
//! proptest!(|(topology in strategies::topologies())| {
//!     prop_assert!(topology.lans().len() <= 12);
//! });
//! ```

mod mutations;

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use proptest::{prelude::*, sample::Index};

pub use mutations::mutations;

use crate::{
    config::{Naming, ServiceChoice, TopologyConfig},
    id::{DeckyId, LanId},
    model::{Attachment, Decky, Lan, Topology},
    name::Name,
};

/// Generates configs with enough room, so that every maze can be generated.
#[expect(clippy::missing_panics_doc, reason = "every value drawn is within its bounds")]
pub fn configs() -> impl Strategy<Value = TopologyConfig> {
    // Most mazes are small; the widest has 156 LANs.
    let shape = prop_oneof![
        4 => (1_u8..=3, 1_u8..=3),
        2 => (1_u8..=16, Just(1_u8)),
        1 => (1_u8..=5, Just(2_u8)),
        1 => (1_u8..=4, Just(3_u8)),
        1 => (1_u8..=3, 4_u8..=5),
        1 => (1_u8..=2, 6_u8..=8),
    ];
    let deckies = (0_u8..=5, 1_u8..=5);
    let chances = (chance(), chance());
    let pool = prop_oneof![
        Just("172.16.0.0/12"),
        Just("10.0.0.0/8"),
        Just("192.168"),
        Just("10.1.2.3/9"),
        Just("100.64.0.0/10")
    ];
    // At least 253 addresses for five deckies, the bridges of eight children, and cross edges from anywhere.
    let prefix = 20_u8..=24;
    let services = prop_oneof![
        3 => Just(None),
        1 => Just(Some(vec!["ssh"])),
        1 => Just(Some(vec!["http", "https", "dns"]))
    ];
    let hosts = (
        prop_oneof![Just(ServiceChoice::Random), Just(ServiceChoice::Archetypes)],
        prop_oneof![Just(Naming::Numbered), Just(Naming::Realistic)],
    );
    (
        shape,
        deckies,
        chances,
        pool,
        prefix,
        (services, hosts),
        any::<(bool, u64)>(),
    )
        .prop_map(
            |((depth, branching), (one, other), (forward, cross), pool, prefix, (services, hosts), (gateway, seed))| {
                let prefix = if pool == "192.168" { 24 } else { prefix };
                let config = TopologyConfig::builder("random", depth, branching)
                    .deckies_per_lan(one.min(other), one.max(other))
                    .bridge_forward_probability(forward)
                    .cross_edge_probability(cross)
                    .subnet_base_prefix(pool)
                    .lan_prefix(prefix)
                    .dmz_gateway(gateway)
                    .naming(hosts.1)
                    .seed(seed);
                let config = match services {
                    Some(services) => config.services_explicit(services),
                    None => config.services(hosts.0),
                };
                config.build().expect("every value is within its bounds")
            },
        )
}

fn chance() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), Just(1.0), 0.0..=1.0]
}

/// Generates well-formed topologies of up to 12 LANs and 24 deckies with random attachments: with cycles, orphans, several paths,
/// routers, and bridge deckies that do not forward, some of them on most of the LANs. Subnets have different lengths and never
/// overlap; the first LAN is the DMZ.
#[expect(clippy::missing_panics_doc, reason = "every value drawn is within its bounds")]
pub fn topologies() -> impl Strategy<Value = Topology> {
    let lans = prop::collection::vec(22_u8..=26, 1..=12);
    let memberships = prop_oneof![
        9 => prop::collection::vec(any::<Index>(), 0..=4),
        1 => prop::collection::vec(any::<Index>(), 30),
    ];
    let deckies = prop::collection::vec((memberships, prop::bool::weighted(0.6)), 0..=24);
    let order = any::<u64>();
    (lans, deckies, order).prop_map(|(lengths, deckies, order)| {
        let lans = random_lans(&lengths, order);
        let mut next: Vec<u32> = lans.iter().map(|lan| lan.gateway().to_bits() + 1).collect();
        let deckies = (0_u32..).zip(deckies).map(|(id, (memberships, forwards))| {
            let mut chosen: Vec<usize> = Vec::new();
            for membership in memberships {
                let lan = membership.index(lans.len());
                if !chosen.contains(&lan) {
                    chosen.push(lan);
                }
            }
            let attachments = chosen.into_iter().map(|lan| {
                next[lan] += 1;
                Attachment {
                    lan: lans[lan].id(),
                    ip: Ipv4Addr::from_bits(next[lan] - 1),
                }
            });
            Decky::new(DeckyId::new(id), name(&format!("d{id}")))
                .forwarding(forwards)
                .with_attachments(attachments.collect::<Vec<_>>())
        });
        let deckies = deckies.collect();
        Topology::new(lans, deckies).expect("names and memberships are unique")
    })
}

/// Generates LANs with adjacent subnets, so that some can be aggregated, in an order that differs from that of their ids.
fn random_lans(lengths: &[u8], order: u64) -> Vec<Lan> {
    let mut subnets = Vec::with_capacity(lengths.len());
    let mut free = u32::from(Ipv4Addr::new(10, 0, 0, 0));
    for &length in lengths {
        let size = 1_u32 << (32 - length);
        free = free.next_multiple_of(size);
        subnets.push(Ipv4Net::new(Ipv4Addr::from_bits(free), length).expect("a prefix is at most 32 bits"));
        free += size;
    }
    let turn = usize::try_from(order % lengths.len() as u64).unwrap_or_default();
    subnets.rotate_left(turn);
    let lans = (0_u32..).zip(subnets);
    lans.map(|(id, subnet)| Lan::new(LanId::new(id), name(&format!("l{id}")), subnet, id == 0))
        .collect()
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a letter and digits are a name")
}
