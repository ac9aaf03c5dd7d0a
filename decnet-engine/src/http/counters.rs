//! Counts answered requests.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::http::StatusCode;

/// The requests of one operation with one status.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    /// Their number.
    pub(super) number: u64,
    /// The time until their answers began.
    pub(super) time: Duration,
}

/// The counters of answered requests, by operation and status.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<BTreeMap<(&'static str, u16), Count>>);

impl Counters {
    /// Counts an answered request.
    pub(super) fn count(&self, operation: &'static str, status: StatusCode, took: Duration) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry((operation, status.as_u16())).or_default();
        count.number += 1;
        count.time += took;
    }

    /// Returns all counters.
    pub(super) fn all(&self) -> BTreeMap<(&'static str, u16), Count> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
