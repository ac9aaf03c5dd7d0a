//! Mutations that the engine applies directly.

use decnet_topology::{
    Edit, Finding, Mutation, MutationContext, MutationRow, MutationState, NewMutation, RepoError, Status,
    StoredTopology, Topology, TopologyRow, ValidTopology, apply,
};

use super::{drain::Expected, work::Task};
use crate::engine::{Engine, EngineError, Outcome, session::lease::Session};

impl Engine {
    /// Returns a stored maze after a mutation, validated against the claims of other topologies.
    pub(in crate::engine) async fn mutated(
        &self,
        before: &StoredTopology,
        mutation: &Mutation,
    ) -> Result<ValidTopology, EngineError> {
        if before.row.status != Status::Pending && !before.row.takes_mutations() {
            return Err(EngineError::wrong_status(&before.row, "changed"));
        }
        let claims = self.repo.claims(Some(before.row.id)).await?;
        let catalog = self.catalog_of(&before.row);
        let context = MutationContext::of(&before.row, &catalog, &claims);
        Ok(apply(&before.topology, mutation, &context)?)
    }
}

impl Engine {
    /// Stores the shown result of a mutation of a pending topology. It needs neither the lease nor the runtime.
    pub(in crate::engine) async fn edit(
        &self,
        shown: &TopologyRow,
        new: NewMutation,
        result: Topology,
    ) -> Result<Outcome, EngineError> {
        let catalog = self.excerpt_of(shown, &result);
        let edit = Edit::new(result).catalog(catalog).expected(shown.version).mutation(new);
        match self.store_edit(shown.id, edit).await {
            Ok(edited) => {
                return Ok(Outcome {
                    given_up: Vec::new(),
                    kept_volumes: Vec::new(),
                    row: edited.row,
                    changed: 0,
                    reason: None,
                    warnings: Vec::new(),
                });
            }
            // Another process edited or deployed it first.
            Err(RepoError::VersionConflict { .. } | RepoError::NotEditable { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let now = self.repo.get(shown.id).await?;
        Err(EngineError::PlanChanged {
            shown: Some(described(shown)),
            now: Some(described(&now)),
        })
    }

    /// Returns the error of a mutation that is queued and not finished.
    async fn unfinished(&self, queued: &MutationRow, source: EngineError) -> EngineError {
        // If the store fails too, the state is the last known one.
        let row = self.repo.mutation(queued.id).await;
        EngineError::queued(row.as_ref().unwrap_or(queued), source)
    }
}

/// Describes the change of a topology, as a step.
fn described(row: &TopologyRow) -> String {
    format!("change version {} of the {} maze", row.version, row.status)
}

impl Session<'_> {
    /// Queues a mutation, and applies it with the plan that was made for it.
    pub(in crate::engine) async fn mutate(&self, task: Task, new: NewMutation) -> Result<Outcome, EngineError> {
        if self.engine.repo.has_unfinished(self.id).await? {
            return Err(EngineError::queue_not_empty(&task.stored.row));
        }
        let warnings = task.change.warnings.clone();
        let queued = self.engine.enqueue(self.id, new, task.stored.row.version).await?;
        self.drain_planned(task, &queued, &[], warnings).await
    }

    /// Applies a mutation with the plan that was made for it. `others` were stored together with it, after it.
    pub(super) async fn drain_planned(
        &self,
        task: Task,
        queued: &MutationRow,
        others: &[MutationRow],
        warnings: Vec<Finding>,
    ) -> Result<Outcome, EngineError> {
        let expected = Expected {
            mutation: queued.id,
            others: others.iter().map(|other| other.id).collect(),
            task,
        };
        let drained = match self.drain(Some(expected)).await {
            Ok(drained) => drained,
            Err(source) => return Err(self.engine.unfinished(queued, source).await),
        };
        let Some((mutation, row)) = drained.finished.into_iter().next().zip(drained.row) else {
            let interrupted = EngineError::interrupted(self.id);
            return Err(self.engine.unfinished(queued, interrupted).await);
        };
        match mutation.state {
            MutationState::Rejected => Err(EngineError::MutationRejected {
                reason: mutation.reason.unwrap_or_default(),
            }),
            _ => Ok(Outcome {
                given_up: Vec::new(),
                kept_volumes: Vec::new(),
                row,
                changed: drained.changed,
                reason: mutation.reason,
                warnings,
            }),
        }
    }
}
