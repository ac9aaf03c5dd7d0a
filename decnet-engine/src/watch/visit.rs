//! One visit to one topology: drains its queue, and heals drift.

use decnet_topology::{RepoError, Status, TopologyId, name_of};
use tokio_util::sync::CancellationToken;

use super::schedule::{Visit, WakeSignal};
use crate::engine::{Engine, EngineError};

/// A visit to a topology.
#[derive(Debug, Clone, Copy)]
pub(super) struct VisitTarget {
    /// The topology.
    pub(super) id: TopologyId,
    /// Whether its bases are also checked inside.
    pub(super) inside: bool,
}

/// Visits a topology once. The signal interrupts a check, so that mutations do not wait for it.
pub(super) async fn run(engine: Engine, target: VisitTarget, signal: WakeSignal, cancel: CancellationToken) -> Visit {
    let id = target.id;
    let error = match drain_and_reconcile(&engine, target, &signal, &cancel).await {
        Ok(visit) => return visit,
        Err(_) if cancel.is_cancelled() => return Visit::Done,
        Err(error) => error,
    };
    let facts = async {
        let maze = name_of(engine.repo().as_ref(), id).await;
        (maze, is_of_host(&engine, id, &error).await)
    };
    let Some((maze, is_of_host)) = cancel.run_until_cancelled(facts).await else {
        return Visit::Done;
    };
    match error {
        EngineError::Busy { lease, .. } => {
            tracing::debug!(maze, holder = %lease.holder.label, "another process works on the maze");
            Visit::Busy
        }
        error @ EngineError::Repo(RepoError::LeaseLost { .. }) => {
            tracing::warn!(maze, %error, "another process took over");
            Visit::Busy
        }
        EngineError::Runtime(error) if is_of_host => {
            tracing::info!(maze, %error, "the maze waits for its host");
            Visit::Again
        }
        EngineError::Runtime(error) if error.is_unreachable() => {
            tracing::debug!(maze, %error, "the maze waits for the runtime");
            Visit::Unreachable
        }
        // It was deleted or torn down meanwhile.
        EngineError::Repo(RepoError::NotFound { .. }) | EngineError::WrongStatus { .. } => Visit::Gone,
        error => {
            tracing::warn!(
                maze,
                error = error.with_causes(),
                "the visit to the maze failed; retrying"
            );
            Visit::Again
        }
    }
}

/// Returns whether an error says that one host does not answer: its agent, or the daemon of a maze on hosts. One host is not the runtime of
/// all mazes.
async fn is_of_host(engine: &Engine, id: TopologyId, error: &EngineError) -> bool {
    let EngineError::Runtime(error) = error else {
        return false;
    };
    let is_on_hosts = async || engine.repo().get(id).await.is_ok_and(|row| row.is_on_hosts());
    error.is_agent_unreachable() || error.is_unreachable() && is_on_hosts().await
}

async fn drain_and_reconcile(
    engine: &Engine,
    target: VisitTarget,
    signal: &WakeSignal,
    cancel: &CancellationToken,
) -> Result<Visit, EngineError> {
    let VisitTarget { id, inside } = target;
    let repo = engine.repo();
    loop {
        // All mutations published so far are in the queue.
        signal.clear();
        // A store that does not answer must not delay a cancellation.
        let has_work = cancel.run_until_cancelled(async {
            let row = repo.get(id).await?;
            Ok::<_, RepoError>(row.takes_mutations() && repo.has_unfinished(id).await?)
        });
        match has_work.await.transpose()? {
            Some(true) => engine.drain(id, cancel).await.map(drop)?,
            Some(false) => {}
            None => return Ok(Visit::Done),
        }
        let Some(row) = cancel.run_until_cancelled(repo.get(id)).await.transpose()? else {
            return Ok(Visit::Done);
        };
        match row.status {
            // An interrupted teardown is continued. A process that works on it holds its lease.
            Status::Degraded | Status::TearingDown => break,
            Status::Active if row.needs_resync => break,
            Status::Active => {}
            _ => return Ok(Visit::Gone),
        }
        // A check of many containers takes long, and mutations do not wait for it.
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Ok(Visit::Done),
            () = signal.wait() => {}
            drift = engine.drift(id, inside) => match drift? {
                Some(_) => break,
                None => return Ok(Visit::Done),
            },
        }
    }
    let outcome = engine.reconcile(id, false, cancel).await?;
    let maze = outcome.row.name.to_string();
    match (outcome.row.status, outcome.reason) {
        (Status::Active | Status::TornDown, None) => {
            tracing::info!(maze, status = %outcome.row.status, changed = outcome.changed, "the maze was healed");
            Ok(Visit::Done)
        }
        (_, reason) => {
            tracing::warn!(
                maze,
                reason = reason.as_deref().unwrap_or_default(),
                "the maze is not healthy yet"
            );
            Ok(Visit::Again)
        }
    }
}
