use decnet_topology::{Intent, RuleSet, Status, TopologyId};
use tokio_util::sync::CancellationToken;

use super::{
    Engine, EngineError, Outcome,
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
        let session = Session::begin(self, id, cancel).await?;
        let result = session.mend(force, cancel).await;
        session.end(result).await
    }
}

impl Session<'_> {
    async fn mend(&self, force: bool, cancel: &CancellationToken) -> Result<Outcome, EngineError> {
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
        let valid = self.validate(&stored, RuleSet::live()).await?;
        let desired = self.desired(&valid)?;
        let plan = diff(&desired, &self.observe().await?);
        if !force {
            plan.require_gentle()?;
        }
        let execution = self.execute(&plan, OnFailure::SkipDependents).await;
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
