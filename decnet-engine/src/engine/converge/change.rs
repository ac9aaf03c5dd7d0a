//! The plan from the observed resources to the desired ones.

use std::{borrow::Cow, collections::BTreeSet};

use decnet_topology::{
    DeploySettings, Finding, HostFacts, Name, Placement, RuleSet, Status, StoredTopology, TopologyId, ValidTopology,
};

use super::drift::Asked;
use crate::{
    desired::Desired,
    engine::{Engine, EngineError, catalog::Unknown, session::facts::Facts},
    naming::MazeNames,
    observe::{Activity, Observed},
    plan::{Action, Plan, Step, diff, diff_since},
    pushed::{PushedVersion, TopologyPush},
};

/// The known network state inside the bases, which lists of the runtime do not show.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) enum Inside {
    /// Nothing is known: every base is checked.
    Unknown,
    /// The runtime matched the maze before the change. No base is checked. The state is set where the target differs from that
    /// maze.
    AsBefore,
}

impl Inside {
    /// Derives the knowledge from a topology's row: an active one matched, unless it was changed since.
    pub(in crate::engine) fn of(before: &StoredTopology) -> Self {
        if before.row.status == Status::Active && !before.row.needs_resync {
            Self::AsBefore
        } else {
            Self::Unknown
        }
    }
}

/// The maze that should run, and what is known before planning.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Target<'a> {
    /// The desired maze, in its row.
    pub(in crate::engine) stored: &'a StoredTopology,
    /// The deploy settings.
    pub(in crate::engine) settings: &'a DeploySettings,
    /// The maze before the change, in its row; none if it does not run or is not changed.
    pub(in crate::engine) before: Option<&'a StoredTopology>,
    /// What is already known.
    pub(in crate::engine) inside: Inside,
    /// The rules that it must pass.
    pub(in crate::engine) rules: RuleSet,
    /// The topology whose claims count as its own: itself, or the one that it is a copy of.
    pub(in crate::engine) claims: TopologyId,
}

impl<'a> Target<'a> {
    /// Creates a target from a running maze, or one that replaces it.
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

    /// Sets the previous maze, and what is known about the insides of its bases.
    pub(in crate::engine) fn since(self, before: &'a StoredTopology, inside: Inside) -> Self {
        Self {
            before: Some(before),
            inside,
            ..self
        }
    }
}

/// A change of the runtime that is planned but not begun.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Change {
    pub(in crate::engine) desired: Desired,
    pub(in crate::engine) observed: Observed,
    pub(in crate::engine) plan: Plan,
    /// The warnings of the validation.
    pub(in crate::engine) warnings: Vec<Finding>,
    /// Whether the network state was known, so that a list is enough to confirm the result.
    pub(in crate::engine) known: bool,
    /// The services that the catalogue does not have.
    pub(in crate::engine) unknown: Unknown,
    /// What is pushed to the agent of the maze, which executes the plan; none if this engine executes it, or the agent has it.
    pub(in crate::engine) push: Option<Box<TopologyPush>>,
    /// Where the maze is placed on the fleet; none if there is only one host.
    pub(in crate::engine) placement: Option<Placement>,
    /// Why the maze could not be placed like this again, if so. It stays there, degraded.
    pub(in crate::engine) misplaced: Option<String>,
}

impl Change {
    /// Returns why the maze is degraded, if it is: its place, how the runtime differs from it, or what is not known of it.
    pub(in crate::engine) fn drift(&self, observed: &Observed) -> Option<String> {
        let misplaced = self.misplaced.clone();
        misplaced
            .or_else(|| drift(&self.desired, observed))
            .or_else(|| self.unknown.reason())
    }
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
        // A deploy needs the whole catalogue. What already runs is healed as far as it is known.
        let (known, unknown) = if target.rules == RuleSet::live() {
            Unknown::take(stored, &self.catalog_of(&stored.row))
        } else {
            (Cow::Borrowed(stored), Unknown::default())
        };
        let valid = self
            .validate(&known, settings, target.rules, host, target.claims)
            .await?;
        self.change_from(facts, target, &valid, observed, unknown).await
    }

    /// Plans the change to a maze that has passed the rules of the target.
    pub(in crate::engine) async fn change_to(
        &self,
        facts: &Facts,
        target: Target<'_>,
        valid: &ValidTopology,
        observed: Observed,
    ) -> Result<Change, EngineError> {
        self.change_from(facts, target, valid, observed, Unknown::default())
            .await
    }

    async fn change_from(
        &self,
        facts: &Facts,
        target: Target<'_>,
        valid: &ValidTopology,
        mut observed: Observed,
        unknown: Unknown,
    ) -> Result<Change, EngineError> {
        let Target { stored, settings, .. } = target;
        let catalog = self.catalog_of(&stored.row);
        let context = self.desired_context(facts, &stored.row, &catalog, settings)?;
        let mut desired = Desired::new(valid, &context)?;
        unknown.keep_states(&mut desired);
        desired.leave_out(&observed.unseen);
        desired.former = former_hosts(stored);
        let mut before = self.desired_before(facts, target)?;
        if let Some(before) = &mut before {
            before.leave_out(&observed.unseen);
        }
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
                self.check_inside(&desired, &mut observed, Asked::All).await?;
            }
        }
        unknown.hide(&desired, &mut observed);
        let plan = diff_since(before.as_ref(), &desired, &observed);
        Ok(Change {
            push: self.push_of(target, &plan, &observed).map(Box::new),
            plan,
            known: known.is_some(),
            desired,
            observed,
            warnings: unknown.findings().chain(valid.report().warnings().cloned()).collect(),
            unknown,
            placement: stored.row.placement.clone(),
            misplaced: None,
        })
    }

    /// Returns what has to be pushed to the agent of a topology of mode `agent`.
    fn push_of(&self, target: Target<'_>, plan: &Plan, observed: &Observed) -> Option<TopologyPush> {
        let (agent, mut stored) = (self.agent()?, target.stored.clone());
        let excerpt = self.excerpt_of(&stored.row, &stored.topology);
        stored.row.catalog.extend(excerpt);
        let push = TopologyPush::with_settings(&stored, target.settings);
        let version = PushedVersion::with_settings(&stored, target.settings);
        let is_there = plan.is_empty() && agent.has(&version);
        // A plan that recreates containers without permission is refused before it is pushed. The agent may recreate no others.
        let recreated = plan.restarts(observed);
        let names = MazeNames::of(&stored.row);
        let deckies = stored.topology.deckies().iter();
        let forced = deckies.filter(|decky| recreated.contains(&names.base(decky)));
        let forced: Vec<Name> = forced.map(|decky| decky.name().clone()).collect();
        (!is_there).then(|| push.force_deckies(forced))
    }

    /// Returns the desired resources before the change; none if that maze is not valid with the current catalogue.
    fn desired_before(&self, facts: &Facts, target: Target<'_>) -> Result<Option<Desired>, EngineError> {
        let Some(before) = target.before else {
            return Ok(None);
        };
        let topology = before.topology.clone();
        let catalog = self.catalog_of(&before.row);
        let Ok(valid) = topology.validate(&catalog, RuleSet::live()) else {
            return Ok(None);
        };
        let context = self.desired_context(facts, &before.row, &catalog, &before.row.settings)?;
        Ok(Some(Desired::new(&valid, &context)?))
    }
}

/// Returns the names of the members of a fleet that a maze left.
fn former_hosts(stored: &StoredTopology) -> BTreeSet<String> {
    let former = stored.row.placement.iter().flat_map(|placement| &placement.former);
    former.map(ToString::to_string).collect()
}

/// Returns how the runtime differs from the maze, if it does. Of members of a fleet that do not answer, nothing is known. An image stays
/// on a member that the maze left if another maze uses it there, so it is no difference.
pub(in crate::engine) fn drift(desired: &Desired, observed: &Observed) -> Option<String> {
    if desired.unseen != observed.unseen {
        let mut seen = desired.clone();
        seen.leave_out(&observed.unseen);
        return drift(&seen, observed);
    }
    let plan = diff(desired, observed);
    let is_drift = |step: &&Step| !matches!(step.action, Action::RemoveImage { .. });
    if let Some(step) = plan.steps().iter().find(is_drift) {
        return Some(format!("drift: {step}"));
    }
    let down = observed
        .containers
        .iter()
        .find(|container| container.activity != Activity::Running);
    let down = down.map(|container| format!("container {} does not run", container.name));
    down.or_else(|| observed.silence().next())
}
