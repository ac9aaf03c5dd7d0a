//! The execution of a plan under the lease.

use decnet_topology::{RepoError, TopologyId};
use tokio_util::sync::CancellationToken;

use super::lease::Session;
use crate::{
    engine::{Engine, EngineError},
    event::{Event, Progress, StepState},
    execute::{ExecuteOptions, ExecutionReport, OnFailure, execute},
    plan::{Plan, StepId},
    runtime::RuntimeInfo,
};

impl Session<'_> {
    pub(super) fn lost(&self) -> EngineError {
        let (id, name) = (self.id, self.name.clone());
        RepoError::LeaseLost { id, name }.into()
    }

    /// Executes a plan and publishes every step.
    ///
    /// If the lease is lost, it stops immediately, like a killed process, and undoes nothing: another process holds the lease
    /// then, and its resources have the same names. The same applies if an agent has seen a newer lease.
    pub(in crate::engine) async fn execute(
        &self,
        plan: &Plan,
        on_failure: OnFailure,
        cancel: &CancellationToken,
    ) -> Result<ExecutionReport, EngineError> {
        self.execute_and_report(plan, on_failure, cancel, &|_| {}).await
    }

    /// Does the same, and calls `done` after each step.
    pub(in crate::engine) async fn execute_and_report(
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
        let runtime = self.runtime.as_ref();
        let execution = tokio::select! {
            biased;
            () = self.lease.lost().cancelled() => return Err(self.lost()),
            execution = execute(runtime, self.facts.instance, plan, ExecuteOptions::new(on_failure, width), cancel, &report) => execution,
        };
        match execution.superseded() {
            Some(seen) => Err(self.superseded(seen).await),
            None => Ok(execution),
        }
    }

    /// Makes the error of a session whose lease an agent refused: another master has a newer one.
    pub(in crate::engine) async fn superseded(&self, seen: u64) -> EngineError {
        tracing::warn!(maze = self.name.as_str(), seen, "an agent has seen a newer lease");
        self.engine.catch_up(seen).await;
        self.lost()
    }
}

impl Engine {
    /// Returns the number of parallel steps on containers.
    pub(in crate::engine) fn width(&self, info: &RuntimeInfo) -> usize {
        self.options.width.unwrap_or(2 * info.cpus)
    }
}

/// Returns the event of a plan that is about to be executed.
pub(in crate::engine) fn planned(topology: TopologyId, plan: &Plan) -> Event {
    /// A limit, so that the event is not too large for the bus.
    const LOGS: usize = 1000;
    Event::Planned {
        topology,
        steps: plan.steps().len(),
        deleted_logs: plan.deleted_logs().into_iter().take(LOGS).cloned().collect(),
    }
}
