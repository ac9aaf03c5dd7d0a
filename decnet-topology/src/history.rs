//! The history of deckies: how an edit changed them, and their earlier states.
//!
//! [`changes`] compares a maze before and after an edit; a store keeps the result with each edit. [`at`] undoes later changes.
//!
//! ```
//! use decnet_topology::{Topology, history};
//!
//! let maze = |services: &'static [&'static str]| {
//!     let dmz = Topology::builder().dmz("dmz", "172.20.0.0/24");
//!     dmz.decky("web", |decky| decky.on("dmz", "172.20.0.10").services(services.iter().copied())).build()
//! };
//! let (monday, tuesday) = (maze(&["http"])?, maze(&["http", "ssh"])?);
//!
//! let changes = history::changes(&monday, &tuesday);
//! assert_eq!(changes.len(), 1);
//! let then = history::at(&tuesday, &changes);
//! assert_eq!(then[&"web".parse()?].services.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub(crate) mod change;

use std::collections::BTreeMap;

use crate::{
    model::{Decky, Lan, Topology, print_alike},
    name::Name,
};

pub(crate) use change::{DeckyChange, DeckySnapshot};

/// Lists the deckies that were added, removed or changed, in order of their names.
///
/// Deckies are compared by name, not by id. The name of a LAN is a part of the state of its members. Costs O(n), and O(m log m)
/// for the m deckies with changed ids.
pub fn changes(before: &Topology, after: &Topology) -> Vec<DeckyChange> {
    let mut changes = Vec::new();
    let mut note = |one: Option<&Decky>, other: Option<&Decky>| {
        let same = |(one, other)| is_same((before, one), (after, other));
        let name = one.or(other).map(Decky::name);
        if let Some(decky) = name.filter(|_| !one.zip(other).is_some_and(same)) {
            changes.push(DeckyChange {
                decky: decky.clone(),
                before: one.map(|one| DeckySnapshot::of(before, one)),
                after: other.map(|other| DeckySnapshot::of(after, other)),
            });
        }
    };
    let mut unpaired: BTreeMap<&Name, (Option<&Decky>, Option<&Decky>)> = BTreeMap::new();
    let (mut olds, mut news) = (before.deckies(), after.deckies());
    loop {
        match (olds, news) {
            ([one, more @ ..], [other, rest @ ..]) if one.id() == other.id() && one.name() == other.name() => {
                note(Some(one), Some(other));
                (olds, news) = (more, rest);
            }
            (_, [other, rest @ ..]) if olds.first().is_none_or(|one| other.id() < one.id()) => {
                unpaired.entry(other.name()).or_default().1 = Some(other);
                news = rest;
            }
            ([one, more @ ..], _) => {
                unpaired.entry(one.name()).or_default().0 = Some(one);
                olds = more;
            }
            ([], _) => break,
        }
    }
    for (one, other) in unpaired.into_values() {
        note(one, other);
    }
    changes.sort_by(|one, other| one.decky.cmp(&other.decky));
    changes
}

fn is_same((before, one): (&Topology, &Decky), (after, other): (&Topology, &Decky)) -> bool {
    let same_lan = |one, other| before.lan(one).map(Lan::name) == after.lan(other).map(Lan::name);
    let attached = || {
        let mut pairs = one.attachments().iter().zip(other.attachments());
        one.attachments().len() == other.attachments().len()
            && pairs.all(|(one, other)| one.ip == other.ip && same_lan(one.lan, other.lan))
    };
    one.services() == other.services()
        && one.forwards_l3() == other.forwards_l3()
        && one.archetype() == other.archetype()
        && one.persona() == other.persona()
        && print_alike(one.service_config(), other.service_config())
        && attached()
}

/// Returns the states of the deckies before some changes, which are in chronological order. It undoes them on the current states,
/// the last one first.
pub fn at<'a>(
    current: &Topology,
    changes: impl IntoIterator<Item = &'a DeckyChange, IntoIter: DoubleEndedIterator>,
) -> BTreeMap<Name, DeckySnapshot> {
    let state = |decky: &Decky| (decky.name().clone(), DeckySnapshot::of(current, decky));
    let mut states: BTreeMap<Name, DeckySnapshot> = current.deckies().iter().map(state).collect();
    for change in changes.into_iter().rev() {
        match &change.before {
            // The name as it was spelled at that time.
            Some(before) => {
                states.remove(&change.decky);
                states.insert(change.decky.clone(), before.clone());
            }
            None => drop(states.remove(&change.decky)),
        }
    }
    states
}
