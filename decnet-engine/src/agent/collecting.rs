//! The logs of the topology that was pushed. They are collected from the first push on, and after a restart of the agent again.

use std::{sync::Arc, time::Duration};

use backon::BackoffBuilder as _;
use tokio::time::{self, Instant};

use super::{AgentLogs, backoff::backoff, shared::Shared};
use crate::{
    causes,
    engine::EngineError,
    logs::{LogCursor, LogCursorError, LogOptions, LogTargetError, LogWriter},
};

/// The longest pause. A collection that lasted longer is not counted among the failed ones.
const LONGEST: Duration = Duration::from_mins(1);

/// Why logs are not collected.
#[derive(Debug, thiserror::Error)]
enum NotCollected {
    #[error(transparent)]
    Target(#[from] LogTargetError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Cursor(#[from] LogCursorError),
}

/// Begins to collect logs, unless they are collected already or nobody wants them.
pub(super) fn begin(shared: &Arc<Shared>) {
    let Some(logs) = shared.logs.clone() else {
        return;
    };
    if shared.collecting.set(()).is_ok() {
        let agent = Arc::clone(shared);
        shared.collector.spawn(async move {
            collect(&agent, &logs).await;
        });
    }
}

/// Collects logs until the agent stops. After a failure, it continues after the last position that was written; the pauses grow.
async fn collect(shared: &Shared, logs: &AgentLogs) {
    let mut pauses = backoff().build();
    loop {
        let since = Instant::now();
        let Err(error) = collect_once(shared, logs).await else {
            return;
        };
        if since.elapsed() > LONGEST {
            pauses = backoff().build();
        }
        let pause = pauses.next().unwrap_or(LONGEST);
        let error = causes::with_causes(&error);
        tracing::warn!(error, ?pause, "logs cannot be collected now");
        if shared.stop.run_until_cancelled(time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

/// Collects logs until the agent stops or something fails.
async fn collect_once(shared: &Shared, logs: &AgentLogs) -> Result<(), NotCollected> {
    let cursor = match &logs.cursor {
        Some(path) => LogCursor::read(path)?,
        None => LogCursor::default(),
    };
    let options = LogOptions::default().follow(true).cursor(cursor);
    let mut writer = LogWriter::open(&logs.target, &logs.writer)?;
    let opened = shared.engine.logs(options);
    let Some(lines) = shared.stop.run_until_cancelled(opened).await else {
        return Ok(());
    };
    lines?
        .forward::<_, NotCollected>(&mut writer, logs.cursor.as_deref(), &shared.stop)
        .await?;
    Ok(())
}
