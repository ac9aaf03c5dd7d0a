use decnet_topology::{RuleSet, Status, TopologyId, TopologyRow};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{carry_out::Converged, change::drift, drift::Asked, work::Task};
use crate::{
    desired::Desired,
    engine::{Engine, EngineError, Operation, Outcome, session::lease::Session},
    event::Trigger,
};

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
        self.run_now(id, Operation::Reconcile { force }, cancel).await
    }

    /// Says what of a topology that is up is not as it should be: as far as a list of what is there shows it, or, with `inside`,
    /// what the containers say of their routes, their forwarding and their containment, too. Touches nothing.
    pub(crate) async fn drift(&self, id: TopologyId, inside: bool) -> Result<Option<String>, EngineError> {
        let stored = self.repo.load(id).await?;
        let facts = self.facts().await?;
        let mut observed = self.observe(&facts, id).await?;
        let settings = &stored.row.settings;
        let valid = self.validate(&stored, settings, RuleSet::live(), None, id).await?;
        let desired = Desired::new(
            &valid,
            &self.desired_context(facts.instance, id, &facts.info, settings)?,
        )?;
        if inside {
            self.look_inside(&desired, &mut observed, Asked::All).await?;
        }
        Ok(drift(&desired, &observed))
    }
}

impl Session<'_> {
    /// Brings a topology that runs to what should be there.
    pub(in crate::engine) async fn mend(&self, task: Task, trigger: Trigger) -> Result<Outcome, EngineError> {
        let Task {
            stored,
            settings,
            change,
            ..
        } = task;
        let mut row = stored.row;
        if settings != row.settings {
            // With that it needs a resync: if this process dies before the end, the bases do not match the settings.
            row = self.set_settings(settings).await?;
        }
        let Converged {
            changed,
            cancelled,
            drift,
            ..
        } = self.carry_out(&change, trigger, &self.cancel).await?;
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
            warnings: change.warnings,
        })
    }

    /// Makes a topology that is up active where nothing ails it, degraded where something does.
    pub(in crate::engine) async fn become_as_found(
        &self,
        mut row: TopologyRow,
        drift: Option<&str>,
    ) -> Result<TopologyRow, EngineError> {
        if drift.is_none() && row.needs_resync {
            let (repo, held) = (&self.engine.repo, self.lease.token());
            repo.set_needs_resync(self.id, false, held, Timestamp::now()).await?;
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
