//! What visitors did: lines of logs, and the paths of attackers.

use std::sync::{Mutex, PoisonError};

use decnet_engine::{EngineError, LogCursor, LogFormat, LogOptions, Muted, MutedError, StoredLogs};
use decnet_topology::ServiceName;
use jiff::{SignedDuration, Timestamp};
use pyo3::{
    exceptions::{PyStopAsyncIteration, PyTypeError},
    prelude::*,
    types::PyString,
};

use crate::{
    argument::{self, Text},
    convert::{self, Typed},
    engine::EngineMethods,
    errors::Raise as _,
    follower::{Follow, Follower},
    operation::{Answer, Operation, Stop, Waiter},
    rows,
    runtime::Native,
    tree,
};

/// Where the items come from.
enum Source {
    /// From containers. With `true`, each item has the cursor after it.
    Containers(Box<decnet_engine::Logs>, bool),
    /// From the store.
    Store(Box<StoredLogs>),
}

impl Follow for Source {
    type Item = (decnet_engine::LogItem, Option<LogCursor>);
    type Error = EngineError;

    async fn next(&mut self) -> Option<Result<Self::Item, EngineError>> {
        match self {
            Self::Containers(logs, has_cursor) => {
                let item = logs.next().await?;
                Some(item.map(|item| (item, has_cursor.then(|| logs.cursor().clone()))))
            }
            Self::Store(logs) => Some(logs.next().await?.map(|item| (item, None))),
        }
    }
}

/// The members of logs, which [`Logs`] and [`AioLogs`] inherit.
#[pyclass(frozen, subclass, module = "decnet._decnet")]
pub(crate) struct LogsMethods {
    follower: Native<Follower<Source>>,
    cursor: Mutex<Option<LogCursor>>,
}

/// An iterator of the lines of logs.
#[pyclass(frozen, extends = LogsMethods, module = "decnet")]
pub(crate) struct Logs;

/// An asynchronous iterator of the lines of logs.
#[pyclass(frozen, extends = LogsMethods, module = "decnet.aio")]
pub(crate) struct AioLogs;

impl LogsMethods {
    /// Returns the operation that waits for the next item; `end` is the result after the last one.
    fn next(slf: Py<Self>, end: impl FnOnce(Python<'_>) -> Answer + Send + 'static) -> PyResult<Operation> {
        let next = slf.get().follower.get()?.next();
        let finish = move |py: Python<'_>, item: Option<(decnet_engine::LogItem, Option<LogCursor>)>| {
            let Some((item, cursor)) = item else {
                return end(py);
            };
            let item = Py::new(py, LogItem(item))?.into_any();
            if cursor.is_some() {
                *slf.get().lock() = cursor;
            }
            Ok(item)
        };
        Ok(Operation::new(Stop::Drop, |_| next, finish))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<LogCursor>> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl LogsMethods {
    /// The position after the last item, as a dict for JSON; None if the logs were opened without a cursor.
    #[getter]
    fn cursor(&self, py: Python<'_>) -> PyResult<Option<Typed<convert::Document>>> {
        self.lock().as_ref().map(|cursor| Typed::new(py, cursor)).transpose()
    }
}

#[pymethods]
impl Logs {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(slf: &Bound<'_, Self>, py: Python<'_>) -> PyResult<Option<Typed<convert::NextLogItem>>> {
        let operation = LogsMethods::next(slf.as_super().clone().unbind(), |py| Ok(py.None()))?;
        let item = Waiter::Thread.wait(py, operation, None)?;
        Ok((!item.is_none(py)).then(|| item.into()))
    }
}

#[pymethods]
impl AioLogs {
    fn __aiter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __anext__(slf: &Bound<'_, Self>, py: Python<'_>) -> PyResult<Typed<convert::ComingLogItem>> {
        let methods = slf.as_super().clone().unbind();
        let operation = LogsMethods::next(methods, |_| Err(PyStopAsyncIteration::new_err(())))?;
        Waiter::EventLoop.wait(py, operation, None).map(Into::into)
    }
}

/// A line of a log, or a notice about the log itself.
#[pyclass(frozen, eq, module = "decnet")]
#[derive(PartialEq)]
pub(crate) struct LogItem(decnet_engine::LogItem);

#[pymethods]
impl LogItem {
    /// The line, with its place in the mazes. It has one of the keys `record`, `json` and `text`. None for a notice.
    #[getter]
    fn entry(&self, py: Python<'_>) -> PyResult<Option<Typed<convert::LogEntry>>> {
        match &self.0 {
            decnet_engine::LogItem::Entry(entry) => Typed::new(py, entry).map(Some),
            _ => Ok(None),
        }
    }

    /// Returns it as a dict. Its only key is `entry`, or for a notice `dropped`, `unreadable`, `disconnected` or `connected`.
    #[pyo3(signature = () -> "Document")]
    fn to_dict(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        convert::to_python(py, &self.0)
    }

    /// Returns it as one line, without a line feed. No value of a visitor can break it.
    #[pyo3(
        signature = (format: "LogFormat" = Text::new("text")),
        text_signature = "($self, format='text')"
    )]
    fn format(&self, format: Text) -> PyResult<String> {
        Ok(self::format(&format.take())?.line(&self.0))
    }

    fn __str__(&self) -> String {
        LogFormat::Text.line(&self.0)
    }

    fn __repr__(&self) -> String {
        format!("<LogItem: {self}>", self = self.__str__())
    }
}

/// Reads the name of a format.
pub(crate) fn format(name: &str) -> PyResult<LogFormat> {
    Ok(match name {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        "ecs" => LogFormat::Ecs,
        "rfc5424" => LogFormat::Rfc5424,
        "cef" => LogFormat::Cef,
        "ocsf" => LogFormat::Ocsf,
        other => {
            return Err(PyTypeError::new_err(format!(
                "a format must be 'text', 'json', 'ecs', 'rfc5424', 'cef' or 'ocsf', not {other:?}"
            )));
        }
    })
}

/// Reads the arguments that select lines.
pub(crate) fn options(
    topology: Option<&Bound<'_, PyAny>>,
    decky: Option<&Bound<'_, PyAny>>,
    service: Option<&Bound<'_, PyAny>>,
    since: Option<&Bound<'_, PyAny>>,
    mute: Option<&Bound<'_, PyAny>>,
) -> PyResult<LogOptions> {
    let decky = decky.map(|decky| convert::parsed(decky, "the name of a decky"));
    let service = service.map(|service| convert::text(service, "the name of a service"));
    Ok(LogOptions::default()
        .topology(topology.map(rows::topology_id).transpose()?)
        .decky(decky.transpose()?)
        .service(service.transpose()?.map(|service| ServiceName::new(&service)))
        .since(since.map(moment).transpose()?)
        .mute(muted(mute)?))
}

/// Reads a time, or the time since it.
fn moment(object: &Bound<'_, PyAny>) -> PyResult<Timestamp> {
    if object.is_instance_of::<PyString>() {
        return convert::parsed(object, "since");
    }
    if let Ok(before) = object.extract::<SignedDuration>() {
        if before.is_negative() {
            return Err(tree::DecnetError::new_err("since: the timedelta must not be negative"));
        }
        return Ok(Timestamp::now().saturating_sub(before).unwrap_or(Timestamp::MIN));
    }
    object.extract().map_err(|_| {
        let kind = convert::kind(object);
        PyTypeError::new_err(format!(
            "since must be an aware datetime, a timedelta, or a str as in RFC 3339, not {kind}"
        ))
    })
}

fn muted(object: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<Muted>> {
    let Some(object) = object else { return Ok(Vec::new()) };
    let texts = convert::texts(object, "mute")?.into_iter();
    let read = texts.map(|text| text.parse().map_err(|error: MutedError| error.raise(object.py())));
    read.collect()
}

#[pymethods]
impl EngineMethods {
    /// Returns what visitors did: the lines of the logs of all containers, ordered by time.
    ///
    /// With `follow`, iterating then waits for new lines, also of later containers. It ends when the engine is closed, or after
    /// `timeout` seconds without a line. `since` is a time, or how long ago it was. `mute` leaves out visitors: "192.0.2.7",
    /// "192.0.2.0/24" or "192.0.2.7:22". With a `cursor`, {} at first and then `Logs.cursor`, no line is returned twice. With
    /// `stored` the lines are those that `store_logs` has kept.
    #[pyo3(signature = (*, topology: "TopologyId | None" = None, decky: "str | None" = None, service: "str | None" = None, since: "Moment | datetime.timedelta | None" = None, follow = false, mute: "Iterable[str] | None" = None, cursor: "Document | None" = None, stored = false, timeout: "float | None" = None) -> "Answer[Logs]")]
    #[expect(clippy::too_many_arguments, reason = "Python passes them by name")]
    fn logs(
        &self,
        py: Python<'_>,
        topology: Option<&Bound<'_, PyAny>>,
        decky: Option<&Bound<'_, PyAny>>,
        service: Option<&Bound<'_, PyAny>>,
        since: Option<&Bound<'_, PyAny>>,
        follow: bool,
        mute: Option<&Bound<'_, PyAny>>,
        cursor: Option<&Bound<'_, PyAny>>,
        stored: bool,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        if stored && (follow || cursor.is_some()) {
            return Err(PyTypeError::new_err("follow and cursor are not for stored=True"));
        }
        let options = options(topology, decky, service, since, mute)?.follow(follow);
        let timeout = argument::timeout(timeout)?;
        let cursor: Option<LogCursor> = cursor.map(|cursor| convert::document(cursor, "a cursor")).transpose()?;
        let (waiter, closing) = (self.waiter(), self.workbench()?.closing);
        let start = cursor.clone();
        let work = move |engine: decnet_engine::Engine| async move {
            let source = if stored {
                Source::Store(Box::new(engine.stored_logs(options).await?))
            } else {
                let has_cursor = start.is_some();
                let logs = engine.logs(options.cursor(start.unwrap_or_default())).await?;
                Source::Containers(Box::new(logs), has_cursor)
            };
            Ok(Follower::new(source, closing, timeout))
        };
        self.run(py, Stop::Drop, work, move |py, follower| {
            let methods = LogsMethods {
                follower: Native::new(follower),
                cursor: Mutex::new(cursor),
            };
            waiter.object(py, methods, Logs, AioLogs)
        })
    }

    /// Returns the paths of attackers through the mazes: their moves, with the mutations of the deckies meanwhile. `notices` has the
    /// lines that Docker dropped and the logs that cannot be read.
    ///
    /// With a decky or a service, only paths that touch it are returned, each of them whole. With `stored` they are found from the
    /// lines that `store_logs` has kept.
    #[pyo3(signature = (*, topology: "TopologyId | None" = None, decky: "str | None" = None, service: "str | None" = None, since: "Moment | datetime.timedelta | None" = None, mute: "Iterable[str] | None" = None, stored = false) -> "Answer[AttackPaths]")]
    #[expect(clippy::too_many_arguments, reason = "Python passes them by name")]
    fn paths(
        &self,
        py: Python<'_>,
        topology: Option<&Bound<'_, PyAny>>,
        decky: Option<&Bound<'_, PyAny>>,
        service: Option<&Bound<'_, PyAny>>,
        since: Option<&Bound<'_, PyAny>>,
        mute: Option<&Bound<'_, PyAny>>,
        stored: bool,
    ) -> Answer {
        let options = options(topology, decky, service, since, mute)?;
        let work = move |engine: decnet_engine::Engine| async move {
            if stored {
                engine.stored_paths(options).await
            } else {
                engine.paths(options).await
            }
        };
        self.run(py, Stop::Drop, work, convert::document_of)
    }
}
