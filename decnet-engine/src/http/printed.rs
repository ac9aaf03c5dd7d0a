//! Topologies that were printed as JSON, so that one that did not change is not loaded and printed again.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use decnet_topology::{TopologyId, TopologyRow};
use lru::LruCache;

/// How many texts are kept.
const MOST: usize = 64;

/// Longer texts are not kept: together the texts take 64 MiB at most.
const LONGEST: usize = 1 << 20;

/// The texts of the topologies that were read last.
#[derive(Debug)]
pub(super) struct Printed(Mutex<LruCache<TopologyId, (TopologyRow, Bytes)>>);

impl Default for Printed {
    fn default() -> Self {
        Self(Mutex::new(LruCache::unbounded()))
    }
}

impl Printed {
    /// Returns the text of a topology, if it was printed with the same row. Every edit changes the version in the row.
    pub(super) fn get(&self, row: &TopologyRow) -> Option<Bytes> {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (printed, text) = texts.get(&row.id)?;
        (printed == row).then(|| text.clone())
    }

    /// Keeps the text of a topology instead of an older one.
    pub(super) fn keep(&self, row: TopologyRow, text: &Bytes) {
        if text.len() <= LONGEST {
            let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            texts.put(row.id, (row, text.clone()));
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
        assert_eq!(printed.get(&row), None);
        printed.keep(row.clone(), &Bytes::from("text"));
        assert_eq!(printed.get(&row), Some(Bytes::from("text")));
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
            assert_eq!(printed.get(&changed), None, "{changed:?}");
        }
    }

    #[tokio::test]
    async fn long_texts_and_old_ones_are_not_kept() {
        let (printed, first) = (Printed::default(), row("first").await);
        printed.keep(first.clone(), &Bytes::from(vec![b' '; LONGEST + 1]));
        assert_eq!(printed.get(&first), None);
        printed.keep(first.clone(), &Bytes::from("text"));
        for number in 0..MOST {
            printed.keep(row(&format!("maze-{number}")).await, &Bytes::from("text"));
        }
        assert_eq!(printed.get(&first), None);
    }
}
