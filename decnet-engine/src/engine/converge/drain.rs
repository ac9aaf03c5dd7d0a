//! The queue of one topology, drained under its lease.

use decnet_topology::{
    MutationId, RepoError, Status, StoredTopology, TopologyId, TopologyRow,
    repo::{MutationRow, Outcome},
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
        session::{facts::Stand, lease::Session, status::mutation_event},
    },
    event::Trigger,
};

impl Engine {
    /// Drains the queue of a topology, in order, and returns the mutations that were finished.
    ///
    /// # Guarantees
    ///
    /// - A mutation that is illegal is rejected, and store, runtime and status are as before.
    /// - One that is legal is stored, then the runtime is brought to the new maze. It is called applied only after the runtime was
    ///   seen to match; if it does not follow, the mutation has failed and the topology is degraded, to be
    ///   [reconciled](Self::reconcile).
    /// - When `cancel` fires, when the runtime does not answer, when the lease is lost or when the process dies, the mutation stays
    ///   in the queue, and the next drain continues it.
    ///
    /// # Errors
    ///
    /// Those of the store and the runtime, and [`EngineError::Busy`] while another process holds the lease. A mutation that was rejected
    /// or failed is not an error: its row has the reason.
    pub async fn drain(&self, id: TopologyId, cancel: &CancellationToken) -> Result<Vec<MutationRow>, EngineError> {
        let session = Session::begin(self, id, cancel).await?;
        let result = session.drain(None).await.map(|drained| drained.finished);
        session.end(result).await
    }
}

/// The result of the work on a mutation.
enum Work {
    /// It is finished.
    Finished(Outcome),
    /// The work was cancelled, or the topology takes no mutations any more.
    Left,
}

/// A mutation whose plan was made already, under the same lease.
pub(in crate::engine) struct Expected {
    pub(in crate::engine) mutation: MutationId,
    pub(in crate::engine) task: Task,
}

/// The result of a drain.
#[derive(Default)]
pub(in crate::engine) struct Drained {
    /// The mutations that were finished.
    pub(in crate::engine) finished: Vec<MutationRow>,
    /// How many steps changed something.
    pub(in crate::engine) changed: usize,
    /// The topology's row after the last of them.
    pub(in crate::engine) row: Option<TopologyRow>,
}

impl Session<'_> {
    /// Drains the queue. Where a mutation is expected, its plan is executed, and no other mutation is touched.
    pub(in crate::engine) async fn drain(&self, mut expected: Option<Expected>) -> Result<Drained, EngineError> {
        let mut drained = Drained::default();
        let only_expected = expected.is_some();
        while !self.cancel.is_cancelled() {
            let Some(claim) = HeldClaim::take(&self.engine.repo, self.id, &self.engine.options.label).await? else {
                break;
            };
            let task = match expected.take() {
                Some(expected) if expected.mutation != claim.row.id => {
                    // Somebody queued another one just before: the plan was made without it.
                    claim.release_claim().await;
                    return Err(EngineError::QueueNotEmpty { id: self.id });
                }
                expected => expected.map(|expected| expected.task),
            };
            self.engine.publish_now(mutation_event(&claim.row));
            match self.work_on(&claim, task, &mut drained).await {
                Ok(Work::Finished(outcome)) => {
                    let row = self.finish(claim, outcome).await?;
                    self.engine.publish_now(mutation_event(&row));
                    drained.finished.push(row);
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

    /// Records what became of a mutation. If the store refuses that, the log has the outcome.
    async fn finish(&self, claim: HeldClaim, outcome: Outcome) -> Result<MutationRow, EngineError> {
        let (mutation, text) = (claim.row.id, format!("{outcome:?}"));
        let finished = claim.finish(outcome).await;
        finished.map_err(|error| {
            tracing::error!(%mutation, outcome = text, %error, "the outcome of a mutation could not be recorded");
            error.into()
        })
    }

    async fn work_on(&self, claim: &HeldClaim, task: Option<Task>, drained: &mut Drained) -> Result<Work, EngineError> {
        let before = self.load().await?;
        if !before.row.takes_mutations() {
            return Ok(Work::Left);
        }
        let (stored, change) = if claim.row.stored_at.is_some() {
            // The process that stored it did not finish it: the state of the runtime is unknown.
            match self.prepare_stored(claim, &before).await {
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
                    return Ok(Work::Finished(Outcome::Rejected { reason }));
                }
            }
        };
        let Converged {
            changed,
            cancelled,
            unreachable,
            drift,
        } = self.carry_out(&change, Trigger::Operator, &self.cancel).await?;
        drained.changed += changed;
        if cancelled {
            return Ok(Work::Left);
        }
        if let Some(error) = unreachable {
            return Err(error.into());
        }
        if let Some(reason) = drift {
            return self.fail_mutation(stored, reason, drained).await;
        }
        drained.row = Some(self.become_as_found(stored.row, None).await?);
        Ok(Work::Finished(Outcome::Applied))
    }

    /// Plans a mutation and stores its maze; none if the topology takes no mutations any more. On an error nothing was stored.
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
        let (repo, topology) = (&self.engine.repo, task.stored.topology);
        let stored = repo.store_mutation(claim.row.id, claim.token, topology, Timestamp::now());
        match stored.await {
            Ok(stored) => Ok(Some((stored, task.change))),
            Err(RepoError::NotEditable { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Plans the change from a topology to what a mutation makes of it.
    async fn task_of(&self, claim: &HeldClaim, before: &StoredTopology) -> Result<Task, EngineError> {
        let topology = self.engine.mutated(before, &claim.row.mutation).await?;
        let inside = Inside::of(before);
        let stand = Stand {
            facts: &self.facts,
            observed: self.look(inside).await?,
        };
        let force = self.allowed(claim, &before.row).await?;
        self.engine.live_task(stand, before, topology, inside, &force).await
    }

    async fn prepare_stored(&self, claim: &HeldClaim, stored: &StoredTopology) -> Result<Change, EngineError> {
        let force = self.allowed(claim, &stored.row).await?;
        let target = Target::live(stored, &stored.row.settings);
        let change = self
            .engine
            .change(&self.facts, target, self.observe().await?, None)
            .await?;
        force.permit(stored, &change.plan)?;
        Ok(change)
    }

    /// Returns what this mutation allows, and what earlier failed ones allow.
    async fn allowed(&self, claim: &HeldClaim, row: &TopologyRow) -> Result<Force, EngineError> {
        let allowed = Force::by(&claim.row.mutation);
        if row.status == Status::Active {
            return Ok(allowed);
        }
        Ok(self.engine.outstanding(row).await?.or(allowed))
    }

    /// Makes a topology degraded because of a mutation. A store that fails once is tried again, so that its failure does not take the
    /// place of the reason. If it fails again, the log has the reason, and the mutation stays in the queue.
    async fn fail_mutation(
        &self,
        stored: StoredTopology,
        reason: String,
        drained: &mut Drained,
    ) -> Result<Work, EngineError> {
        match self.become_as_found(stored.row.clone(), Some(&reason)).await {
            Ok(row) => drained.row = Some(row),
            Err(error @ EngineError::Repo(RepoError::LeaseLost { .. })) => return Err(error),
            Err(error) => {
                tracing::error!(id = %self.id, reason, error = error.with_causes(), "the status could not be recorded");
                // It may be recorded all the same.
                let row = self.engine.repo.get(self.id).await?;
                drained.row = Some(self.become_as_found(row, Some(&reason)).await?);
            }
        }
        Ok(Work::Finished(Outcome::Failed { reason }))
    }
}

/// Returns why a mutation was refused, for people, or the error if the mutation did not cause it.
fn refusal(error: EngineError) -> Result<String, EngineError> {
    match error {
        EngineError::Mutation(_)
        | EngineError::Invalid(_)
        | EngineError::Plan(_)
        | EngineError::Desired(_)
        | EngineError::Repo(RepoError::SubnetClaimed { .. }) => Ok(error.with_causes()),
        error => Err(error),
    }
}
