//! An in-memory runtime with fault injection.
//!
//! [`Simulated`] behaves like a daemon where the engine depends on it: names and subnets are unique, images must exist, a
//! network with endpoints cannot be removed, and a service in the namespace of a restarted base is stale. It never waits and
//! reads no clock (except for a [pace](Simulated::pace)), so tests and benches are fast and repeatable. Clones are clients of
//! the same world.
//!
//! ```
//! use decnet_engine::{NetworkName, simulated::{Moment, Simulated}};
//!
//! let docker = Simulated::new();
//! docker.add_network(NetworkName::from_docker("lab"), "10.9.0.0/24".parse()?);
//! docker.cut_off(3, Moment::After); // the daemon dies after the third action
//! assert_eq!(docker.world().networks.len(), 1);
//! # Ok::<(), ipnet::AddrParseError>(())
//! ```

mod commands;
mod containers;
mod fault;
mod injection;
mod links;
mod logs;
mod networks;
mod reach;
mod tamper;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use decnet_decoy::protocol::{Probe, ProbeResult};
use decnet_topology::{ImageSource, InstanceId};

use super::{
    ApiVersion, ArchivePieces, Capture, CaptureRequest, CommandRequest, CopyRequest, Effect, ForeignNetwork, LogLines,
    LogRequest, NetworkCheck, RunningCommand, Runtime, RuntimeError, RuntimeInfo,
};
use crate::{
    desired::BaseSpec,
    host::machine::MachineFacts,
    naming::ContainerName,
    observe::{Observed, Scope},
    plan::{Action, Lane},
};

pub use fault::Moment;
pub use world::{Container, Network, Volume, World};

#[cfg(test)]
pub(crate) use world::described;

use fault::{Faults, Verdict};

/// An action that was attempted.
#[derive(Debug, Clone)]
pub struct Performed {
    /// The store for which it was attempted.
    pub instance: InstanceId,
    /// The action.
    pub action: Action,
    /// The result that the caller got; none if the caller got none.
    pub outcome: Option<Result<Effect, RuntimeError>>,
}

struct Inner {
    world: World,
    faults: Faults,
    log: Vec<Performed>,
    running: BTreeMap<Lane, usize>,
    peaks: BTreeMap<Lane, usize>,
    info: RuntimeInfo,
    machine: Option<MachineFacts>,
    pace: Duration,
}

/// A daemon in memory.
#[derive(Clone)]
pub struct Simulated {
    inner: Arc<Mutex<Inner>>,
    hang_notice: Arc<tokio::sync::Notify>,
}

impl Default for Simulated {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulated").finish_non_exhaustive()
    }
}

impl Simulated {
    /// Creates an empty world whose daemon has a recent API.
    pub fn new() -> Self {
        Self::with_api(ApiVersion::v1(48))
    }

    /// Creates an empty world whose daemon has this version of the API.
    pub fn with_api(api: ApiVersion) -> Self {
        let info = world::described(api, world::ENDPOINT);
        let inner = Inner {
            world: World::default(),
            faults: Faults::default(),
            log: Vec::new(),
            running: BTreeMap::new(),
            peaks: BTreeMap::new(),
            info,
            machine: None,
            pace: Duration::ZERO,
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            hang_notice: Arc::default(),
        }
    }

    /// Returns a copy of the current world.
    pub fn world(&self) -> World {
        self.lock().world.clone()
    }

    /// Returns all attempted actions, in the order in which they were decided.
    pub fn log(&self) -> Vec<Performed> {
        self.lock().log.clone()
    }

    /// Clears the log and the peaks.
    pub fn clear_log(&self) {
        let mut inner = self.lock();
        inner.log.clear();
        inner.peaks.clear();
    }

    /// Returns the maximum number of actions of a lane that ran at once.
    pub fn peak(&self, lane: Lane) -> usize {
        self.lock().peaks.get(&lane).copied().unwrap_or_default()
    }

    /// Sets the duration of each action. The default is zero.
    pub fn pace(&self, time: Duration) {
        self.lock().pace = time;
    }

    /// Waits until a call hangs because of [`hang`](Self::hang).
    ///
    /// A test of a killed process waits for this while the operation runs, and then drops the operation.
    pub async fn hung(&self) {
        loop {
            let hang_notice = self.hang_notice.notified();
            tokio::pin!(hang_notice);
            hang_notice.as_mut().enable();
            if self.lock().faults.has_hung() {
                return;
            }
            hang_notice.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hangs if the daemon must hang, and fails if it cannot be reached.
    async fn reach(&self) -> Result<(), RuntimeError> {
        let verdict = self.lock().faults.reachable();
        self.apply(verdict).await
    }

    async fn apply(&self, verdict: Verdict) -> Result<(), RuntimeError> {
        match verdict {
            Verdict::Go => Ok(()),
            Verdict::Fail(error) => Err(error),
            Verdict::Hang => {
                self.lock().faults.record_hang();
                self.hang_notice.notify_waiters();
                std::future::pending().await
            }
        }
    }
}

/// Counts an action as running until it is dropped.
struct Running<'a> {
    simulated: &'a Simulated,
    lane: Lane,
}

impl<'a> Running<'a> {
    fn start(simulated: &'a Simulated, lane: Lane) -> Self {
        let inner = &mut *simulated.lock();
        let running = inner.running.entry(lane).or_default();
        *running += 1;
        let peak = inner.peaks.entry(lane).or_default();
        *peak = (*peak).max(*running);
        Self { simulated, lane }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(running) = self.simulated.lock().running.get_mut(&self.lane) {
            *running -= 1;
        }
    }
}

#[async_trait]
impl Runtime for Simulated {
    async fn info(&self) -> Result<RuntimeInfo, RuntimeError> {
        self.reach().await?;
        Ok(self.lock().info.clone())
    }

    async fn list(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        self.reach().await?;
        Ok(self.lock().world.list(scope))
    }

    async fn inspect(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        self.reach().await?;
        Ok(self.lock().world.inspect(scope))
    }

    /// Names none: it has no interfaces.
    async fn name_interfaces(&self, _: &mut Observed) -> Result<(), RuntimeError> {
        self.reach().await
    }

    async fn foreign_networks(&self, instance: InstanceId) -> Result<Vec<ForeignNetwork>, RuntimeError> {
        self.reach().await?;
        Ok(self.lock().world.foreign_networks(instance))
    }

    async fn machine(&self) -> Result<Option<MachineFacts>, RuntimeError> {
        self.reach().await?;
        Ok(self.lock().machine.clone())
    }

    async fn unavailable_images(
        &self,
        images: &BTreeSet<ImageSource>,
    ) -> Result<BTreeMap<ImageSource, String>, RuntimeError> {
        self.reach().await?;
        Ok(self.lock().world.unavailable_images(images))
    }

    async fn perform(&self, instance: InstanceId, action: &Action) -> Result<Effect, RuntimeError> {
        let _running = Running::start(self, action.lane());
        // Lets other actions start before this one ends, as with a real daemon.
        let pace = self.lock().pace;
        if pace.is_zero() {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(pace).await;
        }
        let (verdict, done) = {
            let inner = &mut *self.lock();
            let (moment, verdict) = inner.faults.judge(action);
            let done = match moment {
                Moment::Before => Ok(Effect::Unchanged),
                Moment::Half => inner.world.perform_half(instance, action),
                Moment::After => inner.world.perform(instance, action),
            };
            let outcome = match &verdict {
                Verdict::Go => Some(done.clone()),
                Verdict::Fail(error) => Some(Err(error.clone())),
                Verdict::Hang => None,
            };
            inner.log.push(Performed {
                instance,
                action: action.clone(),
                outcome,
            });
            (verdict, done)
        };
        self.apply(verdict).await?;
        done
    }

    async fn check_network(&self, bases: &[&BaseSpec]) -> Result<BTreeMap<ContainerName, NetworkCheck>, RuntimeError> {
        self.reach().await?;
        let inner = self.lock();
        let checks = bases
            .iter()
            .map(|base| (base.name.clone(), inner.world.check_network(base)));
        Ok(checks.collect())
    }

    async fn probe(
        &self,
        instance: InstanceId,
        base: &ContainerName,
        probe: &Probe,
    ) -> Result<ProbeResult, RuntimeError> {
        self.reach().await?;
        self.lock().world.probe(instance, base, probe)
    }

    fn container_log(&self, request: LogRequest) -> LogLines<'_> {
        self.read_log(request)
    }

    async fn run_command(&self, request: CommandRequest) -> Result<RunningCommand, RuntimeError> {
        self.start_command(request).await
    }

    fn copy_out(&self, request: CopyRequest) -> ArchivePieces<'_> {
        self.read_archive(request)
    }

    async fn capture(&self, request: CaptureRequest) -> Result<Capture, RuntimeError> {
        self.reach().await?;
        Err(self.lock().world.refuse_capture(&request))
    }
}
