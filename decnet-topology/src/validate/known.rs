use crate::{
    catalog::{Catalog, Protocol, Service},
    name::ServiceName,
};

/// A service of a decky.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServiceView<'v> {
    pub(super) name: &'v ServiceName,
    /// What the catalogue says of it.
    pub(super) known: Option<&'v Service>,
    /// A bit for each port that it wants of a decky; several ports may share one.
    pub(super) ports: u128,
}

/// What the catalogue says of services, kept for those asked for of late: a maze has few, and asks for each on many deckies.
pub(super) struct Known<'v> {
    catalog: &'v Catalog,
    /// For each place, the number of its service among the views, counted from 1; 0 if there is none yet. A small maze is
    /// judged in less time than it takes to lay out all the views.
    places: [u16; KEPT],
    views: Vec<ServiceView<'v>>,
}

/// Each name has one place, which a later one may take over; with many more than there are services, hardly one does.
const KEPT: usize = 256;

impl<'v> Known<'v> {
    pub(super) fn new(catalog: &'v Catalog) -> Self {
        Self {
            catalog,
            places: [0; KEPT],
            views: Vec::new(),
        }
    }

    /// Looks a service up.
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

/// Returns a bit for each port that a service wants of a decky.
fn bits(service: &Service) -> u128 {
    // With so many, all but one pair of the built-in services that want no port in common have no bit in common either.
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
