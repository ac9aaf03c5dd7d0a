use crate::{
    model::{Decky, Topology},
    name::Name,
};

/// Lists the deckies, present before and after, whose published ports change: deckies that become gateways or stop being
/// gateways, and gateways with changed services.
///
/// The ports of a base are fixed when it is created, so each of these bases is recreated. Costs O(n).
pub fn changes_published<'a>(before: &'a Topology, after: &'a Topology) -> Vec<&'a Name> {
    let mut news = after.deckies().iter().peekable();
    let pairs = before.deckies().iter().filter_map(|old| {
        let passed = |new: &&Decky| new.id() < old.id();
        while news.next_if(passed).is_some() {}
        let new = news.next_if(|new| new.id() == old.id())?;
        Some((old, new))
    });
    let changed = |(old, new): &(&Decky, &Decky)| {
        let (was, is) = (before.is_gateway(old), after.is_gateway(new));
        was != is || was && old.services() != new.services()
    };
    pairs.filter(changed).map(|(_, new)| new.name()).collect()
}
