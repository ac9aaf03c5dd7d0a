//! The plan from what is there to what should be.

use std::collections::BTreeSet;

use decnet_topology::{
    DeploySettings, Finding, RuleSet, Status, StoredTopology, Topology, TopologyId, ValidTopology, validate::HostFacts,
};

use super::{Engine, EngineError, drift::Asked, preflight::Facts};
use crate::{
    desired::Desired,
    naming::ContainerName,
    observe::{Activity, Observed},
    plan::{Plan, diff},
};

/// What is known of the insides of the bases, which no list of the runtime shows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Inside<'a> {
    /// Nothing: every base is asked.
    Unknown,
    /// The runtime was last observed to match this maze. No base is asked, and the state is set where the target differs from it.
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

/// What should be there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    /// The maze as it should be, in its row.
    pub(super) stored: &'a StoredTopology,
    /// How it is raised.
    pub(super) settings: &'a DeploySettings,
    /// What is known already.
    pub(super) inside: Inside<'a>,
    /// Which rules hold.
    pub(super) rules: RuleSet,
    /// Whose claims are its own: the topology's, or those of the one that it is a copy of.
    pub(super) claims: TopologyId,
}

impl<'a> Target<'a> {
    /// Takes a maze that runs, or that is to take the place of one.
    pub(super) fn live(stored: &'a StoredTopology, settings: &'a DeploySettings, inside: Inside<'a>) -> Self {
        Self {
            stored,
            settings,
            inside,
            rules: RuleSet::live(),
            claims: stored.row.id,
        }
    }
}

/// The change from what is there to what should be, worked out and not begun.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) desired: Desired,
    pub(super) observed: Observed,
    pub(super) plan: Plan,
    /// What the rules warn of.
    pub(super) warnings: Vec<Finding>,
    /// Whether the insides were known, so that a list is enough to see that the runtime matches.
    pub(super) known: bool,
}

impl Engine {
    /// Makes the plan from what is there to what should be. Touches nothing. All that raises or changes a topology goes through here.
    pub(super) async fn change(
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
    pub(super) async fn change_to(
        &self,
        facts: &Facts,
        target: Target<'_>,
        valid: &ValidTopology,
        mut observed: Observed,
    ) -> Result<Change, EngineError> {
        let Target { stored, settings, .. } = target;
        let context = self.desired_context(facts.instance, stored.row.id, &facts.info, settings)?;
        let desired = Desired::new(valid, &context)?;
        let known = self.known(facts, target, &desired)?;
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
        Ok(Change {
            plan: diff(&desired, &observed),
            desired,
            observed,
            warnings: valid.report().warnings().cloned().collect(),
            known: known.is_some(),
        })
    }

    /// Returns the bases whose routes or forwarding must be set again, where that is known without asking them.
    fn known(
        &self,
        facts: &Facts,
        target: Target<'_>,
        desired: &Desired,
    ) -> Result<Option<BTreeSet<ContainerName>>, EngineError> {
        let Inside::As(before) = target.inside else {
            return Ok(None);
        };
        // A maze that the catalogue of today does not know is no guide to what was set.
        let Ok(before) = before.clone().validate(&self.options.catalog, RuleSet::live()) else {
            return Ok(None);
        };
        let context = self.desired_context(facts.instance, target.stored.row.id, &facts.info, target.settings)?;
        let before = Desired::new(&before, &context)?;
        Ok(Some(desired.states_changed_since(&before).cloned().collect()))
    }
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
