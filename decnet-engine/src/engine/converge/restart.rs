//! Restarts of a decky or a service.

use std::{collections::BTreeSet, time::Duration};

use decnet_topology::{DeckyPart, StoredTopology, TopologyId, UnknownPart};
use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    carry_out::Converged,
    change::{Change, Target},
    drift::Asked,
    force::Force,
    work::{Task, Work},
};
use crate::{
    desired::{Desired, ServiceSpec},
    engine::{
        DeployOptions, Engine, EngineError, Operation, Outcome, RestartOptions,
        session::{facts::Facts, lease::Session},
        verify::containers::why_not_serving,
    },
    event::Trigger,
    naming::{self, ContainerName, MazeNames, Role},
    observe::ObservedContainer,
    plan::{self, Action, Reason},
};

/// The pause between two looks at restarted containers.
const PAUSE: Duration = Duration::from_millis(200);

/// How long containers must run without another restart: a program that fails at its start ends within this time.
const STEADY: Duration = Duration::from_secs(1);

impl Engine {
    /// Restarts a decky with all its services, or one of its services, and waits until it is well: its containers keep running,
    /// its network matches the maze, and its services answer on their ports.
    ///
    /// A base restarts before its services, which then get its new namespace. What is missing of the decky is created, and other
    /// deckies are left alone. Containers keep their ids, addresses and logs.
    ///
    /// # Errors
    ///
    /// [`EngineError::NotWell`] if it is not well in time: the restart is done, and the next reconcile repairs what drifted.
    /// [`EngineError::Part`] and [`EngineError::WrongStatus`] before anything changes. After [`EngineError::Interrupted`], some
    /// containers may not be restarted.
    pub async fn restart(
        &self,
        id: TopologyId,
        options: RestartOptions,
        cancel: &CancellationToken,
    ) -> Result<Outcome, EngineError> {
        self.run_now(id, Operation::Restart(options), cancel).await
    }

    pub(super) async fn plan_restart(
        &self,
        facts: &Facts,
        stored: StoredTopology,
        options: &RestartOptions,
    ) -> Result<Work, EngineError> {
        let row = &stored.row;
        if !row.takes_mutations() {
            return Err(EngineError::wrong_status(row, "restarted"));
        }
        let containers = containers_of(&stored, &options.part)?;
        let settings = row.settings.clone();
        let observed = self.observe(facts, row.id).await?;
        let there = observed.containers.iter().map(|found| found.name.clone());
        let there: BTreeSet<ContainerName> = there.filter(|name| containers.contains(name)).collect();
        let mut change = self
            .change(facts, Target::live(&stored, &settings), observed, None)
            .await?;
        // An agent cannot restart; this engine does that on its runtime.
        change.push = None;
        change.plan = plan::restart(&change.desired, &change.observed, &containers);
        restart_unknown(&mut change, &there);
        let force = self
            .outstanding(row)
            .await?
            .or(Force::of(&DeployOptions::default().force(options.force)));
        Ok(Work::Restart(Box::new(Task::new(stored, settings, change, &force))))
    }
}

/// Adds the restarts of existing services that the catalogue does not have, after that of their base: they may share its namespace.
fn restart_unknown(change: &mut Change, there: &BTreeSet<ContainerName>) {
    let desired = &change.desired;
    let is_known = |name: &ContainerName| desired.services.contains_key(name) || desired.bases.contains_key(name);
    let unknown: Vec<ContainerName> = there.iter().filter(|name| !is_known(name)).cloned().collect();
    let steps = change.plan.steps().iter().enumerate();
    let bases = steps.filter(|(_, step)| matches!(step.action, Action::Restart { role: Role::Base, .. }));
    let needs: BTreeSet<_> = bases.map(|(id, _)| id).collect();
    for container in unknown {
        let action = Action::Restart {
            container,
            role: Role::Service,
        };
        change.plan.push(action, Reason::Requested, needs.clone());
    }
}

/// Returns the names of the containers of a decky, or that of a service.
fn containers_of(stored: &StoredTopology, part: &DeckyPart) -> Result<BTreeSet<ContainerName>, UnknownPart> {
    let (names, decky) = (MazeNames::of(&stored.row), stored.topology.find_part(part)?);
    if let Some(service) = &part.service {
        return Ok(BTreeSet::from([names.service(decky, service)]));
    }
    let services = decky.services().iter();
    let services = services.map(|service| names.service(decky, service));
    Ok(services.chain([names.base(decky)]).collect())
}

/// The containers as they were seen: their ids and start times.
type Seen = Vec<(String, Option<Timestamp>)>;

impl Session<'_> {
    /// Restarts containers, and waits until they are well.
    pub(super) async fn restart(&self, task: Task, options: &RestartOptions) -> Result<Outcome, EngineError> {
        let Task { stored, change, .. } = task;
        let containers = containers_of(&stored, &options.part)?;
        let row = self.keep_catalog(stored.row, &stored.topology).await?;
        let Converged {
            changed,
            cancelled,
            failure,
            ..
        } = self.carry_out(&change, Trigger::Operator, &self.cancel).await?;
        if cancelled {
            return Err(EngineError::interrupted(self.id));
        }
        let ill = match failure {
            None => self.await_health(&change, &containers, options.wait).await?,
            failure => failure,
        };
        let mut observed = self.observe().await?;
        self.engine
            .check_inside(&change.desired, &mut observed, Asked::All)
            .await?;
        change.unknown.hide(&change.desired, &mut observed);
        let drift = change.drift(&observed);
        let row = self.record_drift(row, drift.as_deref()).await?;
        match ill {
            Some(reason) => Err(EngineError::NotWell {
                part: options.part.to_string(),
                reason,
            }),
            None => Ok(Outcome {
                given_up: Vec::new(),
                kept_volumes: Vec::new(),
                row,
                changed,
                reason: drift,
                warnings: change.warnings,
            }),
        }
    }

    /// Waits until containers are well, and returns what is wrong if they are not in time.
    async fn await_health(
        &self,
        change: &Change,
        containers: &BTreeSet<ContainerName>,
        wait: Duration,
    ) -> Result<Option<String>, EngineError> {
        let end = Instant::now().checked_add(wait);
        let mut steady: Option<(Seen, Instant)> = None;
        loop {
            let (seen, ill) = self.look(change, containers).await?;
            let ill = if let Some(ill) = ill {
                steady = None;
                ill
            } else {
                let since = match steady.take() {
                    Some((before, since)) if before == seen => since,
                    _ => Instant::now(),
                };
                if since.elapsed() >= STEADY {
                    return Ok(None);
                }
                steady = Some((seen, since));
                "its containers were just restarted".into()
            };
            if end.is_some_and(|end| Instant::now() >= end) {
                return Ok(Some(format!("{ill} (after {} s)", wait.as_secs())));
            }
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Err(EngineError::interrupted(self.id)),
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// Looks at containers once, and returns what is wrong with one of them, if anything is.
    async fn look(
        &self,
        change: &Change,
        containers: &BTreeSet<ContainerName>,
    ) -> Result<(Seen, Option<String>), EngineError> {
        let desired = &change.desired;
        let mut observed = self.observe().await?;
        let settling: BTreeSet<&ContainerName> = containers.iter().collect();
        let asked = Asked::Settling(&settling);
        self.engine.check_inside(desired, &mut observed, asked).await?;
        let ours = || {
            observed
                .containers
                .iter()
                .filter(|found| containers.contains(&found.name))
        };
        let seen = ours().map(|found| (found.id.clone(), found.started_at)).collect();
        let missing = containers.iter().find(|name| !ours().any(|found| found.name == **name));
        let missing = missing.map(|name| format!("{name} does not exist"));
        let mut ill = missing.or_else(|| ours().find_map(why_down));
        change.unknown.hide(desired, &mut observed);
        if ill.is_none() {
            let drift = plan::diff(desired, &observed).only(containers);
            ill = drift.steps().first().map(|step| format!("drift: {step}"));
        }
        if ill.is_none() {
            ill = self.why_silent(desired, containers).await?;
        }
        Ok((seen, ill))
    }

    /// Returns which service does not answer, if one does not.
    async fn why_silent(
        &self,
        desired: &Desired,
        containers: &BTreeSet<ContainerName>,
    ) -> Result<Option<String>, EngineError> {
        let services: Vec<&ServiceSpec> = containers
            .iter()
            .filter_map(|name| desired.services.get(name))
            .collect();
        let Some(base) = services.first().and_then(|first| desired.bases.get(&first.base)) else {
            return Ok(None);
        };
        self.engine.why_silent(self.facts.instance, base, &services).await
    }
}

/// Returns why a container does not serve, if it does not.
fn why_down(found: &ObservedContainer) -> Option<String> {
    let why = why_not_serving(None, Some(found), Timestamp::now())?;
    let service = found.labels.get(naming::SERVICE_NAME);
    let part = service.filter(|_| found.role() == Some(Role::Service));
    Some(format!("{}: {why}", part.map_or("the base", String::as_str)))
}
