use decnet_topology::{RuleSet, Status, StoredTopology, TopologyId, TopologyRow};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{carry_out::Converged, change::drift, drift::Asked, work::Task};
use crate::{
    desired::Desired,
    engine::{Engine, EngineError, Operation, Outcome, catalog::Unknown, session::lease::Session},
    event::Trigger,
};

impl Engine {
    /// Reconciles a running topology with its maze, and changes only what drifted.
    ///
    /// Running containers are recreated only with `force`, or if an unfinished mutation allows it. If the intent of the
    /// topology is down, its teardown is continued. The container of a service that is not in the catalogue is left alone; the outcome
    /// names it.
    pub async fn reconcile(
        &self,
        id: TopologyId,
        force: bool,
        cancel: &CancellationToken,
    ) -> Result<Outcome, EngineError> {
        self.run_now(id, Operation::Reconcile { force }, cancel).await
    }

    /// Returns how the runtime differs from a running topology, as far as lists show; with `inside`, also routes, forwarding and
    /// containment of its bases. Changes nothing.
    pub(crate) async fn drift(&self, id: TopologyId, inside: bool) -> Result<Option<String>, EngineError> {
        let stored = self.repo.load(id).await?;
        self.for_row(&stored.row).await?.drift_of(stored, inside).await
    }

    async fn drift_of(&self, stored: StoredTopology, inside: bool) -> Result<Option<String>, EngineError> {
        let (id, facts) = (stored.row.id, self.facts().await?);
        let mut observed = self.observe(&facts, id).await?;
        let settings = &stored.row.settings;
        let catalog = self.catalog_of(&stored.row);
        let (known, unknown) = Unknown::take(&stored, &catalog);
        let valid = self.validate(&known, settings, RuleSet::live(), None, id).await?;
        let mut desired = Desired::new(&valid, &self.desired_context(&facts, &stored.row, &catalog, settings)?)?;
        unknown.keep_states(&mut desired);
        if inside {
            self.check_inside(&desired, &mut observed, Asked::All).await?;
        }
        unknown.hide(&desired, &mut observed);
        let found = drift(&desired, &observed).or_else(|| unknown.reason());
        Ok(found.or_else(|| self.differs_on_agent(&stored)))
    }
}

impl Session<'_> {
    /// Makes the runtime match the maze of a running topology.
    pub(in crate::engine) async fn converge(&self, task: Task, trigger: Trigger) -> Result<Outcome, EngineError> {
        let Task {
            stored,
            settings,
            change,
            ..
        } = task;
        // The placement comes first: it is refused if another master was faster, and a refusal changes nothing.
        let mut row = self.keep_placement(stored.row, change.placement.as_ref()).await?;
        if settings != row.settings {
            // It then needs a resync: if this process dies early, the bases do not match the settings.
            row = self.set_settings(settings).await?;
        }
        row = self.keep_catalog(row, &stored.topology).await?;
        let Converged {
            changed,
            cancelled,
            unanswered,
            drift,
            observed,
            ..
        } = self.carry_out(&change, trigger, &self.cancel).await?;
        if cancelled {
            // If steps were not begun, the result is unknown: the status is unchanged.
            return Err(EngineError::interrupted(self.id));
        }
        if let Some(error) = unanswered.filter(|_| change.push.is_some()) {
            // The agent may have done all of it, so this is not a drift: the status is unchanged.
            return Err(error.into());
        }
        if let Some(observed) = &observed {
            row = self.forget_former(row, observed).await?;
        }
        let row = self.record_drift(row, drift.as_deref()).await?;
        Ok(Outcome {
            given_up: Vec::new(),
            kept_volumes: Vec::new(),
            row,
            changed,
            reason: drift,
            warnings: change.warnings,
        })
    }

    /// Marks a running topology as active if it matches its maze, otherwise as degraded.
    pub(in crate::engine) async fn record_drift(
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
