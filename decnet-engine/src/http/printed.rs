//! Topologies that were printed as JSON, so that one that did not change is not loaded and printed again.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use decnet_topology::{TopologyId, TopologyRow};
use lru::LruCache;

/// How many texts are kept.
const MOST: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// Longer texts are not kept: together the texts take 64 MiB at most.
const LONGEST: usize = 1 << 20;

/// The texts of the topologies that were read last.
#[derive(Debug)]
pub(super) struct Printed(Mutex<LruCache<TopologyId, (TopologyRow, Bytes)>>);

impl Default for Printed {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MOST)))
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
        }
    }
}
