//! Mutations that the engine applies directly.

use decnet_topology::{
    Mutation, MutationContext, MutationState, NewMutation, RepoError, Status, StoredTopology, TopologyRow,
    ValidTopology, apply,
};

use super::{
    drain::{Drained, Expected},
    submit::Submitted,
    work::Task,
};
use crate::engine::{Engine, EngineError, Outcome, session::lease::Session};

impl Engine {
    /// Returns a stored maze after a mutation, validated against the claims of other topologies.
    pub(in crate::engine) async fn mutated(
        &self,
        before: &StoredTopology,
        mutation: &Mutation,
    ) -> Result<ValidTopology, EngineError> {
        let TopologyRow { status, intent, .. } = before.row;
        if status != Status::Pending && !before.row.takes_mutations() {
            return Err(EngineError::WrongStatus {
                status,
                intent,
                verb: "changed",
            });
        }
        let claims = self.repo.claims(Some(before.row.id)).await?;
        let context = MutationContext::of(&before.row, &self.options.catalog, &claims);
        Ok(apply(&before.topology, mutation, &context)?)
    }
}

impl Engine {
    /// Edits a pending topology, which needs neither the lease nor the runtime.
    pub(in crate::engine) async fn edit(&self, row: &TopologyRow, new: NewMutation) -> Result<Outcome, EngineError> {
        match self.submit(row.id, new, Some(row.version)).await? {
            Submitted::Edited(stored) => Ok(Outcome {
                row: stored.row,
                changed: 0,
                reason: None,
                warnings: Vec::new(),
            }),
            Submitted::Enqueued(queued) => Err(EngineError::MutationQueued {
                mutation: queued.id,
                source: Box::new(EngineError::PlanChanged {
                    shown: None,
                    now: Some("the topology was deployed meanwhile".into()),
                }),
            }),
        }
    }
}

impl Session<'_> {
    /// Queues a mutation, and applies it with the plan that was made for it.
    pub(in crate::engine) async fn mutate(&self, task: Task, new: NewMutation) -> Result<Outcome, EngineError> {
        if self.engine.repo.has_unfinished(self.id).await? {
            return Err(EngineError::QueueNotEmpty { id: self.id });
        }
        let version = task.stored.row.version;
        let warnings = task.change.warnings.clone();
        let Submitted::Enqueued(queued) = self.engine.submit(self.id, new, Some(version)).await? else {
            // Only a pending topology is edited directly, and this one runs: the lease must have been lost.
            return Err(RepoError::LeaseLost { id: self.id }.into());
        };
        let expected = Expected {
            mutation: queued.id,
            task,
        };
        let unfinished = |source| EngineError::MutationQueued {
            mutation: queued.id,
            source: Box::new(source),
        };
        let Drained {
            finished, changed, row, ..
        } = self.drain(Some(expected)).await.map_err(unfinished)?;
        let Some((mutation, row)) = finished.into_iter().next().zip(row) else {
            return Err(unfinished(EngineError::interrupted(self.id)));
        };
        match mutation.state {
            MutationState::Rejected => Err(EngineError::MutationRejected {
                reason: mutation.reason.unwrap_or_default(),
            }),
            _ => Ok(Outcome {
                row,
                changed,
                reason: mutation.reason,
                warnings,
            }),
        }
    }
}
