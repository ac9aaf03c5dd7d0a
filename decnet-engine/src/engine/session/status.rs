//! The status of the topology that an operation works on.

use decnet_topology::{DeploySettings, Intent, MutationFilter, MutationRow, Status, StatusChange, TopologyRow};
use jiff::Timestamp;

use super::lease::Session;
use crate::{
    engine::EngineError,
    event::{Envelope, Event},
};

impl Session<'_> {
    /// Changes the status and publishes the change.
    ///
    /// If the topology is torn down, the store finishes its queued mutations; this is published too.
    pub(in crate::engine) async fn become_status(
        &self,
        row: &TopologyRow,
        to: Status,
        intent: Option<Intent>,
        reason: Option<String>,
    ) -> Result<TopologyRow, EngineError> {
        let change = StatusChange::new(row.status, to).intent(intent).reason(reason);
        self.change_status(change).await
    }

    /// Starts the deploy of a pending topology, and stores its settings with that.
    ///
    /// A pending topology can be edited without the lease, so the planned version must be the deployed one.
    pub(in crate::engine) async fn begin_deploy(
        &self,
        row: &TopologyRow,
        settings: DeploySettings,
    ) -> Result<TopologyRow, EngineError> {
        let change = StatusChange::new(row.status, Status::Deploying)
            .version(row.version)
            .intent(Intent::Up)
            .settings((settings != row.settings).then_some(settings));
        self.change_status(change).await
    }

    async fn change_status(&self, change: StatusChange) -> Result<TopologyRow, EngineError> {
        // The lease guards against another owner that took it meanwhile.
        let change = change.held(self.lease.token());
        let (from, to, reason) = (change.from, change.to, change.reason.clone());
        let queued = match to {
            Status::TearingDown | Status::TornDown | Status::Failed => self.queued().await?,
            _ => Vec::new(),
        };
        // The event has the stored time of the change, so that a reader of both recognizes it.
        let at = Timestamp::now();
        let row_after = self.engine.repo.set_status(self.id, change, at).await?;
        let event = Event::Status {
            topology: self.id,
            from: Some(from),
            to,
            reason,
        };
        self.engine.publish(Envelope::new(event, at));
        for mutation in queued {
            match self.engine.repo.mutation(mutation.id).await {
                Ok(mutation) if mutation.state.is_final() => self.engine.publish_now(mutation_event(&mutation)),
                Ok(_) => {}
                // The status is stored; only the event is missing.
                Err(error) => tracing::warn!(mutation = %mutation.id, %error, "a finished mutation could not be read"),
            }
        }
        Ok(row_after)
    }

    /// Stores the deploy settings of the topology.
    pub(in crate::engine) async fn set_settings(&self, settings: DeploySettings) -> Result<TopologyRow, EngineError> {
        let (repo, held) = (&self.engine.repo, self.lease.token());
        Ok(repo.set_settings(self.id, settings, held, Timestamp::now()).await?)
    }

    /// Records the result of a failed operation. If that fails too, it is only logged: the caller returns the first error.
    pub(in crate::engine) async fn record(&self, row: &TopologyRow, to: Status, reason: String) {
        if let Err(error) = self.become_status(row, to, None, Some(reason.clone())).await {
            let maze = row.name.as_str();
            tracing::error!(maze, status = %to, reason, error = error.with_causes(), "the status could not be recorded");
        }
    }

    /// Returns the unfinished mutations.
    async fn queued(&self) -> Result<Vec<MutationRow>, EngineError> {
        let unfinished = MutationFilter::unfinished(Some(self.id));
        Ok(self.engine.repo.mutations(&unfinished).await?.rows)
    }
}

/// Returns the event for the state of a mutation.
pub(in crate::engine) fn mutation_event(row: &MutationRow) -> Event {
    Event::Mutation {
        topology: row.topology,
        mutation: row.id,
        op: row.mutation.op().into(),
        state: row.state.into(),
        actor: row.actor.clone(),
        reason: row.reason.clone(),
    }
}
