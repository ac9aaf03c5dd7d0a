use std::{
    path::Path,
    pin::pin,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{LogCursor, LogCursorError, LogItem, LogTargetError, LogWriter, Logs};
use crate::engine::EngineError;

/// How often the cursor is written while items come without a pause.
const PAUSE: Duration = Duration::from_secs(1);

/// How long an output may take for the items that wait after a cancellation.
const LAST: Duration = Duration::from_secs(5);

/// How [`Logs::forward`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Forwarded {
    /// There are no more items, and the output has accepted all of them.
    All,
    /// It was cancelled. The output has accepted all items that were read.
    Cancelled,
    /// It was cancelled, and the output did not accept all items within 5 s. If there is a cursor, the next run repeats them.
    CancelledEarly,
}

/// Accepts log items: a [`LogWriter`], or a destination of a program's own.
pub trait LogOutput: Send {
    /// The reason why an item is not accepted.
    type Error;

    /// Writes an item, or keeps it for a batch.
    fn put(&mut self, item: &LogItem) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Writes the items that were kept.
    fn flush(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Returns when [`flush`](Self::flush) must be called; none if no item is kept.
    fn due(&self) -> Option<Instant>;
}

impl LogOutput for LogWriter {
    type Error = LogTargetError;

    async fn put(&mut self, item: &LogItem) -> Result<(), LogTargetError> {
        Self::put(self, item).await
    }

    async fn flush(&mut self) -> Result<(), LogTargetError> {
        Self::flush(self).await
    }

    fn due(&self) -> Option<Instant> {
        Self::due(self)
    }
}

impl Logs {
    /// Writes all items to an output, until the last one, an error or the cancellation. The file of a cursor is kept up to date.
    ///
    /// The cursor is written when the output has accepted all items: at once if no further item is ready, otherwise every second.
    /// So the next run, which starts with [`LogCursor::read`], continues after the last accepted item. If the process is killed
    /// or the future is dropped, the next run repeats the items of the last second at most.
    ///
    /// ```no_run
    /// # use std::path::Path;
    /// # use decnet_engine::{CancellationToken, Engine, LogCursor, LogOptions, LogWriter, LogWriterOptions};
    /// # async fn run(engine: Engine, cancel: CancellationToken) -> Result<(), Box<dyn std::error::Error>> {
    /// let cursor = Path::new("cursor.json");
    /// let options = LogOptions::default().follow(true).cursor(LogCursor::read(cursor)?);
    /// let target = "syslog+tls://logs.example.com".parse()?;
    /// let mut writer = LogWriter::open(&target, &LogWriterOptions::default())?;
    /// let mut logs = engine.logs(options).await?;
    /// logs.forward::<_, Box<dyn std::error::Error>>(&mut writer, Some(cursor), &cancel).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If the output does not accept an item, the cursor cannot be written, or [`next`](Self::next) fails.
    pub async fn forward<O, E>(
        &mut self,
        output: &mut O,
        cursor: Option<&Path>,
        cancel: &CancellationToken,
    ) -> Result<Forwarded, E>
    where
        O: LogOutput,
        E: From<O::Error> + From<EngineError> + From<LogCursorError>,
    {
        let save = |position: &LogCursor| cursor.map_or(Ok(()), |path| position.write(path));
        let mut saved = Instant::now();
        let mut grace = Grace { cancel, until: None };
        loop {
            let due = output.due();
            let step = tokio::select! {
                biased;
                () = cancel.cancelled() => Step::Cancelled,
                () = reached(due) => Step::Flush,
                item = self.next() => match item {
                    Some(Ok(item)) => Step::Put(Box::new(item)),
                    Some(Err(error)) => Step::Failed(error),
                    None => Step::End,
                },
            };
            let written = match &step {
                Step::Put(item) => finish(&mut grace, output.put(item)).await,
                _ => finish(&mut grace, output.flush()).await,
            };
            let Some(written) = written else {
                return Ok(Forwarded::CancelledEarly);
            };
            written?;
            if saved.elapsed() >= PAUSE && output.due().is_some() {
                let Some(flushed) = finish(&mut grace, output.flush()).await else {
                    return Ok(Forwarded::CancelledEarly);
                };
                flushed?;
            }
            let is_pause = self.is_idle() || saved.elapsed() >= PAUSE || !matches!(step, Step::Put(_));
            if output.due().is_none() && is_pause {
                save(self.cursor())?;
                saved = Instant::now();
            }
            match step {
                Step::Put(_) | Step::Flush => {}
                Step::End => return Ok(Forwarded::All),
                Step::Cancelled => return Ok(Forwarded::Cancelled),
                Step::Failed(error) => return Err(error.into()),
            }
        }
    }
}

/// What to do next.
enum Step {
    Put(Box<LogItem>),
    Flush,
    /// There are no more items.
    End,
    Cancelled,
    /// What was read before is not lost.
    Failed(EngineError),
}

/// The time that is left after a cancellation.
struct Grace<'a> {
    cancel: &'a CancellationToken,
    until: Option<tokio::time::Instant>,
}

/// Waits until a time; without one, forever.
async fn reached(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// Waits for work, after a cancellation only for a while.
async fn finish<T>(grace: &mut Grace<'_>, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return Some(done),
        () = grace.cancel.cancelled() => {}
    }
    let until = *grace.until.get_or_insert_with(|| tokio::time::Instant::now() + LAST);
    tokio::time::timeout_at(until, work).await.ok()
}
