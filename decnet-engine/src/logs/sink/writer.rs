use std::{path::PathBuf, sync::Arc, time::Instant};

use decnet_topology::{Repo, Visit};

use super::{
    LogTarget, LogTargetError, LogWriterOptions,
    archive::{self, Archive},
    batch::Batches,
    retry::Policy,
    syslog::Syslog,
    target::Place,
    webhook::Webhook,
};
use crate::{
    event::sink::LogSink,
    logs::{LogFormat, LogItem},
};

/// Writes log items to a [`LogTarget`] or to a store.
///
/// A file or a syslog server gets each item at once. A webhook gets batches: lines of JSON
/// (`application/x-ndjson`) in a POST request. If a server does not answer, or answers 408, 425, 429 or 5xx, the writer waits
/// and tries again with backoff, at least as long as `Retry-After` says. So [`Logs`](crate::Logs) waits too, and the memory is
/// bounded. If it answers 413, the batch is divided; a single line that is too large is left out with a warning. Any other answer
/// than 2xx is an error.
///
/// An item may arrive twice, for instance if a server accepted a batch and its answer was lost; the id of a
/// [`LogEntry`](crate::LogEntry) is the same then. If a cursor is kept, it must be written only when
/// [`is_flushed`](Self::is_flushed) is true.
///
/// ```no_run
/// # use decnet_engine::{Engine, LogOptions, LogTarget, LogWriter, LogWriterOptions};
/// # async fn run(engine: Engine) -> Result<(), Box<dyn std::error::Error>> {
/// let target: LogTarget = "syslog+tls://logs.example.com".parse()?;
/// let mut writer = LogWriter::open(&target, &LogWriterOptions::default())?;
/// let mut logs = engine.logs(LogOptions::default()).await?;
/// while let Some(item) = logs.next().await.transpose()? {
///     writer.put(&item).await?;
/// }
/// writer.close().await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct LogWriter {
    format: LogFormat,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    File(LogSink, PathBuf),
    Syslog(Box<Syslog>),
    Webhook(Box<Batches<Webhook, String>>),
    Store(Box<Batches<Archive, Visit>>),
}

impl LogWriter {
    /// Opens a target. A file is opened now, a server with the first item.
    ///
    /// # Errors
    ///
    /// If a file cannot be opened, or an option does not fit the target.
    pub fn open(target: &LogTarget, options: &LogWriterOptions) -> Result<Self, LogTargetError> {
        refuse_wrong(target, options)?;
        let policy = Policy {
            target: target.to_string(),
            retry_for: options.retry_for,
        };
        let mut format = options.format;
        let kind = match &target.0 {
            Place::File(path) => {
                let sink = LogSink::open(path).map_err(|source| LogTargetError::Io {
                    path: path.clone(),
                    source,
                })?;
                Kind::File(sink.rotating(options.rotation), path.clone())
            }
            Place::Syslog(server) => {
                if format == LogFormat::Text {
                    format = LogFormat::Json;
                }
                Kind::Syslog(Box::new(Syslog::new(server.clone(), policy, options)?))
            }
            Place::Webhook(url) => {
                if format == LogFormat::Text {
                    format = LogFormat::Json;
                }
                let webhook = Webhook::new(url, content_type(format), policy, options)?;
                Kind::Webhook(Box::new(Batches::new(webhook, options)))
            }
        };
        Ok(Self { format, kind })
    }

    /// Returns a writer of visits to a store, in batches. The store keeps the newest visits of each topology, as many as `keep`.
    /// [`Engine::stored_logs`](crate::Engine::stored_logs) returns them. Only entries are stored, each of them once, and only
    /// those whose topology is in the store.
    pub fn store(repo: Arc<dyn Repo>, keep: usize, options: &LogWriterOptions) -> Self {
        let batches = Batches::new(Archive { repo, keep }, options);
        Self {
            format: options.format,
            kind: Kind::Store(Box::new(batches)),
        }
    }

    /// Connects to a syslog server now, to find faults before the first item.
    pub async fn connect(&mut self) -> Result<(), LogTargetError> {
        match &mut self.kind {
            Kind::Syslog(syslog) => syslog.connect().await,
            Kind::File(..) | Kind::Webhook(_) | Kind::Store(_) => Ok(()),
        }
    }

    /// Writes an item, or adds it to the next batch. If the future is dropped, the item may be lost.
    pub async fn put(&mut self, item: &LogItem) -> Result<(), LogTargetError> {
        match &mut self.kind {
            Kind::File(sink, path) => sink.put(&self.format.line(item)).map_err(|source| LogTargetError::Io {
                path: path.clone(),
                source,
            }),
            Kind::Syslog(syslog) => syslog.send(item, self.format).await,
            Kind::Webhook(batches) => {
                let line = self.format.line(item);
                let bytes = line.len() + 1;
                batches.put(line, bytes).await
            }
            Kind::Store(batches) => {
                let LogItem::Entry(entry) = item else {
                    return Ok(());
                };
                let visit = archive::visit(entry);
                let bytes = visit.entry.len();
                batches.put(visit, bytes).await
            }
        }
    }

    /// Sends the items that wait. If the future is dropped, they still wait, but may have arrived.
    pub async fn flush(&mut self) -> Result<(), LogTargetError> {
        match &mut self.kind {
            Kind::Webhook(batches) => batches.flush().await,
            Kind::Store(batches) => batches.flush().await,
            Kind::File(..) | Kind::Syslog(_) => Ok(()),
        }
    }

    /// Returns when [`flush`](Self::flush) must be called; none if no item waits.
    pub fn due(&self) -> Option<Instant> {
        match &self.kind {
            Kind::Webhook(batches) => batches.due(),
            Kind::Store(batches) => batches.due(),
            Kind::File(..) | Kind::Syslog(_) => None,
        }
    }

    /// Returns whether the target has accepted all items.
    pub fn is_flushed(&self) -> bool {
        self.due().is_none()
    }

    /// Sends the items that wait, and ends the connection.
    pub async fn close(mut self) -> Result<(), LogTargetError> {
        self.flush().await?;
        if let Kind::Syslog(syslog) = &mut self.kind {
            syslog.close().await;
        }
        Ok(())
    }
}

/// Refuses options that do not fit the target.
fn refuse_wrong(target: &LogTarget, options: &LogWriterOptions) -> Result<(), LogTargetError> {
    let is_file = matches!(target.0, Place::File(_));
    let (option, fits) = if options.rotation.is_some() && !is_file {
        ("rotation", "a file")
    } else if !options.headers.is_empty() && !target.is_webhook() {
        ("headers", "a webhook")
    } else if options.ca.is_some() && !target.has_tls() {
        ("an authority for TLS", "https:// and syslog+tls://")
    } else {
        return Ok(());
    };
    Err(LogTargetError::WrongOption {
        target: target.to_string(),
        option,
        fits,
    })
}

/// Returns the media type of a batch of lines.
fn content_type(format: LogFormat) -> &'static str {
    match format {
        LogFormat::Json | LogFormat::Ecs | LogFormat::Ocsf => "application/x-ndjson",
        _ => "text/plain; charset=utf-8",
    }
}
