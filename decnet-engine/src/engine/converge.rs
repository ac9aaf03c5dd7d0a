//! The one way in which a maze that runs is brought to another, or back to itself: reconcile, the loop and a mutation share it.

use std::collections::{BTreeMap, BTreeSet};

use decnet_topology::{
    DeploySettings, Finding, InstanceId, RuleSet, Status, StoredTopology, Topology, validate::HostFacts,
};
use futures_util::{StreamExt as _, future::BoxFuture, join, stream::FuturesUnordered};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio_util::sync::CancellationToken;

use super::{
    Engine, EngineError,
    drift::Asked,
    force::Force,
    session::{Session, drift},
};
use crate::{
    desired::Desired,
    event::Trigger,
    execute::{ExecutionReport, OnFailure},
    naming::ContainerName,
    observe::{Observed, Scope},
    plan::{Action, Plan, StepId, diff},
    runtime::{RuntimeError, RuntimeInfo},
};

/// What is known of the insides of the bases, which no list of the runtime shows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Inside<'a> {
    /// Nothing: every base is asked.
    Unknown,
    /// They are as this maze has them, the last that the runtime was seen to match: nobody is asked, and set anew is what
    /// differs.
    As(&'a Topology),
}

impl<'a> Inside<'a> {
    /// Says what is known of a maze from its row: an active one was seen to match, unless something was stored since.
    pub(super) fn of(before: &'a StoredTopology) -> Self {
        if before.row.status == Status::Active && !before.row.needs_resync {
            Self::As(&before.topology)
        } else {
            Self::Unknown
        }
    }
}

/// A maze to follow, and with what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    /// The maze as it should be, in its row.
    pub(super) stored: &'a StoredTopology,
    /// How it is raised.
    pub(super) settings: &'a DeploySettings,
    /// What is known already.
    pub(super) inside: Inside<'a>,
    /// What may be made anew.
    pub(super) force: &'a Force,
}

/// What has to be done, worked out and not begun.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub(super) desired: Desired,
    pub(super) observed: Observed,
    pub(super) plan: Plan,
    /// What the rules warn of.
    pub(super) warnings: Vec<Finding>,
    /// Whether the insides were known, so that a list is enough to see that the runtime matches.
    known: bool,
}

/// What carrying it out came to.
#[derive(Debug, Clone)]
pub(super) struct Converged {
    /// How many steps changed something.
    pub(super) changed: usize,
    /// Whether it was called off before it was through.
    pub(super) cancelled: bool,
    /// What the runtime said last, if it does not answer any more.
    pub(super) unreachable: Option<RuntimeError>,
    /// What is not as it should be; none where the runtime was seen to match.
    pub(super) drift: Option<String>,
}

impl Engine {
    /// Looks at what is there and works out the plan to what should be. Touches nothing.
    ///
    /// The maze is held to the live rules, and a plan that makes anew what may not be is refused.
    pub(super) async fn prepare(
        &self,
        instance: InstanceId,
        info: &RuntimeInfo,
        target: Target<'_>,
        observed: Observed,
        host: Option<&HostFacts>,
    ) -> Result<Prepared, EngineError> {
        let valid = self
            .validate(target.stored, target.settings, RuleSet::live(), host)
            .await?;
        let context = self.desired_context(instance, target.stored.row.id, info, target.settings)?;
        let desired = Desired::new(&valid, &context)?;
        let mut observed = observed;
        let known = self.known(target, &desired, instance, info)?;
        match &known {
            Some(changed) => {
                for container in &mut observed.containers {
                    container.deviates = changed.contains(&container.name);
                }
            }
            None => {
                self.look_inside(&desired, &mut observed, Asked::All).await?;
            }
        }
        let plan = diff(&desired, &observed);
        target.force.permit(target.stored, &plan)?;
        Ok(Prepared {
            desired,
            observed,
            plan,
            warnings: valid.report().warnings().cloned().collect(),
            known: known.is_some(),
        })
    }

    /// Returns the bases whose routes or forwarding must be set anew, where that is known without asking them.
    fn known(
        &self,
        target: Target<'_>,
        desired: &Desired,
        instance: InstanceId,
        info: &RuntimeInfo,
    ) -> Result<Option<BTreeSet<ContainerName>>, EngineError> {
        let Inside::As(before) = target.inside else {
            return Ok(None);
        };
        // A maze that the catalogue of today does not know is no guide to what was set.
        let Ok(before) = before.clone().validate(&self.options.catalog, RuleSet::live()) else {
            return Ok(None);
        };
        let context = self.desired_context(instance, target.stored.row.id, info, target.settings)?;
        let before = Desired::new(&before, &context)?;
        Ok(Some(desired.states_changed_since(&before).cloned().collect()))
    }
}

impl Session<'_> {
    /// Looks at what is there and works out the plan to what should be. Touches nothing.
    pub(super) async fn prepare(&self, target: Target<'_>) -> Result<Prepared, EngineError> {
        let observed = self.look(target.inside).await?;
        self.engine
            .prepare(self.instance, &self.info, target, observed, None)
            .await
    }

    /// Looks at what is there, as closely as what is known asks for: what was seen to match is looked at for what changed, and
    /// whether it still matches in all is for a reconcile to see.
    pub(super) async fn look(&self, inside: Inside<'_>) -> Result<Observed, EngineError> {
        match inside {
            Inside::As(_) => self.list().await,
            Inside::Unknown => self.observe().await,
        }
    }

    /// Carries out what was prepared, past errors, tells which deckies that changed, and looks whether the runtime matches afterwards.
    ///
    /// What needs a step that failed is left out and the rest done; nothing is undone, since the maze is stored: the next
    /// reconcile takes it up. That it matches is seen in one more list of what is there, and inside the bases that began to run,
    /// which are asked while the rest is done; who was given routes said that they hold. The deckies that changed are told of,
    /// with what it was done for.
    pub(super) async fn carry_out(
        &self,
        prepared: &Prepared,
        trigger: Trigger,
        cancel: &CancellationToken,
    ) -> Result<Converged, EngineError> {
        let Prepared {
            desired,
            observed,
            plan,
            known,
            ..
        } = prepared;
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
            unreachable: errors.find(|error| matches!(error, RuntimeError::Unreachable { .. })),
            drift,
        })
    }

    async fn list(&self) -> Result<Observed, EngineError> {
        let scope = Scope::Topology(self.instance, self.id);
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
