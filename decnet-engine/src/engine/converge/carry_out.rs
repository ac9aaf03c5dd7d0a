//! The one way in which a maze that runs is brought to another, or back to itself: reconcile, the loop and a mutation share it.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, future::BoxFuture, join, stream::FuturesUnordered};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio_util::sync::CancellationToken;

use super::{
    change::{Change, Inside, drift},
    drift::Asked,
};
use crate::{
    desired::Desired,
    engine::{EngineError, session::lease::Session},
    event::Trigger,
    execute::{ExecutionReport, OnFailure},
    naming::ContainerName,
    observe::{Observed, Scope},
    plan::{Action, Plan, StepId},
    runtime::RuntimeError,
};

/// What carrying it out came to.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Converged {
    /// How many steps changed something.
    pub(in crate::engine) changed: usize,
    /// Whether it was called off before it was through.
    pub(in crate::engine) cancelled: bool,
    /// What the runtime said last, if it does not answer any more.
    pub(in crate::engine) unreachable: Option<RuntimeError>,
    /// What is not as it should be; none where the runtime was seen to match.
    pub(in crate::engine) drift: Option<String>,
}

impl Session<'_> {
    /// Looks at what is there, as closely as what is known asks for: what was seen to match is looked at for what changed, and
    /// whether it still matches in all is for a reconcile to see.
    pub(in crate::engine) async fn look(&self, inside: Inside) -> Result<Observed, EngineError> {
        match inside {
            Inside::AsBefore => self.list().await,
            Inside::Unknown => self.observe().await,
        }
    }

    /// Carries out a change, past errors, tells which deckies that changed, and looks whether the runtime matches afterwards.
    ///
    /// What needs a step that failed is left out and the rest done; nothing is undone, since the maze is stored: the next
    /// reconcile takes it up. That it matches is seen in one more list of what is there, and inside the bases that began to run,
    /// which are asked while the rest is done; who was given routes said that they hold. The deckies that changed are told of,
    /// with what it was done for.
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
        if plan.is_empty() {
            return Ok(Converged {
                changed: 0,
                cancelled: false,
                unreachable: None,
                drift: drift(desired, observed),
            });
        }
        let (done, begun) = mpsc::unbounded_channel();
        let (execution, settled) = join!(
            async move {
                let hear = |step| {
                    // Who does not listen any more failed to ask, and says so.
                    let _ = done.send(step);
                };
                self.execute_heard(plan, OnFailure::SkipDependents, cancel, &hear).await
            },
            self.settled(desired, plan, begun)
        );
        let execution = execution?;
        self.engine
            .publish_deckies(self.id, observed, plan, &execution, trigger);
        let drift = match execution.failures.first() {
            Some(failure) => Some(format!("{failure}: {}", failure.source)),
            None => self.look_again(desired, plan, *known, &settled?).await?,
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
            unreachable: errors.find(RuntimeError::is_unreachable),
            drift,
        })
    }

    async fn list(&self) -> Result<Observed, EngineError> {
        let scope = Scope::Topology(self.facts.instance, self.id);
        Ok(self.engine.runtime.list(scope).await?)
    }

    /// Asks the bases that begin to run, as they do, and returns those that are as they should. Those that more is done to
    /// afterwards are left for later.
    async fn settled(
        &self,
        desired: &Desired,
        plan: &Plan,
        mut begun: UnboundedReceiver<StepId>,
    ) -> Result<BTreeSet<ContainerName>, EngineError> {
        let steps = plan.steps().iter();
        let changed: BTreeSet<_> = steps.clone().filter_map(|step| changing(&step.action)).collect();
        let mut looks: BTreeMap<StepId, BoxFuture<'_, Result<Option<ContainerName>, EngineError>>> = BTreeMap::new();
        for (id, name) in steps
            .enumerate()
            .filter_map(|(id, step)| Some((id, beginning(&step.action)?)))
        {
            if let Some(base) = desired.bases.get(name).filter(|_| !changed.contains(name)) {
                let settles = async {
                    self.engine
                        .settles(base)
                        .await
                        .map(|settles| settles.then(|| name.clone()))
                };
                looks.insert(id, Box::pin(settles));
            }
        }
        let mut settled = BTreeSet::new();
        let mut asking = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(step) = begun.recv() => asking.extend(looks.remove(&step)),
                Some(found) = asking.next() => settled.extend(found?),
                else => break,
            }
        }
        Ok(settled)
    }

    async fn look_again(
        &self,
        desired: &Desired,
        plan: &Plan,
        known: bool,
        settled: &BTreeSet<ContainerName>,
    ) -> Result<Option<String>, EngineError> {
        let mut observed = if known {
            self.list().await?
        } else {
            self.observe().await?
        };
        let began = plan.steps().iter().filter_map(|step| beginning(&step.action));
        let began: BTreeSet<_> = began.filter(|name| !settled.contains(*name)).collect();
        self.engine
            .look_inside(desired, &mut observed, Asked::Settling(&began))
            .await?;
        Ok(drift(desired, &observed))
    }
}

/// The base that has a new namespace after an action, if one has.
fn beginning(action: &Action) -> Option<&ContainerName> {
    match action {
        Action::CreateBase { base } => Some(&base.name),
        Action::Restart { container, .. } => Some(container),
        _ => None,
    }
}

/// The base that runs on and is changed by an action, if one is.
fn changing(action: &Action) -> Option<&ContainerName> {
    match action {
        Action::Connect { container, .. }
        | Action::Disconnect { container, .. }
        | Action::SetState { container, .. } => Some(container),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
