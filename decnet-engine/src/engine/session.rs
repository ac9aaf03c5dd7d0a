//! One operation on one topology, under its lease.

use decnet_topology::{
    DeploySettings, Finding, InstanceId, Intent, LeaseToken, Mode, RepoError, RuleSet, Status, StoredTopology,
    TopologyId, TopologyRow, ValidTopology,
    repo::{MutationFilter, MutationRow, StatusChange},
    validate::{HostFacts, Surroundings},
};
use jiff::Timestamp;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{Engine, EngineError, preflight::Facts, submit::mutation_event};
use crate::{
    desired::DesiredContext,
    event::{Envelope, Event, Progress, StepState},
    execute::{ExecuteOptions, ExecutionReport, OnFailure, execute},
    lease::{HeldLease, refuse_held},
    observe::Observed,
    plan::{Plan, StepId},
    runtime::RuntimeInfo,
};

/// What an operation came to.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The topology's row afterwards; its id differs from the one asked for where a fresh copy was deployed.
    #[serde(flatten)]
    pub row: TopologyRow,
    /// How many steps changed something.
    pub changed: usize,
    /// What is not as it should be, where the topology is degraded.
    pub reason: Option<String>,
    /// What works, but is most likely not meant, as the rules found it before anything was done.
    pub warnings: Vec<Finding>,
}

/// By what right an operation changes a topology.
pub(super) enum Right {
    /// Its lease.
    Lease(HeldLease),
    /// The lock of those who cannot write to the store, held until it is dropped.
    Lock {
        _lock: Box<dyn Send + Sync>,
        lost: CancellationToken,
    },
}

impl Right {
    /// Returns the token that fires when it was lost.
    fn lost(&self) -> &CancellationToken {
        match self {
            Self::Lease(lease) => lease.lost(),
            Self::Lock { lost, .. } => lost,
        }
    }

    pub(super) fn token(&self) -> Option<LeaseToken> {
        match self {
            Self::Lease(lease) => Some(lease.token()),
            Self::Lock { .. } => None,
        }
    }
}

/// One operation on one topology: its lease, the runtime's facts, and the steps that all operations share.
pub(super) struct Session<'a> {
    pub(super) engine: &'a Engine,
    pub(super) id: TopologyId,
    pub(super) facts: Facts,
    pub(super) lease: Right,
    pub(super) cancel: CancellationToken,
}

impl<'a> Session<'a> {
    /// Makes sure that the runtime answers, then takes the lease.
    pub(super) async fn begin(
        engine: &'a Engine,
        id: TopologyId,
        cancel: &CancellationToken,
    ) -> Result<Self, EngineError> {
        let facts = engine.facts().await?;
        // Not before it answered: until one that hangs is given up, nobody else could work on the topology.
        let lease = HeldLease::acquire(engine.repo.clone(), id, &engine.options.label).await?;
        Ok(Self {
            engine,
            id,
            facts,
            lease: Right::Lease(lease),
            cancel: cancel.clone(),
        })
    }

    /// Makes sure that the runtime answers and that nobody else is at work, where the store cannot be written to and so no lease be
    /// taken.
    pub(super) async fn begin_unwritten(
        engine: &'a Engine,
        id: TopologyId,
        cancel: &CancellationToken,
    ) -> Result<Self, EngineError> {
        let facts = engine.facts().await?;
        let lock = engine.repo.lock_unwritten().await?;
        refuse_held(engine.repo.as_ref(), id).await?;
        Ok(Self {
            engine,
            id,
            facts,
            lease: Right::Lock {
                _lock: lock,
                lost: CancellationToken::new(),
            },
            cancel: cancel.clone(),
        })
    }

    /// Gives the lease back.
    pub(super) async fn end<T>(self, result: Result<T, EngineError>) -> Result<T, EngineError> {
        if let Right::Lease(lease) = self.lease {
            lease.release().await;
        }
        result
    }

    pub(super) async fn load(&self) -> Result<StoredTopology, EngineError> {
        Ok(self.engine.repo.load(self.id).await?)
    }

    pub(super) async fn observe(&self) -> Result<Observed, EngineError> {
        self.engine.observe(&self.facts, self.id).await
    }

    /// Changes the status and tells of it.
    ///
    /// What was queued of a topology that goes down is finished by the store with that, and told.
    pub(super) async fn become_status(
        &self,
        row: &TopologyRow,
        to: Status,
        intent: Option<Intent>,
        reason: Option<String>,
    ) -> Result<TopologyRow, EngineError> {
        // A pending topology can be edited without the lease: the maze that was planned must be the one that is deployed.
        // The lease guards against another owner that took it meanwhile.
        let change = StatusChange::new(row.status, to)
            .version((to == Status::Deploying).then_some(row.version))
            .intent(intent)
            .reason(reason.clone())
            .held(self.lease.token());
        let queued = match to {
            Status::TearingDown | Status::TornDown | Status::Failed => self.queued().await?,
            _ => Vec::new(),
        };
        // The event carries the time that is stored with the change, so that whoever hears of it twice knows.
        let at = Timestamp::now();
        let row_after = self.engine.repo.set_status(self.id, change, at).await?;
        let event = Event::Status {
            topology: self.id,
            from: Some(row.status),
            to,
            reason,
        };
        self.engine.publish(Envelope::new(event, at));
        for mutation in queued {
            let mutation = self.engine.repo.mutation(mutation.id).await?;
            if mutation.state.is_final() {
                self.engine.publish_now(mutation_event(&mutation));
            }
        }
        Ok(row_after)
    }

    /// Stores how the topology is deployed.
    pub(super) async fn set_settings(&self, settings: DeploySettings) -> Result<TopologyRow, EngineError> {
        let (repo, held) = (&self.engine.repo, self.lease.token());
        Ok(repo.set_settings(self.id, settings, held, Timestamp::now()).await?)
    }

    /// Records what an operation that failed came to. Where even that fails, the first error is the one to return: this one is
    /// logged.
    pub(super) async fn record(&self, row: &TopologyRow, to: Status, reason: String) {
        if let Err(error) = self.become_status(row, to, None, Some(reason.clone())).await {
            tracing::error!(id = %self.id, status = %to, reason, error = error.with_causes(), "the status could not be recorded");
        }
    }

    /// Returns the mutations that are not finished.
    async fn queued(&self) -> Result<Vec<MutationRow>, EngineError> {
        let unfinished = MutationFilter::unfinished(Some(self.id));
        Ok(self.engine.repo.mutations(&unfinished).await?.rows)
    }

    fn lost(&self) -> EngineError {
        RepoError::LeaseLost { id: self.id }.into()
    }

    /// Executes a plan and tells of every step.
    ///
    /// Once the lease is lost it stops where it stands, as a killed process would, and undoes nothing: what is there is in the
    /// hands of whoever took the lease, and has the same names.
    pub(super) async fn execute(
        &self,
        plan: &Plan,
        on_failure: OnFailure,
        cancel: &CancellationToken,
    ) -> Result<ExecutionReport, EngineError> {
        self.execute_heard(plan, on_failure, cancel, &|_| {}).await
    }

    /// The same with someone who hears of every step that is done, when it is.
    pub(super) async fn execute_heard(
        &self,
        plan: &Plan,
        on_failure: OnFailure,
        cancel: &CancellationToken,
        done: &(dyn Fn(StepId) + Sync),
    ) -> Result<ExecutionReport, EngineError> {
        let topology = self.id;
        self.engine.publish_now(planned(topology, plan));
        let width = self.engine.width(&self.facts.info);
        let report = |progress: Progress| {
            if matches!(progress.state, StepState::Done { .. }) {
                done(progress.step);
            }
            self.engine.publish_now(Event::Step { topology, progress });
        };
        let runtime = self.engine.runtime.as_ref();
        tokio::select! {
            biased;
            () = self.lease.lost().cancelled() => Err(self.lost()),
            execution = execute(runtime, self.facts.instance, plan, ExecuteOptions::new(on_failure, width), cancel, &report) => Ok(execution),
        }
    }
}

/// Refuses a topology that an agent on another host is to raise.
pub(super) fn refuse_agent(row: &TopologyRow) -> Result<(), EngineError> {
    match row.mode {
        Mode::Agent => Err(EngineError::AgentMode { host: row.host.clone() }),
        _ => Ok(()),
    }
}

impl Engine {
    /// Checks a topology against a rule set, what topologies other than `own_claims` claim, and what is on the host.
    pub(super) async fn validate(
        &self,
        stored: &StoredTopology,
        settings: &DeploySettings,
        rules: RuleSet,
        host: Option<&HostFacts>,
        own_claims: TopologyId,
    ) -> Result<ValidTopology, EngineError> {
        refuse_agent(&stored.row)?;
        let claims = self.repo.claims(Some(own_claims)).await?;
        let surroundings = Surroundings {
            claims: &claims,
            publish: Some(&settings.publish),
            host,
        };
        let topology = stored.topology.clone();
        Ok(topology.validate_in(&self.options.catalog, rules, surroundings)?)
    }

    /// Returns how many steps on containers run at a time.
    pub(super) fn width(&self, info: &RuntimeInfo) -> usize {
        self.options.width.unwrap_or(2 * info.cpus)
    }

    /// Puts together what specs depend on beside the maze.
    pub(super) fn desired_context<'s>(
        &'s self,
        instance: InstanceId,
        topology: TopologyId,
        info: &'s RuntimeInfo,
        settings: &'s DeploySettings,
    ) -> Result<DesiredContext<'s>, EngineError> {
        let image = self.image.as_ref().ok_or(EngineError::NoDecoy)?;
        Ok(DesiredContext {
            instance,
            topology,
            catalog: &self.options.catalog,
            decoy: &image.reference,
            api: info.api,
            settings,
            host_addresses: &info.addresses,
        })
    }
}

/// Tells of a plan that is about to be executed.
pub(super) fn planned(topology: TopologyId, plan: &Plan) -> Event {
    /// Fewer than would make the event too large for the bus.
    const LOGS: usize = 1000;
    Event::Planned {
        topology,
        steps: plan.steps().len(),
        deleted_logs: plan.deleted_logs().into_iter().take(LOGS).cloned().collect(),
    }
}
