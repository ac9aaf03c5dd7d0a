use std::collections::{BTreeSet, VecDeque};

use decnet_topology::EventId;

/// How many ids are remembered.
const MOST: usize = 4096;

/// The events that were delivered last. While one subscription replaces another, an event can arrive through both.
#[derive(Debug, Default)]
pub(super) struct Recent {
    ids: BTreeSet<EventId>,
    order: VecDeque<EventId>,
}

impl Recent {
    /// Returns whether an event is new, and remembers it.
    pub(super) fn is_new(&mut self, id: EventId) -> bool {
        if !self.ids.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use decnet_topology::rng;

    use super::*;

    #[test]
    fn the_last_events_are_remembered() {
        let mut recent = Recent::default();
        let ids: Vec<EventId> = (0..=MOST).map(|_| rng::event_id()).collect();
        assert!(ids.iter().all(|id| recent.is_new(*id)));
        assert!(!recent.is_new(ids[1]));
        assert!(recent.is_new(ids[0]), "it is too long ago");
        assert!(!recent.is_new(ids[0]));
        assert_eq!((recent.ids.len(), recent.order.len()), (MOST, MOST));
    }
}
