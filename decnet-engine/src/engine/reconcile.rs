use decnet_topology::{Intent, RuleSet, Status, TopologyId};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    DeployOptions, Engine, EngineError, Outcome,
    session::{Session, ailment},
};
use crate::{execute::OnFailure, plan::diff};

impl Engine {
    /// Brings a topology that is up back to what it should be, touching only what is not.
    ///
    /// Containers that run are made anew only with `force`. A topology that is meant to be down is taken down further.
    pub async fn reconcile(
        &self,
        id: TopologyId,
        force: bool,
        cancel: &CancellationToken,
    ) -> Result<Outcome, EngineError> {
        self.mend(id, DeployOptions { force, settings: None }, cancel).await
    }

    pub(super) async fn mend(
        &self,
        id: TopologyId,
        options: DeployOptions,
        cancel: &CancellationToken,
    ) -> Result<Outcome, EngineError> {
        let session = Session::begin(self, id, cancel).await?;
        let result = session.mend(options, cancel).await;
        session.end(result).await
    }
}

impl Session<'_> {
    async fn mend(&self, options: DeployOptions, cancel: &CancellationToken) -> Result<Outcome, EngineError> {
        let stored = self.load().await?;
        let row = stored.row.clone();
        match (row.status, row.intent) {
            (Status::TearingDown, _) | (Status::Degraded, Some(Intent::Down)) => return self.take_down(cancel).await,
            (Status::Active | Status::Degraded, _) => {}
            (status, intent) => {
                return Err(EngineError::WrongStatus {
                    status,
                    intent,
                    verb: "reconciled",
                });
            }
        }
        let settings = options.settings.unwrap_or_else(|| row.settings.clone());
        let valid = self.engine.validate(&stored, &settings, RuleSet::live(), None).await?;
        let desired = self.desired(&valid, &settings)?;
        let plan = diff(&desired, &self.observe().await?);
        if !options.force {
            plan.require_gentle()?;
        }
        if settings != row.settings {
            self.engine
                .repo
                .set_settings(self.id, settings, Timestamp::now())
                .await?;
        }
        let execution = self.execute(&plan, OnFailure::SkipDependents, cancel).await?;
        let ailment = match execution.failures.first() {
            Some(failure) => Some(format!("{failure}: {}", failure.source)),
            None => ailment(&desired, &self.observe().await?),
        };
        let row = match (&ailment, row.status) {
            (None, Status::Degraded) => self.become_status(&row, Status::Active, None, None).await?,
            (Some(reason), Status::Active) => {
                self.become_status(&row, Status::Degraded, None, Some(reason.clone()))
                    .await?
            }
            _ => row,
        };
        if execution.cancelled {
            return Err(EngineError::Interrupted {
                id: self.id,
                undo_failures: Vec::new(),
                leftovers: Vec::new(),
            });
        }
        Ok(Outcome {
            row,
            changed: execution.changed.len(),
            reason: ailment,
        })
    }
}
