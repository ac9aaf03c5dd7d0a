//! Who was on which decky.

use std::collections::BTreeMap;

use decnet_topology::Name;
use jiff::{SignedDuration, Timestamp};

use crate::event::Place;

/// How long a visitor counts as a possible source of moves after the last contact.
pub(super) const REMEMBERED: SignedDuration = SignedDuration::from_hours(12);

/// How many other visitors are named.
pub(super) const NAMED: usize = 100;

/// The visitors of each decky.
#[derive(Debug, Clone, Default)]
pub(super) struct Visitors(BTreeMap<Name, BTreeMap<Place, Presence>>);

/// The contacts of an attacker with one decky.
#[derive(Debug, Clone)]
struct Presence {
    last: Timestamp,
    /// The number of conversations that are open.
    open: usize,
}

/// Who may have come from a place.
#[derive(Debug)]
pub(super) struct Candidates {
    pub(super) origin: Place,
    /// Others: the first hundred.
    pub(super) others: Vec<Place>,
    /// The number of further others.
    pub(super) left_out: u64,
}

impl Candidates {
    pub(super) const fn only(origin: Place) -> Self {
        Self {
            origin,
            others: Vec::new(),
            left_out: 0,
        }
    }
}

impl Visitors {
    /// Notes a contact.
    pub(super) fn contact(&mut self, decky: &Name, origin: &Place, at: Timestamp) {
        let presence = self.0.entry(decky.clone()).or_default();
        let presence = presence.entry(origin.clone()).or_insert(Presence { last: at, open: 0 });
        presence.last = presence.last.max(at);
    }

    /// Notes that a conversation started.
    pub(super) fn opened(&mut self, decky: &Name, origin: &Place) {
        if let Some(presence) = self.get(decky, origin) {
            presence.open += 1;
        }
    }

    /// Notes that a conversation ended.
    pub(super) fn closed(&mut self, decky: &Name, origin: &Place) {
        if let Some(presence) = self.get(decky, origin) {
            presence.open = presence.open.saturating_sub(1);
        }
    }

    fn get(&mut self, decky: &Name, origin: &Place) -> Option<&mut Presence> {
        self.0.get_mut(decky)?.get_mut(origin)
    }

    /// Forgets an attacker.
    pub(super) fn forget(&mut self, origin: &Place) {
        self.0.retain(|_, visitors| {
            visitors.remove(origin);
            !visitors.is_empty()
        });
    }

    /// Finds the attacker who came from a place, and others who may have. Forgets those who were there too long ago
    /// and have no conversation open.
    pub(super) fn came_from(&mut self, place: &Place, at: Timestamp) -> Candidates {
        let Place::Decky(decky) = place else {
            return Candidates::only(place.clone());
        };
        let Some(visitors) = self.0.get_mut(decky) else {
            return Candidates::only(place.clone());
        };
        let oldest = at.saturating_sub(REMEMBERED).unwrap_or(Timestamp::MIN);
        visitors.retain(|_, presence| presence.open > 0 || presence.last >= oldest);
        let has_open = visitors.values().any(|presence| presence.open > 0);
        let candidates = || visitors.iter().filter(|(_, presence)| !has_open || presence.open > 0);
        let Some((origin, _)) = candidates().max_by_key(|(_, presence)| presence.last) else {
            return Candidates::only(place.clone());
        };
        let others = || candidates().map(|(other, _)| other).filter(|other| *other != origin);
        Candidates {
            origin: origin.clone(),
            others: others().take(NAMED).cloned().collect(),
            left_out: others().skip(NAMED).count() as u64,
        }
    }

    #[cfg(test)]
    pub(super) fn deckies(&self) -> usize {
        self.0.len()
    }
}
