use decnet_topology::{NewTopology, Status, StoredTopology, TopologyId, TopologyRow};
use tokio_util::sync::CancellationToken;

use super::{change::drift, remains::leftovers, work::Task};
use crate::{
    engine::{DeployOptions, Engine, EngineError, Operation, Outcome, session::lease::Session},
    execute::{ExecutionReport, OnFailure},
};

impl Engine {
    /// Deploys a topology, in any status.
    ///
    /// A pending topology is validated and deployed, and becomes active. If a step fails or `cancel` fires, the steps of this run
    /// are undone and it becomes failed. An interrupted deploy is continued. A running topology is reconciled. A topology that is
    /// failed, torn down or being torn down is cleared, and a fresh copy of it (new id, same name) is deployed.
    pub async fn deploy(
        &self,
        id: TopologyId,
        options: DeployOptions,
        cancel: &CancellationToken,
    ) -> Result<Outcome, EngineError> {
        self.run_now(id, Operation::Deploy(options), cancel).await
    }

    /// Stores the copy of a topology as pending, after the remains of the original are cleared.
    pub(in crate::engine) async fn store_copy(&self, task: Task) -> Result<TopologyId, EngineError> {
        let StoredTopology { row, topology } = task.stored;
        let catalog = topology.catalog_excerpt(&self.catalog_of(&row));
        let new = NewTopology::new(row.name, topology)
            .mode(row.mode)
            .host(row.host)
            .config(row.config)
            .settings(task.settings)
            .catalog(catalog)
            .id(row.id);
        Ok(self.store_new(new).await?.row.id)
    }
}

impl Session<'_> {
    /// Deploys a topology that is pending or whose deploy was interrupted.
    pub(in crate::engine) async fn deploy_task(&self, task: Task) -> Result<Outcome, EngineError> {
        let Task {
            stored,
            settings,
            change,
            ..
        } = task;
        let mut row = self.keep_catalog(stored.row, &stored.topology).await?;
        row = self.keep_placement(row, change.placement.as_ref()).await?;
        let resumed = row.status == Status::Deploying;
        if !resumed {
            row = self.begin_deploy(&row, settings).await?;
        } else if settings != row.settings {
            row = self.set_settings(settings).await?;
        }
        match self.engine.refuse_taken_host(&row, self.id).await {
            // Another deploy to the same agent began at the same time.
            Err(taken @ EngineError::HostTaken { .. }) => {
                self.record(&row, Status::Failed, taken.to_string()).await;
                return Err(taken);
            }
            checked => checked?,
        }
        let execution = self
            .execute_change(&change, OnFailure::Undo, &self.cancel, &|_| {})
            .await?;
        if !execution.is_complete() {
            // An agent goes on with a push that nobody waits for, so it is cleared there, too.
            return self.fail(&row, execution, resumed || change.push.is_some()).await;
        }
        self.engine.publish_creation(self.id, &change.desired);
        let observed = self.observe().await?;
        row = self.forget_former(row, &observed).await?;
        let drift = drift(&change.desired, &observed);
        let status = if drift.is_none() {
            Status::Active
        } else {
            Status::Degraded
        };
        let row = self.become_status(&row, status, None, drift.clone()).await?;
        Ok(Outcome {
            given_up: Vec::new(),
            kept_volumes: Vec::new(),
            row,
            changed: execution.changed.len(),
            reason: drift,
            warnings: change.warnings,
        })
    }

    /// Observes the leftovers of a rollback and records that the deploy failed. Remains of an earlier, interrupted run are
    /// cleared too.
    async fn fail(&self, row: &TopologyRow, execution: ExecutionReport, resumed: bool) -> Result<Outcome, EngineError> {
        let ExecutionReport {
            failures,
            mut undo_failures,
            cancelled,
            ..
        } = execution;
        let left = if resumed {
            // The caller who cancelled the deploy wants it removed, so the clearing is not cancelled.
            let cleared = async {
                let remains = self.remains().await?;
                self.clear(remains, true, &CancellationToken::new()).await
            };
            cleared.await.map(|clearing| {
                undo_failures.extend(clearing.failures);
                clearing.leftovers
            })
        } else {
            self.observe().await.map(|observed| leftovers(&observed))
        };
        let leftovers = left.unwrap_or_else(|error| vec![format!("not known: {error}")]);
        let mut reason = match failures.first() {
            Some(failure) => format!("{failure}: {}", failure.source),
            None => "interrupted".into(),
        };
        if !leftovers.is_empty() {
            reason = format!("{reason}; left: {}", leftovers.join(", "));
        }
        self.record(row, Status::Failed, reason).await;
        Err(if cancelled {
            EngineError::Interrupted {
                id: self.id,
                undo_failures,
                leftovers,
            }
        } else {
            EngineError::DeployFailed {
                id: self.id,
                name: row.name.clone(),
                failures,
                undo_failures,
                leftovers,
            }
        })
    }
}
