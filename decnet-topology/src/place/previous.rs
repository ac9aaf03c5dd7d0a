use std::collections::BTreeMap;

use super::{fault::PlaceFault, request::PlaceRequest, units::Units};
use crate::name::Name;

/// Finds the units that stay where the previous placement has them, by positions of members. With force, a unit that cannot stay
/// is to be placed again; without, it is a fault.
pub(super) fn kept(units: &Units, request: &PlaceRequest, faults: &mut Vec<PlaceFault>) -> Vec<Option<usize>> {
    let mut kept = vec![None; units.weights.len()];
    if request.previous.lans.is_empty() && request.previous.deckies.is_empty() {
        return kept;
    }
    let mut report = |fault: PlaceFault| {
        if !request.force {
            faults.push(fault);
        }
    };
    let members: BTreeMap<&Name, usize> = request
        .members
        .iter()
        .enumerate()
        .map(|(at, member)| (&member.name, at))
        .collect();
    let mut gone: BTreeMap<&Name, Vec<usize>> = BTreeMap::new();
    for (unit, host) in hosts(units, request) {
        let Some(&member) = members.get(host) else {
            gone.entry(host).or_default().push(unit);
            continue;
        };
        let allowed = units.needs[unit].members.as_ref();
        if allowed.is_none_or(|allowed| allowed.contains(&member)) {
            kept[unit] = Some(member);
        } else if let Some(lan) = units.topology.lans().get(unit) {
            let (lan, member) = (lan.name().clone(), host.clone());
            report(PlaceFault::LabelLost { lan, member });
        }
    }
    for (host, units_there) in gone {
        report(PlaceFault::MemberGone {
            member: host.clone(),
            parts: units_there.len() as u64,
            first: units.shown(units_there[0]),
        });
    }
    keep_apart(units, request, &mut kept, &mut report);
    keep_within_capacity(units, request, &mut kept, &mut report);
    kept
}

/// Walks the units that the previous placement has, with their hosts.
fn hosts<'r>(units: &Units, request: &'r PlaceRequest) -> impl Iterator<Item = (usize, &'r Name)> {
    let lans = units.topology.lans();
    let of_lans = lans.iter().map(|lan| request.previous.lans.get(&lan.id()));
    let deckies = units
        .unattached
        .iter()
        .map(|&decky| units.topology.deckies()[decky].id());
    let of_deckies = deckies.map(|decky| request.previous.deckies.get(&decky));
    let hosts: Vec<_> = of_lans.chain(of_deckies).enumerate().collect();
    hosts.into_iter().filter_map(|(unit, host)| Some((unit, host?)))
}

/// Finds LANs that must be apart and are not. The first LAN stays.
fn keep_apart(units: &Units, request: &PlaceRequest, kept: &mut [Option<usize>], report: &mut impl FnMut(PlaceFault)) {
    let mut first: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (unit, kept) in kept.iter_mut().enumerate() {
        let Some(member) = *kept else { continue };
        let groups = || units.needs[unit].apart.iter().map(|&group| (group, member));
        let Some(earlier) = groups().find_map(|there| first.get(&there).copied()) else {
            first.extend(groups().map(|there| (there, unit)));
            continue;
        };
        *kept = None;
        report(PlaceFault::ApartBroken {
            lan: units.topology.lans()[earlier].name().clone(),
            other: units.topology.lans()[unit].name().clone(),
            member: request.members[member].name.clone(),
        });
    }
}

/// Finds members with too many deckies. Their last units go first.
fn keep_within_capacity(
    units: &Units,
    request: &PlaceRequest,
    kept: &mut [Option<usize>],
    report: &mut impl FnMut(PlaceFault),
) {
    let mut deckies = vec![0_u64; request.members.len()];
    for (unit, member) in kept.iter().enumerate() {
        if let Some(member) = *member {
            deckies[member] += u64::from(units.weights[unit]);
        }
    }
    for (member, &deckies) in request.members.iter().zip(&deckies) {
        if deckies > u64::from(member.capacity) {
            report(PlaceFault::MemberFull {
                member: member.name.clone(),
                deckies,
                capacity: member.capacity,
            });
        }
    }
    for unit in (0..kept.len()).rev() {
        let Some(member) = kept[unit] else { continue };
        let weight = u64::from(units.weights[unit]);
        if weight > 0 && deckies[member] > u64::from(request.members[member].capacity) {
            deckies[member] -= weight;
            kept[unit] = None;
        }
    }
}
