use std::collections::BTreeSet;

use crate::{
    catalog::{Catalog, Protocol, Service},
    name::ServiceName,
};

/// A service of a decky.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServiceView<'v> {
    pub(crate) name: &'v ServiceName,
    /// Its catalogue entry.
    pub(crate) known: Option<&'v Service>,
    ports: PortSet,
}

/// A bit for each port that a service uses; several ports may share a bit.
type PortSet = u128;

impl ServiceView<'_> {
    /// Returns whether two of the services use the same port.
    pub(crate) fn have_clash(services: &[Self]) -> bool {
        let mut seen: PortSet = 0;
        let is_apart = services.iter().all(|service| {
            let is_new = seen & service.ports == 0;
            seen |= service.ports;
            is_new
        });
        !is_apart && have_common_port(services)
    }
}

/// The plain form: compares all ports.
fn have_common_port(services: &[ServiceView<'_>]) -> bool {
    let running = services
        .iter()
        .filter_map(|service| service.known)
        .filter(|service| !service.singleton);
    let ports: Vec<_> = running.flat_map(Service::occupied).collect();
    let distinct: BTreeSet<_> = ports.iter().collect();
    distinct.len() < ports.len()
}

/// A cache of catalogue entries for recently used services: a maze has few, and looks each up for many deckies.
pub(crate) struct CatalogCache<'v> {
    catalog: &'v Catalog,
    /// For each slot, the number of its service among the views, counted from 1; 0 if empty. This way, a small maze is validated
    /// in less time than it would take to create all views.
    places: [u16; KEPT],
    views: Vec<ServiceView<'v>>,
}

/// Each name has one slot, which a later name may take over; with many more slots than services, this is rare.
const KEPT: usize = 256;

impl<'v> CatalogCache<'v> {
    pub(crate) fn new(catalog: &'v Catalog) -> Self {
        Self {
            catalog,
            places: [0; KEPT],
            views: Vec::new(),
        }
    }

    /// Looks up a service.
    pub(crate) fn look_up(&mut self, name: &'v ServiceName) -> ServiceView<'v> {
        let text = name.as_str();
        let number = &mut self.places[place(text)];
        let kept = usize::from(*number)
            .checked_sub(1)
            .and_then(|at| self.views.get_mut(at));
        if let Some(kept) = &kept
            && kept.name.as_str() == text
        {
            return ServiceView { name, ..**kept };
        }
        let known = self.catalog.service(text);
        let ports = known.map(bits).unwrap_or_default();
        let view = ServiceView { name, known, ports };
        if let Some(kept) = kept {
            *kept = view;
        } else {
            self.views.push(view);
            *number = u16::try_from(self.views.len()).unwrap_or_default();
        }
        view
    }
}

/// Returns a bit for each port that a service uses.
fn bits(service: &Service) -> PortSet {
    // With this many bits, all but one pair of built-in services without a common port have no common bit.
    const BITS: u32 = 119;
    let ports = service.occupied().filter(|_| !service.singleton);
    ports.fold(0, |bits, port| {
        let number = 2 * u32::from(port.number) + u32::from(port.protocol == Protocol::Udp);
        bits | 1 << (number % BITS)
    })
}

fn place(text: &str) -> usize {
    let sum = text
        .bytes()
        .fold(0_u32, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x85eb_ca6b));
    let [.., last] = sum.to_le_bytes();
    usize::from(last) % KEPT
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    fn names() -> Vec<ServiceName> {
        let builtin = Catalog::builtin();
        let known = builtin.services().map(|service| service.name.to_string());
        // Unknown names, and more names than slots.
        let unknown = (0..2 * KEPT).map(|number| format!("service-{number}"));
        known.chain(unknown).map(|name| ServiceName::new(&name)).collect()
    }

    proptest! {
        #[test]
        fn services_and_clashes_are_those_of_the_plain_form(deckies in vec(vec(select(names()), 0..12), 0..20)) {
            let catalog = Catalog::builtin();
            let mut cache = CatalogCache::new(&catalog);
            for names in &deckies {
                let services: Vec<_> = names.iter().map(|name| cache.look_up(name)).collect();
                for service in &services {
                    let plain = catalog.service(service.name.as_str());
                    prop_assert_eq!(service.known.map(|known| &known.name), plain.map(|known| &known.name));
                }
                prop_assert_eq!(ServiceView::have_clash(&services), have_common_port(&services));
            }
        }
    }
}
