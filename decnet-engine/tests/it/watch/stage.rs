//! The simulated daemon with a pace, with gates, and with a record of parallel calls.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use decnet_decoy::protocol::{Probe, ProbeResult};
use decnet_engine::{
    Action, ArchivePieces, BaseSpec, Capture, CaptureRequest, CommandRequest, ContainerName, CopyRequest, Effect,
    ForeignNetwork, LogLines, LogRequest, NetworkCheck, Observed, RunningCommand, Runtime, RuntimeError, RuntimeInfo,
    Scope, TopologyHost, simulated::Simulated,
};
use decnet_topology::{ImageSource, InstanceId, TopologyId};
use tokio::{sync::watch, time::Instant};

use super::agent_host::AgentHost;

/// Clones share one stage.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub(super) docker: Simulated,
    inner: Arc<Mutex<Inner>>,
    open: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
    /// The agent of the host `east`, if this is the runtime of a fleet with one host.
    pub(super) agent: Option<Arc<AgentHost>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The duration of an inspection.
    inspection_time: Duration,
    /// How many actions must panic.
    panics: usize,
    /// The topologies that cannot be inspected.
    hidden: BTreeSet<TopologyId>,
    /// How many inspections of a topology run now.
    inspections: BTreeMap<TopologyId, usize>,
    most_topologies: usize,
    most_at_one: usize,
    performed: Vec<(Instant, String)>,
}

impl Default for Stage {
    fn default() -> Self {
        Self {
            docker: Simulated::new(),
            inner: Arc::default(),
            open: watch::Sender::new(true),
            waiting: watch::Sender::new(0),
            agent: None,
        }
    }
}

impl Stage {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no thread panics while it holds the lock")
    }

    /// Sets the duration of an inspection. A list takes no time.
    pub(super) fn set_inspection_time(&self, time: Duration) {
        self.inner().inspection_time = time;
    }

    /// Makes every inspection of a topology fail, or succeed again.
    pub(super) fn hide(&self, id: TopologyId, hidden: bool) {
        if hidden {
            self.inner().hidden.insert(id);
        } else {
            self.inner().hidden.remove(&id);
        }
    }

    /// Makes the next action panic.
    pub(super) fn panic_once(&self) {
        self.inner().panics = 1;
    }

    pub(super) fn has_panicked(&self) -> bool {
        self.inner().panics == 0
    }

    /// Blocks or unblocks actions.
    pub(super) fn open(&self, open: bool) {
        self.open.send_replace(open);
    }

    /// Waits until an action is blocked; returns how many are.
    pub(super) async fn wait_until_blocked(&self) -> usize {
        let mut waiting = self.waiting.subscribe();
        *waiting
            .wait_for(|waiting| *waiting > 0)
            .await
            .expect("the stage exists")
    }

    /// Returns the maximum number of topologies inspected in parallel, and that of parallel inspections of one topology.
    pub(super) fn peaks(&self) -> (usize, usize) {
        let inner = self.inner();
        (inner.most_topologies, inner.most_at_one)
    }

    /// Returns the times of attempted actions whose text has some words.
    pub(super) fn attempts(&self, words: &str) -> Vec<Instant> {
        let inner = self.inner();
        let attempts = inner.performed.iter().filter(|(_, text)| text.contains(words));
        attempts.map(|(at, _)| *at).collect()
    }
}

/// Counts an inspection of a topology until it is dropped.
struct Inspecting<'a>(&'a Stage, TopologyId);

impl<'a> Inspecting<'a> {
    fn start(stage: &'a Stage, id: TopologyId) -> Self {
        let inner = &mut *stage.inner();
        let at_one = inner.inspections.entry(id).or_default();
        *at_one += 1;
        inner.most_at_one = inner.most_at_one.max(*at_one);
        let topologies = inner.inspections.values().filter(|running| **running > 0).count();
        inner.most_topologies = inner.most_topologies.max(topologies);
        Self(stage, id)
    }
}

impl Drop for Inspecting<'_> {
    fn drop(&mut self) {
        if let Some(running) = self.0.inner().inspections.get_mut(&self.1) {
            *running -= 1;
        }
    }
}

#[async_trait]
impl Runtime for Stage {
    async fn info(&self) -> Result<RuntimeInfo, RuntimeError> {
        self.docker.info().await
    }

    async fn inspect(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        if let Scope::Topology(_, id) = scope {
            let _inspecting = Inspecting::start(self, id);
            let (time, hidden) = {
                let inner = self.inner();
                (inner.inspection_time, inner.hidden.contains(&id))
            };
            tokio::time::sleep(time).await;
            if hidden {
                return Err(RuntimeError::Refused {
                    reason: "hidden".into(),
                });
            }
        }
        self.docker.inspect(scope).await
    }

    async fn list(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        self.docker.list(scope).await
    }

    async fn member(&self, host: Option<&str>) -> Result<Option<Arc<dyn Runtime>>, RuntimeError> {
        let is_there = self.agent.is_some() && host == Some("east");
        Ok(is_there.then(|| Arc::new(self.clone()) as Arc<dyn Runtime>))
    }

    fn topologies(&self) -> Option<&dyn TopologyHost> {
        Some(self.agent.as_deref()?)
    }

    async fn foreign_networks(&self, instance: InstanceId) -> Result<Vec<ForeignNetwork>, RuntimeError> {
        self.docker.foreign_networks(instance).await
    }

    async fn unavailable_images(
        &self,
        images: &BTreeSet<ImageSource>,
    ) -> Result<BTreeMap<ImageSource, String>, RuntimeError> {
        self.docker.unavailable_images(images).await
    }

    async fn perform(&self, instance: InstanceId, action: &Action) -> Result<Effect, RuntimeError> {
        self.inner().performed.push((Instant::now(), action.to_string()));
        // A cancelled operation does not wait for its image.
        if !matches!(action, Action::EnsureImage { .. }) {
            self.waiting.send_modify(|waiting| *waiting += 1);
            let mut open = self.open.subscribe();
            open.wait_for(|open| *open).await.expect("the stage exists");
            self.waiting.send_modify(|waiting| *waiting -= 1);
        }
        let panics = {
            let inner = &mut *self.inner();
            std::mem::take(&mut inner.panics)
        };
        assert!(panics == 0, "the injected panic");
        self.docker.perform(instance, action).await
    }

    async fn check_network(&self, bases: &[&BaseSpec]) -> Result<BTreeMap<ContainerName, NetworkCheck>, RuntimeError> {
        self.docker.check_network(bases).await
    }

    async fn probe(
        &self,
        instance: InstanceId,
        base: &ContainerName,
        probe: &Probe,
    ) -> Result<ProbeResult, RuntimeError> {
        self.docker.probe(instance, base, probe).await
    }

    fn container_log(&self, request: LogRequest) -> LogLines<'_> {
        self.docker.container_log(request)
    }

    async fn run_command(&self, request: CommandRequest) -> Result<RunningCommand, RuntimeError> {
        self.docker.run_command(request).await
    }

    fn copy_out(&self, request: CopyRequest) -> ArchivePieces<'_> {
        self.docker.copy_out(request)
    }

    async fn capture(&self, request: CaptureRequest) -> Result<Capture, RuntimeError> {
        self.docker.capture(request).await
    }
}
