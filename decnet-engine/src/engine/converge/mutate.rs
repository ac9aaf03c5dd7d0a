//! Mutations that the engine itself carries out.

use decnet_topology::{
    Mutation, MutationState, RepoError, Status, StoredTopology, TopologyRow, ValidTopology,
    mutation::{self, Context},
    repo::NewMutation,
};

use super::{drain::Expected, submit::Submitted, work::Task};
use crate::engine::{Engine, EngineError, Outcome, session::lease::Session};

impl Engine {
    /// Returns the maze that a mutation makes of a stored one, validated against the claims of other topologies.
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
        let context = Context::of(&before.row, &self.options.catalog, &claims);
        Ok(mutation::apply(&before.topology, mutation, &context)?)
    }
}

impl Session<'_> {
    /// Edits a topology that is pending.
    pub(in crate::engine) async fn edit(&self, row: &TopologyRow, new: NewMutation) -> Result<Outcome, EngineError> {
        match self.engine.submit(self.id, new, Some(row.version)).await? {
            Submitted::Edited(stored) => Ok(Outcome {
                row: stored.row,
                changed: 0,
                reason: None,
                warnings: Vec::new(),
            }),
            // The lease was lost, and another process deployed it: the mutation waits in the queue.
            Submitted::Enqueued(_) => Err(RepoError::LeaseLost { id: self.id }.into()),
        }
    }

    /// Queues a mutation, and brings the topology to what it makes by the plan that was made for it.
    pub(in crate::engine) async fn mutate(&self, task: Task, new: NewMutation) -> Result<Outcome, EngineError> {
        if self.engine.repo.has_unfinished(self.id).await? {
            return Err(EngineError::QueueNotEmpty { id: self.id });
        }
        let version = task.stored.row.version;
        let warnings = task.change.warnings.clone();
        let Submitted::Enqueued(queued) = self.engine.submit(self.id, new, Some(version)).await? else {
            // The lease was lost, and another process took it down: it was edited, or refused before.
            return Err(RepoError::LeaseLost { id: self.id }.into());
        };
        let drained = self
            .drain(Some(Expected {
                mutation: queued.id,
                task,
            }))
            .await?;
        let mutation = self.engine.repo.mutation(queued.id).await?;
        match mutation.state {
            MutationState::Applied | MutationState::Failed => Ok(Outcome {
                row: self.engine.repo.get(self.id).await?,
                changed: drained.changed,
                reason: mutation.reason,
                warnings,
            }),
            MutationState::Rejected => Err(EngineError::MutationRejected {
                reason: mutation.reason.unwrap_or_default(),
            }),
            _ => Err(EngineError::Interrupted {
                id: self.id,
                undo_failures: Vec::new(),
                leftovers: Vec::new(),
            }),
        }
    }
}
