//! Executes an operation: takes the lease, and makes the plan under it.

use decnet_topology::{RepoError, TopologyId, Version, rng};
use tokio_util::sync::CancellationToken;

use super::work::{Stores, Work};
use crate::{
    engine::{Engine, EngineError, LostHost, Operation, Outcome, Prepared, session::lease::Session},
    event::Trigger,
};

/// How often a topology that is edited meanwhile is planned again.
const TRIES: usize = 5;

/// The result of one turn under the lease.
enum Ended {
    /// The operation is done.
    Outcome(Box<Outcome>),
    /// The topology is stored, and is deployed under its own lease: a fresh copy after the remains are cleared, or another maze of
    /// a pending topology.
    Stored {
        id: TopologyId,
        /// The hosts that were not asked when the remains were cleared.
        lost: Vec<LostHost>,
    },
}

impl Engine {
    /// Executes an operation, as the function of its name does, on a maze of a known version.
    ///
    /// The version is compared when the plan is made, under the lease. A maze that is edited later is not deployed either.
    ///
    /// # Errors
    ///
    /// [`RepoError::VersionConflict`] if the version is not `expected`; nothing was changed then. The others are those of the
    /// function for the operation, such as [`Engine::deploy`].
    pub async fn operate(
        &self,
        id: TopologyId,
        operation: Operation,
        expected: Option<Version>,
        cancel: &CancellationToken,
    ) -> Result<Outcome, EngineError> {
        Box::pin(self.run(id, &operation, rng::topology_id(), None, expected, cancel)).await
    }

    /// Prepares and executes in one call.
    pub(in crate::engine) async fn run_now(
        &self,
        id: TopologyId,
        operation: Operation,
        cancel: &CancellationToken,
    ) -> Result<Outcome, EngineError> {
        self.operate(id, operation, None, cancel).await
    }

    /// Takes the lease, makes the plan under it, and executes it.
    pub(in crate::engine) async fn run(
        &self,
        id: TopologyId,
        operation: &Operation,
        copy: TopologyId,
        shown: Option<&Prepared>,
        mut expected: Option<Version>,
        cancel: &CancellationToken,
    ) -> Result<Outcome, EngineError> {
        if let Some(Work::Edit { row, new, topology, .. }) = shown.map(Prepared::work) {
            return self.edit(row, new.clone(), topology.clone()).await;
        }
        let mut id = id;
        if let Some(Work::Store { stores, .. }) = shown.map(Prepared::work)
            && let Stores::New(new) = stores.as_ref()
        {
            id = self.store_new(new.clone()).await?.row.id;
        }
        if let Operation::Teardown { force } = *operation
            && let Some(work) = self.plan_giving_up(id, operation, expected).await?
        {
            if let Some(shown) = shown {
                shown.require_same(&work)?;
            }
            if let Some(outcome) = self.give_up(id, force, expected, cancel).await? {
                return Ok(outcome);
            }
        }
        let mut given_up = Vec::new();
        loop {
            let engine = self.for_topology(id).await?;
            let session = match Session::begin(&engine, id, cancel).await {
                Err(EngineError::Repo(error))
                    if error.is_unwritable() && matches!(operation, Operation::Teardown { .. }) =>
                {
                    return Box::pin(engine.take_down_unwritten(id, shown, expected, error, cancel)).await;
                }
                begun => begun?,
            };
            let result = session.run(operation, copy, shown, expected).await;
            match session.end(result).await? {
                Ended::Outcome(mut outcome) => {
                    outcome.given_up.splice(..0, given_up);
                    return Ok(*outcome);
                }
                // It has its own versions, and is what the caller wants.
                Ended::Stored { id: stored, lost } => {
                    (id, expected) = (stored, None);
                    given_up.extend(lost);
                }
            }
        }
    }
}

impl Session<'_> {
    /// Executes an operation under the lease. A pending topology that is edited between its plan and its deploy is planned again.
    async fn run(
        &self,
        operation: &Operation,
        copy: TopologyId,
        shown: Option<&Prepared>,
        expected: Option<Version>,
    ) -> Result<Ended, EngineError> {
        let mut tries = 1;
        loop {
            match Box::pin(self.run_once(operation, copy, shown, expected)).await {
                Err(EngineError::Repo(RepoError::VersionConflict { .. }))
                    if matches!(operation, Operation::Deploy(_)) && expected.is_none() && tries < TRIES =>
                {
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    async fn run_once(
        &self,
        operation: &Operation,
        copy: TopologyId,
        shown: Option<&Prepared>,
        expected: Option<Version>,
    ) -> Result<Ended, EngineError> {
        let (engine, facts) = (self.engine, &self.facts);
        let work = match engine.plan_work(facts, self.id, operation, copy, expected).await {
            Err(error) => return Err(self.record_unplannable(operation, error).await),
            Ok(work) => work,
        };
        if let Some(shown) = shown {
            shown.require_same(&work)?;
        }
        if let Some(refusal) = work.refusal() {
            return Err(refusal.clone().into());
        }
        let cancel = &self.cancel;
        let outcome = match (work, operation) {
            (Work::Deploy(task), _) => self.deploy_task(*task).await?,
            (
                Work::DeployCopy {
                    row,
                    remains,
                    given_up,
                    task,
                    ..
                },
                _,
            ) => {
                let lost = given_up.clone();
                if let Some(remains) = remains {
                    self.take_down(row, remains, given_up, cancel).await?;
                }
                let id = self.engine.store_copy(*task).await?;
                return Ok(Ended::Stored { id, lost });
            }
            (Work::Store { stores, .. }, _) => {
                let id = match *stores {
                    Stores::New(new) => self.engine.store_new(new).await?.row.id,
                    Stores::Edit(edit) => self.engine.store_edit(self.id, edit).await?.row.id,
                };
                return Ok(Ended::Stored { id, lost: Vec::new() });
            }
            (Work::Teardown { row, remains, given_up }, _) => self.take_down(row, remains, given_up, cancel).await?,
            (Work::Reconcile(task), Operation::Reconcile { .. }) => self.converge(*task, Trigger::Healer).await?,
            (Work::Restart(task), Operation::Restart(options)) => self.restart(*task, options).await?,
            (Work::Reconcile(task) | Work::Restart(task), _) => self.converge(*task, Trigger::Operator).await?,
            (Work::Edit { row, new, topology, .. }, _) => self.engine.edit(&row, new, topology).await?,
            (Work::Mutate { task, new }, _) => Box::pin(self.mutate(*task, new)).await?,
            (Work::Replace { task, batch }, _) => self.replace(*task, *batch).await?,
        };
        Ok(Ended::Outcome(Box::new(outcome)))
    }

    /// Marks a running topology as degraded if it cannot be reconciled, because a host that it is on is gone. Returns the error.
    async fn record_unplannable(&self, operation: &Operation, error: EngineError) -> EngineError {
        let is_of_hosts = matches!(
            error,
            EngineError::NotPlaced(_)
                | EngineError::HostsUnknown { .. }
                | EngineError::HostUnreachable { .. }
                | EngineError::UnderlayMissing { .. }
        );
        if !is_of_hosts || !matches!(operation, Operation::Reconcile { .. }) {
            return error;
        }
        let recorded = async {
            let row = self.engine.repo.get(self.id).await?;
            self.record_drift(row, Some(&error.with_causes())).await
        };
        match recorded.await {
            Ok(_) => error,
            Err(EngineError::Repo(unrecorded)) => {
                tracing::warn!(maze = self.name.as_str(), error = %unrecorded, "the status could not be recorded");
                error
            }
            Err(lost) => lost,
        }
    }
}
