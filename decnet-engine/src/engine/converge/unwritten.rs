//! A teardown while the store is not writable.

use std::{pin::pin, time::Duration};

use decnet_topology::{RepoError, TopologyId, Version};
use tokio_util::sync::CancellationToken;

use super::teardown::Before;
use crate::engine::{
    Engine, EngineError, Outcome, Prepared, error::require_version, session::lease::Session, shown::require_same,
};

/// The pause between two attempts to write.
const PAUSE: Duration = Duration::from_millis(500);

/// How long attempts to record the result continue after the teardown.
const TIMEOUT: Duration = Duration::from_secs(10);

impl Engine {
    /// Tears a topology down under a lock instead of a lease, and records that as soon as the store is writable: it tries while
    /// containers are removed, because each frees space, and for a while after the last.
    pub(in crate::engine) async fn take_down_unwritten(
        &self,
        id: TopologyId,
        shown: Option<&Prepared>,
        expected: Option<Version>,
        why: RepoError,
        cancel: &CancellationToken,
    ) -> Result<Outcome, EngineError> {
        let unwritten = Session::begin_unwritten(self, id, cancel).await?;
        let (row, remains) = (self.repo.get(id).await?, unwritten.remains().await?);
        require_version(&row, expected)?;
        if let Some(shown) = shown {
            require_same(shown.plan().steps(), remains.plan.steps())?;
        }
        let given_up = self.topology_hosts(&row).await?.given_up(&row, false)?;
        let (name, status) = (row.name.clone(), row.status);
        let before = Before::of(row);
        if let Some(shown) = shown {
            require_same(shown.given_up(), &given_up)?;
        }
        let mut record = pin!(self.begin_when_writable(id, cancel));
        let stop = cancel.child_token();
        let mut clearing = pin!(unwritten.clear(remains, before.was_interrupted, &stop));
        let (cleared, recording) = tokio::select! {
            cleared = &mut clearing => {
                let recording = tokio::time::timeout(TIMEOUT, record).await;
                (cleared, recording.unwrap_or_else(|_| Err(why.into())))
            }
            recording = &mut record => {
                if recording.is_err() {
                    // Another process took over the topology, and is responsible for what is left.
                    stop.cancel();
                }
                (clearing.await, recording)
            }
        };
        let session = match recording {
            Ok(session) => session,
            Err(EngineError::Repo(source)) => {
                let clearing = cleared?;
                return Err(EngineError::TeardownUnrecorded {
                    id,
                    name,
                    status,
                    leftovers: clearing.leftovers,
                    source,
                });
            }
            Err(error) => return Err(error),
        };
        let ended = async {
            let row = session.begin_teardown(session.load().await?.row).await?;
            let before = Before { row, ..before };
            session.finish_teardown(before, given_up, cleared, cancel).await
        };
        let result = ended.await;
        session.end(result).await
    }

    /// Waits until the store is writable, and records that the teardown began.
    async fn begin_when_writable(
        &self,
        id: TopologyId,
        cancel: &CancellationToken,
    ) -> Result<Session<'_>, EngineError> {
        loop {
            tokio::time::sleep(PAUSE).await;
            let session = match Session::begin(self, id, cancel).await {
                Err(EngineError::Repo(error)) if error.is_unwritable() => continue,
                begun => begun?,
            };
            let started = match session.load().await {
                Ok(stored) => session.begin_teardown(stored.row).await,
                Err(error) => Err(error),
            };
            match started {
                Ok(_) => return Ok(session),
                // There was space for the lease, but not for the status.
                Err(EngineError::Repo(error)) if error.is_unwritable() => session.end(Ok(())).await?,
                Err(error) => return session.end(Err(error)).await,
            }
        }
    }
}
