use decnet_topology::{
    DeploySettings, Intent, RuleSet, Status, StoredTopology, TopologyId, TopologyRow, publish::PublishRule,
    repo::NewTopology, validate,
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    DeployOptions, Engine, EngineError, Outcome,
    drift::Asked,
    preflight::Stand,
    session::{Session, drift, leftovers},
};
use crate::{
    desired::Desired,
    event::{Envelope, Event},
    execute::{ExecutionReport, OnFailure},
    observe::{Observed, Scope},
    plan::{Plan, diff},
};

impl Engine {
    /// Raises a topology, whatever state it is in.
    ///
    /// A pending one is checked, raised and becomes active; if a step fails or `cancel` fires, what this run did is undone and
    /// it becomes failed. One whose deploy broke off is taken up where it stopped. One that runs is brought back to what it
    /// should be. Of a failed or torn-down one, and of one that is going down, what is left is cleared and a fresh copy (new id,
    /// same name) is deployed.
    pub async fn deploy(
        &self,
        id: TopologyId,
        options: DeployOptions,
        cancel: &CancellationToken,
    ) -> Result<Outcome, EngineError> {
        let row = self.repo.get(id).await?;
        if let Some(settings) = &options.settings {
            self.refuse_idle_rules(&self.repo.load(id).await?, settings)?;
        }
        match (row.status, row.intent) {
            (Status::Pending | Status::Deploying, _) => self.raise(id, options, cancel).await,
            (Status::Active, _) => self.mend(id, options, cancel).await,
            (Status::Degraded, intent) if intent != Some(Intent::Down) => self.mend(id, options, cancel).await,
            (Status::Failed | Status::TornDown | Status::TearingDown | Status::Degraded, _) => {
                let copy = self.renew(&row, cancel).await?;
                self.raise(copy, options, cancel).await
            }
            (status, intent) => Err(EngineError::WrongStatus {
                status,
                intent,
                verb: "deployed",
            }),
        }
    }

    /// Clears what is left of a topology that failed, is torn down or goes down, and stores a fresh pending copy.
    async fn renew(&self, row: &TopologyRow, cancel: &CancellationToken) -> Result<TopologyId, EngineError> {
        let observed = self.observe(row.id).await?;
        if row.status != Status::TornDown || !observed.is_empty() {
            self.teardown(row.id, cancel).await?;
        }
        let stored = self.repo.load(row.id).await?;
        let new = NewTopology {
            name: stored.row.name,
            mode: stored.row.mode,
            host: stored.row.host,
            config: stored.row.config,
            settings: stored.row.settings,
            topology: stored.topology,
            id: None,
        };
        let at = Timestamp::now();
        let fresh = self.repo.create(new, at).await?.row;
        let event = Event::Status {
            topology: fresh.id,
            from: None,
            to: fresh.status,
            reason: Some("created".into()),
        };
        self.publish(Envelope::new(event, at));
        Ok(fresh.id)
    }

    pub(super) async fn observe(&self, id: TopologyId) -> Result<Observed, EngineError> {
        let instance = self.repo.instance().await?;
        Ok(self.runtime.inspect(Scope::Topology(instance, id)).await?)
    }

    async fn raise(
        &self,
        id: TopologyId,
        options: DeployOptions,
        cancel: &CancellationToken,
    ) -> Result<Outcome, EngineError> {
        let session = Session::begin(self, id, cancel).await?;
        let result = session.raise(options).await;
        session.end(result).await
    }

    /// Works out what a deploy with these settings, or with those of before, would do now. Touches nothing.
    ///
    /// It is refused for what a deploy is refused for, the facts of the host among them.
    pub async fn plan(&self, id: TopologyId, settings: Option<DeploySettings>) -> Result<Plan, EngineError> {
        let stored = self.repo.load(id).await?;
        let mut stand = self.stand(id).await?;
        let settings = settings.unwrap_or_else(|| stored.row.settings.clone());
        self.refuse_idle_rules(&stored, &settings)?;
        let valid = if stored.row.takes_mutations() {
            self.validate(&stored, &settings, RuleSet::live(), None).await?
        } else {
            let host = self.host_facts(&stand, &stored).await?;
            self.validate(&stored, &settings, RuleSet::deploy(), Some(&host))
                .await?
        };
        let desired = Desired::new(
            &valid,
            &self.desired_context(stand.instance, id, &stand.info, &settings)?,
        )?;
        self.look_inside(&desired, &mut stand.observed, Asked::All).await?;
        Ok(diff(&desired, &stand.observed))
    }

    /// Refuses new publish rules that map no port of a gateway. Those that are stored may do so since a mutation.
    fn refuse_idle_rules(&self, stored: &StoredTopology, settings: &DeploySettings) -> Result<(), EngineError> {
        let catalog = &self.options.catalog;
        let published = validate::published(&stored.topology, catalog, &settings.publish);
        let maps = |rule: &PublishRule| {
            published.iter().any(|port| {
                let service = catalog.service(port.service.as_str());
                service.is_some_and(|service| rule.maps_any(&port.decky, service))
            })
        };
        let known = stored.row.settings.publish.rules();
        let mut new = settings.publish.rules().iter().filter(|rule| !known.contains(rule));
        match new.find(|rule| !maps(rule)) {
            None => Ok(()),
            Some(rule) => Err(EngineError::PublishMapsNothing { rule: rule.to_string() }),
        }
    }

    /// Works out what a teardown would do now. Touches nothing.
    pub async fn plan_teardown(&self, id: TopologyId) -> Result<Plan, EngineError> {
        self.repo.get(id).await?;
        let stand = self.stand(id).await?;
        Ok(diff(&Desired::nothing(stand.instance, id), &stand.observed))
    }

    /// Looks at where a topology stands on the runtime.
    pub(super) async fn stand(&self, id: TopologyId) -> Result<Stand, EngineError> {
        let info = self.runtime.info().await?;
        let instance = self.repo.instance().await?;
        let observed = self.runtime.inspect(Scope::Topology(instance, id)).await?;
        Ok(Stand {
            instance,
            info,
            observed,
        })
    }
}

impl Session<'_> {
    async fn raise(&self, options: DeployOptions) -> Result<Outcome, EngineError> {
        let stored = self.load().await?;
        let mut row = stored.row.clone();
        if !matches!(row.status, Status::Pending | Status::Deploying) {
            // Another process was faster, between the look at the status and the lease.
            return Err(EngineError::WrongStatus {
                status: row.status,
                intent: row.intent,
                verb: "deployed",
            });
        }
        let resumed = row.status == Status::Deploying;
        let settings = options.settings.unwrap_or_else(|| row.settings.clone());
        let mut stand = Stand {
            instance: self.instance,
            info: self.info.clone(),
            observed: self.observe().await?,
        };
        let host = self.engine.host_facts(&stand, &stored).await?;
        let valid = self
            .engine
            .validate(&stored, &settings, RuleSet::deploy(), Some(&host))
            .await?;
        let desired = self.desired(&valid, &settings)?;
        // There are bases only where an earlier run broke off.
        self.engine
            .look_inside(&desired, &mut stand.observed, Asked::All)
            .await?;
        let plan = diff(&desired, &stand.observed);
        if !options.force {
            plan.require_gentle(&|_| false)?;
        }
        if settings != row.settings {
            row = self
                .engine
                .repo
                .set_settings(self.id, settings, Timestamp::now())
                .await?;
        }
        if !resumed {
            row = self
                .become_status(&row, Status::Deploying, Some(Intent::Up), None)
                .await?;
        }
        let execution = self.execute(&plan, OnFailure::Undo, &self.cancel).await?;
        if !execution.is_complete() {
            return self.fail(&row, execution, resumed).await;
        }
        self.engine.publish_creation(self.id, &desired);
        let drift = drift(&desired, &self.observe().await?);
        let status = if drift.is_none() {
            Status::Active
        } else {
            Status::Degraded
        };
        let row = self.become_status(&row, status, None, drift.clone()).await?;
        Ok(Outcome {
            row,
            changed: execution.changed.len(),
            reason: drift,
            warnings: valid.report().warnings().cloned().collect(),
        })
    }

    /// Takes stock after a rollback and says that the deploy failed. What an earlier run that broke off left is cleared too.
    async fn fail(&self, row: &TopologyRow, execution: ExecutionReport, resumed: bool) -> Result<Outcome, EngineError> {
        let ExecutionReport {
            failures,
            mut undo_failures,
            cancelled,
            ..
        } = execution;
        let left = if resumed {
            // Whoever called the deploy off wants it gone: that much is not called off.
            self.clear(true, &CancellationToken::new()).await.map(|clearing| {
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
        self.become_status(row, Status::Failed, None, Some(reason)).await?;
        Err(if cancelled {
            EngineError::Interrupted {
                id: self.id,
                undo_failures,
                leftovers,
            }
        } else {
            EngineError::DeployFailed {
                id: self.id,
                failures,
                undo_failures,
                leftovers,
            }
        })
    }
}
