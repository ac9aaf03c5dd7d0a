//! One look at one topology: its queue is worked off, and what is not as it should be is mended.

use decnet_topology::{Intent, MutationState, RepoError, Status, TopologyId, TopologyRow, repo::MutationFilter};
use tokio_util::sync::CancellationToken;

use super::schedule::{News, Turn};
use crate::{
    engine::{Engine, EngineError},
    runtime::RuntimeError,
};

/// Looks after a topology once, and hears of news meanwhile.
pub(super) async fn take(engine: Engine, id: TopologyId, news: News, cancel: CancellationToken) -> Turn {
    match tend(&engine, id, &news, &cancel).await {
        Ok(turn) => turn,
        Err(_) if cancel.is_cancelled() => Turn::Done,
        Err(EngineError::Busy { lease }) => {
            tracing::debug!(%id, holder = %lease.holder.label, "someone else is at work on the topology");
            Turn::Busy
        }
        Err(error @ EngineError::Repo(RepoError::LeaseLost { .. })) => {
            tracing::warn!(%id, %error, "someone else took over");
            Turn::Busy
        }
        Err(EngineError::Runtime(error @ RuntimeError::Unreachable { .. })) => {
            tracing::debug!(%id, %error, "the topology waits for the runtime");
            Turn::Unreachable
        }
        // Someone deleted it or took it down meanwhile.
        Err(EngineError::Repo(RepoError::NotFound { .. }) | EngineError::WrongStatus { .. }) => Turn::Gone,
        Err(error) => {
            tracing::warn!(%id, error = %chain(&error), "the topology could not be looked after; it is tried again");
            Turn::Again
        }
    }
}

async fn tend(engine: &Engine, id: TopologyId, news: &News, cancel: &CancellationToken) -> Result<Turn, EngineError> {
    loop {
        // Whatever was told of so far is in the queue.
        news.notice();
        let row = engine.repo().get(id).await?;
        if is_watched(&row) && row.intent == Some(Intent::Up) && has_work(engine, id).await? {
            engine.drain(id, cancel).await?;
        }
        if cancel.is_cancelled() {
            return Ok(Turn::Done);
        }
        match engine.repo().get(id).await?.status {
            Status::Degraded => break,
            Status::Active => {}
            _ => return Ok(Turn::Gone),
        }
        // A close look takes long where there are many containers: what is to be made does not wait for it.
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Ok(Turn::Done),
            () = news.come() => {}
            ailment = engine.ailment(id) => match ailment? {
                Some(_) => break,
                None => return Ok(Turn::Done),
            },
        }
    }
    let outcome = engine.reconcile(id, false, cancel).await?;
    match (outcome.row.status, outcome.reason) {
        (Status::Active | Status::TornDown, None) => {
            tracing::info!(%id, status = %outcome.row.status, changed = outcome.changed, "the topology was mended");
            Ok(Turn::Done)
        }
        (_, reason) => {
            tracing::warn!(%id, reason = reason.as_deref().unwrap_or_default(), "the topology is not mended yet");
            Ok(Turn::Again)
        }
    }
}

/// Tells whether a mutation waits, or was left half done.
async fn has_work(engine: &Engine, id: TopologyId) -> Result<bool, RepoError> {
    let unfinished = MutationFilter {
        topology: Some(id),
        states: vec![MutationState::Pending, MutationState::Applying],
        limit: Some(1),
        offset: 0,
    };
    Ok(!engine.repo().mutations(&unfinished).await?.rows.is_empty())
}

/// Tells whether a topology is one that the loop looks after.
fn is_watched(row: &TopologyRow) -> bool {
    matches!(row.status, Status::Active | Status::Degraded)
}

/// Says an error with its causes.
fn chain(error: &EngineError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
