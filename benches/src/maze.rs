use std::net::Ipv4Addr;

use decnet_topology::{Attachment, Catalog, Decky, DeckyId, Lan, LanId, Topology, TopologyConfig, generate};

/// The numbers of LANs of the benched mazes.
pub const SIZES: [u32; 5] = [10, 100, 1_000, 4_000, 40_000];

/// The first subnet: 10.0.0.0.
const BASE: u32 = 10 << 24;
/// The number of addresses of a subnet: a /26.
const STRIDE: u32 = 64;
/// A prime that divides no size, so that its multiples visit each LAN once.
const LEAP: u32 = 7_919;

/// Creates a maze with exactly this many LANs and two deckies each: a tree with three branches at each LAN. The first decky of a
/// LAN routes to the parent LAN; one LAN in ten has a cross edge to a distant LAN.
///
/// # Panics
///
/// If there are more LANs than subnets, some 260 000.
pub fn maze(lans: u32) -> Topology {
    let deckies = (0..lans).flat_map(|lan| [router(lan), host(lan, lans)]);
    Topology::new((0..lans).map(lan).collect(), deckies.collect()).expect("names and ids are counted")
}

/// Generates a maze with about this many LANs and two deckies each, one LAN in ten with a cross edge, and returns it with its
/// config.
///
/// # Panics
///
/// If there are more LANs than subnets, some 260 000.
pub fn drawn(lans: u32) -> (TopologyConfig, Topology) {
    let drawn = (0..SEEDS).map(|seed| drawn_from(lans, seed));
    let distance = |(_, maze): &(_, Topology)| maze.lans().len().abs_diff(lans as usize);
    drawn.min_by_key(distance).expect("there are seeds")
}

/// Generates such a maze from a seed. Its size is that of [`drawn`] only on average.
///
/// # Panics
///
/// If there are more LANs than subnets, some 260 000.
pub fn drawn_from(lans: u32, seed: u64) -> (TopologyConfig, Topology) {
    // On average, a LAN has two children: 2^(depth + 1) LANs.
    let depth = u8::try_from(lans.max(2).ilog2()).expect("at most 31");
    let config = TopologyConfig::builder("bench", depth, 3)
        .deckies_per_lan(2, 2)
        .cross_edge_probability(0.1)
        .subnet_base_prefix("10.0.0.0/8")
        .lan_prefix(26)
        .seed(seed)
        .build()
        .expect("a valid config");
    let maze = generate(&config, &Catalog::builtin(), &[]).expect("there are enough subnets");
    (config, maze)
}

/// How many seeds are tried for a maze of the requested size.
const SEEDS: u64 = 24;

fn subnet(lan: u32) -> u32 {
    BASE + lan * STRIDE
}

fn lan(number: u32) -> Lan {
    let net = format!("{}/26", Ipv4Addr::from(subnet(number)));
    let name = format!("LAN-{number:05}").parse().expect("a DNS label");
    Lan::new(LanId::new(number), name, net.parse().expect("a subnet"), number == 0)
}

fn at(lan: u32, host: u32) -> Attachment {
    Attachment {
        lan: LanId::new(lan),
        ip: (subnet(lan) + host).into(),
    }
}

fn decky(number: u32, services: [&str; 2]) -> Decky {
    let name = format!("decky-{number:06}").parse().expect("a DNS label");
    Decky::new(DeckyId::new(number), name).with_services(services.map(Into::into))
}

fn router(lan: u32) -> Decky {
    let above = lan.checked_sub(1).map(|before| at(before / 3, 10 + before % 3));
    decky(2 * lan, ["ssh", "http"])
        .forwarding(true)
        .with_attachments([at(lan, 2)].into_iter().chain(above))
}

fn host(lan: u32, lans: u32) -> Decky {
    let target = u64::from(lan) * u64::from(LEAP) % u64::from(lans);
    let target = u32::try_from(target).expect("less than the number of LANs");
    let crosses = lan % 10 == 7 && target != lan;
    decky(2 * lan + 1, ["smb", "rdp"]).with_attachments([at(lan, 3)].into_iter().chain(crosses.then(|| at(target, 20))))
}

#[cfg(test)]
mod tests {
    use decnet_topology::{Catalog, RuleSet, validate};

    use super::*;

    #[test]
    fn mazes_are_valid_and_have_the_requested_size() {
        for lans in [1, 10, 100, 1_000] {
            let maze = maze(lans);
            assert_eq!(maze.lans().len(), lans as usize);
            assert_eq!(maze.deckies().len(), 2 * lans as usize);
            assert_eq!(validate(&maze, &Catalog::builtin(), RuleSet::deploy()).findings(), []);
        }
    }

    #[test]
    fn one_lan_in_ten_has_a_cross_edge() {
        let edges = maze(1_000).edges().count();
        assert_eq!(edges, 2 * 1_000 + 999 + 100);
    }
}
