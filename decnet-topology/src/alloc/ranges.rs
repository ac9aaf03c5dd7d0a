use std::collections::BTreeMap;

/// A set of numbers, stored as disjoint ranges that do not touch: first number to last, both included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Ranges {
    last_by_first: BTreeMap<u64, u64>,
}

impl Ranges {
    /// Adds a range and merges it with all ranges that it overlaps or touches.
    pub(super) fn insert(&mut self, first: u64, last: u64) {
        // A range that only grows upward keeps its key.
        if let Some((&start, end)) = self.last_by_first.range_mut(..=last.saturating_add(1)).next_back()
            && start <= first
            && first <= end.saturating_add(1)
        {
            *end = last.max(*end);
            return;
        }
        let (mut first, mut last) = (first, last);
        while let Some((&start, &end)) = self.last_by_first.range(..=last.saturating_add(1)).next_back() {
            if end.saturating_add(1) < first {
                break;
            }
            self.last_by_first.remove(&start);
            first = first.min(start);
            last = last.max(end);
        }
        self.last_by_first.insert(first, last);
    }

    /// Removes one number, and returns whether it was in the set.
    pub(super) fn remove(&mut self, number: u64) -> bool {
        let Some((first, last)) = self.meeting(number, number) else {
            return false;
        };
        self.last_by_first.remove(&first);
        if first < number {
            self.last_by_first.insert(first, number - 1);
        }
        if number < last {
            self.last_by_first.insert(number + 1, last);
        }
        true
    }

    /// Removes the range that begins with a number, and returns its last number.
    pub(super) fn pop_at(&mut self, first: u64) -> Option<u64> {
        self.last_by_first.remove(&first)
    }

    /// Returns the last range that shares a number with the given one.
    pub(super) fn meeting(&self, first: u64, last: u64) -> Option<(u64, u64)> {
        let (&start, &end) = self.last_by_first.range(..=last).next_back()?;
        (end >= first).then_some((start, end))
    }

    /// Returns whether a number is in the set.
    pub(super) fn contains(&self, number: u64) -> bool {
        self.meeting(number, number).is_some()
    }

    /// Walks the ranges upward.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.last_by_first.iter().map(|(&first, &last)| (first, last))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_of_ranges_is_the_set_of_its_numbers(steps in prop::collection::vec((any::<bool>(), 0_u64..60, 0_u64..8), 0..80)) {
            let mut ranges = Ranges::default();
            let mut numbers = BTreeSet::new();
            for (add, first, length) in steps {
                if add {
                    ranges.insert(first, first + length);
                    numbers.extend(first..=first + length);
                } else {
                    prop_assert_eq!(ranges.remove(first), numbers.remove(&first));
                }
            }
            let walked: Vec<u64> = ranges.iter().flat_map(|(first, last)| first..=last).collect();
            prop_assert_eq!(walked, numbers.iter().copied().collect::<Vec<_>>());
            let mut pairs = ranges.iter().zip(ranges.iter().skip(1));
            prop_assert!(pairs.all(|((_, last), (next, _))| last + 1 < next));
            prop_assert!((0..70).all(|number| ranges.contains(number) == numbers.contains(&number)));
        }
    }
}
