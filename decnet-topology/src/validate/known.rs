use crate::{catalog::Catalog, name::ServiceName, validate::view::ServiceView};

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
        let known = match kept {
            Some(kept) if kept.name.as_str() == text => kept.known,
            _ => {
                let known = self.catalog.service(text);
                *kept = Some(ServiceView { name, known });
                known
            }
        };
        ServiceView { name, known }
    }
}

fn place(text: &str) -> usize {
    let sum = text
        .bytes()
        .fold(0_u32, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x85eb_ca6b));
    let [.., last] = sum.to_le_bytes();
    usize::from(last) % KEPT
}
