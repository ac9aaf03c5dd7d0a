//! The event feed: a snapshot, and then every event once.

use decnet_engine::{Feed, FeedItem, Received, TopologyNow};
use decnet_topology::{RepoError, Sequence, TopologyId};
use pyo3::{exceptions::PyStopAsyncIteration, intern, prelude::*};

use crate::{
    argument, convert,
    follower::{Follow, Follower},
    operation::{Answer, Operation, Stop, Waiter, event},
    rows,
    runtime::Native,
    workbench::Workbench,
};

impl Follow for Feed {
    type Item = FeedItem;
    type Error = RepoError;

    async fn next(&mut self) -> Option<Result<FeedItem, RepoError>> {
        loop {
            match Self::next(self).await {
                // A bus and a database on a server may be lost for a while. The changes are in the store, so none of them is.
                Some(Ok(FeedItem::BusLost | FeedItem::BusFound | FeedItem::StoreLost(_) | FeedItem::StoreFound)) => {}
                item => return item,
            }
        }
    }
}

/// The members of a feed, which [`Events`] and [`AioEvents`] inherit.
#[pyclass(frozen, subclass, module = "decnet._decnet")]
pub(crate) struct EventsMethods {
    follower: Native<Follower<Feed>>,
    /// The state of each topology when the feed was opened. Empty if the feed resumed.
    #[pyo3(get)]
    snapshot: convert::Typed<convert::Snapshot>,
    /// Whether all events after the given number follow.
    #[pyo3(get)]
    resumed: bool,
    /// The number of the change after which the events follow: the snapshot has all changes up to it.
    #[pyo3(get)]
    seq: u64,
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
    after: Option<Sequence>,
    timeout: Option<&Bound<'_, PyAny>>,
    waiter: Waiter,
) -> Answer {
    let timeout = argument::timeout(timeout)?;
    let work = move |_| async move {
        let (snapshot, feed) = if let Some(after) = after {
            Feed::resume(bench.repo, Some(&*bench.bus), only, after).await?
        } else {
            let (snapshot, feed) = Feed::open(bench.repo, Some(&*bench.bus), only).await?;
            (Some(snapshot), feed)
        };
        let seq = feed.sequence().get();
        Ok::<_, RepoError>((snapshot, seq, Follower::new(feed, bench.closing, timeout)))
    };
    let finish = move |py: Python<'_>, (snapshot, seq, follower): (Option<Vec<TopologyNow>>, u64, _)| {
        let resumed = snapshot.is_none();
        let methods = EventsMethods {
            follower: Native::new(follower),
            snapshot: convert::Typed::from(describe(py, snapshot.unwrap_or_default())?),
            resumed,
            seq,
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

#[pymethods]
impl EventsMethods {
    fn __repr__(slf: &Bound<'_, Self>, py: Python<'_>) -> PyResult<String> {
        let class = slf.get_type().name()?;
        let methods = slf.get();
        if methods.resumed {
            return Ok(format!("<{class} after change {}>", methods.seq));
        }
        let snapshot = slf.getattr(intern!(py, "snapshot"))?.len()?;
        Ok(format!("<{class} after a snapshot of {snapshot} topologies>"))
    }
}

impl EventsMethods {
    /// Returns the operation that waits for the next event; `end` is the result after the last one.
    fn next(&self, end: impl FnOnce(Python<'_>) -> Answer + Send + 'static) -> PyResult<Operation> {
        let next = self.follower.get()?.next();
        Ok(Operation::new(
            Stop::Drop,
            |_| next,
            |py, item| match item {
                Some(FeedItem::Event {
                    envelope,
                    name,
                    sequence,
                }) => {
                    let dict = event(py, &Received::Event(envelope))?;
                    dict.bind(py).set_item("name", name)?;
                    dict.bind(py).set_item("seq", sequence.map(Sequence::get))?;
                    Ok(dict)
                }
                Some(FeedItem::Lagged(lost)) => event(py, &Received::Lagged(lost)),
                _ => end(py),
            },
        ))
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
