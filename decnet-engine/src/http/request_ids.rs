//! The ids of requests that have none.

use std::sync::atomic::{AtomicU64, Ordering};

use decnet_topology::rng;

/// Numbers requests from a random start, so that requests to other servers have other ids. To draw each one would take a call of the
/// kernel.
#[derive(Debug)]
pub(super) struct RequestIds(AtomicU64);

impl Default for RequestIds {
    fn default() -> Self {
        Self(AtomicU64::new(rng::os_seed()))
    }
}

impl RequestIds {
    /// Returns the next id.
    pub(super) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}
