//! Operations: work on other threads, which a Python thread or an event loop waits for and can cancel.

use std::{
    collections::VecDeque,
    panic,
    pin::pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, mpsc},
    time::Duration,
};

use decnet_engine::{Received, Subscription};
use pyo3::{PyClass, prelude::*};
use serde_json::json;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    convert,
    errors::Raise,
    runtime::{Native, Threads, threads},
    tree,
};

/// How long a thread waits before it checks for Ctrl-C.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// The number of the Ctrl-C that returns immediately. The undo continues in the background.
const IMMEDIATE: usize = 3;

/// How many events can be queued for a `progress` callable. The oldest are dropped, because Rust never waits for Python.
const MAX_EVENTS: usize = 4096;

/// The result of every method of a store or an engine: the value, or a coroutine that returns it.
pub(crate) type Answer = PyResult<Py<PyAny>>;

/// Converts the result while the interpreter's lock is held.
type Finish = Box<dyn FnOnce(Python<'_>) -> Answer + Send>;

/// Spawns the work, and returns the handle that aborts it.
type Start = Box<dyn FnOnce(&'static Threads, Inbox) -> AbortHandle + Send>;

/// Creates Python's event. For lost events, only the payload matters: their number.
pub(crate) fn event(py: Python<'_>, received: &Received) -> Answer {
    match received {
        Received::Event(envelope) => convert::to_python(py, envelope),
        Received::Lagged(lost) => convert::from_value(py, &json!({"type": "lagged", "payload": {"lost": lost}})),
    }
}

/// Waits for the timeout; without one, forever.
pub(crate) async fn pause(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => std::future::pending().await,
    }
}

/// How an operation is cancelled.
#[derive(Debug, Clone)]
pub(crate) enum Stop {
    /// By its token. It undoes its changes, and then ends with an error.
    Token(CancellationToken),
    /// By dropping it, because it only reads.
    Drop,
    /// It cannot be cancelled, because it is short and writes.
    Never,
}

/// The waiter for the operations of a store or an engine.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Waiter {
    /// The calling thread.
    Thread,
    /// An event loop of asyncio.
    EventLoop,
}

impl Waiter {
    /// Returns the result of an operation, or a coroutine that starts it and returns its result.
    pub(crate) fn wait(self, py: Python<'_>, operation: Operation, progress: Option<&Bound<'_, PyAny>>) -> Answer {
        match self {
            Self::Thread => operation.wait(py, progress),
            Self::EventLoop => {
                let wait = py.import("decnet._asyncio")?.getattr("wait")?;
                Ok(wait.call1((operation, progress))?.unbind())
            }
        }
    }

    /// Creates an object with these methods, of the class for this waiter.
    pub(crate) fn object<M, T, L>(self, py: Python<'_>, methods: M, thread: T, event_loop: L) -> Answer
    where
        T: PyClass,
        L: PyClass,
        (T, M): Into<PyClassInitializer<T>>,
        (L, M): Into<PyClassInitializer<L>>,
    {
        Ok(match self {
            Self::Thread => Py::new(py, (thread, methods))?.into_any(),
            Self::EventLoop => Py::new(py, (event_loop, methods))?.into_any(),
        })
    }
}

/// The events and the result that arrived, and the callback for new arrivals.
#[derive(Default)]
struct Mailbox {
    /// Whether the caller wants events.
    wants_events: bool,
    events: VecDeque<Received>,
    /// How many events were dropped.
    lost: u64,
    finish: Option<Finish>,
    listener: Option<Py<PyAny>>,
}

impl Mailbox {
    fn put_event(&mut self, received: Received) {
        match received {
            _ if !self.wants_events => {}
            Received::Lagged(lost) => self.lost += lost,
            event @ Received::Event(_) => {
                if self.events.len() == MAX_EVENTS {
                    self.events.pop_front();
                    self.lost += 1;
                }
                self.events.push_back(event);
            }
        }
    }

    fn take_events(&mut self) -> VecDeque<Received> {
        let mut events = std::mem::take(&mut self.events);
        if self.lost > 0 {
            events.push_front(Received::Lagged(std::mem::take(&mut self.lost)));
        }
        events
    }

    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.lost == 0 && self.finish.is_none()
    }
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

    /// Takes the events and the result that arrived. Waits up to the timeout if nothing arrived.
    fn take(&self, timeout: Duration) -> (VecDeque<Received>, Option<Finish>) {
        let waited = self
            .arrived
            .wait_timeout_while(self.lock(), timeout, |mailbox| mailbox.is_empty());
        let (mut mailbox, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (mailbox.take_events(), mailbox.finish.take())
    }

    fn ignore_events(&self) {
        let mut mailbox = self.lock();
        mailbox.wants_events = false;
        mailbox.take_events();
    }
}

/// The sending end of the mailbox, which the work holds.
#[derive(Clone)]
pub(crate) struct Inbox {
    shared: Arc<Shared>,
    callbacks: mpsc::Sender<Py<PyAny>>,
}

impl Inbox {
    /// Runs work, and collects the events of a subscription for the waiter.
    pub(crate) async fn follow<T>(&self, mut events: Subscription, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let done = loop {
            tokio::select! {
                biased;
                Some(received) = events.recv() => self.put(|mailbox| mailbox.put_event(received)),
                done = &mut work => break done,
            }
        };
        while let Some(received) = events.try_recv() {
            self.put(|mailbox| mailbox.put_event(received));
        }
        done
    }

    fn put(&self, put: impl FnOnce(&mut Mailbox)) {
        let mut mailbox = self.shared.lock();
        put(&mut mailbox);
        self.shared.arrived.notify_all();
        if mailbox.is_empty() {
            return;
        }
        // Only the thread of the callbacks holds the interpreter's lock, which the reference count needs.
        if let Some(listener) = mailbox.listener.take() {
            let _ = self.callbacks.send(listener);
        }
    }
}

/// Work that runs from its start until it is done or cancelled.
#[pyclass(frozen, module = "decnet._decnet")]
pub(crate) struct Operation {
    shared: Native<Arc<Shared>>,
    stop: Stop,
    start: Mutex<Option<Start>>,
    task: OnceLock<AbortHandle>,
}

impl Operation {
    /// Creates an operation that is not started.
    pub(crate) fn new<T, E, F>(
        stop: Stop,
        work: impl FnOnce(Inbox) -> F + Send + 'static,
        finish: impl FnOnce(Python<'_>, T) -> Answer + Send + 'static,
    ) -> Self
    where
        T: Send + 'static,
        E: Raise + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let start = move |threads: &'static Threads, inbox: Inbox| {
            let task = threads.tokio.spawn(work(inbox.clone()));
            let abort = task.abort_handle();
            threads.tokio.spawn(async move {
                let outcome = task.await;
                let finish = move |py: Python<'_>| match outcome {
                    Ok(Ok(done)) => finish(py, done),
                    Ok(Err(error)) => Err(error.raise(py)),
                    Err(ended) => match ended.try_into_panic() {
                        // It becomes an exception, like any panic of a call.
                        Ok(panic) => panic::resume_unwind(panic),
                        Err(_) => Err(tree::Interrupted::new_err("the operation was cancelled")),
                    },
                };
                inbox.put(|mailbox| mailbox.finish = Some(Box::new(finish)));
            });
            abort
        };
        Self {
            shared: Native::new(Arc::default()),
            stop,
            start: Mutex::new(Some(Box::new(start))),
            task: OnceLock::new(),
        }
    }

    /// Waits in this thread until it is done, and returns the result. Ctrl-C cancels it and waits for the undo. So does an
    /// exception of `progress`, which is then not called again.
    fn wait(&self, py: Python<'_>, progress: Option<&Bound<'_, PyAny>>) -> Answer {
        self.start(py, progress.is_some())?;
        let shared = self.shared.get()?;
        let mut interruption: Option<PyErr> = None;
        let mut interruptions = 0;
        loop {
            let (events, finish) = py.detach(|| shared.take(CHECK_INTERVAL));
            let reported = progress.map_or(Ok(()), |progress| {
                let mut events = events.iter();
                events.try_for_each(|event| progress.call1((self::event(py, event)?,)).map(drop))
            });
            if let Err(error) = reported {
                shared.ignore_events();
                self.stop();
                interruption.get_or_insert(error);
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
                self.stop();
                interruptions += 1;
                if interruptions >= IMMEDIATE || matches!(self.stop, Stop::Drop) {
                    return Err(error);
                }
                interruption.get_or_insert(error);
            }
        }
    }

    fn stop(&self) {
        match &self.stop {
            Stop::Token(token) => token.cancel(),
            Stop::Drop => drop(self.task.get().map(AbortHandle::abort)),
            Stop::Never => {}
        }
    }
}

/// The methods that `decnet._asyncio` needs.
#[pymethods]
impl Operation {
    /// Starts it. A second call has no effect.
    fn start(&self, py: Python<'_>, wants_events: bool) -> PyResult<()> {
        let (shared, threads) = (self.shared.get()?, threads(py)?);
        let start = self.start.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(start) = start {
            shared.lock().wants_events = wants_events;
            let inbox = Inbox {
                shared: Arc::clone(shared),
                callbacks: threads.callbacks.clone(),
            };
            let _ = self.task.set(start(threads, inbox));
        }
        Ok(())
    }

    /// Calls `listener` once without arguments when something arrives: from another thread, or immediately.
    fn listen(&self, py: Python<'_>, listener: Py<PyAny>) -> PyResult<()> {
        let mut mailbox = self.shared.get()?.lock();
        if mailbox.is_empty() {
            mailbox.listener = Some(listener);
            return Ok(());
        }
        drop(mailbox);
        listener.call0(py).map(drop)
    }

    /// Takes the events that arrived.
    fn take_events(&self, py: Python<'_>) -> PyResult<Vec<Py<PyAny>>> {
        let events = self.shared.get()?.lock().take_events();
        events.iter().map(|event| self::event(py, event)).collect()
    }

    /// Drops all queued and later events.
    fn ignore_events(&self) -> PyResult<()> {
        self.shared.get()?.ignore_events();
        Ok(())
    }

    /// Returns whether it is done and its result is not taken yet.
    fn is_done(&self) -> PyResult<bool> {
        Ok(self.shared.get()?.lock().finish.is_some())
    }

    /// Takes the result, once it is done.
    fn result(&self, py: Python<'_>) -> Answer {
        let finish = self.shared.get()?.lock().finish.take();
        finish.map_or_else(
            || Err(tree::DecnetError::new_err("the operation has no result to take")),
            |finish| finish(py),
        )
    }

    /// Cancels it. The result comes after the undo.
    fn cancel(&self) -> PyResult<()> {
        self.shared.get()?;
        self.stop();
        Ok(())
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        // Nobody can take its result any longer.
        if self.shared.get().is_ok() {
            self.stop();
        }
    }
}
