use crate::{
    catalog::{Catalog, Protocol, Service},
    name::ServiceName,
    validate::view::ServiceView,
};

/// What the catalogue says of services, kept for those asked for of late: a maze has few, and asks for each on many deckies.
pub(super) struct Known<'v> {
    catalog: &'v Catalog,
    kept: [Option<ServiceView<'v>>; KEPT],
}

/// Each name has one place, which a later one may take over; with many more than there are services, hardly one does.
const KEPT: usize = 256;

impl<'v> Known<'v> {
    pub(super) fn new(catalog: &'v Catalog) -> Self {
        Self {
            catalog,
            kept: [None; KEPT],
        }
    }

    /// Looks a service up.
    pub(super) fn look_up(&mut self, name: &'v ServiceName) -> ServiceView<'v> {
        let text = name.as_str();
        let kept = &mut self.kept[place(text)];
        let (known, ports) = match kept {
            Some(kept) if kept.name.as_str() == text => (kept.known, kept.ports),
            _ => {
                let known = self.catalog.service(text);
                let ports = known.map(bits).unwrap_or_default();
                *kept = Some(ServiceView { name, known, ports });
                (known, ports)
            }
        };
        ServiceView { name, known, ports }
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
