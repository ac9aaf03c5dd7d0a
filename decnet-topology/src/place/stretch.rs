use std::collections::{BTreeMap, BTreeSet};

use super::{fault::PlaceFault, member::Member, request::PlaceRequest, units::Units};
use crate::{
    graph::Links,
    id::LanId,
    name::Name,
    placement::{StretchedLan, Vni, free},
};

/// What VXLAN adds to a packet on an underlay with IPv4, in bytes: an Ethernet header of 14 inside, and outside 8 for VXLAN, 8 for
/// UDP and 20 for IPv4 (RFC 7348, section 5).
const VXLAN_OVERHEAD: u16 = 50;

/// The smallest MTU that IPv4 works with: every module must forward a datagram of 68 bytes without fragmentation (RFC 791, section
/// 3.2). Linux removes IPv4 from an interface with less.
const LEAST_IPV4_MTU: u16 = 68;

/// The smallest MTU of an underlay.
pub(crate) const LEAST_UNDERLAY_MTU: u16 = LEAST_IPV4_MTU + VXLAN_OVERHEAD;

/// Finds the LANs that are on several members, by the positions of the LANs, with the positions of the members.
fn spanning(links: &Links, hosts: &[usize]) -> BTreeMap<usize, BTreeSet<usize>> {
    let mut spanning: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let between = links.iter().filter(|((one, other), _)| hosts[*one] != hosts[*other]);
    for (&(one, other), deckies) in between {
        for &(_, home) in deckies {
            // A decky is where its home is, and so makes the other LAN span.
            let away = if home == one { other } else { one };
            spanning.entry(away).or_default().extend([hosts[one], hosts[other]]);
        }
    }
    spanning
}

/// Gives each LAN that is on several members its VNI and its MTU.
pub(super) fn stretched(
    units: &Units,
    request: &PlaceRequest,
    hosts: &[usize],
    faults: &mut Vec<PlaceFault>,
) -> BTreeMap<LanId, StretchedLan> {
    let topology = units.topology;
    let spanning = spanning(&units.links, hosts);
    let mut used = request.used_vnis.clone();
    let mut vnis: BTreeMap<usize, Vni> = BTreeMap::new();
    // Those that are kept come first, so that a new one never takes them.
    for &at in spanning.keys() {
        let lan = &topology.lans()[at];
        let Some(previous) = request.previous.stretched.get(&lan.id()) else {
            continue;
        };
        if used.insert(previous.vni) {
            vnis.insert(at, previous.vni);
        } else if !request.force {
            let (lan, vni) = (lan.name().clone(), previous.vni);
            faults.push(PlaceFault::VniTaken { lan, vni });
        }
    }
    let mut stretched = BTreeMap::new();
    for (at, members) in spanning {
        let lan = &topology.lans()[at];
        let kept = vnis.get(&at).copied();
        let Some(vni) = kept.or_else(|| free(request.topology, lan.id(), &used)) else {
            let lan = lan.name().clone();
            faults.push(PlaceFault::VnisExhausted { lan });
            continue;
        };
        used.insert(vni);
        let members = members.into_iter().map(|member| request.members[member].name.clone());
        let members = members.collect();
        stretched.insert(lan.id(), StretchedLan { vni, members });
    }
    stretched
}

/// Finds the MTU of all LANs: the previous one, or that of the smallest underlay of all members. If a member of a stretched LAN has a
/// smaller one now, the LANs would lose packets there.
pub(super) fn mtu(
    request: &PlaceRequest,
    stretched: &BTreeMap<LanId, StretchedLan>,
    faults: &mut Vec<PlaceFault>,
) -> Option<u16> {
    let inside = |member: &Member| member.mtu.saturating_sub(VXLAN_OVERHEAD);
    let previous = request.previous.mtu;
    let mtu = previous.or_else(|| request.members.iter().map(inside).min())?;
    let names: BTreeSet<&Name> = stretched.values().flat_map(|stretched| &stretched.members).collect();
    let connected = request.members.iter().filter(|member| names.contains(&member.name));
    let smaller: Vec<&Member> = connected.filter(|member| inside(member) < mtu).collect();
    if !request.force {
        faults.extend(smaller.iter().map(|member| PlaceFault::UnderlayMtuShrunk {
            member: member.name.clone(),
            mtu: member.mtu,
            least: mtu.saturating_add(VXLAN_OVERHEAD),
        }));
    }
    let least = smaller.into_iter().map(inside).min();
    Some(least.unwrap_or(mtu)).filter(|mtu| *mtu >= LEAST_IPV4_MTU)
}
