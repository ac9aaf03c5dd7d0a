use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use super::{fault::PlaceFault, member::Member, stretch::LEAST_UNDERLAY_MTU, units::Units};

/// Finds faults of the members that do not depend on the maze.
pub(super) fn members(members: &[Member], faults: &mut Vec<PlaceFault>) {
    if members.is_empty() {
        faults.push(PlaceFault::MembersMissing);
    }
    let (mut names, mut addresses) = (BTreeSet::new(), BTreeMap::new());
    for member in members {
        if !names.insert(&member.name) {
            let member = member.name.clone();
            faults.push(PlaceFault::MemberNameDup { member });
        }
        if let Some(other) = addresses.insert(member.underlay, &member.name) {
            faults.push(PlaceFault::UnderlayDup {
                member: other.clone(),
                other: member.name.clone(),
                underlay: member.underlay,
            });
        }
        // One member alone sends nothing over its underlay.
        if members.len() < 2 {
            continue;
        }
        let address = member.underlay;
        if !is_reachable(address) {
            faults.push(PlaceFault::UnderlayUnusable {
                member: member.name.clone(),
                underlay: address,
            });
        }
        if member.mtu < LEAST_UNDERLAY_MTU {
            faults.push(PlaceFault::UnderlayMtuTooSmall {
                member: member.name.clone(),
                mtu: member.mtu,
                least: LEAST_UNDERLAY_MTU,
            });
        }
    }
}

/// Returns whether other members may be able to send packets to an address.
pub(crate) fn is_reachable(address: Ipv4Addr) -> bool {
    !(address.is_unspecified() || address.is_loopback() || address.is_multicast() || address.is_broadcast())
}

/// Finds LANs that fit on no member, and whether all deckies together are too many.
pub(super) fn room(units: &Units, members: &[Member], faults: &mut Vec<PlaceFault>) {
    let most = members.iter().map(|member| member.capacity).max().unwrap_or(0);
    for (unit, lan) in units.topology.lans().iter().enumerate() {
        let allowed = units.needs[unit].members.as_ref();
        let most = allowed.map_or(most, |allowed| {
            let capacities = allowed.iter().map(|&member| members[member].capacity);
            capacities.max().unwrap_or(0)
        });
        let deckies = units.weights[unit];
        if deckies > most {
            let lan = lan.name().clone();
            faults.push(PlaceFault::LanTooLarge { lan, deckies, most });
        }
    }
    let deckies = units.weight();
    let capacity = members.iter().map(|member| u64::from(member.capacity)).sum();
    if deckies > capacity {
        faults.push(PlaceFault::CapacityExceeded { deckies, capacity });
    }
}
