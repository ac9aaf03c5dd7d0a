//! The logs of the topology that was pushed. They are collected from the first push on, and after a restart of the agent again.

use std::sync::Arc;

use backon::Retryable as _;

use super::{AgentLogs, backoff::backoff, shared::Shared};
use crate::{
    causes,
    engine::EngineError,
    logs::{LogCursor, LogCursorError, LogOptions, LogTargetError, LogWriter},
};

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
            if let Err(error) = collect(&agent, &logs).await {
                tracing::error!(error = causes::with_causes(&error), "logs are not collected any more");
            }
        });
    }
}

async fn collect(shared: &Shared, logs: &AgentLogs) -> Result<(), NotCollected> {
    let cursor = match &logs.cursor {
        Some(path) => LogCursor::read(path)?,
        None => LogCursor::default(),
    };
    let options = LogOptions::default().follow(true).cursor(cursor);
    let mut writer = LogWriter::open(&logs.target, &logs.writer)?;
    let open = || {
        let (engine, options) = (shared.engine.clone(), options.clone());
        async move { engine.logs(options).await }
    };
    let opened = open.retry(backoff()).notify(|error, pause| {
        let error = causes::with_causes(error);
        tracing::warn!(error, ?pause, "logs cannot be collected now");
    });
    let Some(lines) = shared.stop.run_until_cancelled(opened).await else {
        return Ok(());
    };
    lines?
        .forward::<_, NotCollected>(&mut writer, logs.cursor.as_deref(), &shared.stop)
        .await?;
    Ok(())
}
