//! A store with a fault in one call.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use decnet_engine::{DecoyImage, Engine, EngineOptions};
use decnet_topology::{MemoryRepo, RepoError};

use super::{CATALOG, Lab};

/// The time of a fault within a call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Strike {
    /// Before the call does anything.
    Before,
    /// When the call is done, but the caller gets an error.
    After,
}

/// A store with a fault in one call.
#[derive(Debug)]
pub(super) struct FailingStore {
    inner: Arc<MemoryRepo>,
    order: Mutex<Option<(usize, Strike)>>,
    struck: AtomicBool,
}

impl FailingStore {
    /// Wraps the store of a lab, with a separate engine.
    pub(super) fn in_place_of(lab: &Lab) -> (Arc<Self>, Engine) {
        let failing_store = Arc::new(Self {
            inner: lab.repo.clone(),
            order: Mutex::new(None),
            struck: AtomicBool::new(false),
        });
        let options = EngineOptions::new(CATALOG.clone()).image(Arc::new(DecoyImage::pack(b"a program")));
        let engine = Engine::new(failing_store.clone(), Arc::new(lab.docker.clone()), options);
        (failing_store, engine)
    }

    /// Fails the n-th call from now.
    pub(super) fn strike(&self, nth: usize, strike: Strike) {
        *self.order.lock().expect("no panic") = Some((nth, strike));
    }

    pub(super) fn has_struck(&self) -> bool {
        self.struck.load(Ordering::Relaxed)
    }

    fn due(&self) -> Option<Strike> {
        let mut order = self.order.lock().expect("no panic");
        let (left, strike) = order.take()?;
        if left > 1 {
            *order = Some((left - 1, strike));
            return None;
        }
        self.struck.store(true, Ordering::Relaxed);
        Some(strike)
    }

    async fn guard<T>(&self, _: &str, call: impl Future<Output = Result<T, RepoError>>) -> Result<T, RepoError> {
        let due = self.due();
        if matches!(due, Some(Strike::Before)) {
            return Err(RepoError::Full);
        }
        let answer = call.await?;
        if due.is_some() {
            Err(RepoError::Full)
        } else {
            Ok(answer)
        }
    }
}

guarded!(FailingStore);
