//! Execution of a change of a running maze. Reconcile, the watch loop and mutations share it.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, future::BoxFuture, join, stream::FuturesUnordered};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio_util::sync::CancellationToken;

use super::{
    change::{Change, Inside},
    drift::Asked,
};
use crate::{
    desired::Desired,
    engine::{
        EngineError,
        session::{execute::planned, lease::Session},
    },
    event::Trigger,
    execute::{ExecutionReport, OnFailure},
    naming::ContainerName,
    observe::{Observed, Scope},
    plan::{Action, Plan, StepId},
    runtime::RuntimeError,
};

/// The result of an executed change.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Converged {
    /// How many steps changed something.
    pub(in crate::engine) changed: usize,
    /// Whether it was cancelled early.
    pub(in crate::engine) cancelled: bool,
    /// The first step that failed, and why.
    pub(in crate::engine) failure: Option<String>,
    /// The error of a step that the runtime did not answer in time, or at all.
    pub(in crate::engine) unanswered: Option<RuntimeError>,
    /// How the runtime differs from the maze; none if it matches.
    pub(in crate::engine) drift: Option<String>,
    /// What there is afterwards; none if a step failed.
    pub(in crate::engine) observed: Option<Observed>,
}

impl Session<'_> {
    /// Observes the topology. If it was known to match before, a list is enough; a later reconcile finds other drift.
    pub(in crate::engine) async fn observe_for(&self, inside: Inside) -> Result<Observed, EngineError> {
        match inside {
            Inside::AsBefore => self.list().await,
            Inside::Unknown => self.observe().await,
        }
    }

    /// Executes a change, continues after errors, publishes which deckies changed, and checks whether the runtime then matches.
    ///
    /// Steps that depend on a failed step are skipped; all others are done. Nothing is undone, because the maze is stored: the
    /// next reconcile continues. A final list shows whether the runtime matches. New bases are checked while other steps run. A
    /// base whose state was set has confirmed it.
    pub(in crate::engine) async fn carry_out(
        &self,
        change: &Change,
        trigger: Trigger,
        cancel: &CancellationToken,
    ) -> Result<Converged, EngineError> {
        let Change {
            desired,
            observed,
            plan,
            known,
            ..
        } = change;
        if plan.is_empty() && change.push.is_none() {
            return Ok(Converged {
                changed: 0,
                cancelled: false,
                failure: None,
                unanswered: None,
                drift: change.drift(observed),
                observed: Some(observed.clone()),
            });
        }
        let (done, begun) = mpsc::unbounded_channel();
        let (execution, settled) = join!(
            async move {
                let report_done = |step| {
                    // If the receiver was dropped, its own error is returned below.
                    let _ = done.send(step);
                };
                self.execute_change(change, OnFailure::SkipDependents, cancel, &report_done)
                    .await
            },
            self.settled(desired, plan, begun)
        );
        let execution = execution?;
        self.engine
            .publish_deckies(self.id, observed, plan, &execution, trigger);
        let failure = execution.failures.first();
        let failure = failure.map(|failure| format!("{failure}: {}", failure.source));
        let (drift, after) = if let Some(failure) = &failure {
            (Some(failure.clone()), None)
        } else {
            let observed = self.observe_again(change, *known, &settled?).await?;
            (change.drift(&observed), Some(observed))
        };
        let ExecutionReport {
            changed,
            cancelled,
            failures,
            ..
        } = execution;
        let mut errors = failures.into_iter().map(|failure| failure.source);
        Ok(Converged {
            changed: changed.len(),
            cancelled,
            failure,
            unanswered: errors.find(RuntimeError::is_unanswered),
            drift,
            observed: after,
        })
    }

    /// Executes the plan of a change; for a topology of mode `agent`, its agent does.
    pub(in crate::engine) async fn execute_change(
        &self,
        change: &Change,
        on_failure: OnFailure,
        cancel: &CancellationToken,
        done: &(dyn Fn(StepId) + Sync),
    ) -> Result<ExecutionReport, EngineError> {
        match &change.push {
            None => self.execute_and_report(&change.plan, on_failure, cancel, done).await,
            Some(push) => {
                self.engine.publish_now(planned(self.id, &change.plan));
                self.push(&change.plan, push, cancel).await
            }
        }
    }

    async fn list(&self) -> Result<Observed, EngineError> {
        if !self.facts.info.members.is_empty() {
            // A list has no links.
            return self.observe().await;
        }
        let scope = Scope::Topology(self.facts.instance, self.id);
        Ok(self.engine.runtime.list(scope).await?)
    }

    /// Checks bases as soon as they run, and returns those that match. Bases that later steps change are skipped.
    async fn settled(
        &self,
        desired: &Desired,
        plan: &Plan,
        mut begun: UnboundedReceiver<StepId>,
    ) -> Result<BTreeSet<ContainerName>, EngineError> {
        let steps = plan.steps().iter();
        let changed: BTreeSet<_> = steps.clone().filter_map(|step| changed_base(&step.action)).collect();
        let mut checks: BTreeMap<StepId, BoxFuture<'_, Result<Option<ContainerName>, EngineError>>> = BTreeMap::new();
        for (id, name) in steps
            .enumerate()
            .filter_map(|(id, step)| Some((id, base_with_new_namespace(&step.action)?)))
        {
            if let Some(base) = desired.bases.get(name).filter(|_| !changed.contains(name)) {
                let settles = async {
                    self.engine
                        .settles(base)
                        .await
                        .map(|settles| settles.then(|| name.clone()))
                };
                checks.insert(id, Box::pin(settles));
            }
        }
        let mut settled = BTreeSet::new();
        let mut running = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(step) = begun.recv() => running.extend(checks.remove(&step)),
                Some(found) = running.next() => settled.extend(found?),
                else => break,
            }
        }
        Ok(settled)
    }

    async fn observe_again(
        &self,
        change: &Change,
        known: bool,
        settled: &BTreeSet<ContainerName>,
    ) -> Result<Observed, EngineError> {
        let Change { desired, plan, .. } = change;
        let mut observed = if known {
            self.list().await?
        } else {
            self.observe().await?
        };
        let began = plan
            .steps()
            .iter()
            .filter_map(|step| base_with_new_namespace(&step.action));
        let began: BTreeSet<_> = began.filter(|name| !settled.contains(*name)).collect();
        self.engine
            .check_inside(desired, &mut observed, Asked::Settling(&began))
            .await?;
        change.unknown.hide(desired, &mut observed);
        Ok(observed)
    }
}

/// Returns the base that has a new namespace after an action, if there is one.
fn base_with_new_namespace(action: &Action) -> Option<&ContainerName> {
    match action {
        Action::CreateBase { base } => Some(&base.name),
        Action::Restart { container, .. } => Some(container),
        _ => None,
    }
}

/// Returns the running base that an action changes, if there is one.
fn changed_base(action: &Action) -> Option<&ContainerName> {
    match action {
        Action::Connect { container, .. }
        | Action::Disconnect { container, .. }
        | Action::SetState { container, .. } => Some(container),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
