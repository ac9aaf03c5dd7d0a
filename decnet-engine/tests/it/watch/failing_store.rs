//! A store that is temporarily unreadable, or silent.

use std::sync::{Arc, Mutex, MutexGuard};

use decnet_topology::{MemoryRepo, RepoError};

/// The error of a call by its name.
type Fault = fn(&str) -> Option<RepoError>;

/// Whether a call, by its name, gets no answer.
type Silence = fn(&str) -> bool;

/// A store in memory with injected faults. Clones share one store.
#[derive(Debug, Clone, Default)]
pub(crate) struct FailingStore {
    inner: Arc<MemoryRepo>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    fault: Option<Fault>,
    failures: usize,
    silence: Option<Silence>,
    unanswered: usize,
}

impl FailingStore {
    /// Returns the store without faults.
    pub(crate) fn sound(&self) -> &MemoryRepo {
        &self.inner
    }

    /// Sets the fault of calls, or none.
    pub(crate) fn fail(&self, fault: Option<Fault>) {
        let mut state = self.state();
        (state.fault, state.failures) = (fault, 0);
    }

    /// Returns the number of failed calls since then.
    pub(crate) fn failures(&self) -> usize {
        self.state().failures
    }

    /// Sets the calls that wait forever.
    pub(crate) fn silence(&self, silence: Silence) {
        self.state().silence = Some(silence);
    }

    /// Returns the number of calls that waited forever.
    pub(crate) fn unanswered(&self) -> usize {
        self.state().unanswered
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while it holds the lock")
    }

    async fn guard<T>(&self, name: &str, call: impl Future<Output = Result<T, RepoError>>) -> Result<T, RepoError> {
        if self.is_silent(name) {
            return std::future::pending().await;
        }
        self.check(name)?;
        call.await
    }

    fn is_silent(&self, call: &str) -> bool {
        let mut state = self.state();
        let is_silent = state.silence.is_some_and(|silence| silence(call));
        state.unanswered += usize::from(is_silent);
        is_silent
    }

    fn check(&self, call: &str) -> Result<(), RepoError> {
        let mut state = self.state();
        let Some(error) = state.fault.and_then(|fault| fault(call)) else {
            return Ok(());
        };
        state.failures += 1;
        Err(error)
    }
}

guarded!(FailingStore);

/// The error of a database whose server does not answer.
pub(crate) fn unreachable() -> RepoError {
    RepoError::DatabaseUnreachable {
        server: "postgres://db.example/decnet".into(),
        source: "connection refused".into(),
    }
}
