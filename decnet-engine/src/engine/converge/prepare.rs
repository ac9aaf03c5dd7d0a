//! Prepare, then execute: the plan that is shown is the plan that runs.

use std::collections::BTreeSet;

use decnet_topology::{Finding, Mutation, NewTopology, Topology, TopologyId, rng};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::work::Work;
use crate::{
    engine::{
        DeployOptions, Engine, EngineError, LostHost, Operation, Outcome, shown::require_same,
        verify::describe::unseen_advice,
    },
    naming::ContainerName,
    plan::{Plan, PlanError},
};

/// A planned operation that is not executed yet.
///
/// It holds no lease and has changed nothing. [`execute`](Self::execute) makes the plan again with the same function, under the
/// lease, and refuses if it differs. If a fresh copy is deployed, the plan of the copy is compared once more after the old
/// topology is cleared and the copy is stored.
#[derive(Debug, Clone)]
#[must_use = "nothing was done yet"]
pub struct Prepared {
    engine: Engine,
    id: TopologyId,
    operation: Operation,
    /// The id of the fresh copy, if the operation deploys one.
    copy: TopologyId,
    work: Work,
}

impl Prepared {
    /// Returns the id of the topology after the operation: that of the fresh copy, if one is deployed.
    pub fn id(&self) -> TopologyId {
        match &self.work {
            Work::DeployCopy { .. } => self.copy,
            _ => self.id,
        }
    }

    /// Returns the plan. It is empty if a topology that does not run is edited.
    pub fn plan(&self) -> &Plan {
        self.work.plan()
    }

    /// Says which hosts do not answer, with the reasons and what to do, one line each; empty if all answer. Nothing is planned there.
    pub fn unseen(&self) -> Vec<String> {
        unseen_advice(&self.work.unseen())
    }

    /// Returns the hosts that left the fleet, and that are not asked when the topology, or the old one of a fresh copy, is torn down: they
    /// may still have a part of it.
    pub fn given_up(&self) -> &[LostHost] {
        self.work.given_up()
    }

    /// Returns the warnings of the validation: valid, but probably not intended.
    pub fn warnings(&self) -> &[Finding] {
        self.work.warnings()
    }

    /// Returns the running containers that the plan restarts or recreates.
    ///
    /// None if a fresh copy is deployed, even if containers of the old topology still run: the plan removes them, and the
    /// containers of the copy are new and have other names.
    pub fn restarts(&self) -> BTreeSet<ContainerName> {
        self.work.restarts()
    }

    /// Returns why `execute` would refuse the plan: it recreates running containers without `force`.
    pub fn refusal(&self) -> Option<&PlanError> {
        self.work.refusal()
    }

    /// Returns the mutations that the operation applies. If another maze is deployed, they are the difference from the stored one.
    pub fn mutations(&self) -> Vec<&Mutation> {
        self.work.mutations()
    }

    /// Returns the maze after the operation; none for a teardown.
    pub fn topology(&self) -> Option<&Topology> {
        self.work.topology()
    }

    /// Executes the operation under the lease.
    ///
    /// # Errors
    ///
    /// [`EngineError::PlanChanged`] if another plan is needed now, or if a pending topology that should be edited was edited or
    /// deployed meanwhile. Nothing was changed, except if a fresh copy or a new or pending maze is deployed: then the remains of the
    /// old topology may be removed, and the wanted maze may be stored as pending.
    ///
    /// For a mutation of a running topology: [`EngineError::QueueNotEmpty`] if other mutations are queued, which `prepare` does
    /// not check; nothing was changed then. [`EngineError::MutationQueued`] if something failed after the mutation was queued:
    /// the next drain applies it. The others are those of the one-call form, such as [`Engine::deploy`].
    pub async fn execute(&self, cancel: &CancellationToken) -> Result<Outcome, EngineError> {
        let engine = &self.engine;
        Box::pin(engine.run(self.id, &self.operation, self.copy, Some(self), None, cancel)).await
    }

    pub(in crate::engine) fn work(&self) -> &Work {
        &self.work
    }

    /// Refuses work that differs from the plan that was shown.
    pub(in crate::engine) fn require_same(&self, work: &Work) -> Result<(), EngineError> {
        let shown = match (&self.work, work) {
            // The copy or the new maze is stored by now, and is deployed.
            (Work::DeployCopy { task, .. } | Work::Store { task, .. }, Work::Deploy(_)) => &task.change.plan,
            (shown, _) => shown.plan(),
        };
        require_same(shown.steps(), work.plan().steps())?;
        if !matches!(work, Work::Deploy(_)) {
            require_same(self.given_up(), work.given_up())?;
        }
        match (&self.work, work) {
            (Work::Replace { batch: shown, .. }, Work::Replace { batch: now, .. }) => {
                require_same(shown.batch.mutations(), now.batch.mutations())
            }
            _ => Ok(()),
        }
    }
}

impl Engine {
    /// Plans an operation, to be shown and then [executed](Prepared::execute).
    ///
    /// It writes nothing and takes no lease, so it works during another operation, and with a read-only store. A mutation of a
    /// pending topology needs no runtime.
    ///
    /// # Errors
    ///
    /// All refusals of the operation itself, with two exceptions: a plan that recreates running containers is returned with its
    /// [refusal](Prepared::refusal), and the queue of the topology is not checked, except for [`Operation::Replace`].
    pub async fn prepare(&self, id: TopologyId, operation: Operation) -> Result<Prepared, EngineError> {
        let copy = rng::topology_id();
        let work = if let Some(edit) = self.plan_edit(id, &operation).await? {
            edit
        } else if let Some(given_up) = self.plan_giving_up(id, &operation, None).await? {
            given_up
        } else {
            let row = self.repo.get(id).await?;
            let engine = self.for_row(&row).await?;
            Box::pin(engine.plan_work(&engine.facts_for(&row).await?, id, &operation, copy, None)).await?
        };
        Ok(Prepared {
            engine: self.clone(),
            id,
            operation,
            copy,
            work,
        })
    }

    /// Plans the deploy of a topology that is not stored yet.
    pub(in crate::engine) async fn prepare_new(&self, new: NewTopology, force: bool) -> Result<Prepared, EngineError> {
        let copy = rng::topology_id();
        let options = DeployOptions::default().force(force);
        let new = new.id(copy);
        let engine = self.for_row(&new.as_stored(Timestamp::now()).row).await?;
        let work = Box::pin(engine.plan_new(&engine.facts().await?, new, &options)).await?;
        Ok(Prepared {
            engine: self.clone(),
            id: copy,
            operation: Operation::Deploy(options),
            copy,
            work,
        })
    }
}
