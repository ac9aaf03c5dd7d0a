//! Prepare, then execute: a plan that can be shown, and is the one that runs.

use std::collections::BTreeSet;

use decnet_topology::{Finding, Topology, TopologyId, rng};
use tokio_util::sync::CancellationToken;

use super::work::Work;
use crate::{
    engine::{Engine, EngineError, Operation, Outcome, error::require_same},
    naming::ContainerName,
    plan::{Plan, PlanError},
};

/// An operation whose plan is made and not executed.
///
/// It holds no lease and changed nothing. [`execute`](Self::execute) makes the plan again with the same function, under the lease,
/// and refuses if that is not the plan that is shown here. Where a fresh copy is deployed, the plan of the copy is compared once more,
/// after the old topology is cleared and the copy is stored.
#[derive(Debug, Clone)]
#[must_use = "nothing was done yet"]
pub struct Prepared {
    engine: Engine,
    id: TopologyId,
    operation: Operation,
    /// The id of the fresh copy, where the operation deploys one.
    copy: TopologyId,
    work: Work,
}

impl Prepared {
    /// Returns the id that the topology has after the operation: that of the fresh copy, where one is deployed.
    pub fn id(&self) -> TopologyId {
        match &self.work {
            Work::Renew { .. } => self.copy,
            _ => self.id,
        }
    }

    /// Returns the plan. It is empty where a topology that does not run is edited.
    pub fn plan(&self) -> &Plan {
        self.work.plan()
    }

    /// Returns what works, but is most likely not meant, as the rules found it.
    pub fn warnings(&self) -> &[Finding] {
        self.work.warnings()
    }

    /// Returns the running containers that the plan restarts or recreates; none where a fresh copy is deployed, whose containers have
    /// other names.
    pub fn restarts(&self) -> BTreeSet<ContainerName> {
        self.work.restarts()
    }

    /// Returns why `execute` would refuse the plan: it recreates running containers, and nothing allows that.
    pub fn refusal(&self) -> Option<&PlanError> {
        self.work.refusal()
    }

    /// Returns the maze afterwards; none where the operation takes it down.
    pub fn topology(&self) -> Option<&Topology> {
        self.work.topology()
    }

    /// Executes the operation under the lease.
    ///
    /// # Errors
    ///
    /// [`EngineError::PlanChanged`] if another plan is needed by now. Nothing was changed then, except where a fresh copy is deployed:
    /// what was left of the old topology may be gone, and the copy be pending.
    ///
    /// For a mutation of a topology that runs, [`EngineError::QueueNotEmpty`] if others wait in its queue, which `prepare` does not look
    /// at; nothing was changed then. [`EngineError::MutationQueued`] if the mutation was queued and then something failed: it is applied by
    /// the next drain. The others are those of the one-call form, such as [`Engine::deploy`].
    pub async fn execute(&self, cancel: &CancellationToken) -> Result<Outcome, EngineError> {
        let engine = &self.engine;
        engine
            .run(self.id, &self.operation, self.copy, Some(self), cancel)
            .await
    }

    pub(in crate::engine) fn work(&self) -> &Work {
        &self.work
    }

    /// Refuses other work than what was shown.
    pub(in crate::engine) fn require_same(&self, work: &Work) -> Result<(), EngineError> {
        let shown = match (&self.work, work) {
            // The old topology is cleared by now, and the copy is deployed.
            (Work::Renew { task, .. }, Work::Raise(_)) => &task.change.plan,
            (shown, _) => shown.plan(),
        };
        require_same(shown.steps(), work.plan().steps())
    }
}

impl Engine {
    /// Makes the plan of an operation, to be shown and then [executed](Prepared::execute).
    ///
    /// It writes nothing and takes no lease, so it works beside a running operation, and on a store that cannot be written to. A mutation
    /// of a pending topology needs no runtime.
    ///
    /// # Errors
    ///
    /// All that the operation itself would be refused for, with two exceptions: a plan that recreates running containers is returned
    /// with its [refusal](Prepared::refusal), and the queue of the topology is not looked at.
    pub async fn prepare(&self, id: TopologyId, operation: Operation) -> Result<Prepared, EngineError> {
        let copy = rng::topology_id();
        let work = match self.work_out_edit(id, &operation).await? {
            Some(edit) => edit,
            None => self.work_out(&self.facts().await?, id, &operation, copy).await?,
        };
        Ok(Prepared {
            engine: self.clone(),
            id,
            operation,
            copy,
            work,
        })
    }
}
