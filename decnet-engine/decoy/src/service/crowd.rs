//! Decides which connection is closed if there are too many.

use std::{collections::BTreeMap, net::Ipv4Addr, time::Instant};

/// An open connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guest {
    /// The source.
    pub(super) source: Ipv4Addr,
    /// The time of the last input.
    pub(super) last: Instant,
}

/// Returns the connection to close so that another from `newcomer` has room. If the source has its maximum, it is one of its
/// own. Otherwise, if all places are taken, it is one of the source with the most. Of these it is the one that was idle for
/// longest.
pub(super) fn displaced(open: &[Guest], newcomer: Ipv4Addr, of_source: usize, of_all: usize) -> Option<usize> {
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
