use decnet_topology::{Intent, RuleSet, Status, TopologyId, TopologyRow};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    DeployOptions, Engine, EngineError, Outcome,
    preflight::Stand,
    session::{Session, ailment},
};
use crate::{event::Trigger, execute::OnFailure, plan::diff};

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
        let result = match session.load().await {
            Ok(stored) if stored.row.status == Status::TearingDown || is_going_down(&stored.row) => {
                session.take_down(cancel).await
            }
            Ok(_) => session.mend(DeployOptions { force, settings: None }, cancel).await,
            Err(error) => Err(error),
        };
        session.end(result).await
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

fn is_going_down(row: &TopologyRow) -> bool {
    row.status == Status::Degraded && row.intent == Some(Intent::Down)
}

impl Session<'_> {
    async fn mend(&self, options: DeployOptions, cancel: &CancellationToken) -> Result<Outcome, EngineError> {
        let stored = self.load().await?;
        let row = stored.row.clone();
        match (row.status, row.intent) {
            (Status::Active | Status::Degraded, intent) if intent != Some(Intent::Down) => {}
            (status, intent) => {
                return Err(EngineError::WrongStatus {
                    status,
                    intent,
                    verb: "reconciled",
                });
            }
        }
        let settings = options.settings.unwrap_or_else(|| row.settings.clone());
        let mut stand = Stand {
            instance: self.instance,
            info: self.info.clone(),
            observed: self.observe().await?,
        };
        // What stands has its ports; only other settings may want ports that somebody else has.
        let host = if settings == row.settings {
            None
        } else {
            Some(self.engine.host_facts(&stand, &stored).await?)
        };
        let valid = self
            .engine
            .validate(&stored, &settings, RuleSet::live(), host.as_ref())
            .await?;
        let desired = self.desired(&valid, &settings)?;
        let width = self.engine.width(&self.info);
        self.engine
            .look_inside(&desired, &mut stand.observed, width, false)
            .await?;
        let plan = diff(&desired, &stand.observed);
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
        self.engine
            .tell_of_deckies(self.id, &stand.observed, &plan, &execution, Trigger::Healer);
        let ailment = match execution.failures.first() {
            Some(failure) => Some(format!("{failure}: {}", failure.source)),
            None if plan.is_empty() => ailment(&desired, &stand.observed),
            None => {
                let mut observed = self.observe().await?;
                self.engine.look_inside(&desired, &mut observed, width, true).await?;
                ailment(&desired, &observed)
            }
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
