//! The event feed: a snapshot, and then every event once.

use std::{sync::Arc, time::Duration};

use decnet_engine::{EngineError, Feed, FeedItem, Received, TopologyNow};
use decnet_topology::{RepoError, TopologyId};
use pyo3::{exceptions::PyStopAsyncIteration, prelude::*};
use tokio::sync::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    argument, convert,
    operation::{Answer, Operation, Stop, Waiter, event},
    rows,
    runtime::Native,
    workbench::Workbench,
};

/// An open feed. It is dropped when its engine is closed.
struct Follower {
    feed: Arc<Mutex<Option<Feed>>>,
    closing: CancellationToken,
    timeout: Option<Duration>,
    /// Ends the task that waits for the end of the engine.
    _unwatch: DropGuard,
}

/// The members of a feed, which [`Events`] and [`AioEvents`] inherit.
#[pyclass(frozen, subclass, module = "decnet._decnet")]
pub(crate) struct EventsMethods {
    follower: Native<Follower>,
    /// The state of each topology when the feed was opened.
    #[pyo3(get)]
    snapshot: convert::Typed<convert::Snapshot>,
}

/// A snapshot of a store, and an iterator of all later events.
#[pyclass(frozen, extends = EventsMethods, module = "decnet")]
pub(crate) struct Events;

/// A snapshot of a store, and an asynchronous iterator of all later events.
#[pyclass(frozen, extends = EventsMethods, module = "decnet.aio")]
pub(crate) struct AioEvents;

/// Opens the feed of an engine.
pub(crate) fn open(
    py: Python<'_>,
    bench: Workbench,
    only: Option<TopologyId>,
    timeout: Option<&Bound<'_, PyAny>>,
    waiter: Waiter,
) -> Answer {
    let timeout = argument::timeout(timeout)?;
    let closing = bench.closing.clone();
    let work = move |_| async move {
        let (snapshot, feed) = Feed::open(bench.repo, Some(&bench.bus), only).await?;
        let feed = Arc::new(Mutex::new(Some(feed)));
        let (closed, weak) = (bench.closing, Arc::downgrade(&feed));
        let dropped = CancellationToken::new();
        let unwatch = dropped.clone().drop_guard();
        tokio::spawn(async move {
            if dropped.run_until_cancelled(closed.cancelled()).await.is_none() {
                return;
            }
            if let Some(feed) = weak.upgrade() {
                feed.lock().await.take();
            }
        });
        Ok::<_, RepoError>((snapshot, feed, unwatch))
    };
    let finish = move |py: Python<'_>, (snapshot, feed, unwatch): (Vec<TopologyNow>, _, _)| {
        let methods = EventsMethods {
            follower: Native::new(Follower {
                feed,
                closing,
                timeout,
                _unwatch: unwatch,
            }),
            snapshot: convert::Typed::from(describe(py, snapshot)?),
        };
        waiter.object(py, methods, Events, AioEvents)
    };
    waiter.wait(py, Operation::new(Stop::Drop, work, finish), None)
}

fn describe(py: Python<'_>, snapshot: Vec<TopologyNow>) -> Answer {
    let topologies = snapshot.into_iter().map(|TopologyNow { row, unfinished, .. }| {
        let one = pyo3::types::PyDict::new(py);
        one.set_item("row", rows::row(py, row)?)?;
        one.set_item("unfinished", convert::to_python(py, &unfinished)?)?;
        Ok(one)
    });
    let topologies: Vec<_> = topologies.collect::<PyResult<_>>()?;
    Ok(topologies.into_pyobject(py)?.unbind())
}

impl EventsMethods {
    /// Returns the operation that waits for the next event; `end` is the result after the last one.
    fn next(&self, end: impl FnOnce(Python<'_>) -> Answer + Send + 'static) -> PyResult<Operation> {
        let Follower {
            feed, closing, timeout, ..
        } = self.follower.get()?;
        let (feed, closing, timeout) = (Arc::clone(feed), closing.clone(), *timeout);
        let work = move |_| async move {
            let mut feed = feed.lock().await;
            loop {
                let item = tokio::select! {
                    biased;
                    item = next(&mut feed) => item,
                    () = closing.cancelled() => None,
                    () = pause(timeout) => None,
                };
                match item.transpose()? {
                    // A bus within the process is never lost.
                    Some(FeedItem::BusLost | FeedItem::BusFound) => {}
                    item => return Ok::<_, EngineError>(item),
                }
            }
        };
        Ok(Operation::new(Stop::Drop, work, |py, item| match item {
            Some(FeedItem::Event { envelope, name }) => {
                let dict = event(py, &Received::Event(envelope))?;
                dict.bind(py).set_item("name", name)?;
                Ok(dict)
            }
            Some(FeedItem::Lagged(lost)) => event(py, &Received::Lagged(lost)),
            _ => end(py),
        }))
    }
}

async fn next(feed: &mut Option<Feed>) -> Option<Result<FeedItem, RepoError>> {
    match feed {
        Some(feed) => feed.next().await,
        None => None,
    }
}

/// Waits for the timeout; without one, forever.
pub(crate) async fn pause(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => std::future::pending().await,
    }
}

#[pymethods]
impl Events {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(slf: &Bound<'_, Self>, py: Python<'_>) -> PyResult<Option<convert::Typed<convert::Event>>> {
        let operation = slf.as_super().get().next(|py| Ok(py.None()))?;
        let event = Waiter::Thread.wait(py, operation, None)?;
        Ok((!event.is_none(py)).then(|| event.into()))
    }
}

#[pymethods]
impl AioEvents {
    fn __aiter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __anext__(slf: &Bound<'_, Self>, py: Python<'_>) -> PyResult<convert::Typed<convert::ComingEvent>> {
        let operation = slf.as_super().get().next(|_| Err(PyStopAsyncIteration::new_err(())))?;
        Waiter::EventLoop.wait(py, operation, None).map(Into::into)
    }
}
