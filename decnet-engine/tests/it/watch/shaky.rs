//! A store that cannot be read for a while.

use std::sync::{Arc, Mutex};

use decnet_topology::{RepoError, repo::MemoryRepo};

/// What a call of a name says meanwhile.
type Fault = fn(&str) -> Option<RepoError>;

/// A store in memory that fails as it is told to. Clones share one store.
#[derive(Debug, Clone, Default)]
pub(super) struct Shaky {
    inner: Arc<MemoryRepo>,
    fault: Arc<Mutex<(Option<Fault>, usize)>>,
}

impl Shaky {
    /// Lets calls fail, or none any more.
    pub(super) fn fail(&self, fault: Option<Fault>) {
        *self.fault.lock().expect("nobody panics with it") = (fault, 0);
    }

    /// Returns how many calls failed since.
    pub(super) fn failures(&self) -> usize {
        self.fault.lock().expect("nobody panics with it").1
    }

    async fn guard<T>(&self, name: &str, call: impl Future<Output = Result<T, RepoError>>) -> Result<T, RepoError> {
        self.check(name)?;
        call.await
    }

    fn check(&self, call: &str) -> Result<(), RepoError> {
        let (fault, failures) = &mut *self.fault.lock().expect("nobody panics with it");
        let Some(error) = fault.and_then(|fault| fault(call)) else {
            return Ok(());
        };
        *failures += 1;
        Err(error)
    }
}

guarded!(Shaky);
