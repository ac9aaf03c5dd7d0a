use std::collections::{BTreeMap, BTreeSet};

use super::{
    check,
    fault::{NotPlaced, PlaceFault},
    previous,
    request::PlaceRequest,
    rooms::fill,
    stretch::{mtu, stretched},
    units::Units,
};
use crate::{
    model::Topology,
    name::Name,
    placement::{Distribution, Placement},
};

/// Places the LANs and deckies of a maze on the members of a fleet.
///
/// The unit is a LAN with the deckies at home in it. As few links between LANs as possible connect different members; LANs that
/// do are *stretched*, and have a VNI. All LANs have the MTU of the smallest underlay, less the 50 bytes of VXLAN. The LAN of a
/// gateway is placed only on members with the label [`public`](crate::Member::PUBLIC). What the previous placement has stays there, and new
/// LANs are placed near their parents. The same arguments give the same placement.
///
/// # Guarantees
///
/// - No edge is cut if one member has room for the maze.
/// - Without rules and previous placement, on members with the same capacity, the fewest edges are cut if there are as many members
///   as parts. In other cases there can be more: the fewest cannot be found fast (bin packing is a special case).
/// - Without rules and previous placement, a maze is placed if the capacity exceeds its deckies by the size of its largest LAN, less
///   one, for each member. With less, it may be refused, although a placement exists.
/// - Nothing that was placed moves without `force`. With it, only what must move does; if there is no room then, everything is
///   placed again.
/// - A VNI is kept while its LAN stays stretched. A new one depends on the ids of the maze and the LAN and on those in use.
///
/// # Errors
///
/// All reasons why the maze cannot be placed, or why it would have to move although `force` is not set.
///
/// ```
/// use decnet_topology::{Member, PlaceRequest, Topology, place};
///
/// let maze = Topology::builder()
///     .dmz("dmz", "172.20.0.0/24")
///     .lan("office", "172.20.1.0/24")
///     .decky("web", |decky| decky.on("dmz", "172.20.0.10").on("office", "172.20.1.10").forwards())
///     .decky("desk", |decky| decky.on("office", "172.20.1.11"))
///     .decky("safe", |decky| decky.on("office", "172.20.1.12"))
///     .build()?;
/// let outside = Member::new("outside".parse()?, 1, "192.0.2.1".parse()?, 1500).labelled("public".parse()?);
/// let inside = Member::new("inside".parse()?, 10, "192.0.2.2".parse()?, 1450);
/// let id = "01234567-89ab-4cde-8f01-23456789abcd".parse()?;
///
/// let placement = place(&maze, &PlaceRequest::new(id, [outside.clone(), inside.clone()]))?;
/// let [web, desk, _] = maze.deckies() else { unreachable!() };
/// assert_eq!(placement.deckies[&web.id()], outside.name, "a gateway is public");
/// assert_eq!(placement.deckies[&desk.id()], inside.name, "and `outside` is full");
///
/// // `web` is also in the office.
/// let office = &placement.stretched[&maze.lans()[1].id()];
/// assert_eq!((office.members.len(), placement.mtu), (2, Some(1400)));
///
/// // A placement stays as it is.
/// let again = PlaceRequest::new(id, [inside.clone(), outside]).after(placement.clone());
/// assert_eq!(place(&maze, &again)?, placement);
///
/// let refused = place(&maze, &PlaceRequest::new(id, [inside])).unwrap_err();
/// assert_eq!(refused.faults[0].code(), "GATEWAY_NOT_PUBLIC");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn place(topology: &Topology, request: &PlaceRequest) -> Result<Placement, NotPlaced> {
    let mut faults = Vec::new();
    check::members(&request.members, &mut faults);
    let units = Units::new(topology, request, &mut faults);
    check::room(&units, &request.members, &mut faults);
    let kept = previous::kept(&units, request, &mut faults);
    if !faults.is_empty() {
        return Err(NotPlaced::new(faults));
    }
    let hosts = distribute(&units, request, &kept)
        .or_else(|faults| {
            if request.force {
                distribute(&units, request, &vec![None; kept.len()])
            } else {
                Err(faults)
            }
        })
        .map_err(NotPlaced::new)?;
    let stretched = stretched(&units, request, &hosts, &mut faults);
    let mtu = mtu(request, &stretched, &mut faults);
    if !faults.is_empty() {
        return Err(NotPlaced::new(faults));
    }
    let name = |unit: usize| -> Name { request.members[hosts[unit]].name.clone() };
    let mut deckies = BTreeMap::new();
    for decky in topology.deckies() {
        if let Some(home) = topology.home_index(decky) {
            deckies.insert(decky.id(), name(home));
        }
    }
    let lans = topology.lans();
    for (at, &decky) in units.unattached.iter().enumerate() {
        deckies.insert(topology.deckies()[decky].id(), name(lans.len() + at));
    }
    Ok(Placement {
        lans: lans.iter().enumerate().map(|(at, lan)| (lan.id(), name(at))).collect(),
        deckies,
        mtu,
        stretched,
        former: BTreeSet::new(),
    })
}

/// How much of its share a member of a spread maze may have, in eighths: as little as possible, but a share that is filled exactly
/// would cut too many edges.
const SHARES: [u64; 2] = [10, 16];

/// Finds the member of each unit.
fn distribute(units: &Units, request: &PlaceRequest, kept: &[Option<usize>]) -> Result<Vec<usize>, Vec<PlaceFault>> {
    let capacities: Vec<u32> = request.members.iter().map(|member| member.capacity).collect();
    let distribution = request.rules.distribution;
    if distribution == Distribution::Spread {
        let whole: u64 = capacities.iter().copied().map(u64::from).sum();
        let largest = units.weights.iter().copied().max().unwrap_or(0);
        for eighths in SHARES {
            let limit = |&capacity: &u32| {
                let share = (u128::from(units.weight()) * u128::from(capacity) * u128::from(eighths))
                    .div_ceil(u128::from(8 * whole.max(1)));
                u32::try_from(share).unwrap_or(u32::MAX).max(largest).min(capacity)
            };
            let limits: Vec<u32> = capacities.iter().map(limit).collect();
            if let Ok(hosts) = fill(units, kept, &limits, distribution, true) {
                return Ok(hosts);
            }
        }
    }
    let mut attempts = vec![(distribution, true), (distribution, false)];
    if distribution != Distribution::Spread {
        // Full members are a hindrance for groups that must be apart, so the last attempt fills all members alike.
        attempts.push((Distribution::Spread, false));
    }
    let mut faults = Vec::new();
    for (distribution, joins) in attempts {
        match fill(units, kept, &capacities, distribution, joins) {
            Ok(hosts) => return Ok(hosts),
            Err(found) => faults = found,
        }
    }
    Err(faults)
}
