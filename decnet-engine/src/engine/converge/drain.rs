//! The queue of one topology, drained under its lease.

use decnet_topology::{
    MutationId, MutationOutcome, MutationRow, MutationTrigger, RepoError, Status, StoredTopology, TopologyId,
    TopologyRow,
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    carry_out::Converged,
    change::{Change, Inside, Target},
    force::Force,
    work::Task,
};
use crate::{
    claim::HeldClaim,
    engine::{
        Engine, EngineError,
        session::{facts::CurrentState, lease::Session, status::mutation_event},
    },
    event::Trigger,
};

impl Engine {
    /// Drains the queue of a topology in order, and returns the finished mutations.
    ///
    /// # Guarantees
    ///
    /// - An illegal mutation is rejected; store, runtime and status are unchanged.
    /// - A legal mutation is stored, then the runtime is changed to match the new maze. It becomes applied only after the runtime
    ///   was observed to match. Otherwise it becomes failed and the topology degraded; [reconcile](Self::reconcile) repairs it.
    /// - If `cancel` fires, the runtime does not answer a step, the lease is lost or the process dies, the mutation stays in the
    ///   queue, and the next drain continues it.
    ///
    /// # Errors
    ///
    /// Those of the store and the runtime, and [`EngineError::Busy`] while another process holds the lease. A rejected or failed
    /// mutation is not an error: its row has the reason.
    pub async fn drain(&self, id: TopologyId, cancel: &CancellationToken) -> Result<Vec<MutationRow>, EngineError> {
        let engine = self.for_topology(id).await?;
        let session = Session::begin(&engine, id, cancel).await?;
        let result = session.drain(None).await.map(|drained| drained.finished);
        session.end(result).await
    }
}

/// The result of processing a mutation.
enum Work {
    /// It is finished.
    Finished(MutationOutcome),
    /// It was cancelled, or the topology no longer takes mutations.
    Left,
}

/// A mutation that was already planned under the same lease.
pub(in crate::engine) struct Expected {
    pub(in crate::engine) mutation: MutationId,
    /// The mutations that were stored together with it, after it. They have the same outcome.
    pub(in crate::engine) others: Vec<MutationId>,
    pub(in crate::engine) task: Task,
}

/// The result of a drain.
#[derive(Default)]
pub(in crate::engine) struct Drained {
    /// The finished mutations.
    pub(in crate::engine) finished: Vec<MutationRow>,
    /// How many steps changed something.
    pub(in crate::engine) changed: usize,
    /// The topology's row after the last mutation.
    pub(in crate::engine) row: Option<TopologyRow>,
}

impl Session<'_> {
    /// Drains the queue. If a mutation is expected, its plan is executed, and other mutations are left alone.
    pub(in crate::engine) async fn drain(&self, mut expected: Option<Expected>) -> Result<Drained, EngineError> {
        let mut drained = Drained::default();
        let only_expected = expected.is_some();
        while !self.cancel.is_cancelled() {
            let Some(claim) = HeldClaim::take(&self.engine.repo, self.id, &self.engine.options.label).await? else {
                break;
            };
            let (task, others) = match expected.take() {
                Some(expected) if expected.mutation != claim.row.id => {
                    // Another mutation was queued meanwhile: the plan does not include it.
                    claim.release_claim().await;
                    return Err(EngineError::queue_not_empty(&self.engine.repo.get(self.id).await?));
                }
                Some(Expected { task, others, .. }) => (Some(task), others),
                None => (None, Vec::new()),
            };
            self.engine.publish_now(mutation_event(&claim.row));
            match Box::pin(self.work_on(&claim, task, &mut drained)).await {
                Ok(Work::Finished(outcome)) => {
                    drained.finished.push(self.finish(claim, outcome.clone()).await?);
                    for other in others {
                        drained.finished.extend(self.finish_next(other, outcome.clone()).await?);
                    }
                    if only_expected {
                        break;
                    }
                }
                Ok(Work::Left) => {
                    claim.release_claim().await;
                    break;
                }
                Err(error) => {
                    claim.release_claim().await;
                    return Err(error);
                }
            }
        }
        Ok(drained)
    }

    /// Records the outcome of a mutation. If the store refuses, the log has the outcome.
    async fn finish(&self, claim: HeldClaim, outcome: MutationOutcome) -> Result<MutationRow, EngineError> {
        let (mutation, text) = (claim.row.id, format!("{outcome:?}"));
        let finished = claim.finish(outcome).await;
        let row = finished.inspect_err(|error| {
            tracing::error!(%mutation, outcome = text, %error, "the outcome of a mutation could not be recorded");
        })?;
        self.engine.publish_now(mutation_event(&row));
        Ok(row)
    }

    /// Records the outcome of a mutation if it is the next one in the queue.
    async fn finish_next(
        &self,
        mutation: MutationId,
        outcome: MutationOutcome,
    ) -> Result<Option<MutationRow>, EngineError> {
        let Some(claim) = HeldClaim::take(&self.engine.repo, self.id, &self.engine.options.label).await? else {
            return Ok(None);
        };
        if claim.row.id != mutation {
            claim.release_claim().await;
            return Ok(None);
        }
        Ok(Some(self.finish(claim, outcome).await?))
    }

    async fn work_on(
        &self,
        claim: &HeldClaim,
        mut task: Option<Task>,
        drained: &mut Drained,
    ) -> Result<Work, EngineError> {
        let before = self.load().await?;
        if !before.row.takes_mutations() {
            return Ok(Work::Left);
        }
        let is_stored = claim.row.stored_at.is_some();
        let trigger = match claim.row.trigger {
            MutationTrigger::Scheduled => Trigger::Scheduled,
            _ => Trigger::Operator,
        };
        let (stored, change) = if let Some(task) = task.take_if(|_| is_stored) {
            // It was planned and stored under this lease.
            (task.stored, task.change)
        } else if is_stored {
            // The process that stored it did not finish it, so the state of the runtime is unknown.
            match self.prepare_stored(&before).await {
                Ok(change) => (before, change),
                Err(error) => return self.fail_mutation(before, refusal(error)?, drained).await,
            }
        } else {
            match self.prepare_new(claim, &before, task).await {
                Ok(Some((after, change))) => (after, change),
                Ok(None) => return Ok(Work::Left),
                Err(error) => {
                    let reason = refusal(error)?;
                    drained.row = Some(before.row);
                    return Ok(Work::Finished(MutationOutcome::Rejected { reason }));
                }
            }
        };
        let row = self.keep_catalog(stored.row, &stored.topology).await?;
        let row = self.keep_placement(row, change.placement.as_ref()).await?;
        let mut stored = StoredTopology { row, ..stored };
        let Converged {
            changed,
            cancelled,
            unanswered,
            drift,
            observed,
            ..
        } = self.carry_out(&change, trigger, &self.cancel).await?;
        drained.changed += changed;
        if cancelled {
            return Ok(Work::Left);
        }
        if let Some(error) = unanswered {
            return Err(error.into());
        }
        if let Some(observed) = &observed {
            stored.row = self.forget_former(stored.row, observed).await?;
        }
        if let Some(reason) = drift {
            return self.fail_mutation(stored, reason, drained).await;
        }
        drained.row = Some(self.record_drift(stored.row, None).await?);
        Ok(Work::Finished(MutationOutcome::Applied))
    }

    /// Plans a mutation and stores the new maze; none if the topology no longer takes mutations. Nothing is stored on an error.
    async fn prepare_new(
        &self,
        claim: &HeldClaim,
        before: &StoredTopology,
        task: Option<Task>,
    ) -> Result<Option<(StoredTopology, Change)>, EngineError> {
        let task = match task {
            Some(task) => task,
            None => self.task_of(claim, before).await?,
        };
        if let Some(refusal) = task.refusal {
            return Err(refusal.into());
        }
        // It is refused if another master was faster. A maze is not stored without the placement of its new deckies.
        self.keep_placement(before.row.clone(), task.change.placement.as_ref())
            .await?;
        let (repo, topology) = (&self.engine.repo, task.stored.topology);
        let stored = repo.store_mutation(claim.row.id, claim.token, topology, Timestamp::now());
        match stored.await {
            Ok(stored) => Ok(Some((stored, task.change))),
            Err(RepoError::NotEditable { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Plans the change from a topology to its state after a mutation.
    async fn task_of(&self, claim: &HeldClaim, before: &StoredTopology) -> Result<Task, EngineError> {
        let topology = self.engine.mutated(before, &claim.row.mutation).await?;
        // With other entries than the stored ones, bases that the mutation does not name may need another state, too.
        let inside = if self.engine.excerpt_of(&before.row, &before.topology).is_empty() {
            Inside::of(before)
        } else {
            Inside::Unknown
        };
        let current = CurrentState {
            facts: &self.facts,
            before,
            observed: self.observe_for(inside).await?,
        };
        let force = self.allowed(claim, &before.row).await?;
        let settings = &before.row.settings;
        self.engine.live_task(current, topology, settings, inside, &force).await
    }

    async fn prepare_stored(&self, stored: &StoredTopology) -> Result<Change, EngineError> {
        let current = CurrentState {
            facts: &self.facts,
            before: stored,
            observed: self.observe().await?,
        };
        let stored = &self.engine.placed(&current, stored.clone(), false).await?;
        // The maze also has the changes of mutations that were stored together with this one.
        let force = self.engine.outstanding(&stored.row).await?;
        let target = Target::live(stored, &stored.row.settings);
        let change = self.engine.change(&self.facts, target, current.observed, None).await?;
        force.permit(stored, &change.plan)?;
        Ok(change)
    }

    /// Returns what this mutation and earlier failed ones allow.
    async fn allowed(&self, claim: &HeldClaim, row: &TopologyRow) -> Result<Force, EngineError> {
        let allowed = Force::by(&claim.row.mutation);
        if row.status == Status::Active {
            return Ok(allowed);
        }
        Ok(self.engine.outstanding(row).await?.or(allowed))
    }

    /// Marks a topology as degraded because of a mutation. The write is retried once, so that a single failure of the store does
    /// not replace the reason. If it fails again, the log has the reason, and the mutation stays in the queue.
    async fn fail_mutation(
        &self,
        stored: StoredTopology,
        reason: String,
        drained: &mut Drained,
    ) -> Result<Work, EngineError> {
        match self.record_drift(stored.row.clone(), Some(&reason)).await {
            Ok(row) => drained.row = Some(row),
            Err(error @ EngineError::Repo(RepoError::LeaseLost { .. })) => return Err(error),
            Err(error) => {
                let maze = stored.row.name.as_str();
                tracing::error!(
                    maze,
                    reason,
                    error = error.with_causes(),
                    "the status could not be recorded"
                );
                // It may have been recorded despite the error.
                let row = self.engine.repo.get(self.id).await?;
                drained.row = Some(self.record_drift(row, Some(&reason)).await?);
            }
        }
        Ok(Work::Finished(MutationOutcome::Failed { reason }))
    }
}

/// Returns the reason for a refusal, for people, or the error if the mutation did not cause it.
fn refusal(error: EngineError) -> Result<String, EngineError> {
    match error {
        EngineError::Mutation(_)
        | EngineError::Invalid(_)
        | EngineError::Plan(_)
        | EngineError::Desired(_)
        | EngineError::NotPlaced(_)
        | EngineError::HostsUnknown { .. }
        | EngineError::HostUnreachable { .. }
        | EngineError::UnderlayMissing { .. }
        | EngineError::Repo(
            RepoError::SubnetClaimed { .. } | RepoError::HostFull { .. } | RepoError::VniTaken { .. },
        ) => Ok(error.with_causes()),
        error => Err(error),
    }
}
