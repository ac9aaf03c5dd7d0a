//! One look at one topology: its queue is worked off, and what is not as it should be is mended.

use decnet_topology::{RepoError, Status, TopologyId};
use tokio_util::sync::CancellationToken;

use super::schedule::{Visit, WakeSignal};
use crate::engine::{Engine, EngineError};

/// A look at a topology.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// Which one.
    pub(super) id: TopologyId,
    /// Whether its containers are asked, too.
    pub(super) inside: bool,
}

/// Looks after a topology once, and hears of news meanwhile.
pub(super) async fn take(engine: Engine, look: Look, news: WakeSignal, cancel: CancellationToken) -> Visit {
    let id = look.id;
    match tend(&engine, look, &news, &cancel).await {
        Ok(turn) => turn,
        Err(_) if cancel.is_cancelled() => Visit::Done,
        Err(EngineError::Busy { lease }) => {
            tracing::debug!(%id, holder = %lease.holder.label, "someone else is at work on the topology");
            Visit::Busy
        }
        Err(error @ EngineError::Repo(RepoError::LeaseLost { .. })) => {
            tracing::warn!(%id, %error, "someone else took over");
            Visit::Busy
        }
        Err(EngineError::Runtime(error)) if error.is_unreachable() => {
            tracing::debug!(%id, %error, "the topology waits for the runtime");
            Visit::Unreachable
        }
        // Someone deleted it or took it down meanwhile.
        Err(EngineError::Repo(RepoError::NotFound { .. }) | EngineError::WrongStatus { .. }) => Visit::Gone,
        Err(error) => {
            tracing::warn!(%id, error = error.with_causes(), "the topology could not be looked after; it is tried again");
            Visit::Again
        }
    }
}

async fn tend(
    engine: &Engine,
    look: Look,
    news: &WakeSignal,
    cancel: &CancellationToken,
) -> Result<Visit, EngineError> {
    let Look { id, inside } = look;
    loop {
        // Whatever was told of so far is in the queue.
        news.notice();
        let row = engine.repo().get(id).await?;
        if row.takes_mutations() && engine.repo().has_unfinished(id).await? {
            engine.drain(id, cancel).await?;
        }
        if cancel.is_cancelled() {
            return Ok(Visit::Done);
        }
        let row = engine.repo().get(id).await?;
        match row.status {
            // One whose teardown broke off is taken down further; whoever is at work on it holds its lease.
            Status::Degraded | Status::TearingDown => break,
            Status::Active if row.needs_resync => break,
            Status::Active => {}
            _ => return Ok(Visit::Gone),
        }
        // A close look takes long where there are many containers: what is to be made does not wait for it.
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Ok(Visit::Done),
            () = news.come() => {}
            drift = engine.drift(id, inside) => match drift? {
                Some(_) => break,
                None => return Ok(Visit::Done),
            },
        }
    }
    let outcome = engine.reconcile(id, false, cancel).await?;
    match (outcome.row.status, outcome.reason) {
        (Status::Active | Status::TornDown, None) => {
            tracing::info!(%id, status = %outcome.row.status, changed = outcome.changed, "the topology was mended");
            Ok(Visit::Done)
        }
        (_, reason) => {
            tracing::warn!(%id, reason = reason.as_deref().unwrap_or_default(), "the topology is not mended yet");
            Ok(Visit::Again)
        }
    }
}
