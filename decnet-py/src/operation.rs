//! What runs beside the interpreter: begun by a call, waited for by a thread or an event loop, called off by either.

use std::{
    collections::VecDeque,
    panic,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use decnet_engine::{
    bus::{Received, Subscription},
    event::Envelope,
};
use pyo3::prelude::*;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    convert,
    errors::Raise,
    runtime::{Native, threads},
    tree,
};

/// How long a thread waits before it looks for Ctrl-C.
const PULSE: Duration = Duration::from_millis(50);

/// The Ctrl-C that leaves at once, and lets what is undone be undone without anyone waiting.
const IMPATIENT: usize = 3;

/// Makes Python's result, once the interpreter's lock is held again.
type Finish = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// How an operation is called off.
#[derive(Debug, Clone)]
pub(crate) enum Stop {
    /// By its token: it undoes what it did, and says so.
    Token(CancellationToken),
    /// By dropping it: it only looks.
    Drop,
    /// Not at all: it is short, and it writes.
    Never,
}

/// What arrived, and who wants to hear of it.
#[derive(Default)]
struct Mailbox {
    events: VecDeque<Envelope>,
    finish: Option<Finish>,
    listener: Option<Py<PyAny>>,
}

#[derive(Default)]
struct Shared {
    mailbox: Mutex<Mailbox>,
    arrived: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something into the mailbox, and returns who wants to hear of it.
    fn put(&self, put: impl FnOnce(&mut Mailbox)) -> bool {
        let mut mailbox = self.lock();
        put(&mut mailbox);
        self.arrived.notify_all();
        mailbox.listener.is_some()
    }

    /// Takes what arrived, waiting a moment where nothing did.
    fn take(&self, timeout: Duration) -> (VecDeque<Envelope>, Option<Finish>) {
        let empty = |mailbox: &mut Mailbox| mailbox.events.is_empty() && mailbox.finish.is_none();
        let waited = self.arrived.wait_timeout_while(self.lock(), timeout, empty);
        let (mut mailbox, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut mailbox.events), mailbox.finish.take())
    }
}

/// Something that was begun: it goes on until it is done or called off.
#[pyclass(frozen, module = "decnet._decnet")]
pub(crate) struct Operation {
    shared: Native<Arc<Shared>>,
    stop: Stop,
    task: AbortHandle,
}

/// Begins an operation. What its subscription tells is kept for whoever waits.
pub(crate) fn begin<T, E>(
    py: Python<'_>,
    stop: Stop,
    mut told: Option<Subscription>,
    work: impl Future<Output = Result<T, E>> + Send + 'static,
    finish: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
) -> PyResult<Operation>
where
    T: Send + 'static,
    E: Raise + Send + 'static,
{
    let threads = threads(py)?;
    let shared = Arc::new(Shared::default());
    let post = {
        let (shared, callbacks) = (Arc::clone(&shared), threads.callbacks.clone());
        move |put: &mut dyn FnMut(&mut Mailbox)| {
            if shared.put(put) {
                // The reference is counted by who holds the interpreter's lock: the callbacks's thread.
                let listener = shared.lock().listener.take();
                if let Some(listener) = listener {
                    let _ = callbacks.send(listener);
                }
            }
        }
    };
    let mut task = threads.tokio.spawn(work);
    let abort = task.abort_handle();
    threads.tokio.spawn(async move {
        let keep = |received| {
            if let Received::Event(envelope) = received {
                let mut envelope = Some(envelope);
                post(&mut |mailbox| mailbox.events.extend(envelope.take()));
            }
        };
        let outcome = loop {
            tokio::select! {
                biased;
                Some(received) = next(&mut told) => keep(received),
                outcome = &mut task => break outcome,
            }
        };
        while let Some(received) = told.as_mut().and_then(Subscription::try_recv) {
            keep(received);
        }
        let mut finish: Option<Finish> = Some(Box::new(move |py| match outcome {
            Ok(Ok(done)) => finish(py, done),
            Ok(Err(error)) => Err(error.raise(py)),
            Err(ended) => match ended.try_into_panic() {
                // It goes on as an exception, as any panic of a call does.
                Ok(panic) => panic::resume_unwind(panic),
                Err(_) => Err(tree::Interrupted::new_err("the operation was called off")),
            },
        }));
        post(&mut |mailbox| mailbox.finish = finish.take());
    });
    Ok(Operation {
        shared: Native::new(shared),
        stop,
        task: abort,
    })
}

/// Waits for what is next; none at once where there is no subscription, which ends the branch that asked.
async fn next(events: &mut Option<Subscription>) -> Option<Received> {
    match events {
        Some(subscription) => subscription.recv().await,
        None => None,
    }
}

#[pymethods]
impl Operation {
    /// Waits in this thread until it is done, and returns what came of it. Ctrl-C calls it off; then what it undoes is waited for.
    #[pyo3(signature = (progress = None))]
    pub(crate) fn wait(&self, py: Python<'_>, progress: Option<&Bound<'_, PyAny>>) -> PyResult<Py<PyAny>> {
        let shared = self.shared.get()?;
        let mut interruption: Option<PyErr> = None;
        let mut interruptions = 0;
        loop {
            let (events, finish) = py.detach(|| shared.take(PULSE));
            for event in events {
                let told = progress.map(|progress| progress.call1((convert::to_python(py, &event)?,)));
                if let Some(Err(error)) = told {
                    self.call_off();
                    interruption.get_or_insert(error);
                }
            }
            if let Some(finish) = finish {
                let result = finish(py);
                let Some(interruption) = interruption else {
                    return result;
                };
                if let Err(error) = result {
                    interruption.set_cause(py, Some(error));
                }
                return Err(interruption);
            }
            if let Err(error) = py.check_signals() {
                self.call_off();
                interruptions += 1;
                if interruptions >= IMPATIENT || matches!(self.stop, Stop::Drop) {
                    return Err(error);
                }
                interruption.get_or_insert(error);
            }
        }
    }

    /// Calls `listener` without arguments, from another thread, when something arrives; at once where something has. Once.
    fn listen(&self, listener: Py<PyAny>) -> PyResult<()> {
        let py_listener = listener;
        let shared = self.shared.get()?;
        let mut mailbox = shared.lock();
        if mailbox.events.is_empty() && mailbox.finish.is_none() {
            mailbox.listener = Some(py_listener);
            return Ok(());
        }
        drop(mailbox);
        Python::attach(|py| py_listener.call0(py)).map(drop)
    }

    /// Takes the events that arrived since.
    fn take_events(&self, py: Python<'_>) -> PyResult<Vec<Py<PyAny>>> {
        let events = std::mem::take(&mut self.shared.get()?.lock().events);
        events.iter().map(|event| convert::to_python(py, event)).collect()
    }

    /// Tells whether it is done, and its result not taken yet.
    fn is_done(&self) -> PyResult<bool> {
        Ok(self.shared.get()?.lock().finish.is_some())
    }

    /// Takes what came of it, once it is done.
    fn result(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let finish = self.shared.get()?.lock().finish.take();
        finish.map_or_else(
            || Err(tree::DecnetError::new_err("the operation has no result to take")),
            |finish| finish(py),
        )
    }

    /// Calls it off: what is under way is finished and undone, which is to be waited for.
    fn cancel(&self) -> PyResult<()> {
        self.shared.get()?;
        self.call_off();
        Ok(())
    }
}

impl Operation {
    fn call_off(&self) {
        match &self.stop {
            Stop::Token(token) => token.cancel(),
            Stop::Drop => self.task.abort(),
            Stop::Never => {}
        }
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        // Nobody can ask for its result any more.
        if self.shared.get().is_ok() {
            self.call_off();
        }
    }
}
