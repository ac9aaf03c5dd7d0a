use crate::{
    catalog::{Catalog, PacketStyle},
    model::{Decky, Topology},
    name::Name,
};

/// Lists the deckies, present before and after, whose published ports change: deckies that become gateways or stop being
/// gateways, and gateways with changed services.
///
/// The ports of a base are fixed when it is created, so each of these bases is recreated. Costs O(n).
pub fn changes_published<'a>(before: &'a Topology, after: &'a Topology) -> Vec<&'a Name> {
    let changed = |(old, new): &(&Decky, &Decky)| {
        let (was, is) = (before.is_gateway(old), after.is_gateway(new));
        was != is || was && old.services() != new.services()
    };
    pairs(before, after)
        .filter(changed)
        .map(|(_, new)| new.name())
        .collect()
}

/// Lists the deckies, present before and after, whose [`PacketStyle`] changes, because they pretend to run another system.
///
/// The kernel settings of a base are fixed when it is created, so each of these bases is recreated. Costs O(n).
pub fn changes_packets<'a>(before: &'a Topology, after: &'a Topology, catalog: &Catalog) -> Vec<&'a Name> {
    let style = |decky: &Decky| PacketStyle::of(decky.system(catalog));
    pairs(before, after)
        .filter(|(old, new)| style(old) != style(new))
        .map(|(_, new)| new.name())
        .collect()
}

/// Walks the deckies that are present before and after.
fn pairs<'a>(before: &'a Topology, after: &'a Topology) -> impl Iterator<Item = (&'a Decky, &'a Decky)> {
    let mut news = after.deckies().iter().peekable();
    before.deckies().iter().filter_map(move |old| {
        let passed = |new: &&Decky| new.id() < old.id();
        while news.next_if(passed).is_some() {}
        let new = news.next_if(|new| new.id() == old.id())?;
        Some((old, new))
    })
}
