use crate::{
    catalog::{Catalog, Protocol, Service},
    name::ServiceName,
};

/// A service of a decky.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServiceView<'v> {
    pub(super) name: &'v ServiceName,
    /// Its catalogue entry.
    pub(super) known: Option<&'v Service>,
    /// A bit for each port that it uses; several ports may share a bit.
    pub(super) ports: u128,
}

/// A cache of catalogue entries for recently used services: a maze has few, and looks each up for many deckies.
pub(super) struct Known<'v> {
    catalog: &'v Catalog,
    /// For each slot, the number of its service among the views, counted from 1; 0 if empty. This way, a small maze is validated
    /// in less time than it would take to create all views.
    places: [u16; KEPT],
    views: Vec<ServiceView<'v>>,
}

/// Each name has one slot, which a later name may take over; with many more slots than services, this is rare.
const KEPT: usize = 256;

impl<'v> Known<'v> {
    pub(super) fn new(catalog: &'v Catalog) -> Self {
        Self {
            catalog,
            places: [0; KEPT],
            views: Vec::new(),
        }
    }

    /// Looks up a service.
    pub(super) fn look_up(&mut self, name: &'v ServiceName) -> ServiceView<'v> {
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
fn bits(service: &Service) -> u128 {
    // With this many bits, all but one pair of built-in services without a common port have no common bit.
    const BITS: u32 = 119;
    let ports = service.ports.iter().filter(|_| !service.singleton);
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
