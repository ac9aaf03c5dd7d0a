//! The plan from the observed resources to the desired ones.

use std::collections::BTreeSet;

use decnet_topology::{
    DeploySettings, Finding, RuleSet, Status, StoredTopology, TopologyId, ValidTopology, validate::HostFacts,
};

use super::drift::Asked;
use crate::{
    desired::Desired,
    engine::{Engine, EngineError, session::facts::Facts},
    observe::{Activity, Observed},
    plan::{Plan, diff, diff_since},
};

/// What is known of the network state inside the bases, which no list of the runtime shows.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) enum Inside {
    /// Nothing: every base is checked.
    Unknown,
    /// The runtime was last observed to match the maze before the change. No base is checked. The state is set where the target differs
    /// from that maze.
    AsBefore,
}

impl Inside {
    /// Returns what is known of a maze from its row: an active one was seen to match, unless something was stored since.
    pub(in crate::engine) fn of(before: &StoredTopology) -> Self {
        if before.row.status == Status::Active && !before.row.needs_resync {
            Self::AsBefore
        } else {
            Self::Unknown
        }
    }
}

/// The maze that should run, and what is known before its plan is made.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Target<'a> {
    /// The maze as it should be, in its row.
    pub(in crate::engine) stored: &'a StoredTopology,
    /// How it is raised.
    pub(in crate::engine) settings: &'a DeploySettings,
    /// The maze before the change, in its row; none where it does not run, or is not changed.
    pub(in crate::engine) before: Option<&'a StoredTopology>,
    /// What is known already.
    pub(in crate::engine) inside: Inside,
    /// Which rules it must pass.
    pub(in crate::engine) rules: RuleSet,
    /// The topology whose claims are its own: itself, or the one that it is a copy of.
    pub(in crate::engine) claims: TopologyId,
}

impl<'a> Target<'a> {
    /// Takes a maze that runs, or that is to take the place of one.
    pub(in crate::engine) fn live(stored: &'a StoredTopology, settings: &'a DeploySettings) -> Self {
        Self {
            stored,
            settings,
            before: None,
            inside: Inside::Unknown,
            rules: RuleSet::live(),
            claims: stored.row.id,
        }
    }

    /// Says what it was before, and what is known of the insides of its bases.
    pub(in crate::engine) fn since(self, before: &'a StoredTopology, inside: Inside) -> Self {
        Self {
            before: Some(before),
            inside,
            ..self
        }
    }
}

/// A change of the runtime, planned and not begun.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Change {
    pub(in crate::engine) desired: Desired,
    pub(in crate::engine) observed: Observed,
    pub(in crate::engine) plan: Plan,
    /// The warnings of the rules.
    pub(in crate::engine) warnings: Vec<Finding>,
    /// Whether the network state was known, so that a list is enough to see that the runtime matches.
    pub(in crate::engine) known: bool,
}

impl Engine {
    /// Plans the change from the observed resources to the target. Changes nothing. Every deploy, reconcile and mutation uses it.
    pub(in crate::engine) async fn change(
        &self,
        facts: &Facts,
        target: Target<'_>,
        observed: Observed,
        host: Option<&HostFacts>,
    ) -> Result<Change, EngineError> {
        let Target { stored, settings, .. } = target;
        let valid = self
            .validate(stored, settings, target.rules, host, target.claims)
            .await?;
        self.change_to(facts, target, &valid, observed).await
    }

    /// Makes the plan to a maze that has passed the rules of the target.
    pub(in crate::engine) async fn change_to(
        &self,
        facts: &Facts,
        target: Target<'_>,
        valid: &ValidTopology,
        mut observed: Observed,
    ) -> Result<Change, EngineError> {
        let Target { stored, settings, .. } = target;
        let context = self.desired_context(facts.instance, stored.row.id, &facts.info, settings)?;
        let desired = Desired::new(valid, &context)?;
        let before = self.desired_before(facts, target)?;
        let known = before.as_ref().filter(|_| matches!(target.inside, Inside::AsBefore));
        match known {
            Some(before) => {
                let changed: BTreeSet<_> = desired.states_changed_since(before).collect();
                for container in &mut observed.containers {
                    let deviates = changed.contains(&container.name);
                    container.deviates = deviates.then(|| "the maze changed".into());
                }
            }
            None => {
                self.look_inside(&desired, &mut observed, Asked::All).await?;
            }
        }
        Ok(Change {
            plan: diff_since(before.as_ref(), &desired, &observed),
            known: known.is_some(),
            desired,
            observed,
            warnings: valid.report().warnings().cloned().collect(),
        })
    }

    /// Returns the desired resources before the change; none where that maze is not valid with the present catalogue.
    fn desired_before(&self, facts: &Facts, target: Target<'_>) -> Result<Option<Desired>, EngineError> {
        let Some(before) = target.before else {
            return Ok(None);
        };
        let topology = before.topology.clone();
        let Ok(valid) = topology.validate(&self.options.catalog, RuleSet::live()) else {
            return Ok(None);
        };
        let context = self.desired_context(facts.instance, before.row.id, &facts.info, &before.row.settings)?;
        Ok(Some(Desired::new(&valid, &context)?))
    }
}

/// Returns how the runtime differs from the maze, if it does.
pub(in crate::engine) fn drift(desired: &Desired, observed: &Observed) -> Option<String> {
    if let Some(step) = diff(desired, observed).steps().first() {
        return Some(format!("drift: {step}"));
    }
    let down = observed
        .containers
        .iter()
        .find(|container| container.activity != Activity::Running);
    down.map(|container| format!("container {} does not run", container.name))
}
