//! Limits for each of many: a client may not take what all others need.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// How much each holder has at the moment.
#[derive(Debug, Clone)]
pub(super) struct Shares<K: Ord>(Arc<Mutex<BTreeMap<K, usize>>>);

/// One unit of a holder, until it is dropped.
#[derive(Debug)]
pub(super) struct Share<K: Ord> {
    holder: K,
    of: Shares<K>,
}

impl<K: Ord> Default for Shares<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Ord + Clone> Shares<K> {
    /// Takes one unit for a holder; none if it has the most that one may have.
    pub(super) fn take(&self, holder: K, most: usize) -> Option<Share<K>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = held.get(&holder).copied().unwrap_or_default();
        if number >= most {
            return None;
        }
        held.insert(holder.clone(), number + 1);
        Some(Share {
            holder,
            of: self.clone(),
        })
    }
}

impl<K: Ord> Drop for Share<K> {
    fn drop(&mut self) {
        let mut held = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = held.get_mut(&self.holder) {
            *number -= 1;
            if *number == 0 {
                held.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_holder_has_a_share_of_its_own_and_a_dropped_unit_is_free_again() {
        let shares = Shares::default();
        let one = shares.take("me", 2).expect("the first");
        let _other = shares.take("me", 2).expect("the second");
        assert!(shares.take("me", 2).is_none());
        assert!(shares.take("you", 2).is_some());
        drop(one);
        assert!(shares.take("me", 2).is_some());
        assert_eq!(
            shares.0.lock().expect("not poisoned").len(),
            1,
            "nobody without a unit is remembered"
        );
    }
}
