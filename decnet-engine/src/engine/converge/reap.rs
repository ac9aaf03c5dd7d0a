use std::{collections::BTreeMap, fmt, sync::Arc};

use decnet_topology::{InstanceId, RepoError, Status, TopologyId, short_id};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::remains::{Remains, leftovers};
use crate::{
    engine::{
        Engine, EngineError,
        session::{execute::planned, facts::Facts},
        shown::require_same,
    },
    event::{Event, Trigger},
    execute::{ExecuteOptions, OnFailure, execute},
    fence::Fence,
    naming::{self, Labels, VolumeName},
    observe::{Activity, Observed, Scope},
    plan::Plan,
    runtime::Runtime,
};

/// The remains of a topology that is deleted or torn down.
#[derive(Debug, Clone, Serialize)]
pub struct Reaped {
    /// The first eight hex digits of its id, or its label if that is not an id.
    pub prefix: String,
    /// What was found.
    pub found: Vec<String>,
    /// The planned or executed steps.
    pub plan: Plan,
    /// What still exists.
    pub left: Vec<String>,
    /// The errors.
    pub errors: Vec<String>,
    /// Which of its containers are running.
    pub running: Vec<String>,
    /// Whether it was kept, because it has running containers and the options do not name it.
    pub kept: bool,
}

impl fmt::Display for Reaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.kept { "keep" } else { "remove" };
        write!(f, "{verb} the resources of topology {}", self.prefix)
    }
}

/// What a reap removes.
#[derive(Debug, Clone, Default)]
#[must_use]
#[non_exhaustive]
pub struct ReapOptions {
    instance: Option<InstanceId>,
    running: Vec<String>,
    only_of_members: bool,
}

impl ReapOptions {
    /// Removes everything of another repo whose database was lost, even if it is running. The caller must be sure.
    pub fn instance(mut self, instance: InstanceId) -> Self {
        self.instance = Some(instance);
        self
    }

    /// Leaves alone what no master made on a member of a fleet: the daemon of a host can also be that of a master's machine.
    #[cfg(feature = "agent")]
    pub(crate) fn only_of_members(mut self) -> Self {
        self.only_of_members = true;
        self
    }

    /// Also removes these topologies if they are running, by id or its first eight hex digits.
    pub fn running(mut self, topologies: impl IntoIterator<Item = String>) -> Self {
        self.running.extend(topologies);
        self
    }

    /// Returns whether the options name a topology, so that it is removed even if it is running.
    fn names(&self, label: &str, prefix: &str) -> bool {
        let mut named = self.running.iter();
        named.any(|named| named.eq_ignore_ascii_case(label) || named.eq_ignore_ascii_case(prefix))
    }
}

/// The result of a reap.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ReapReport {
    /// The names of known topologies, which were kept.
    pub live: Vec<String>,
    /// What was found of others.
    pub orphans: Vec<Reaped>,
    /// The volumes of others that stay, because the catalogue said so when they were created. Remove them with `docker volume rm`.
    pub kept_volumes: Vec<VolumeName>,
}

impl ReapReport {
    /// Returns whether there was no error and nothing is left.
    pub fn is_clean(&self) -> bool {
        self.orphans
            .iter()
            .all(|orphan| orphan.errors.is_empty() && orphan.left.is_empty())
    }
}

/// The remains of one topology, before they are removed.
#[derive(Debug, Clone)]
struct Orphan {
    instance: InstanceId,
    topology: Option<TopologyId>,
    remains: Remains,
}

/// A planned reap that is not executed yet.
#[derive(Debug, Clone)]
#[must_use = "nothing was done yet"]
pub struct PreparedReap {
    engine: Engine,
    options: ReapOptions,
    facts: Facts,
    report: ReapReport,
    /// The remains in the report, in its order.
    orphans: Vec<Orphan>,
}

impl PreparedReap {
    /// Returns what was found, with the plan that removes it.
    pub fn report(&self) -> &ReapReport {
        &self.report
    }

    /// Removes the remains. Errors never stop it early.
    ///
    /// # Errors
    ///
    /// [`EngineError::PlanChanged`] if another plan is needed now; nothing was changed then.
    pub async fn execute(&self, cancel: &CancellationToken) -> Result<ReapReport, EngineError> {
        let now = self.engine.prepare_reap(self.options.clone()).await?;
        let shown: Vec<_> = self
            .report
            .orphans
            .iter()
            .flat_map(|orphan| orphan.plan.steps())
            .collect();
        let needed: Vec<_> = now
            .report
            .orphans
            .iter()
            .flat_map(|orphan| orphan.plan.steps())
            .collect();
        require_same(shown, needed)?;
        let (shown, needed) = (&self.report.orphans, &now.report.orphans);
        match shown.iter().zip(needed).find(|(shown, now)| shown.kept != now.kept) {
            None => {}
            Some((shown, now)) => {
                return Err(EngineError::PlanChanged {
                    shown: Some(shown.to_string()),
                    now: Some(now.to_string()),
                });
            }
        }
        now.carry_out(cancel).await
    }

    async fn carry_out(self, cancel: &CancellationToken) -> Result<ReapReport, EngineError> {
        let Self {
            engine,
            facts,
            mut report,
            orphans,
            ..
        } = self;
        let found = std::mem::take(&mut report.orphans);
        for (mut reaped, orphan) in found.into_iter().zip(orphans) {
            // A topology that was stored meanwhile is kept.
            if orphan.instance == facts.instance
                && let Some(name) = engine.live_name(orphan.topology).await?
            {
                report.live.push(name);
                continue;
            }
            if !reaped.kept {
                engine.remove(&facts, &orphan, &mut reaped, cancel).await;
            }
            report.orphans.push(reaped);
        }
        Ok(report)
    }
}

impl Engine {
    /// Removes runtime resources of this repo's topologies that are deleted or torn down.
    ///
    /// Running topologies are kept unless the options name them, because an older copy of the database does not know later
    /// deploys. Errors never stop it early.
    pub async fn reap(&self, options: ReapOptions, cancel: &CancellationToken) -> Result<ReapReport, EngineError> {
        self.prepare_reap(options).await?.carry_out(cancel).await
    }

    /// Plans a reap, to be shown and then [executed](PreparedReap::execute). It changes nothing.
    pub async fn prepare_reap(&self, options: ReapOptions) -> Result<PreparedReap, EngineError> {
        let facts = self.facts().await?;
        let instance = options.instance.unwrap_or(facts.instance);
        let is_own = instance == facts.instance;
        let mut observed = self.runtime.inspect(Scope::Instance(instance)).await?;
        if options.only_of_members {
            observed.retain_of_members();
        }
        let (mut report, mut orphans) = (ReapReport::default(), Vec::new());
        for (label, observed) in by_topology(&observed) {
            let topology: Option<TopologyId> = label.parse().ok();
            let prefix = topology.map_or_else(|| label.clone(), short_id);
            if is_own && let Some(name) = self.live_name(topology).await? {
                report.live.push(name);
                continue;
            }
            report.kept_volumes.extend(observed.kept_volumes().cloned());
            if observed.is_empty() {
                continue;
            }
            let running = observed.containers.iter();
            let running = running.filter(|container| container.activity == Activity::Running);
            let running: Vec<String> = running.map(|container| container.name.to_string()).collect();
            let kept = !running.is_empty() && is_own && !options.names(&label, &prefix);
            let found = leftovers(&observed);
            let remains = Remains::new(instance, topology.unwrap_or(TopologyId::nil()), observed);
            report.orphans.push(Reaped {
                prefix,
                left: if kept { found.clone() } else { Vec::new() },
                found,
                plan: remains.plan.clone(),
                errors: Vec::new(),
                running,
                kept,
            });
            orphans.push(Orphan {
                instance,
                topology,
                remains,
            });
        }
        Ok(PreparedReap {
            engine: self.clone(),
            options,
            facts,
            report,
            orphans,
        })
    }

    async fn remove(&self, facts: &Facts, orphan: &Orphan, reaped: &mut Reaped, cancel: &CancellationToken) {
        let options = ExecuteOptions::new(OnFailure::GoOn, self.width(&facts.info));
        let instance = orphan.instance;
        let runtime = match self.runtime_for_orphan(facts, orphan).await {
            Ok(runtime) => runtime,
            Err(error) => {
                reaped.errors = vec![error.with_causes()];
                reaped.left.clone_from(&reaped.found);
                return;
            }
        };
        let runtime = runtime.as_ref();
        let Remains { observed, plan } = &orphan.remains;
        let execution = match orphan.topology {
            Some(topology) => {
                self.publish_now(planned(topology, plan));
                let report = |progress| self.publish_now(Event::Step { topology, progress });
                let execution = execute(runtime, instance, plan, options, cancel, &report).await;
                self.publish_deckies(topology, observed, plan, &execution, Trigger::Retirement);
                execution
            }
            // Without a topology there is no topic to publish on.
            None => execute(runtime, instance, plan, options, cancel, &|_| {}).await,
        };
        if let Some(seen) = execution.superseded() {
            self.catch_up(seen).await;
        }
        let failures = execution.failures.iter();
        reaped.errors = failures
            .map(|failure| format!("{failure}: {}", failure.source))
            .collect();
        reaped.left = self.left_of(instance, &reaped.found).await;
    }

    /// Returns the runtime for the removal of an orphan. It has no lease, so agents get a generation that was drawn for this.
    async fn runtime_for_orphan(&self, facts: &Facts, orphan: &Orphan) -> Result<Arc<dyn Runtime>, EngineError> {
        let topology = orphan.topology.unwrap_or(TopologyId::nil());
        let fence = Fence {
            store: facts.instance,
            topology,
            generation: 0,
        };
        if self.runtime.fenced(fence).is_none() {
            return Ok(Arc::clone(&self.runtime));
        }
        let generation = self.repo.next_generation(0).await?;
        Ok(self.runtime_for(facts.instance, topology, generation))
    }

    /// Returns the name of a topology that is stored and not torn down.
    async fn live_name(&self, topology: Option<TopologyId>) -> Result<Option<String>, EngineError> {
        let Some(topology) = topology else {
            return Ok(None);
        };
        match self.repo.get(topology).await {
            Ok(row) => Ok((row.status != Status::TornDown).then(|| row.name.to_string())),
            Err(RepoError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns which of the found resources still exist.
    async fn left_of(&self, instance: InstanceId, found: &[String]) -> Vec<String> {
        match self.runtime.inspect(Scope::Instance(instance)).await {
            Ok(observed) => leftovers(&observed)
                .into_iter()
                .filter(|left| found.contains(left))
                .collect(),
            Err(error) => vec![format!("not known: {error}")],
        }
    }
}

/// Groups the found resources by the topology in their labels.
fn by_topology(observed: &Observed) -> BTreeMap<String, Observed> {
    let label = |labels: &Labels| labels.get(naming::TOPOLOGY).cloned().unwrap_or_default();
    let mut groups: BTreeMap<String, Observed> = BTreeMap::new();
    for network in &observed.networks {
        groups
            .entry(label(&network.labels))
            .or_default()
            .networks
            .push(network.clone());
    }
    for container in &observed.containers {
        groups
            .entry(label(&container.labels))
            .or_default()
            .containers
            .push(container.clone());
    }
    for volume in &observed.volumes {
        groups
            .entry(label(&volume.labels))
            .or_default()
            .volumes
            .push(volume.clone());
    }
    for link in observed.links.iter().flatten() {
        let group = groups.entry(label(&link.labels)).or_default();
        group.links.get_or_insert_default().push(link.clone());
    }
    for group in groups.values_mut() {
        group.images.clone_from(&observed.images);
    }
    groups
}
