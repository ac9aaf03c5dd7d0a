//! One operation on one topology, under its lease.

use std::time::Duration;

use decnet_topology::{
    DeploySettings, Finding, InstanceId, Intent, LeaseToken, Mode, RepoError, RuleSet, Status, StoredTopology,
    TopologyId, TopologyRow, ValidTopology,
    repo::{MutationFilter, MutationRow, StatusChange},
    validate::{HostFacts, Surroundings},
};
use futures_util::{TryFutureExt as _, try_join};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Engine, EngineError, submit::mutation_event};
use crate::{
    desired::{Desired, DesiredContext},
    event::{Envelope, Event, Progress, StepState, Trigger},
    execute::{ExecuteOptions, ExecutionReport, OnFailure, StepFailure, execute},
    lease::{HeldLease, refuse_held},
    observe::{Activity, Observed, Scope},
    plan::{Plan, StepId, diff},
    runtime::RuntimeInfo,
};

/// What an operation came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The topology's row afterwards; its id differs from the one asked for where a fresh copy was deployed.
    pub row: TopologyRow,
    /// How many steps changed something.
    pub changed: usize,
    /// What is not as it should be, where the topology is degraded.
    pub reason: Option<String>,
    /// What works, but is most likely not meant, as the rules found it before anything was done.
    pub warnings: Vec<Finding>,
}

/// How often a topology is cleared, as long as something turns up that was not there before, and after which pause.
const CLEARING_ROUNDS: usize = 5;
const CLEARING_PAUSE: Duration = Duration::from_millis(500);

/// What came of clearing a topology away.
#[derive(Debug, Default)]
pub(super) struct Clearing {
    /// How many steps changed something.
    pub(super) changed: usize,
    /// The steps that failed in the last round.
    pub(super) failures: Vec<StepFailure>,
    /// What is left.
    pub(super) leftovers: Vec<String>,
}

/// By what right an operation changes a topology.
enum Right {
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

    fn token(&self) -> Option<LeaseToken> {
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
    pub(super) instance: InstanceId,
    pub(super) info: RuntimeInfo,
    lease: Right,
    pub(super) cancel: CancellationToken,
}

impl<'a> Session<'a> {
    /// Makes sure that the runtime answers, then takes the lease.
    pub(super) async fn begin(
        engine: &'a Engine,
        id: TopologyId,
        cancel: &CancellationToken,
    ) -> Result<Self, EngineError> {
        let (info, instance) = try_join!(
            engine.runtime.info().map_err(EngineError::from),
            engine.repo.instance().map_err(EngineError::from)
        )?;
        // Not before it answered: until one that hangs is given up, nobody else could work on the topology.
        let lease = HeldLease::acquire(engine.repo.clone(), id, &engine.options.label).await?;
        Ok(Self {
            engine,
            id,
            instance,
            info,
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
        let (info, instance) = try_join!(
            engine.runtime.info().map_err(EngineError::from),
            engine.repo.instance().map_err(EngineError::from)
        )?;
        let lock = engine.repo.lock_unwritten().await?;
        refuse_held(engine.repo.as_ref(), id).await?;
        Ok(Self {
            engine,
            id,
            instance,
            info,
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
        Ok(self
            .engine
            .runtime
            .inspect(Scope::Topology(self.instance, self.id))
            .await?)
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
        let change = StatusChange {
            from: row.status,
            to,
            intent,
            reason: reason.clone(),
            // A status is not changed under the feet of whoever took the lease meanwhile.
            held: self.lease.token(),
        };
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
        let width = self.engine.width(&self.info);
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
            execution = execute(runtime, self.instance, plan, ExecuteOptions { on_failure, width }, cancel, &report) => Ok(execution),
        }
    }

    /// Executes the plan to nothing, past all errors, and returns what came of it and what is left.
    ///
    /// Where an earlier run was `broken_off`, the runtime may still be at work on what that asked for last, and a network or a
    /// container appear after a look that found nothing: so it waits a moment and looks again.
    pub(super) async fn clear(&self, broken_off: bool, cancel: &CancellationToken) -> Result<Clearing, EngineError> {
        let mut clearing = Clearing::default();
        for round in 1..=CLEARING_ROUNDS {
            let observed = self.observe().await?;
            let plan = diff(&Desired::nothing(self.instance, self.id), &observed);
            let execution = self.execute(&plan, OnFailure::GoOn, cancel).await?;
            self.engine
                .publish_deckies(self.id, &observed, &plan, &execution, Trigger::Retirement);
            clearing.changed += execution.changed.len();
            clearing.failures = execution.failures;
            clearing.leftovers = leftovers(&self.observe().await?);
            let quiet = clearing.leftovers.is_empty() && (round > 1 || !broken_off);
            if quiet || !clearing.failures.is_empty() || cancel.is_cancelled() {
                break;
            }
            tokio::time::sleep(CLEARING_PAUSE).await;
        }
        Ok(clearing)
    }

    pub(super) fn desired(&self, valid: &ValidTopology, settings: &DeploySettings) -> Result<Desired, EngineError> {
        Ok(Desired::new(
            valid,
            &self
                .engine
                .desired_context(self.instance, self.id, &self.info, settings)?,
        )?)
    }
}

impl Engine {
    /// Checks a topology against a rule set, what other topologies claim, and what is on the host.
    pub(super) async fn validate(
        &self,
        stored: &StoredTopology,
        settings: &DeploySettings,
        rules: RuleSet,
        host: Option<&HostFacts>,
    ) -> Result<ValidTopology, EngineError> {
        if stored.row.mode == Mode::Agent {
            return Err(EngineError::AgentMode {
                host: stored.row.host.clone(),
            });
        }
        let claims = self.repo.claims(Some(stored.row.id)).await?;
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

/// Names what was found, for people.
pub(super) fn leftovers(observed: &Observed) -> Vec<String> {
    let containers = observed
        .containers
        .iter()
        .map(|container| format!("container {}", container.name));
    let networks = observed
        .networks
        .iter()
        .map(|network| format!("network {}", network.name));
    let volumes = observed.volumes.iter().map(|volume| format!("volume {}", volume.name));
    containers.chain(networks).chain(volumes).collect()
}

/// Says what is not as it should be, if anything is.
pub(super) fn drift(desired: &Desired, observed: &Observed) -> Option<String> {
    if let Some(step) = diff(desired, observed).steps().first() {
        return Some(format!("not as it should be: needs to {}", step.action));
    }
    let down = observed
        .containers
        .iter()
        .find(|container| container.activity != Activity::Running);
    down.map(|container| format!("container {} does not run", container.name))
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
