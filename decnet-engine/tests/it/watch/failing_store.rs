//! A store that is temporarily unreadable.

use std::sync::{Arc, Mutex};

use decnet_topology::{MemoryRepo, RepoError};

/// The error of a call by its name.
type Fault = fn(&str) -> Option<RepoError>;

/// A store in memory with injected faults. Clones share one store.
#[derive(Debug, Clone, Default)]
pub(super) struct FailingStore {
    inner: Arc<MemoryRepo>,
    fault: Arc<Mutex<(Option<Fault>, usize)>>,
}

impl FailingStore {
    /// Sets the fault of calls, or none.
    pub(super) fn fail(&self, fault: Option<Fault>) {
        *self.fault.lock().expect("no thread panics while it holds the lock") = (fault, 0);
    }

    /// Returns the number of failed calls since then.
    pub(super) fn failures(&self) -> usize {
        self.fault.lock().expect("no thread panics while it holds the lock").1
    }

    async fn guard<T>(&self, name: &str, call: impl Future<Output = Result<T, RepoError>>) -> Result<T, RepoError> {
        self.check(name)?;
        call.await
    }

    fn check(&self, call: &str) -> Result<(), RepoError> {
        let (fault, failures) = &mut *self.fault.lock().expect("no thread panics while it holds the lock");
        let Some(error) = fault.and_then(|fault| fault(call)) else {
            return Ok(());
        };
        *failures += 1;
        Err(error)
    }
}

guarded!(FailingStore);
