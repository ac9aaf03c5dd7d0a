//! Where log items go: stdout, a file, a server, the database.

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration, time::Instant};

use decnet_engine::{LogFormat, LogItem, LogOutput, LogTargetError, LogWriter, LogWriterOptions, WebhookHeader};
use decnet_topology::Repo;

use crate::{
    command_error::CommandError,
    duration::read_duration,
    input::Source,
    lines::{FileFlags, Lines},
    number::positive,
    output::{self, Output},
};

/// The flags for the destinations of log items.
#[derive(Debug, clap::Args)]
pub(crate) struct DestinationFlags {
    #[command(flatten)]
    file: FileFlags,
    /// Send to a server instead of printing: `syslog+udp://HOST`, `syslog+tcp://HOST`, `syslog+tls://HOST` or `https://HOST/PATH`.
    #[arg(long, value_name = "TARGET", conflicts_with = "output")]
    to: Option<String>,
    /// Trust the authorities in this file (PEM), not those of this machine.
    #[arg(long, value_name = "FILE", requires = "to")]
    ca: Option<PathBuf>,
    /// Add a header to the requests to a webhook: "Authorization: Bearer TOKEN", or @FILE with one header for each line.
    #[arg(long, value_name = "HEADER", requires = "to")]
    header: Vec<String>,
    /// Send a batch to a webhook or to the database when it has N lines.
    #[arg(long, value_name = "N", default_value = "100", value_parser = positive::<NonZeroUsize>)]
    batch_lines: NonZeroUsize,
    /// Send a batch when its first line is this old.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = read_duration)]
    batch_wait: Duration,
    /// Give up after this time if the server does not accept a line. The default is one minute; with --follow there is no limit.
    #[arg(long, value_name = "DURATION", value_parser = read_duration, requires = "to")]
    retry_for: Option<Duration>,
    /// Keep the visits in the database instead of printing them. `decnet logs --stored` prints them.
    #[arg(long)]
    store: bool,
    /// Keep the newest N visits of each maze.
    #[arg(long, value_name = "N", default_value = "100000", requires = "store", value_parser = positive::<NonZeroUsize>)]
    store_keep: NonZeroUsize,
}

/// How long a command that does not follow tries to send.
const RETRY_FOR: Duration = Duration::from_mins(1);

/// Where log items go.
pub(crate) struct Destination {
    format: LogFormat,
    lines: Option<Lines>,
    writers: Vec<LogWriter>,
}

impl Destination {
    /// Opens files and connects to servers.
    pub(crate) async fn open(
        flags: &DestinationFlags,
        format: LogFormat,
        follow: bool,
        repo: &Arc<dyn Repo>,
        output: Output,
    ) -> Result<Self, CommandError> {
        let options = LogWriterOptions::default()
            .format(format)
            .ca(flags.ca.clone())
            .headers(headers(&flags.header)?)
            .batch(flags.batch_lines.get(), flags.batch_wait)
            .retry_for(flags.retry_for.or((!follow).then_some(RETRY_FOR)));
        let mut writers = Vec::new();
        if flags.store {
            writers.push(LogWriter::store(Arc::clone(repo), flags.store_keep.get(), &options));
        }
        if let Some(to) = &flags.to {
            let mut writer = LogWriter::open(&to.parse()?, &options)?;
            writer.connect().await?;
            writers.push(writer);
        }
        let lines = if writers.is_empty() || flags.file.output.is_some() {
            Some(Lines::open(&flags.file, output)?)
        } else {
            None
        };
        Ok(Self { format, lines, writers })
    }

    /// Returns whether it sends items to a server or to the database.
    pub(crate) const fn has_writers(&self) -> bool {
        !self.writers.is_empty()
    }

    /// Sends the items that wait, and ends the connections. If one fails, the others are closed all the same.
    pub(crate) async fn close(self) -> Result<(), CommandError> {
        let mut closed = Ok(());
        for writer in self.writers {
            closed = closed.and(writer.close().await);
        }
        closed.map_err(Into::into)
    }
}

impl LogOutput for Destination {
    type Error = CommandError;

    /// Writes an item. Notices among lines for people go to stderr.
    async fn put(&mut self, item: &LogItem) -> Result<(), CommandError> {
        if self.format == LogFormat::Text && !matches!(item, LogItem::Entry(_)) {
            output::say(&self.format.line(item));
        } else if let Some(lines) = &mut self.lines {
            lines.put(&self.format.line(item))?;
        }
        for writer in &mut self.writers {
            writer.put(item).await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), CommandError> {
        let mut flushed = Ok(());
        for writer in &mut self.writers {
            flushed = flushed.and(writer.flush().await);
        }
        flushed.map_err(Into::into)
    }

    fn due(&self) -> Option<Instant> {
        self.writers.iter().filter_map(LogWriter::due).min()
    }
}

/// Reads headers, and files of headers.
fn headers(texts: &[String]) -> Result<Vec<WebhookHeader>, CommandError> {
    let mut headers = Vec::new();
    for text in texts {
        match text.strip_prefix('@') {
            None => headers.push(text.parse()?),
            Some(path) => {
                let file = Source::File(path.into()).read()?;
                let lines = String::from_utf8_lossy(&file);
                let lines = lines.lines().filter(|line| !line.trim().is_empty());
                let read: Result<Vec<_>, LogTargetError> = lines.map(str::parse).collect();
                headers.extend(read?);
            }
        }
    }
    Ok(headers)
}
