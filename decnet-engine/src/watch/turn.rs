//! One look at one topology: its queue is worked off, and what is not as it should be is mended.

use decnet_topology::{RepoError, Status, TopologyId, TopologyRow};
use tokio_util::sync::CancellationToken;

use super::schedule::Turn;
use crate::{
    engine::{Engine, EngineError},
    runtime::RuntimeError,
};

/// Looks after a topology once.
pub(super) async fn take(engine: Engine, id: TopologyId, cancel: CancellationToken) -> Turn {
    match tend(&engine, id, &cancel).await {
        Ok(turn) => turn,
        Err(_) if cancel.is_cancelled() => Turn::Done,
        Err(EngineError::Busy { lease }) => {
            tracing::debug!(%id, holder = %lease.holder.label, "someone else is at work on the topology");
            Turn::Busy
        }
        Err(EngineError::Repo(RepoError::NotFound { .. })) => Turn::Gone,
        Err(error) => {
            tracing::warn!(%id, error = %chain(&error), "the topology could not be looked after; it is tried again");
            Turn::Again
        }
    }
}

async fn tend(engine: &Engine, id: TopologyId, cancel: &CancellationToken) -> Result<Turn, EngineError> {
    let row = engine.repo().get(id).await?;
    if !is_watched(&row) {
        return Ok(Turn::Gone);
    }
    if row.takes_mutations() && engine.repo().has_pending(id).await? {
        engine.drain(id, cancel).await?;
    }
    if cancel.is_cancelled() {
        return Ok(Turn::Done);
    }
    let row = engine.repo().get(id).await?;
    let ails = match row.status {
        Status::Degraded => true,
        Status::Active => engine.ailment(id).await?.is_some(),
        _ => return Ok(Turn::Gone),
    };
    if !ails {
        return Ok(Turn::Done);
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

/// Tells whether a topology is one that the loop looks after.
pub(super) fn is_watched(row: &TopologyRow) -> bool {
    matches!(row.status, Status::Active | Status::Degraded)
}

/// Says an error with its causes.
fn chain(error: &EngineError) -> String {
    if let EngineError::Runtime(RuntimeError::Unreachable { .. }) = error {
        return error.to_string();
    }
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
