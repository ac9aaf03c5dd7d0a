use std::{pin::Pin, time::Duration};

use decnet_topology::{Mutation, MutationId, MutationRow, NewMutation, Topology, TopologyId, Version};
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, EngineError, Submitted, require_version};

/// The pause before the state of an unfinished mutation is read again.
const PAUSE: Duration = Duration::from_millis(100);

impl Engine {
    /// Checks a mutation against the current topology and returns the resulting topology. Changes nothing, and does not use the
    /// runtime.
    ///
    /// # Errors
    ///
    /// [`EngineError::Mutation`] if the mutation would be rejected,
    /// [`VersionConflict`](decnet_topology::RepoError::VersionConflict) if another version than `expected` is stored.
    pub async fn check_mutation(
        &self,
        id: TopologyId,
        mutation: &Mutation,
        expected: Option<Version>,
    ) -> Result<Topology, EngineError> {
        let stored = self.repo.load(id).await?;
        require_version(&stored.row, expected)?;
        Ok(self.mutated(&stored, mutation).await?.into_topology())
    }

    /// Submits a mutation as [`submit`](Self::submit) does, and waits until a queued one is finished.
    ///
    /// The [`state`](MutationRow::state) of the row is the outcome. The queue is drained here unless another process does. If the
    /// runtime does not answer, the mutation is not queued: otherwise it would be applied later, when nobody expects it.
    ///
    /// ```
    /// use std::{sync::Arc, time::Duration};
    ///
    /// use decnet_engine::{CancellationToken, DeployOptions, Engine, EngineOptions, Submitted, simulated::Simulated};
    /// use decnet_topology::{AddDecky, Catalog, MemoryRepo, MutationState, NewMutation, TopologyConfig};
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let options = EngineOptions::new(Catalog::builtin());
    /// let engine = Engine::new(Arc::new(MemoryRepo::new()), Arc::new(Simulated::new()), options);
    /// let cancel = CancellationToken::new();
    /// let id = engine.generate(&TopologyConfig::builder("corp", 1, 1).build()?).await?.stored.row.id;
    /// engine.deploy(id, DeployOptions::default(), &cancel).await?;
    ///
    /// let add = NewMutation::new(AddDecky::new("db".parse()?, "LAN-01".parse()?).services(["mysql"]).into());
    /// let minute = Some(Duration::from_secs(60));
    /// let Submitted::Enqueued(row) = engine.submit_and_wait(id, add, None, minute, &cancel).await? else { unreachable!("it runs") };
    /// assert_eq!(row.state, MutationState::Applied);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`submit`](Self::submit) and [`wait_for`](Self::wait_for). [`EngineError::Interrupted`] or
    /// [`EngineError::TimedOut`]: `cancel` fired or the timeout passed before the mutation was queued.
    pub async fn submit_and_wait(
        &self,
        id: TopologyId,
        new: NewMutation,
        expected: Option<Version>,
        timeout: Option<Duration>,
        cancel: &CancellationToken,
    ) -> Result<Submitted, EngineError> {
        let stop = cancel.child_token();
        let work = Box::pin(self.submit_then_wait(id, new, expected, &stop));
        limited(timeout, &stop, work).await
    }

    /// Waits until a queued mutation is finished, and drains the queue unless another process does.
    ///
    /// # Errors
    ///
    /// [`EngineError::MutationQueued`] if `cancel` fires or the timeout passes first (started work is finished then), or if the
    /// queue cannot be drained: the runtime does not answer, for instance. The mutation stays in the queue.
    pub async fn wait_for(
        &self,
        mutation: MutationId,
        timeout: Option<Duration>,
        cancel: &CancellationToken,
    ) -> Result<MutationRow, EngineError> {
        let stop = cancel.child_token();
        let work = Box::pin(self.wait_until_finished(mutation, &stop));
        limited(timeout, &stop, work).await
    }

    async fn submit_then_wait(
        &self,
        id: TopologyId,
        new: NewMutation,
        expected: Option<Version>,
        cancel: &CancellationToken,
    ) -> Result<Submitted, EngineError> {
        if self.repo.get(id).await?.takes_mutations() {
            let Some(info) = cancel.run_until_cancelled(self.runtime.info()).await else {
                return Err(EngineError::interrupted(id));
            };
            info?;
        }
        match self.submit(id, new, expected).await? {
            Submitted::Enqueued(mut queued) => {
                queued.row = self.wait_until_finished(queued.row.id, cancel).await?;
                Ok(Submitted::Enqueued(queued))
            }
            edited @ Submitted::Edited(_) => Ok(edited),
        }
    }

    async fn wait_until_finished(
        &self,
        mutation: MutationId,
        cancel: &CancellationToken,
    ) -> Result<MutationRow, EngineError> {
        loop {
            let row = self.repo.mutation(mutation).await?;
            if row.finished_at.is_some() {
                return Ok(row);
            }
            if cancel.is_cancelled() {
                let interrupted = EngineError::interrupted(row.topology);
                return Err(EngineError::queued(&row, interrupted));
            }
            match self.drain(row.topology, cancel).await {
                Ok(finished) if finished.iter().any(|row| row.id == mutation) => {}
                // Another process applies it.
                Ok(_) | Err(EngineError::Busy { .. }) => {
                    cancel.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
                }
                Err(error) => {
                    // A later mutation can fail to be applied after this one was finished.
                    return match self.repo.mutation(mutation).await {
                        Ok(row) if row.finished_at.is_some() => Ok(row),
                        read => Err(EngineError::queued(read.as_ref().unwrap_or(&row), error)),
                    };
                }
            }
        }
    }
}

/// Runs work, and cancels it after the timeout. The work then finishes what it has started.
async fn limited<T>(
    timeout: Option<Duration>,
    stop: &CancellationToken,
    mut work: Pin<Box<impl Future<Output = Result<T, EngineError>>>>,
) -> Result<T, EngineError> {
    let Some(limit) = timeout else { return work.await };
    match tokio::time::timeout(limit, &mut work).await {
        Ok(done) => done,
        // It was cancelled before, and finishes its work.
        Err(_) if stop.is_cancelled() => work.await,
        Err(_) => {
            stop.cancel();
            work.await.map_err(|error| error.timed_out(limit))
        }
    }
}
