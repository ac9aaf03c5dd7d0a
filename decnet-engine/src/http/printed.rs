//! Topologies that were printed as JSON, so that one that did not change is not loaded and printed again.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use decnet_topology::{Stamp, TopologyId, TopologyRow, Version};
use lru::LruCache;

/// How many texts are kept.
const MOST: usize = 64;

/// Longer texts are not kept: together the texts take 64 MiB at most.
const LONGEST: usize = 1 << 20;

/// A topology that was printed.
#[derive(Debug)]
struct Kept {
    row: TopologyRow,
    /// The stamp of the store before the row was read.
    stamp: Option<Stamp>,
    text: Bytes,
}

/// The texts of the topologies that were read last.
///
/// Each stamp here was taken before the row was read. An equal stamp later means that nothing was committed since.
#[derive(Debug)]
pub(super) struct Printed(Mutex<LruCache<TopologyId, Kept>>);

impl Default for Printed {
    fn default() -> Self {
        Self(Mutex::new(LruCache::unbounded()))
    }
}

impl Printed {
    /// Returns the text of a topology and its version, if nothing was committed since its row was read.
    pub(super) fn current(&self, id: TopologyId, stamp: Option<Stamp>) -> Option<(Version, Bytes)> {
        let stamp = stamp?;
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let printed = texts.get(&id)?;
        (printed.stamp == Some(stamp)).then(|| (printed.row.version, printed.text.clone()))
    }

    /// Returns the text of a topology, if it was printed with the same row. Every edit changes the version in the row. The stamp was
    /// taken before the row was read.
    pub(super) fn get(&self, row: &TopologyRow, stamp: Option<Stamp>) -> Option<Bytes> {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let printed = texts.get_mut(&row.id)?;
        if printed.row != *row {
            return None;
        }
        // None if another thread was reading it: the one from before may still be current.
        printed.stamp = stamp.or(printed.stamp);
        Some(printed.text.clone())
    }

    /// Keeps the text of a topology instead of an older one. The stamp was taken before the row was read.
    pub(super) fn keep(&self, row: TopologyRow, stamp: Option<Stamp>, text: &Bytes) {
        if text.len() <= LONGEST {
            let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let text = text.clone();
            texts.put(row.id, Kept { row, stamp, text });
            if texts.len() > MOST {
                texts.pop_lru();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use decnet_topology::{MemoryRepo, NewTopology, Status, Topology, TopologyStore as _};
    use jiff::Timestamp;

    use super::*;

    async fn row(name: &str) -> TopologyRow {
        let new = NewTopology::new(name.parse().unwrap(), Topology::default());
        MemoryRepo::new().create(new, Timestamp::now()).await.unwrap().row
    }

    #[tokio::test]
    async fn a_text_is_that_of_an_equal_row() {
        let (printed, row) = (Printed::default(), row("corp").await);
        assert_eq!(printed.get(&row, None), None);
        printed.keep(row.clone(), None, &Bytes::from("text"));
        assert_eq!(printed.get(&row, None), Some(Bytes::from("text")));
        for changed in [
            TopologyRow {
                version: row.version.next(),
                ..row.clone()
            },
            TopologyRow {
                status: Status::Deploying,
                ..row.clone()
            },
            TopologyRow {
                needs_resync: true,
                ..row.clone()
            },
        ] {
            assert_eq!(printed.get(&changed, None), None, "{changed:?}");
        }
    }

    #[tokio::test]
    async fn a_text_is_current_until_something_is_committed() {
        let (printed, row) = (Printed::default(), row("corp").await);
        let text = Bytes::from("text");
        let [first, second] = [1, 2].map(|number| Some(Stamp::new(number)));
        let current = |stamp| printed.current(row.id, stamp).map(|(_, text)| text);
        printed.keep(row.clone(), first, &text);
        assert_eq!(current(first), Some(text.clone()));
        assert_eq!(current(second), None);
        assert_eq!(current(None), None);
        // The row was read again and is equal.
        assert_eq!(printed.get(&row, second), Some(text.clone()));
        assert_eq!((current(first), current(second)), (None, Some(text.clone())));
        // It was read without a stamp.
        printed.get(&row, None);
        assert_eq!(current(second), Some(text.clone()));
        printed.keep(row.clone(), None, &text);
        assert_eq!(current(second), None);
        assert_eq!(current(None), None);
    }

    #[tokio::test]
    async fn long_texts_and_old_ones_are_not_kept() {
        let (printed, first) = (Printed::default(), row("first").await);
        printed.keep(first.clone(), None, &Bytes::from(vec![b' '; LONGEST + 1]));
        assert_eq!(printed.get(&first, None), None);
        printed.keep(first.clone(), None, &Bytes::from("text"));
        for number in 0..MOST {
            printed.keep(row(&format!("maze-{number}")).await, None, &Bytes::from("text"));
        }
        assert_eq!(printed.get(&first, None), None);
    }
}
