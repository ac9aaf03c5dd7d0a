//! Topologies of mode `agent`: this engine plans, checks and records, and the agent of their host executes.

use std::{borrow::Cow, sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable as _};
use decnet_topology::{InstanceId, Mode, Status, StoredTopology, TopologyFilter, TopologyId, TopologyRow};
use tokio_util::sync::CancellationToken;

use super::lease::Session;
use crate::{
    engine::{Engine, EngineError},
    execute::{ExecutionReport, StepFailure},
    plan::Plan,
    pushed::{AgentStore, AppliedTopology, PushedVersion, TopologyPush},
    runtime::{Runtime, RuntimeError, TopologyHost},
};

/// How often a push without an answer is repeated, and the first and the longest pause.
const REPEATS: usize = 4;
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));

impl Engine {
    /// Returns the engine that works on a topology: for mode `agent`, one on the runtime of its host, with the identity of the store
    /// there. The plans, observations and checks are then those of the agent, except that the agent executes the plan.
    pub(in crate::engine) async fn for_topology(&self, id: TopologyId) -> Result<Cow<'_, Self>, EngineError> {
        self.for_row(&self.repo.get(id).await?).await
    }

    /// Does the same for a row that may not be stored yet.
    pub(in crate::engine) async fn for_row(&self, row: &TopologyRow) -> Result<Cow<'_, Self>, EngineError> {
        if row.mode != Mode::Agent || self.agent.is_some() {
            return Ok(Cow::Borrowed(self));
        }
        let missing = || EngineError::AgentMode {
            name: row.name.clone(),
            host: row.host.clone(),
        };
        let host = row.host.as_deref().ok_or_else(missing)?;
        let runtime = self.runtime.member(Some(host)).await?.ok_or_else(missing)?;
        let pushed = runtime.topologies().ok_or_else(missing)?.pushed().await?;
        let member = self.runtime.members().await?.remove(host);
        Ok(Cow::Owned(Self {
            runtime,
            agent: Some(Arc::new(AgentStore::new(pushed, member))),
            ..self.clone()
        }))
    }

    /// Returns the runtime that has a topology, and the id of the store in the labels of what it has of it.
    pub(crate) async fn place_of(&self, row: &TopologyRow) -> Result<(Arc<dyn Runtime>, InstanceId), EngineError> {
        let engine = self.for_row(row).await?;
        if let Some(agent) = engine.agent() {
            return Ok((Arc::clone(&engine.runtime), agent.instance));
        }
        let instance = self.repo.instance().await?;
        // A maze that is not placed on members of a fleet does not depend on whether they answer.
        let local = match row.placement {
            None => self.runtime.member(None).await?,
            Some(_) => None,
        };
        Ok((local.unwrap_or_else(|| Arc::clone(&self.runtime)), instance))
    }

    /// Returns the store of the agent that this engine works with; none if this engine executes plans itself.
    pub(in crate::engine) fn agent(&self) -> Option<&AgentStore> {
        self.agent.as_deref()
    }

    /// Returns why the agent of a topology has to get it again, if it has to.
    pub(in crate::engine) fn differs_on_agent(&self, stored: &StoredTopology) -> Option<String> {
        let is_there = self.agent()?.has(&PushedVersion::of(stored));
        (!is_there).then(|| "the agent has another version of the maze".into())
    }

    /// Refuses to deploy a topology to an agent that has another one: the agent would tear that down first.
    pub(in crate::engine) async fn refuse_taken_host(
        &self,
        row: &TopologyRow,
        before: TopologyId,
    ) -> Result<(), EngineError> {
        let (Mode::Agent, Some(host)) = (row.mode, &row.host) else {
            return Ok(());
        };
        let rows = self.repo.list(&TopologyFilter::default()).await?.rows;
        let holds = |other: &TopologyRow| {
            let lives = !matches!(other.status, Status::Pending | Status::TornDown | Status::Failed);
            lives && other.is_for_agent_of(host) && ![row.id, before].contains(&other.id)
        };
        match rows.into_iter().find(holds) {
            None => Ok(()),
            Some(other) => Err(EngineError::HostTaken {
                name: row.name.clone(),
                host: host.clone(),
                by: other.name,
            }),
        }
    }
}

impl Session<'_> {
    /// Asks the agent again what it has, if there is an agent: another master may have changed it before this session had the lease.
    pub(super) async fn refresh_agent(&self) -> Result<(), EngineError> {
        if let Some(agent) = self.engine.agent() {
            agent.set_applied(self.topologies()?.pushed().await?.applied);
        }
        Ok(())
    }

    /// Pushes a topology to its agent, which executes the plan. The report has one failure if the agent refused, or if the topology
    /// does not run completely.
    ///
    /// A push may be lost after it was applied, so one without an answer is repeated. The agent does nothing twice.
    pub(in crate::engine) async fn push(
        &self,
        plan: &Plan,
        push: &TopologyPush,
        cancel: &CancellationToken,
    ) -> Result<ExecutionReport, EngineError> {
        let host = self.topologies()?;
        let pushed = self.repeated(|| host.push(push), cancel).await?;
        self.reported(
            "push the maze to its agent",
            plan,
            pushed.map(|pushed| pushed.map(Some)),
        )
        .await
    }

    /// Lets the agent tear the topology down.
    pub(in crate::engine) async fn take_down_pushed(
        &self,
        plan: &Plan,
        cancel: &CancellationToken,
    ) -> Result<ExecutionReport, EngineError> {
        let host = self.topologies()?;
        let done = self.repeated(|| host.take_down(self.id), cancel).await?;
        self.reported("tear the maze down by its agent", plan, done).await
    }

    fn topologies(&self) -> Result<&dyn TopologyHost, EngineError> {
        self.runtime.topologies().ok_or_else(|| EngineError::AgentMode {
            name: self.name.clone(),
            host: None,
        })
    }

    /// Asks until there is an answer; none if it was cancelled. The agent goes on with what it has begun.
    async fn repeated<T, F: Future<Output = Result<T, RuntimeError>>>(
        &self,
        ask: impl Fn() -> F,
        cancel: &CancellationToken,
    ) -> Result<Option<Result<T, RuntimeError>>, EngineError> {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(PAUSES.0)
            .with_max_delay(PAUSES.1)
            .with_max_times(REPEATS)
            .with_jitter();
        let asked = ask.retry(backoff).when(RuntimeError::is_unreachable);
        tokio::select! {
            biased;
            () = self.lease.lost().cancelled() => Err(self.lost()),
            () = cancel.cancelled() => Ok(None),
            answer = asked => Ok(Some(answer)),
        }
    }

    /// Reports the answer of an agent. It says how many steps changed something, and not which.
    async fn reported(
        &self,
        step: &str,
        plan: &Plan,
        answer: Option<Result<Option<AppliedTopology>, RuntimeError>>,
    ) -> Result<ExecutionReport, EngineError> {
        let mut report = ExecutionReport::default();
        match answer {
            None => report.cancelled = true,
            Some(Ok(applied)) => {
                let reason = applied.as_ref().and_then(|applied| applied.reason.clone());
                if applied.as_ref().is_some_and(|applied| applied.changed > 0) {
                    report.changed = (0..plan.steps().len()).collect();
                }
                report.done = plan.steps().len();
                report.failures.extend(reason.map(|reason| StepFailure {
                    step: step.to_owned(),
                    source: RuntimeError::Refused { reason },
                }));
                if let Some(agent) = self.engine.agent() {
                    agent.set_applied(applied.filter(|applied| applied.status != Status::TornDown));
                }
            }
            Some(Err(source)) => report.failures.push(StepFailure {
                step: step.to_owned(),
                source,
            }),
        }
        match report.superseded() {
            Some(seen) => Err(self.superseded(seen).await),
            None => Ok(report),
        }
    }
}
