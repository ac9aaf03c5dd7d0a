//! The runtime trait in memory, with faults to order.
//!
//! [`Simulated`] behaves as a daemon does where that matters to the engine: names and subnets are taken, images must be there,
//! a network with endpoints cannot be removed, a service that shares the namespace of a base that was restarted is stale. Nothing waits and no clock is
//! read (but where a [pace](Simulated::pace) is set), so that tests and benches are fast and repeatable. Clones share one world: a clone is another client of it.
//!
//! ```
//! use decnet_engine::{naming::NetworkName, runtime::simulated::{Moment, Simulated}};
//!
//! let docker = Simulated::new();
//! docker.add_network(NetworkName::from_docker("lab"), "10.9.0.0/24".parse()?);
//! docker.cut_off(3, Moment::After); // the daemon dies with the third thing that is done
//! assert_eq!(docker.world().networks.len(), 1);
//! # Ok::<(), ipnet::AddrParseError>(())
//! ```

mod containers;
mod fault;
mod networks;
mod ordering;
mod reach;
mod tamper;
mod world;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use decnet_decoy::protocol::{Probe, ProbeResult};
use decnet_topology::InstanceId;

use super::{ApiVersion, Effect, ForeignNetwork, NetworkCheck, Runtime, RuntimeError, RuntimeInfo, ownership};
use crate::{
    desired::BaseSpec,
    naming::ContainerName,
    observe::{self, Observed, Scope},
    plan::{Action, Lane},
};

pub use fault::Moment;
pub use world::{Container, Network, Volume, World};

use fault::{Faults, Verdict};

/// What was done, or tried.
#[derive(Debug, Clone)]
pub struct Performed {
    /// On whose behalf.
    pub instance: InstanceId,
    /// What.
    pub action: Action,
    /// What came of it, as the caller was told; none if the caller was never told.
    pub outcome: Option<Result<Effect, RuntimeError>>,
}

struct Inner {
    world: World,
    faults: Faults,
    log: Vec<Performed>,
    running: BTreeMap<Lane, usize>,
    peaks: BTreeMap<Lane, usize>,
    info: RuntimeInfo,
    pace: Duration,
}

/// A daemon in memory.
#[derive(Clone)]
pub struct Simulated {
    inner: Arc<Mutex<Inner>>,
    silenced: Arc<tokio::sync::Notify>,
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
    /// Makes an empty world whose daemon speaks a recent API.
    pub fn new() -> Self {
        Self::with_api(ApiVersion::v1(48))
    }

    /// Makes an empty world whose daemon speaks a version of the API.
    pub fn with_api(api: ApiVersion) -> Self {
        let info = world::described(api, world::ENDPOINT);
        let inner = Inner {
            world: World::default(),
            faults: Faults::default(),
            log: Vec::new(),
            running: BTreeMap::new(),
            peaks: BTreeMap::new(),
            info,
            pace: Duration::ZERO,
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            silenced: Arc::default(),
        }
    }

    /// Returns everything that is there now.
    pub fn world(&self) -> World {
        self.lock().world.clone()
    }

    /// Returns what was done and tried so far, in the order in which it was decided.
    pub fn log(&self) -> Vec<Performed> {
        self.lock().log.clone()
    }

    /// Forgets what was done so far, and how much of it ran at once.
    pub fn clear_log(&self) {
        let mut inner = self.lock();
        inner.log.clear();
        inner.peaks.clear();
    }

    /// Returns how many actions of a lane ran at once at most.
    pub fn peak(&self, lane: Lane) -> usize {
        self.lock().peaks.get(&lane).copied().unwrap_or_default()
    }

    /// Lets each action take that long; without this, none takes any time.
    pub fn pace(&self, time: Duration) {
        self.lock().pace = time;
    }

    /// Changes what the daemon says of itself.
    pub fn edit_info(&self, edit: impl FnOnce(&mut RuntimeInfo)) {
        edit(&mut self.lock().info);
    }

    /// Waits until a call gets no answer, because the world was told to [hang](Self::hang).
    ///
    /// A test that plays a process that is killed waits for this beside what it kills.
    pub async fn hung(&self) {
        loop {
            let silenced = self.silenced.notified();
            tokio::pin!(silenced);
            silenced.as_mut().enable();
            if self.lock().faults.met_silence() {
                return;
            }
            silenced.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does not return if the daemon is to hang, and fails if it is out of reach.
    async fn reach(&self) -> Result<(), RuntimeError> {
        let verdict = self.lock().faults.reachable();
        self.obey(verdict).await
    }

    async fn obey(&self, verdict: Verdict) -> Result<(), RuntimeError> {
        match verdict {
            Verdict::Go => Ok(()),
            Verdict::Fail(error) => Err(error),
            Verdict::Hang => {
                self.lock().faults.meet_silence();
                self.silenced.notify_waiters();
                std::future::pending().await
            }
        }
    }
}

/// Counts an action as running for as long as it lives.
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

    async fn foreign_networks(&self, instance: InstanceId) -> Result<Vec<ForeignNetwork>, RuntimeError> {
        self.reach().await?;
        let inner = self.lock();
        let networks = inner.world.networks.iter();
        let foreign = networks.filter(|(_, network)| !ownership::is_ours(&network.labels, instance));
        let described = foreign.map(|(name, network)| ForeignNetwork {
            name: name.as_str().into(),
            subnet: network.subnet,
            instance: observe::instance_of(&network.labels),
        });
        Ok(described.collect())
    }

    async fn perform(&self, instance: InstanceId, action: &Action) -> Result<Effect, RuntimeError> {
        let _running = Running::start(self, action.lane());
        // Lets others begin before this one ends, as they would while a daemon works.
        let pace = self.lock().pace;
        if pace.is_zero() {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(pace).await;
        }
        let verdict = {
            let inner = &mut *self.lock();
            let (moment, verdict) = inner.faults.judge(action);
            let done = match moment {
                Moment::Before => None,
                Moment::Half => Some(inner.world.perform_half(instance, action)),
                Moment::After => Some(inner.world.perform(instance, action)),
            };
            let outcome = match (&verdict, &done) {
                (Verdict::Go, Some(done)) => Some(done.clone()),
                (Verdict::Fail(error), _) => Some(Err(error.clone())),
                (Verdict::Go | Verdict::Hang, _) => None,
            };
            inner.log.push(Performed {
                instance,
                action: action.clone(),
                outcome,
            });
            match (verdict, done) {
                (Verdict::Go, Some(done)) => return done,
                (verdict, _) => verdict,
            }
        };
        self.obey(verdict).await?;
        unreachable!("an action that may go is done")
    }

    async fn check_network(&self, bases: &[&BaseSpec]) -> Result<BTreeMap<ContainerName, NetworkCheck>, RuntimeError> {
        self.reach().await?;
        let inner = self.lock();
        let checks = bases
            .iter()
            .map(|base| (base.name.clone(), inner.world.check_network(base)));
        Ok(checks.collect())
    }

    async fn probe(&self, base: &ContainerName, probe: &Probe) -> Result<ProbeResult, RuntimeError> {
        self.reach().await?;
        self.lock().world.probe(base, probe)
    }
}
