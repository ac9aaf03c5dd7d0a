use decnet_topology::{Intent, RuleSet, Status, StoredTopology, TopologyId, TopologyRow};
use futures_util::try_join;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    DeployOptions, Engine, EngineError, Outcome,
    converge::{Converged, Inside, Target},
    drift::Asked,
    force::Force,
    preflight::Stand,
    session::{Session, drift},
};
use crate::{desired::Desired, event::Trigger};

impl Engine {
    /// Brings a topology that is up back to what it should be, touching only what is not.
    ///
    /// Containers that run are made anew only with `force`, or where a mutation that is not through yet allowed it. A topology that is meant to be down is taken down further.
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
            Ok(stored) => {
                let options = DeployOptions { force, settings: None };
                session.mend(stored, options, Trigger::Healer, cancel).await
            }
            Err(error) => Err(error),
        };
        session.end(result).await
    }

    /// Says what of a topology that is up is not as it should be: as far as a list of what is there shows it, or, with `inside`,
    /// what the containers say of their routes, their forwarding and their containment, too. Touches nothing.
    pub(crate) async fn drift(&self, id: TopologyId, inside: bool) -> Result<Option<String>, EngineError> {
        let stored = self.repo.load(id).await?;
        let Stand {
            instance,
            info,
            mut observed,
        } = self.stand(id).await?;
        let settings = &stored.row.settings;
        let valid = self.validate(&stored, settings, RuleSet::live(), None).await?;
        let desired = Desired::new(&valid, &self.desired_context(instance, id, &info, settings)?)?;
        if inside {
            self.look_inside(&desired, &mut observed, Asked::All).await?;
        }
        Ok(drift(&desired, &observed))
    }

    pub(super) async fn mend(
        &self,
        id: TopologyId,
        options: DeployOptions,
        cancel: &CancellationToken,
    ) -> Result<Outcome, EngineError> {
        let session = Session::begin(self, id, cancel).await?;
        let result = match session.load().await {
            Ok(stored) => session.mend(stored, options, Trigger::Operator, cancel).await,
            Err(error) => Err(error),
        };
        session.end(result).await
    }
}

fn is_going_down(row: &TopologyRow) -> bool {
    row.status == Status::Degraded && row.intent == Some(Intent::Down)
}

impl Session<'_> {
    async fn mend(
        &self,
        stored: StoredTopology,
        options: DeployOptions,
        trigger: Trigger,
        cancel: &CancellationToken,
    ) -> Result<Outcome, EngineError> {
        let row = stored.row.clone();
        if !row.takes_mutations() {
            return Err(EngineError::WrongStatus {
                status: row.status,
                intent: row.intent,
                verb: "reconciled",
            });
        }
        let settings = options.settings.unwrap_or_else(|| row.settings.clone());
        let (observed, outstanding) = try_join!(self.observe(), async { Ok(self.engine.outstanding(&row).await?) })?;
        let stand = Stand {
            instance: self.instance,
            info: self.info.clone(),
            observed,
        };
        // What stands has its ports; only other settings may want ports that somebody else has.
        let host = if settings == row.settings {
            None
        } else {
            Some(self.engine.host_facts(&stand, &stored).await?)
        };
        let force = outstanding.or(Force::all_if(options.force));
        let target = Target {
            stored: &stored,
            settings: &settings,
            inside: Inside::Unknown,
            force: &force,
        };
        let prepared = self
            .engine
            .prepare(self.instance, &self.info, target, stand.observed, host.as_ref())
            .await?;
        let mut row = row;
        if settings != row.settings {
            let (repo, at) = (&self.engine.repo, Timestamp::now());
            // Whoever comes after a death between here and the end must not think that the bases are as the settings say.
            repo.set_needs_resync(self.id, true, at).await?;
            row = repo.set_settings(self.id, settings, at).await?;
        }
        let Converged {
            changed,
            cancelled,
            drift,
            ..
        } = self.carry_out(&prepared, trigger, cancel).await?;
        if cancelled {
            // What was not begun was not looked at either: the status stands.
            return Err(EngineError::Interrupted {
                id: self.id,
                undo_failures: Vec::new(),
                leftovers: Vec::new(),
            });
        }
        let row = self.become_as_found(row, drift.as_deref()).await?;
        Ok(Outcome {
            row,
            changed,
            reason: drift,
            warnings: prepared.warnings,
        })
    }

    /// Makes a topology that is up active where nothing ails it, degraded where something does.
    pub(super) async fn become_as_found(
        &self,
        mut row: TopologyRow,
        drift: Option<&str>,
    ) -> Result<TopologyRow, EngineError> {
        if drift.is_none() && row.needs_resync {
            let repo = &self.engine.repo;
            repo.set_needs_resync(self.id, false, Timestamp::now()).await?;
            row.needs_resync = false;
        }
        match (drift, row.status) {
            (None, Status::Degraded) => self.become_status(&row, Status::Active, None, None).await,
            (Some(reason), Status::Active) => {
                self.become_status(&row, Status::Degraded, None, Some(reason.into()))
                    .await
            }
            _ => Ok(row),
        }
    }
}
