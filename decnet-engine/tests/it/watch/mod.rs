//! The loop on the simulated runtime.
//!
//! The clock is paused: it jumps when all tasks wait, so that pauses of minutes take no time and are exact.

mod agent_host;
mod attackers;
#[cfg(any(feature = "nats", feature = "postgres"))]
mod buses;
mod crowd;
pub(crate) mod failing_store;
mod faults;
mod healing;
mod masters;
mod pausing;
mod pushing;
mod shuffling;
mod stage;
mod stopping;
mod stores;
mod waking;

use std::{sync::Arc, time::Duration};

use decnet_engine::{
    Bus, ContainerName, DecoyImage, DeployOptions, Engine, EngineError, EngineOptions, Envelope, Event, Received,
    Submitted, Subscription, WatchOptions, simulated::Simulated, watch,
};
use decnet_topology::{
    Catalog, MemoryRepo, Mutation, MutationFilter, MutationId, MutationRow, MutationState, NewMutation, NewTopology,
    Repo, Status, Topology, TopologyId,
};
use jiff::Timestamp;
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use stage::Stage;

const SECOND: Duration = Duration::from_secs(1);
/// Longer than any test runs.
const NEVER: Duration = Duration::from_hours(1000);

/// A store, a simulated daemon, and an engine on both.
struct Lab {
    repo: Arc<dyn Repo>,
    stage: Stage,
    engine: Engine,
}

impl Lab {
    fn new() -> Self {
        Self::on(Arc::new(MemoryRepo::new()))
    }

    fn on(repo: Arc<dyn Repo>) -> Self {
        let stage = Stage::default();
        let engine = engine(repo.clone(), &stage, None);
        Self { repo, stage, engine }
    }

    fn with_bus(bus: Arc<dyn Bus>) -> Self {
        let Self { repo, stage, .. } = Self::new();
        let engine = engine(repo.clone(), &stage, Some(bus));
        Self { repo, stage, engine }
    }

    /// Another process on the same store and daemon, without the events of this one.
    fn elsewhere(&self) -> Engine {
        engine(self.repo.clone(), &self.stage, None)
    }

    fn docker(&self) -> &Simulated {
        &self.stage.docker
    }

    /// Stores and deploys a maze with subnets of its own number.
    async fn deploy(&self, number: u8) -> TopologyId {
        let new = NewTopology::new(format!("maze-{number}").parse().expect("a name"), maze(number));
        let id = self.repo.create(new, Timestamp::now()).await.expect("stored").row.id;
        let deployed = self
            .engine
            .deploy(id, DeployOptions::default(), &CancellationToken::new())
            .await;
        assert_eq!(deployed.expect("deployed").row.status, Status::Active);
        id
    }

    async fn status(&self, id: TopologyId) -> Status {
        self.repo.get(id).await.expect("a row").status
    }

    async fn mutation(&self, id: MutationId) -> MutationRow {
        self.repo.mutation(id).await.expect("a row")
    }

    async fn is_applied(&self, id: MutationId) -> bool {
        self.mutation(id).await.state == MutationState::Applied
    }

    async fn unfinished(&self) -> usize {
        let filter = MutationFilter::default().states([MutationState::Pending, MutationState::Applying]);
        self.repo.mutations(&filter).await.expect("rows").total
    }

    /// Returns whether store and daemon agree.
    async fn matches_the_store(&self, id: TopologyId) -> bool {
        self.status(id).await == Status::Active
            && crate::planned(&self.engine, id, None)
                .await
                .expect("planned")
                .is_empty()
    }

    fn container(&self, id: TopologyId, suffix: &str) -> ContainerName {
        let short = decnet_topology::short_id(id);
        let world = self.docker().world();
        let mut names = world.containers.into_keys();
        let found = names.find(|name| name.as_str().contains(&short) && name.as_str().ends_with(suffix));
        found.expect("a container")
    }
}

fn engine(repo: Arc<dyn Repo>, stage: &Stage, bus: Option<Arc<dyn Bus>>) -> Engine {
    let mut options = EngineOptions::new(Catalog::builtin()).image(Arc::new(DecoyImage::pack(b"a program")));
    options.bus = bus;
    Engine::new(repo, Arc::new(stage.clone()), options)
}

/// Two LANs, a gateway that is a router, and a host behind it.
fn maze(number: u8) -> Topology {
    let (dmz, office) = (format!("10.90.{number}"), format!("10.91.{number}"));
    Topology::builder()
        .dmz("dmz", &format!("{dmz}.0/24"))
        .lan("office", &format!("{office}.0/24"))
        .decky("web", |decky| {
            decky
                .on("dmz", &format!("{dmz}.10"))
                .on("office", &format!("{office}.10"))
                .forwards()
        })
        .decky("files", |decky| {
            decky.on("office", &format!("{office}.11")).services(["smb"])
        })
        .build()
        .expect("a topology")
}

fn adding(decky: &str) -> NewMutation {
    let payload = format!(r#"{{"name": "{decky}", "lan": "office", "services": ["ssh", "http"]}}"#);
    let mutation = Mutation::from_json(&format!(r#"{{"op": "add_decky", "payload": {payload}}}"#));
    NewMutation::new(mutation.expect("a mutation"))
}

/// Submits a mutation that adds a decky.
async fn enqueue(engine: &Engine, id: TopologyId, decky: &str) -> MutationId {
    match engine.submit(id, adding(decky), None).await.expect("submitted") {
        Submitted::Enqueued(row) => row.id,
        other => panic!("{other:?}"),
    }
}

/// A running loop.
struct Keeper {
    stop: CancellationToken,
    task: JoinHandle<Result<(), EngineError>>,
}

impl Keeper {
    fn start(engine: &Engine, options: WatchOptions) -> Self {
        let stop = CancellationToken::new();
        let (engine, cancel) = (engine.clone(), stop.clone());
        let task = tokio::spawn(async move { watch(&engine, &options, &cancel).await });
        Self { stop, task }
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.expect("no panic").expect("no error");
    }
}

/// A loop that reacts only to events, after its first visit.
fn by_events() -> WatchOptions {
    let mut options = WatchOptions::default();
    (options.poll, options.inside, options.health) = (NEVER, NEVER, NEVER);
    options
}

fn by_polls(poll: Duration) -> WatchOptions {
    let mut options = WatchOptions::default();
    (options.poll, options.health) = (poll, NEVER);
    options
}

/// Waits until a condition holds, and returns how long it took.
macro_rules! until {
    ($condition:expr) => {{
        let since = tokio::time::Instant::now();
        while !$condition {
            // With growing pauses: the check may take much longer than the clock's jump.
            tokio::time::sleep(std::time::Duration::from_millis(10) + since.elapsed() / 20).await;
            assert!(
                since.elapsed() < 100_000 * $crate::watch::SECOND,
                "never: {}",
                stringify!($condition)
            );
        }
        since.elapsed()
    }};
}
use until;

/// Lets a new loop visit everything once.
async fn settle() {
    let since = Instant::now();
    tokio::time::sleep(SECOND / 2).await;
    assert!(since.elapsed() < SECOND);
}

/// Takes all queued events.
fn heard(events: &mut Subscription) -> Vec<Event> {
    std::iter::from_fn(|| events.try_recv())
        .filter_map(|received| match received {
            Received::Event(Envelope { event, .. }) => Some(event),
            Received::Lagged(_) => None,
        })
        .collect()
}
