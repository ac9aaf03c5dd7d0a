//! Compares a namespace with its state. Pure.

use std::{fmt, net::Ipv4Addr};

use crate::{
    netlink::{Entry, Link},
    observed::Observed,
    protocol::{Deviation, Guard, Mac, NetState, Route},
};

/// A change to a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Set these guards of an interface.
    Guard { link: u32, guards: Vec<Guard> },
    /// Set the hardware address of an interface.
    Mac { link: u32, mac: Mac },
    /// Turn forwarding of packets from an interface on or off.
    Forwarding { link: u32, on: bool },
    /// Add a route, or replace the one with the same destination.
    PutRoute(Route),
    /// Remove a route.
    RemoveRoute(Entry),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forwarding { link, on } => {
                write!(
                    f,
                    "turn forwarding {} on interface {link}",
                    if *on { "on" } else { "off" }
                )
            }
            Self::Guard { link, guards } => write!(f, "set {guards:?} of interface {link}"),
            Self::Mac { link, mac } => write!(f, "set the hardware address {mac} of interface {link}"),
            Self::PutRoute(route) => write!(f, "route {} via {}", route.to, route.via),
            Self::RemoveRoute(entry) => write!(f, "remove the route to {}", entry.to),
        }
    }
}

/// Returns the required changes, ordered so that at any time only packets pass that the old or the new state allows.
pub(crate) fn changes(state: &NetState, observed: &Observed) -> Vec<Change> {
    let mut changes = Vec::new();
    let forwarding = |on: bool| {
        observed
            .links
            .iter()
            .filter(move |link| !link.loopback && link.forwarding == Some(!on))
            .filter(move |link| (state.forward && is_declared(state, observed, link.index)) == on)
            .map(move |link| Change::Forwarding { link: link.index, on })
    };
    changes.extend(forwarding(false));
    changes.extend(observed.links.iter().filter_map(|link| {
        let guards: Vec<Guard> = unguarded(link).map(|(guard, _)| guard).collect();
        let link = link.index;
        (!guards.is_empty()).then_some(Change::Guard { link, guards })
    }));
    changes.extend(observed.links.iter().filter_map(|link| {
        let mac = wrong_mac(state, observed, link)?;
        Some(Change::Mac { link: link.index, mac })
    }));
    let missing: Vec<Route> = missing_routes(state, observed)
        // Otherwise this would replace the kernel's route of an own subnet.
        .filter(|route| {
            !observed
                .entries
                .iter()
                .any(|entry| entry.of_kernel && entry.to == route.to)
        })
        .collect();
    let replaced = |entry: &Entry| entry.priority == 0 && missing.iter().any(|route| route.to == entry.to);
    changes.extend(
        undeclared_entries(state, observed)
            .filter(|entry| !replaced(entry))
            .cloned()
            .map(Change::RemoveRoute),
    );
    changes.extend(missing.iter().copied().map(Change::PutRoute));
    changes.extend(forwarding(true));
    changes
}

/// Returns the differences between the namespace and the state.
pub(crate) fn deviations(state: &NetState, observed: &Observed) -> Vec<Deviation> {
    let mut deviations = Vec::new();
    for address in &state.interfaces {
        if !observed.addresses.iter().any(|one| one.address == *address) {
            deviations.push(Deviation::InterfaceMissing(*address));
        }
    }
    for one in &observed.addresses {
        let Some(link) = observed
            .links
            .iter()
            .find(|link| link.index == one.link && !link.loopback)
        else {
            continue;
        };
        let declared = is_declared(state, observed, link.index);
        if !declared {
            deviations.push(Deviation::InterfaceUndeclared(one.address));
        }
        match (state.forward && declared, link.forwarding) {
            (true, Some(false) | None) => deviations.push(Deviation::ForwardingOff(one.address)),
            (false, Some(true)) => deviations.push(Deviation::ForwardingOn(one.address)),
            _ => {}
        }
        deviations.extend(unguarded(link).map(|(guard, value)| Deviation::Unguarded {
            address: one.address,
            guard,
            value,
        }));
    }
    deviations.extend(observed.links.iter().filter_map(|link| {
        wrong_mac(state, observed, link)?;
        let address = declared(state, observed, link.index).next()?;
        link.mac.map(|mac| Deviation::OtherMac { address, mac })
    }));
    deviations.extend(missing_routes(state, observed).map(Deviation::RouteMissing));
    deviations.extend(undeclared_entries(state, observed).map(|entry| Deviation::RouteUndeclared(entry.to)));
    if state.default_route && !observed.entries.iter().any(is_default) {
        deviations.push(Deviation::DefaultRouteMissing);
    }
    deviations
}

/// Returns the guards of an interface with a wrong value, and that value.
fn unguarded(link: &Link) -> impl Iterator<Item = (Guard, u32)> {
    let guards = link.guards.iter().filter(|_| !link.loopback);
    guards.filter(|(guard, value)| *value != guard.wanted()).copied()
}

/// Returns the hardware address of an interface that has another one.
fn wrong_mac(state: &NetState, observed: &Observed, link: &Link) -> Option<Mac> {
    let mac = declared(state, observed, link.index).find_map(|address| state.macs.get(&address))?;
    Some(*mac).filter(|mac| link.mac.is_some_and(|own| own != *mac))
}

fn is_declared(state: &NetState, observed: &Observed, link: u32) -> bool {
    declared(state, observed, link).next().is_some()
}

/// Walks the declared addresses of an interface.
fn declared(state: &NetState, observed: &Observed, link: u32) -> impl Iterator<Item = Ipv4Addr> {
    let of_link = observed.addresses.iter().filter(move |one| one.link == link);
    of_link
        .map(|one| one.address)
        .filter(|address| state.interfaces.contains(address))
}

fn is_default(entry: &Entry) -> bool {
    entry.to.prefix_len() == 0
}

fn is_route(entry: &Entry, route: &Route) -> bool {
    entry.to == route.to && entry.via == Some(route.via) && entry.priority == 0
}

fn missing_routes(state: &NetState, observed: &Observed) -> impl Iterator<Item = Route> {
    state
        .routes
        .iter()
        .filter(|route| !observed.entries.iter().any(|entry| is_route(entry, route)))
        .copied()
}

fn undeclared_entries<'a>(state: &'a NetState, observed: &'a Observed) -> impl Iterator<Item = &'a Entry> {
    observed.entries.iter().filter(|entry| {
        let kept = entry.of_kernel || (state.default_route && is_default(entry));
        !kept && !state.routes.iter().any(|route| is_route(entry, route))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::Address;

    fn entry(to: &str, via: Option<&str>, of_kernel: bool) -> Entry {
        Entry {
            to: to.parse().unwrap(),
            via: via.map(|via| via.parse().unwrap()),
            of_kernel,
            link: Some(2),
            priority: 0,
            tos: 0,
            scope: 0,
            kind: 1,
            protocol: if of_kernel { 2 } else { 3 },
        }
    }

    fn route(to: &str, via: &str) -> Route {
        Route {
            to: to.parse().unwrap(),
            via: via.parse().unwrap(),
        }
    }

    /// Loopback and two interfaces as Docker creates them: with a default route and the host's forwarding.
    fn fresh(forwarding: bool) -> Observed {
        let link = |index, loopback| Link {
            index,
            loopback,
            mac: Some(Mac([2, 0x42, 10, 0, 0, u8::try_from(index).unwrap()])),
            forwarding: Some(forwarding),
            // The values on a host that routes and accepts redirects.
            guards: vec![(Guard::AcceptRedirects, 1), (Guard::ReversePathFilter, 2)],
        };
        let address = |link, a: &str| Address {
            link,
            address: a.parse().unwrap(),
        };
        Observed {
            links: vec![link(1, true), link(2, false), link(3, false)],
            addresses: vec![address(1, "127.0.0.1"), address(2, "10.1.0.5"), address(3, "10.2.0.5")],
            entries: vec![
                entry("0.0.0.0/0", Some("10.1.0.1"), false),
                entry("10.1.0.0/24", None, true),
                entry("10.2.0.0/24", None, true),
            ],
        }
    }

    fn state(forward: bool, interfaces: &[&str], routes: &[Route]) -> NetState {
        let interfaces = interfaces
            .iter()
            .map(|address| address.parse::<Ipv4Addr>().unwrap())
            .collect();
        NetState {
            forward,
            interfaces,
            routes: routes.to_vec(),
            ..NetState::default()
        }
    }

    /// Applies changes to a copy, like the kernel.
    fn make(observed: &Observed, changes: &[Change]) -> Observed {
        let mut after = observed.clone();
        for change in changes {
            match change {
                Change::Forwarding { link, on } => {
                    after
                        .links
                        .iter_mut()
                        .find(|one| one.index == *link)
                        .unwrap()
                        .forwarding = Some(*on);
                }
                Change::Guard { link, guards } => {
                    let link = after.links.iter_mut().find(|one| one.index == *link).unwrap();
                    for (guard, value) in link.guards.iter_mut().filter(|(guard, _)| guards.contains(guard)) {
                        *value = guard.wanted();
                    }
                }
                Change::Mac { link, mac } => {
                    after.links.iter_mut().find(|one| one.index == *link).unwrap().mac = Some(*mac);
                }
                Change::PutRoute(route) => {
                    after.entries.retain(|one| one.to != route.to || one.priority != 0);
                    after.entries.push(Entry {
                        via: Some(route.via),
                        ..entry(&route.to.to_string(), None, false)
                    });
                }
                Change::RemoveRoute(entry) => {
                    let at = after.entries.iter().position(|one| one == entry).unwrap();
                    after.entries.remove(at);
                }
            }
        }
        after
    }

    fn check_reached(state: &NetState, observed: &Observed) -> Observed {
        let after = make(observed, &changes(state, observed));
        assert_eq!(deviations(state, &after), []);
        assert_eq!(changes(state, &after), [], "the reached state needs no change");
        after
    }

    #[test]
    fn a_leaf_loses_the_default_route_and_forwarding() {
        let after = check_reached(&state(false, &["10.1.0.5", "10.2.0.5"], &[]), &fresh(true));
        assert!(after.entries.iter().all(|entry| entry.of_kernel));
        assert_eq!(after.links[1].forwarding, Some(false));
    }

    #[test]
    fn a_router_forwards_only_on_its_own_interfaces() {
        let after = check_reached_but_undeclared(&state(true, &["10.1.0.5"], &[]), &fresh(false));
        assert_eq!(
            after.links.iter().map(|link| link.forwarding).collect::<Vec<_>>(),
            [Some(false), Some(true), Some(false)]
        );
    }

    fn check_reached_but_undeclared(state: &NetState, observed: &Observed) -> Observed {
        let after = make(observed, &changes(state, observed));
        assert_eq!(
            deviations(state, &after),
            [Deviation::InterfaceUndeclared(Ipv4Addr::new(10, 2, 0, 5))]
        );
        after
    }

    #[test]
    fn a_gateway_keeps_the_default_route_and_reports_a_missing_one() {
        let mut gateway = state(true, &["10.1.0.5", "10.2.0.5"], &[route("10.9.0.0/16", "10.2.0.7")]);
        gateway.default_route = true;
        let mut after = check_reached(&gateway, &fresh(false));
        assert!(after.entries.iter().any(is_default));
        after.entries.retain(|entry| !is_default(entry));
        assert_eq!(deviations(&gateway, &after), [Deviation::DefaultRouteMissing]);
    }

    #[test]
    fn a_route_with_another_neighbour_is_replaced_and_one_with_another_metric_removed() {
        let mut observed = fresh(false);
        observed.entries.push(entry("10.9.0.0/16", Some("10.2.0.6"), false));
        observed.entries.push(Entry {
            priority: 7,
            ..entry("10.9.0.0/16", Some("10.2.0.7"), false)
        });
        let wanted = route("10.9.0.0/16", "10.2.0.7");
        let state = state(false, &["10.1.0.5", "10.2.0.5"], &[wanted]);
        let changes = changes(&state, &observed);
        let of_routes = changes.iter().filter(|change| !matches!(change, Change::Guard { .. }));
        assert_eq!(of_routes.count(), 3);
        check_reached(&state, &observed);
    }

    #[test]
    fn forwarding_is_turned_off_before_routes_change_and_on_after() {
        let routes = [route("10.9.0.0/16", "10.2.0.7")];
        let on = changes(&state(true, &["10.1.0.5", "10.2.0.5"], &routes), &fresh(false));
        assert!(matches!(on.last(), Some(Change::Forwarding { on: true, .. })));
        let off = changes(&state(false, &["10.1.0.5", "10.2.0.5"], &routes), &fresh(true));
        assert!(matches!(off.first(), Some(Change::Forwarding { on: false, .. })));
    }

    #[test]
    fn guards_are_set_on_all_interfaces_except_loopback_and_reported_if_missing() {
        let state = state(false, &["10.1.0.5", "10.2.0.5"], &[]);
        let mut after = check_reached(&state, &fresh(false));
        let redirects: Vec<u32> = after.links.iter().map(|link| link.guards[0].1).collect();
        assert_eq!(redirects, [1, 0, 0]);
        after.links[1].guards[1].1 = 0;
        assert_eq!(
            deviations(&state, &after),
            [Deviation::Unguarded {
                address: Ipv4Addr::new(10, 1, 0, 5),
                guard: Guard::ReversePathFilter,
                value: 0
            }]
        );
    }

    #[test]
    fn a_route_to_an_own_subnet_never_replaces_the_kernels_route() {
        let state = state(false, &["10.1.0.5", "10.2.0.5"], &[route("10.2.0.0/24", "10.1.0.9")]);
        let after = make(&fresh(false), &changes(&state, &fresh(false)));
        assert!(
            after
                .entries
                .iter()
                .any(|entry| entry.of_kernel && entry.to == "10.2.0.0/24".parse().unwrap())
        );
        assert_eq!(
            deviations(&state, &after),
            [Deviation::RouteMissing(route("10.2.0.0/24", "10.1.0.9"))]
        );
    }

    #[test]
    fn hardware_addresses_are_set_on_declared_interfaces_only() {
        let mut state = state(false, &["10.1.0.5", "10.2.0.5"], &[]);
        let [one, undeclared] = [1, 9].map(|last| Mac([0, 0x0c, 0x29, 0, 0, last]));
        state.macs = [
            (Ipv4Addr::new(10, 1, 0, 5), one),
            (Ipv4Addr::new(10, 9, 0, 5), undeclared),
        ]
        .into();
        let before = fresh(false);
        let other = Deviation::OtherMac {
            address: Ipv4Addr::new(10, 1, 0, 5),
            mac: before.links[1].mac.unwrap(),
        };
        assert!(deviations(&state, &before).contains(&other));
        let after = check_reached(&state, &before);
        assert_eq!(after.links[1].mac, Some(one));
        assert_eq!(after.links[2].mac, before.links[2].mac);
    }

    #[test]
    fn an_address_without_an_interface_is_reported() {
        let state = state(true, &["10.1.0.5", "10.2.0.5", "10.3.0.5"], &[]);
        let after = make(&fresh(false), &changes(&state, &fresh(false)));
        assert_eq!(
            deviations(&state, &after),
            [Deviation::InterfaceMissing(Ipv4Addr::new(10, 3, 0, 5))]
        );
    }
}
