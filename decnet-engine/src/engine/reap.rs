use std::collections::BTreeMap;

use decnet_topology::{InstanceId, RepoError, Status, TopologyId, id};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{Engine, EngineError, session::leftovers};
use crate::{
    desired::Desired,
    event::{Event, Trigger},
    execute::{ExecuteOptions, OnFailure, execute},
    naming::{self, Labels},
    observe::{Activity, Observed, Scope},
    plan::{Plan, diff},
};

/// What was left of one topology that is no more.
#[derive(Debug, Clone, Serialize)]
pub struct Reaped {
    /// The first eight hex digits of its id, or its label as it stands where that is no id.
    pub prefix: String,
    /// What was found.
    pub found: Vec<String>,
    /// What would be done, or was done.
    pub plan: Plan,
    /// What is still there.
    pub left: Vec<String>,
    /// What went wrong.
    pub errors: Vec<String>,
    /// Which of its containers run.
    pub running: Vec<String>,
    /// Whether it was left alone, because containers of it run and nobody said that they may go.
    pub kept: bool,
}

/// What a reap is to remove.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ReapOptions {
    instance: Option<InstanceId>,
    dry_run: bool,
    running: Vec<String>,
}

impl ReapOptions {
    /// Removes everything of another repo, running or not, whose database was lost: the caller must be sure.
    #[must_use]
    pub fn instance(mut self, instance: InstanceId) -> Self {
        self.instance = Some(instance);
        self
    }

    /// Only says what would be done.
    #[must_use]
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Removes these topologies too where containers of them run, by id or the first eight hex digits of it.
    #[must_use]
    pub fn running(mut self, topologies: impl IntoIterator<Item = String>) -> Self {
        self.running.extend(topologies);
        self
    }

    /// Returns whether a topology was named as one that may go although it runs.
    fn names(&self, label: &str, prefix: &str) -> bool {
        let mut named = self.running.iter();
        named.any(|named| named.eq_ignore_ascii_case(label) || named.eq_ignore_ascii_case(prefix))
    }
}

/// What a reap found and did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ReapReport {
    /// The prefixes of topologies that are known and were left alone.
    pub live: Vec<String>,
    /// What was left of others.
    pub orphans: Vec<Reaped>,
}

impl ReapReport {
    /// Returns whether nothing went wrong and nothing is left.
    pub fn is_clean(&self) -> bool {
        self.orphans
            .iter()
            .all(|orphan| orphan.errors.is_empty() && orphan.left.is_empty())
    }
}

impl Engine {
    /// Removes from the runtime what belongs to topologies of this repo that are no more: unknown to it, or torn down.
    ///
    /// What runs is kept: an older copy of the database does not know what was deployed since. With `instance` it removes
    /// everything of another repo, whose database was lost: the caller must be sure. With `dry_run` it only says what it would do.
    /// Errors never stop it.
    pub async fn reap(
        &self,
        instance: Option<InstanceId>,
        dry_run: bool,
        cancel: &CancellationToken,
    ) -> Result<ReapReport, EngineError> {
        let options = ReapOptions {
            instance,
            dry_run,
            running: Vec::new(),
        };
        self.reap_with(&options, cancel).await
    }

    /// The same, with options that may name what is to be removed although it runs.
    pub async fn reap_with(
        &self,
        options: &ReapOptions,
        cancel: &CancellationToken,
    ) -> Result<ReapReport, EngineError> {
        let ReapOptions { instance, dry_run, .. } = *options;
        let own = self.repo.instance().await?;
        let is_named_whole = instance.is_some_and(|instance| instance != own);
        let info = self.runtime.info().await?;
        let instance = instance.unwrap_or(own);
        let observed = self.runtime.inspect(Scope::Instance(instance)).await?;
        let mut report = ReapReport::default();
        for (label, remains) in by_topology(&observed) {
            let topology: Option<TopologyId> = label.parse().ok();
            let prefix = topology.map_or_else(|| label.clone(), id::short);
            // Asked anew for each: a topology that was stored meanwhile is not reaped.
            let known = match topology {
                Some(topology) if instance == own => self.is_live(topology).await?,
                _ => false,
            };
            if known {
                report.live.push(prefix);
                continue;
            }
            let nothing = Desired::nothing(instance, topology.unwrap_or(TopologyId::nil()));
            let plan = diff(&nothing, &remains);
            let found = leftovers(&remains);
            let running: Vec<String> = remains
                .containers
                .iter()
                .filter(|container| container.activity == Activity::Running)
                .map(|container| container.name.to_string())
                .collect();
            let kept = !running.is_empty() && !is_named_whole && !options.names(&label, &prefix);
            let mut orphan = Reaped {
                prefix,
                left: if kept { found.clone() } else { Vec::new() },
                found,
                plan,
                errors: Vec::new(),
                running,
                kept,
            };
            if !dry_run && !kept {
                let options = ExecuteOptions {
                    on_failure: OnFailure::GoOn,
                    width: self.width(&info),
                };
                let execution = match topology {
                    Some(topology) => {
                        let plan = &orphan.plan;
                        self.publish_now(super::session::planned(topology, plan));
                        let report = |progress| self.publish_now(Event::Step { topology, progress });
                        let execution = execute(self.runtime.as_ref(), instance, plan, options, cancel, &report).await;
                        self.publish_deckies(topology, &remains, plan, &execution, Trigger::Retirement);
                        execution
                    }
                    // What has no topology has no topic either.
                    None => execute(self.runtime.as_ref(), instance, &orphan.plan, options, cancel, &|_| {}).await,
                };
                orphan.errors = execution
                    .failures
                    .iter()
                    .map(|failure| format!("{failure}: {}", failure.source))
                    .collect();
                orphan.left = self.left_of(instance, &orphan.found).await;
            }
            report.orphans.push(orphan);
        }
        Ok(report)
    }

    async fn is_live(&self, topology: TopologyId) -> Result<bool, EngineError> {
        match self.repo.get(topology).await {
            Ok(row) => Ok(row.status != Status::TornDown),
            Err(RepoError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns which of the things found are still there.
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

/// Sorts what was found by the topology that it is labelled with.
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
    for group in groups.values_mut() {
        group.images.clone_from(&observed.images);
    }
    groups
}
