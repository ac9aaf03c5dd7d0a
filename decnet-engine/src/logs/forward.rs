use std::{
    path::Path,
    time::{Duration, Instant},
};

use super::{LogCursor, LogCursorError, LogItem, LogTargetError, LogWriter, Logs};
use crate::engine::EngineError;

/// How often the cursor is written while items come without a pause.
const PAUSE: Duration = Duration::from_secs(1);

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
    /// Writes all items to an output, until the last one or an error. The file of a cursor is kept up to date.
    ///
    /// The cursor is written when the output has accepted all items: at once if no further item is ready, otherwise every second.
    /// So the next run, which starts with [`LogCursor::read`], continues after the last accepted item, or repeats some items.
    /// If the future is dropped, the same holds.
    ///
    /// ```no_run
    /// # use std::path::Path;
    /// # use decnet_engine::{Engine, LogCursor, LogOptions, LogWriter, LogWriterOptions};
    /// # async fn run(engine: Engine) -> Result<(), Box<dyn std::error::Error>> {
    /// let cursor = Path::new("cursor.json");
    /// let options = LogOptions::default().follow(true).cursor(LogCursor::read(cursor)?);
    /// let target = "syslog+tls://logs.example.com".parse()?;
    /// let mut writer = LogWriter::open(&target, &LogWriterOptions::default())?;
    /// let mut logs = engine.logs(options).await?;
    /// logs.forward::<_, Box<dyn std::error::Error>>(&mut writer, Some(cursor)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If the output does not accept an item, the cursor cannot be written, or [`next`](Self::next) fails.
    pub async fn forward<O, E>(&mut self, output: &mut O, cursor: Option<&Path>) -> Result<(), E>
    where
        O: LogOutput,
        E: From<O::Error> + From<EngineError> + From<LogCursorError>,
    {
        let save = |position: &LogCursor| cursor.map_or(Ok(()), |path| position.write(path));
        let mut saved = Instant::now();
        loop {
            let item = match output.due() {
                None => self.next().await,
                Some(due) => tokio::select! {
                    item = self.next() => item,
                    () = tokio::time::sleep_until(due.into()) => {
                        output.flush().await?;
                        save(self.cursor())?;
                        continue;
                    }
                },
            };
            let Some(item) = item.transpose()? else {
                output.flush().await?;
                save(self.cursor())?;
                return Ok(());
            };
            output.put(&item).await?;
            if output.due().is_none() && (self.is_idle() || saved.elapsed() >= PAUSE) {
                save(self.cursor())?;
                saved = Instant::now();
            }
        }
    }
}
