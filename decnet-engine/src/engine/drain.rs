//! The queue of one topology, worked off under its lease.

use decnet_topology::{
    RepoError, Status, StoredTopology, TopologyId, TopologyRow,
    repo::{MutationRow, Outcome},
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    Engine, EngineError,
    converge::{Converged, Inside, Prepared, Target},
    force::Force,
    preflight::Stand,
    session::Session,
    submit::mutation_event,
};
use crate::{claim::HeldClaim, event::Trigger};

impl Engine {
    /// Works off the queue of a topology, in order, and returns the mutations that were finished.
    ///
    /// # Guarantees
    ///
    /// - A mutation that is illegal is rejected, and store, runtime and status are as before.
    /// - One that is legal is stored, then the runtime is brought to the new maze. It is called applied only after the runtime was
    ///   seen to match; if it does not follow, the mutation has failed and the topology is degraded, to be
    ///   [reconciled](Self::reconcile).
    /// - When `cancel` fires, when the runtime is out of reach, when the lease is lost or when the process dies, the mutation stays
    ///   in the queue, and the next to drain it takes it up where it was left.
    ///
    /// # Errors
    ///
    /// Those of the store and the runtime, and [`EngineError::Busy`] while someone else is at work on the topology. That a
    /// mutation was rejected or failed is no error: its row says so.
    pub async fn drain(&self, id: TopologyId, cancel: &CancellationToken) -> Result<Vec<MutationRow>, EngineError> {
        let session = Session::begin(self, id, cancel).await?;
        let result = session.drain().await;
        session.end(result).await
    }
}

/// What became of a mutation that was worked on.
enum Work {
    /// It is finished.
    Finished(Outcome),
    /// It was called off, or the topology takes no mutations any more.
    Left,
}

impl Session<'_> {
    async fn drain(&self) -> Result<Vec<MutationRow>, EngineError> {
        let mut finished = Vec::new();
        while !self.cancel.is_cancelled() {
            let Some(claim) = HeldClaim::take(&self.engine.repo, self.id, &self.engine.options.label).await? else {
                break;
            };
            self.engine.publish_now(mutation_event(&claim.row));
            match self.work_on(&claim).await {
                Ok(Work::Finished(outcome)) => {
                    let row = claim.finish(outcome).await?;
                    self.engine.publish_now(mutation_event(&row));
                    finished.push(row);
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
        Ok(finished)
    }

    async fn work_on(&self, claim: &HeldClaim) -> Result<Work, EngineError> {
        let before = self.load().await?;
        if !before.row.takes_mutations() {
            return Ok(Work::Left);
        }
        let (stored, prepared) = if claim.row.stored_at.is_some() {
            // Who stored it did not come to its end: what is on the runtime is anybody's guess.
            match self.prepare_stored(claim, &before).await {
                Ok(prepared) => (before, prepared),
                Err(error) => return self.fail_mutation(&before, refusal(error)?).await,
            }
        } else {
            match self.prepare_new(claim, &before).await {
                Ok(Some((after, prepared))) => (after, prepared),
                Ok(None) => return Ok(Work::Left),
                Err(error) => {
                    return Ok(Work::Finished(Outcome::Rejected {
                        reason: refusal(error)?,
                    }));
                }
            }
        };
        let Converged {
            cancelled,
            unreachable,
            drift,
            ..
        } = self.carry_out(&prepared, Trigger::Operator, &self.cancel).await?;
        if cancelled {
            return Ok(Work::Left);
        }
        if let Some(error) = unreachable {
            return Err(error.into());
        }
        if let Some(reason) = drift {
            return self.fail_mutation(&stored, reason).await;
        }
        self.become_as_found(stored.row, None).await?;
        Ok(Work::Finished(Outcome::Applied))
    }

    /// Works out what a mutation makes and what has to be done for it, and stores it; nothing if the topology takes no mutations
    /// any more. On an error nothing was stored.
    async fn prepare_new(
        &self,
        claim: &HeldClaim,
        before: &StoredTopology,
    ) -> Result<Option<(StoredTopology, Prepared)>, EngineError> {
        let repo = &self.engine.repo;
        let topology = self.engine.mutated(before, &claim.row.mutation).await?;
        let after = StoredTopology {
            row: before.row.clone(),
            topology,
        };
        let stand = Stand {
            instance: self.instance,
            info: self.info.clone(),
            observed: self.look(Inside::of(before)).await?,
        };
        let host = self.engine.host_facts_of_change(&stand, before, &after).await?;
        let force = self.allowed(claim, &before.row).await?;
        let target = Target {
            stored: &after,
            settings: &after.row.settings,
            inside: Inside::of(before),
            force: &force,
        };
        let prepared = self
            .engine
            .prepare(self.instance, &self.info, target, stand.observed, host.as_ref())
            .await?;
        let stored = repo.store_mutation(claim.row.id, claim.token, after.topology, Timestamp::now());
        match stored.await {
            Ok(stored) => Ok(Some((stored, prepared))),
            Err(RepoError::NotEditable { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn prepare_stored(&self, claim: &HeldClaim, stored: &StoredTopology) -> Result<Prepared, EngineError> {
        let force = self.allowed(claim, &stored.row).await?;
        self.prepare(Target {
            stored,
            settings: &stored.row.settings,
            inside: Inside::Unknown,
            force: &force,
        })
        .await
    }

    /// Returns what a mutation allows, and those before it that failed.
    async fn allowed(&self, claim: &HeldClaim, row: &TopologyRow) -> Result<Force, EngineError> {
        let allowed = Force::by(&claim.row.mutation);
        if row.status == Status::Active {
            return Ok(allowed);
        }
        Ok(self.engine.outstanding(row).await?.or(allowed))
    }

    async fn fail_mutation(&self, stored: &StoredTopology, reason: String) -> Result<Work, EngineError> {
        self.become_as_found(stored.row.clone(), Some(&reason)).await?;
        Ok(Work::Finished(Outcome::Failed { reason }))
    }
}

/// Says in words for people why a mutation was refused, or returns the error if it is none of the mutation's.
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
