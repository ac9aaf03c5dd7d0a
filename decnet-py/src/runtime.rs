//! The background threads, started at their first use.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use pyo3::{prelude::*, types::PyCFunction};

use crate::errors;

/// The threads of one process.
#[derive(Debug)]
pub(crate) struct Threads {
    pid: u32,
    /// The runtime that runs operations.
    pub(crate) tokio: tokio::runtime::Runtime,
    /// Callables for a dedicated thread that calls them in the interpreter: the threads of the runtime never wait for the
    /// interpreter's lock, so that leases are renewed even while Python is busy.
    pub(crate) callbacks: mpsc::Sender<Py<PyAny>>,
}

/// Locked only while the interpreter's lock is held, so that a fork never finds it locked.
static THREADS: Mutex<Option<&'static Threads>> = Mutex::new(None);

/// Returns the threads of this process. A fork starts its own, because threads are not inherited.
pub(crate) fn threads(py: Python<'_>) -> PyResult<&'static Threads> {
    let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    let pid = std::process::id();
    match *threads {
        Some(open) if open.pid == pid => Ok(open),
        _ => {
            let ended = Arc::default();
            let opened =
                open(pid, &ended).map_err(|error| errors::unusable(format!("no threads can be started: {error}")))?;
            end_at_exit(py, pid, ended)?;
            // It lives as long as the process: its threads must not be joined while the interpreter shuts down.
            Ok(*threads.insert(Box::leak(Box::new(opened))))
        }
    }
}

/// Whether the interpreter is shutting down. Locked while a callable is called.
type Ended = Mutex<bool>;

/// Waits until the current callable returns before the interpreter shuts down, and prevents later calls. A thread that is in the
/// interpreter during its shutdown would crash the process.
fn end_at_exit(py: Python<'_>, pid: u32, ended: Arc<Ended>) -> PyResult<()> {
    let end = PyCFunction::new_closure(py, None, None, move |arguments, _| {
        // In a fork, the thread that may hold the lock does not exist.
        if std::process::id() == pid {
            let end = || *ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
            arguments.py().detach(end);
        }
    })?;
    py.import("atexit")?.call_method1("register", (end,))?;
    Ok(())
}

fn open(pid: u32, ended: &Arc<Ended>) -> std::io::Result<Threads> {
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .thread_name("decnet")
        .enable_all()
        .build()?;
    let (callbacks, due) = mpsc::channel::<Py<PyAny>>();
    let ended = Arc::clone(ended);
    thread::Builder::new().name("decnet-callbacks".into()).spawn(move || {
        for callable in due {
            let ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
            if *ended {
                mem::forget(callable);
                continue;
            }
            // A closed event loop no longer listens.
            let _ = Python::try_attach(move |py| callable.call0(py).is_ok());
        }
    })?;
    Ok(Threads { pid, tokio, callbacks })
}

/// A value that must not be used, or even dropped, in a fork of its process: its locks may be held by threads that do not exist
/// there, and closing a file would release this process's locks.
#[derive(Debug)]
pub(crate) struct Native<T> {
    pid: u32,
    value: Option<T>,
}

impl<T> Native<T> {
    /// Stores a value for this process.
    pub(crate) fn new(value: T) -> Self {
        Self {
            pid: std::process::id(),
            value: Some(value),
        }
    }

    /// Returns the value in the process that created it.
    pub(crate) fn get(&self) -> PyResult<&T> {
        let pid = std::process::id();
        match &self.value {
            Some(value) if self.pid == pid => Ok(value),
            _ => {
                let message = format!(
                    "opened by process {}, but this is its fork {pid}: open it again",
                    self.pid
                );
                Err(errors::unusable(message))
            }
        }
    }
}

impl<T> Drop for Native<T> {
    fn drop(&mut self) {
        if self.pid != std::process::id() {
            std::mem::forget(self.value.take());
        }
    }
}
