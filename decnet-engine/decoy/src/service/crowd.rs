//! Decides which connection is closed if there are too many.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc, time::Instant};

use tokio::sync::Notify;

/// The open connections.
#[derive(Default)]
pub(super) struct Crowd {
    guests: BTreeMap<u64, (Guest, Arc<Notify>)>,
    last: u64,
}

impl Crowd {
    /// Adds a connection, and closes another if there are too many. Returns its number, and what notifies it when it is closed
    /// for another.
    pub(super) fn add(
        &mut self,
        source: Ipv4Addr,
        of_source: usize,
        of_all: usize,
        now: Instant,
    ) -> (u64, Arc<Notify>) {
        self.displace(source, of_source, of_all);
        self.last += 1;
        let notify = Arc::new(Notify::new());
        self.guests
            .insert(self.last, (Guest { source, last: now }, Arc::clone(&notify)));
        (self.last, notify)
    }

    /// Closes a connection if there is no room for another from this source.
    pub(super) fn displace(&mut self, newcomer: Ipv4Addr, of_source: usize, of_all: usize) {
        let numbers: Vec<u64> = self.guests.keys().copied().collect();
        let open: Vec<Guest> = self.guests.values().map(|(guest, _)| *guest).collect();
        let displaced = displaced(&open, newcomer, of_source, of_all).and_then(|at| self.guests.remove(&numbers[at]));
        if let Some((_, notify)) = &displaced {
            notify.notify_one();
        }
    }

    /// Notes that a connection had input.
    pub(super) fn touch(&mut self, number: u64, now: Instant) {
        if let Some((guest, _)) = self.guests.get_mut(&number) {
            guest.last = now;
        }
    }

    /// Removes a connection that ended.
    pub(super) fn remove(&mut self, number: u64) {
        self.guests.remove(&number);
    }
}

/// An open connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Guest {
    /// The source.
    source: Ipv4Addr,
    /// The time of the last input.
    last: Instant,
}

/// Returns the connection to close so that another from `newcomer` has room. If the source has its maximum, it is one of its
/// own. Otherwise, if all places are taken, it is one of the source with the most. Of these it is the one that was idle for
/// longest.
fn displaced(open: &[Guest], newcomer: Ipv4Addr, of_source: usize, of_all: usize) -> Option<usize> {
    let mut counts: BTreeMap<Ipv4Addr, usize> = BTreeMap::new();
    for guest in open {
        *counts.entry(guest.source).or_default() += 1;
    }
    let most = if counts.get(&newcomer).is_some_and(|count| *count >= of_source) {
        None
    } else if open.len() >= of_all {
        counts.values().max().copied()
    } else {
        return None;
    };
    let may_go = |guest: &Guest| match most {
        None => guest.source == newcomer,
        Some(most) => counts.get(&guest.source) == Some(&most),
    };
    let candidates = open.iter().enumerate().filter(|(_, guest)| may_go(guest));
    candidates.min_by_key(|(_, guest)| guest.last).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The connections are pairs of a source and its idle time in seconds, at most 100.
    fn check(open: &[(u8, u64)], newcomer: u8, expected: Option<usize>) {
        let start = Instant::now();
        let address = |of| Ipv4Addr::new(10, 0, 0, of);
        let guests: Vec<_> = open
            .iter()
            .map(|(of, ago)| Guest {
                source: address(*of),
                last: start + Duration::from_secs(100 - ago),
            })
            .collect();
        assert_eq!(displaced(&guests, address(newcomer), 3, 6), expected, "{open:?}");
    }

    #[test]
    fn nothing_is_closed_while_there_is_room() {
        check(&[], 1, None);
        check(&[(1, 5), (1, 9), (2, 60), (2, 60), (2, 60)], 1, None);
    }

    #[test]
    fn a_source_with_the_maximum_loses_its_own_idlest() {
        check(&[(2, 99), (1, 5), (1, 9), (1, 7)], 1, Some(2));
    }

    #[test]
    fn if_all_places_are_taken_the_source_with_the_most_loses_its_idlest() {
        check(&[(2, 99), (1, 5), (1, 9), (3, 80), (4, 70), (5, 60)], 6, Some(2));
        // If all have the same number, the idlest of all is closed.
        check(&[(1, 5), (2, 9), (3, 7), (4, 1), (5, 2), (6, 3)], 7, Some(1));
    }
}
