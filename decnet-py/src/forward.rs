//! Logs that are sent to a server, a file or the store.

use std::{path::PathBuf, sync::Arc, time::Duration};

use decnet_engine::{
    EngineError, Forwarded, LogCursor, LogCursorError, LogOptions, LogTarget, LogTargetError, LogWriter,
    LogWriterOptions,
};
use pyo3::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::{
    argument::{self, FilePath, Text},
    convert,
    engine::EngineMethods,
    errors::Raise,
    logs::{self, format},
    operation::{Answer, Operation, Stop},
    tree,
};

/// How long an interrupted call waits for the end of a connection.
const LAST: Duration = Duration::from_secs(1);

/// The reason why lines were not forwarded.
enum Failure {
    Engine(EngineError),
    Target(LogTargetError),
    Cursor(LogCursorError),
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<LogTargetError> for Failure {
    fn from(error: LogTargetError) -> Self {
        Self::Target(error)
    }
}

impl From<LogCursorError> for Failure {
    fn from(error: LogCursorError) -> Self {
        Self::Cursor(error)
    }
}

impl Raise for Failure {
    fn raise(&self, py: Python<'_>) -> PyErr {
        match self {
            Self::Engine(error) => error.raise(py),
            Self::Target(error) => error.raise(py),
            Self::Cursor(error) => error.raise(py),
        }
    }
}

/// Where the lines go.
enum Destination {
    Target(LogTarget, Box<LogWriterOptions>),
    /// The store, which keeps this many visits of each topology.
    Store(usize),
}

/// Forwards lines until the last one or the cancellation.
async fn forward(
    engine: decnet_engine::Engine,
    to: Destination,
    options: LogOptions,
    cursor: Option<PathBuf>,
    cancel: CancellationToken,
) -> Result<(), Failure> {
    let options = match &cursor {
        Some(path) => options.cursor(LogCursor::read(path)?),
        None => options,
    };
    let mut writer = match to {
        Destination::Target(target, options) => LogWriter::open(&target, &options)?,
        Destination::Store(keep) => LogWriter::store(Arc::clone(engine.repo()), keep, &LogWriterOptions::default()),
    };
    let Some(connected) = cancel.run_until_cancelled(writer.connect()).await else {
        return Ok(());
    };
    connected?;
    let mut logs = engine.logs(options).await?;
    let forwarded = logs
        .forward::<_, Failure>(&mut writer, cursor.as_deref(), &cancel)
        .await?;
    match forwarded {
        Forwarded::All => writer.close().await?,
        // Everything was written. A server that does not answer to the end of its connection is not waited for.
        Forwarded::Cancelled => tokio::time::timeout(LAST, writer.close()).await.unwrap_or(Ok(()))?,
        _ => {}
    }
    Ok(())
}

/// Reads where lines go.
pub(crate) fn target(to: &Bound<'_, PyAny>) -> PyResult<LogTarget> {
    let parsed = convert::text(to, "a target")?.parse();
    parsed.map_err(|error: LogTargetError| error.raise(to.py()))
}

impl EngineMethods {
    fn forward(&self, py: Python<'_>, to: Destination, options: LogOptions, cursor: Option<FilePath>) -> Answer {
        let bench = self.workbench()?;
        let (cancel, cursor) = (bench.closing.child_token(), cursor.map(FilePath::take));
        let operation = Operation::new(
            Stop::Token(cancel.clone()),
            move |_| async move { forward(bench.engine(), to, options, cursor, cancel).await },
            |py, ()| Ok(py.None()),
        );
        self.waiter().wait(py, operation, None)
    }
}

#[pymethods]
impl EngineMethods {
    /// Sends lines of logs to `to`: a file, or `syslog+udp://HOST`, `syslog+tcp://…`, `syslog+tls://…` or `https://…`.
    ///
    /// The lines are those of `logs`, in a format of `LogItem.format`. For a server, it retries with backoff for `retry_for` seconds; without
    /// `retry_for`, without limit. `cursor_file` is advanced only after lines were accepted, and the next call continues there. `ca` is a file
    /// with the authorities (PEM) for TLS, and `headers` are for a webhook. It returns after the last line; with `follow` when the
    /// engine is closed. Ctrl-C ends it, after an attempt to send the lines that wait.
    #[pyo3(
        signature = (to: "str", *, format: "LogFormat" = Text::new("json"), topology: "TopologyId | None" = None, decky: "str | None" = None, service: "str | None" = None, since: "Moment | datetime.timedelta | None" = None, follow = false, mute: "Iterable[str] | None" = None, cursor_file: "str | PathLike[str] | None" = None, ca: "str | PathLike[str] | None" = None, headers: "Iterable[str] | None" = None, retry_for: "float | None" = None) -> "Answer[None]",
        text_signature = "($self, to, *, format='json', topology=None, decky=None, service=None, since=None, follow=False, mute=None, cursor_file=None, ca=None, headers=None, retry_for=None)"
    )]
    #[expect(clippy::too_many_arguments, reason = "Python passes them by name")]
    fn forward_logs(
        &self,
        to: &Bound<'_, PyAny>,
        format: Text,
        topology: Option<&Bound<'_, PyAny>>,
        decky: Option<&Bound<'_, PyAny>>,
        service: Option<&Bound<'_, PyAny>>,
        since: Option<&Bound<'_, PyAny>>,
        follow: bool,
        mute: Option<&Bound<'_, PyAny>>,
        cursor_file: Option<FilePath>,
        ca: Option<FilePath>,
        headers: Option<&Bound<'_, PyAny>>,
        retry_for: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let py = to.py();
        let invalid = |error: LogTargetError| error.raise(py);
        let target = target(to)?;
        let headers = match headers {
            Some(headers) => convert::texts(headers, "headers")?,
            None => Vec::new(),
        };
        let headers: Result<Vec<_>, _> = headers.iter().map(|header| header.parse()).collect();
        let writer = LogWriterOptions::default()
            .format(self::format(&format.take())?)
            .ca(ca.map(FilePath::take))
            .headers(headers.map_err(invalid)?)
            .retry_for(argument::timeout(retry_for)?);
        let options = logs::options(topology, decky, service, since, mute)?.follow(follow);
        self.forward(py, Destination::Target(target, Box::new(writer)), options, cursor_file)
    }

    /// Keeps lines of logs in the store, so that they outlive their containers: the newest `keep` of each topology.
    ///
    /// `logs` and `paths` read them with `stored`. The other arguments are those of `forward_logs`.
    #[pyo3(
        signature = (*, keep: "int | None" = None, topology: "TopologyId | None" = None, decky: "str | None" = None, service: "str | None" = None, since: "Moment | datetime.timedelta | None" = None, follow = false, mute: "Iterable[str] | None" = None, cursor_file: "str | PathLike[str] | None" = None) -> "Answer[None]"
    )]
    #[expect(clippy::too_many_arguments, reason = "Python passes them by name")]
    fn store_logs(
        &self,
        py: Python<'_>,
        keep: Option<&Bound<'_, PyAny>>,
        topology: Option<&Bound<'_, PyAny>>,
        decky: Option<&Bound<'_, PyAny>>,
        service: Option<&Bound<'_, PyAny>>,
        since: Option<&Bound<'_, PyAny>>,
        follow: bool,
        mute: Option<&Bound<'_, PyAny>>,
        cursor_file: Option<FilePath>,
    ) -> Answer {
        let keep = keep.map(|keep| argument::count(keep, "keep")).transpose()?;
        if keep == Some(0) {
            return Err(tree::DecnetError::new_err(
                "keep must be at least 1: 0 would remove all stored lines",
            ));
        }
        let options = logs::options(topology, decky, service, since, mute)?.follow(follow);
        self.forward(py, Destination::Store(keep.unwrap_or(KEEP)), options, cursor_file)
    }
}

/// How many visits of each topology the store keeps by default, as for the command.
const KEEP: usize = 100_000;
