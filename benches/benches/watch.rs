//! The overhead of the loop over Docker itself: from submitting a mutation in one process until its `applied` event, with the
//! loop in another process on the same store, connected by a bus.
//!
//! Two equal mazes run on one daemon. Each step is made on the first through store, bus and loop, then on the second with only
//! the actions of its plan, in the same order and concurrency. The difference of the medians is the overhead of the loop. Without
//! a daemon, it prints a message and exits.

use std::{
    io::Read as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use decnet_benches::{
    median,
    running::{self, Result},
};
use decnet_engine::{
    Bus as _, DeployOptions, Desired, DesiredContext, Docker, Engine, Event, ExecuteOptions, MutationStage, OnFailure,
    Pattern, Received, Runtime as _, RuntimeInfo, Scope, Server, StepState, Submitted, Subscription, UnixBus,
    WatchOptions, execute, submit, testing::diff, watch,
};
use decnet_topology::{
    AddDecky, Catalog, DeploySettings, InstallationSecret, InstanceId, MemoryRepo, Mutation, MutationContext,
    NewMutation, NewTopology, RemoveDecky, Repo, RuleSet, SqliteRepo, Stage, Topology, TopologyFilter, TopologyId,
    UpdateDecky, apply,
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

/// How often each step is made.
const ROUNDS: usize = 40;
/// The number of warm-up rounds.
const WARM_UP: usize = 3;
/// The allowed overhead of the loop, in milliseconds.
const LIMIT: f64 = 50.0;
/// The pause between two steps.
const REST: Duration = Duration::from_millis(100);
/// The argument that makes this program run the loop.
const KEEPER: &str = "--keep";
const DATABASE: &str = "decnet.db";
const SOCKET: &str = "bus.sock";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Runtime::new()?;
    match arguments.iter().position(|argument| argument == KEEPER) {
        Some(at) => runtime.block_on(keep(Path::new(arguments.get(at + 1).ok_or("no folder")?))),
        None => runtime.block_on(measure()),
    }
}

/// Runs the loop until the parent process ends.
async fn keep(folder: &Path) -> Result<()> {
    let repo = Arc::new(SqliteRepo::open(folder.join(DATABASE))?);
    let bus = Arc::new(UnixBus::new(folder.join(SOCKET), "keeper"));
    let (docker, options) = running::connect().await?.ok_or("no daemon answers")?;
    let engine = Engine::new(repo, Arc::new(docker), options.bus(bus));
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0]);
        stopped.cancel();
    });
    let mut options = WatchOptions::default();
    options.health = Duration::from_secs(2);
    Ok(watch(&engine, &options, &stop).await?)
}

/// The loop's process. It ends when its stdin does.
struct Keeper(Child);

impl Keeper {
    fn start(folder: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        Ok(Self(command.arg(KEEPER).arg(folder).stdin(Stdio::piped()).spawn()?))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// A DMZ with a gateway that publishes nothing, an office behind it, and one host in each.
fn maze(net: &str) -> Result<Topology> {
    let at = |lan: u8, host: u8| format!("{net}{lan}.{host}");
    let maze = Topology::builder()
        .dmz("dmz", &format!("{net}0.0/24"))
        .lan("office", &format!("{net}1.0/24"))
        .decky("router", |decky| {
            decky.on("dmz", &at(0, 2)).on("office", &at(1, 2)).forwards()
        })
        .decky("web", |decky| decky.on("dmz", &at(0, 3)).services(["http"]))
        .decky("desk", |decky| decky.on("office", &at(1, 3)).services(["smb"]))
        .build()?;
    Ok(maze)
}

/// The mutations of a round; the last one restores the maze.
fn round() -> Result<[(&'static str, Mutation); 3]> {
    let add = AddDecky::new("guest".parse()?, "office".parse()?).services(["ssh"]);
    let update = UpdateDecky::new("guest".parse()?).services(["ssh", "http"]);
    let remove = RemoveDecky::new("guest".parse()?);
    Ok([
        ("add_decky", add.into()),
        ("update_decky", update.into()),
        ("remove_decky", remove.into()),
    ])
}

async fn deploy(engine: &Engine, repo: &dyn Repo, topology: Topology) -> Result<TopologyId> {
    let new = NewTopology::new("bench".parse()?, topology);
    let id = repo.create(new, Timestamp::now()).await?.row.id;
    engine
        .deploy(id, DeployOptions::default(), &CancellationToken::new())
        .await?;
    Ok(id)
}

async fn measure() -> Result<()> {
    let Some((docker, options)) = running::connect().await? else {
        return Ok(());
    };
    // Not in a folder that may be in memory, which never syncs to a disk.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let stop = CancellationToken::new();
    let server = tokio::spawn(Server::bind(folder.path().join(SOCKET))?.serve(stop.clone()));
    let repo: Arc<dyn Repo> = Arc::new(SqliteRepo::open(folder.path().join(DATABASE))?);
    let twin_repo: Arc<dyn Repo> = Arc::new(MemoryRepo::new());
    let engine = Engine::new(Arc::clone(&repo), Arc::new(docker.clone()), options.clone());
    let twin_engine = Engine::new(Arc::clone(&twin_repo), Arc::new(docker.clone()), options.clone());
    let measured = async {
        let id = deploy(&engine, repo.as_ref(), maze("10.206.20")?).await?;
        let twin = maze("10.206.21")?;
        let twin_id = deploy(&twin_engine, twin_repo.as_ref(), twin.clone()).await?;
        let bus = UnixBus::new(folder.path().join(SOCKET), "bench");
        let events = bus.subscribe(&[Pattern::everything()]);
        let _keeper = Keeper::start(folder.path())?;
        let mut looped = Looped {
            repo: Arc::clone(&repo),
            catalog: Catalog::builtin(),
            bus,
            events,
            id,
        };
        looped.wait_for_health().await?;
        let image = options.image.as_ref().ok_or("an image")?;
        let mut bare = Bare::new(docker, twin_repo.as_ref(), twin_id, twin, image.reference.clone()).await?;
        compare(&mut looped, &mut bare).await
    }
    .await;
    for (engine, repo) in [(&engine, &repo), (&twin_engine, &twin_repo)] {
        for row in repo.list(&TopologyFilter::default()).await?.rows {
            engine.teardown(row.id, &CancellationToken::new()).await?;
        }
    }
    stop.cancel();
    server.await?;
    measured
}

/// A maze that the loop in the other process manages.
struct Looped {
    repo: Arc<dyn Repo>,
    catalog: Catalog,
    bus: UnixBus,
    events: Subscription,
    id: TopologyId,
}

/// The durations of the parts of a step, in milliseconds. All clocks are this machine's.
#[derive(Debug, Clone, Copy, Default)]
struct Parts {
    steps: usize,
    /// From the submission until the mutation was observed as applied.
    total: f64,
    /// Until it was queued and published.
    enqueue: f64,
    /// Until the loop had the lease and the claim.
    claim: f64,
    /// Until it was stored and planned.
    plan: f64,
    /// Until the last step was done.
    execute: f64,
    /// Until Docker was observed to match, and that was stored.
    confirm: f64,
    /// Until this process received the event.
    hear: f64,
}

impl Looped {
    async fn next(&mut self) -> Result<(Timestamp, Event)> {
        loop {
            match self.events.recv().await {
                Some(Received::Event(envelope)) => return Ok((envelope.at, envelope.event)),
                Some(Received::Lagged(_)) => {}
                None => return Err("the bus was closed".into()),
            }
        }
    }

    async fn wait_for_health(&mut self) -> Result<()> {
        while !matches!(self.next().await?, (_, Event::Health(_))) {}
        Ok(())
    }

    async fn make(&mut self, mutation: &Mutation) -> Result<Parts> {
        let new = NewMutation::new(mutation.clone());
        let (since, begun) = (Instant::now(), Timestamp::now());
        let submitted = submit(self.repo.as_ref(), &self.catalog, &self.bus, self.id, new, None).await?;
        let Submitted::Enqueued(row) = submitted else {
            return Err("the topology does not run".into());
        };
        let mut parts = Parts::default();
        let mut last = begun;
        loop {
            let (at, event) = self.next().await?;
            let mut passed = || {
                let passed = (at - last).total(jiff::Unit::Millisecond).unwrap_or_default();
                last = at;
                passed
            };
            match event {
                Event::Planned { steps, .. } => (parts.steps, parts.plan) = (steps, passed()),
                Event::Step { progress, .. } if matches!(progress.state, StepState::Done { .. }) => {
                    parts.execute += passed();
                }
                Event::Mutation {
                    mutation,
                    state,
                    reason,
                    ..
                } if mutation == row.id => match state {
                    MutationStage::Enqueued => parts.enqueue = passed(),
                    MutationStage::Applying => parts.claim = passed(),
                    MutationStage::Applied => {
                        parts.confirm = passed();
                        parts.total = since.elapsed().as_secs_f64() * 1e3;
                        let ended = Timestamp::now();
                        parts.hear = (ended - last).total(jiff::Unit::Millisecond)?;
                        return Ok(parts);
                    }
                    _ => return Err(format!("{} was not applied: {reason:?}", row.mutation.op()).into()),
                },
                _ => {}
            }
        }
    }
}

/// A maze without a loop.
struct Bare {
    docker: Docker,
    instance: InstanceId,
    secret: InstallationSecret,
    id: TopologyId,
    maze: Topology,
    catalog: Catalog,
    image: String,
    info: RuntimeInfo,
}

impl Bare {
    async fn new(docker: Docker, repo: &dyn Repo, id: TopologyId, maze: Topology, image: String) -> Result<Self> {
        let info = docker.info().await?;
        Ok(Self {
            docker,
            instance: repo.instance().await?,
            secret: repo.secret().await?,
            id,
            maze,
            catalog: Catalog::builtin(),
            image,
            info,
        })
    }

    fn desired(&self, maze: &Topology) -> Result<Desired> {
        let context = DesiredContext {
            instance: self.instance,
            secret: &self.secret,
            topology: self.id,
            catalog: &self.catalog,
            decoy: &self.image,
            api: self.info.api,
            settings: &DeploySettings::default(),
            host_addresses: &[],
            fleet: None,
        };
        Ok(Desired::new(
            &maze.clone().validate(&self.catalog, RuleSet::live())?,
            &context,
        )?)
    }

    /// Executes only the plan of a mutation; returns its number of steps and the duration in milliseconds.
    async fn make(&mut self, mutation: &Mutation) -> Result<(usize, f64)> {
        let after = apply(&self.maze, mutation, &MutationContext::new(&self.catalog, Stage::Live))?;
        let (before, desired) = (self.desired(&self.maze)?, self.desired(&after)?);
        let mut observed = self.docker.inspect(Scope::Topology(self.instance, self.id)).await?;
        for container in &mut observed.containers {
            let mut changed = desired.states_changed_since(&before);
            let deviates = changed.any(|name| *name == container.name);
            container.deviates = deviates.then(|| "the maze changed".into());
        }
        let plan = diff(&desired, &observed);
        let options = ExecuteOptions::new(OnFailure::SkipDependents, 2 * self.info.cpus);
        let since = Instant::now();
        let cancel = CancellationToken::new();
        let execution = execute(&self.docker, self.instance, &plan, options, &cancel, &|_| {}).await;
        let took = since.elapsed().as_secs_f64() * 1e3;
        if let Some(failure) = execution.failures.into_iter().next() {
            return Err(failure.into());
        }
        self.maze = after.into_topology();
        Ok((plan.steps().len(), took))
    }
}

async fn compare(looped: &mut Looped, bare: &mut Bare) -> Result<()> {
    let round = round()?;
    let mut found: [Vec<(Parts, f64)>; 3] = Default::default();
    for turn in 0..WARM_UP + ROUNDS {
        for ((op, mutation), found) in round.iter().zip(&mut found) {
            // The order alternates, and later work of the loop delays nothing.
            let first = if turn % 2 == 0 {
                Some(looped.make(mutation).await?)
            } else {
                None
            };
            tokio::time::sleep(REST).await;
            let (steps, took) = bare.make(mutation).await?;
            tokio::time::sleep(REST).await;
            let parts = match first {
                Some(parts) => parts,
                None => looped.make(mutation).await?,
            };
            tokio::time::sleep(REST).await;
            if steps != parts.steps {
                return Err(format!("{op} took {} steps through the loop, and {steps} without", parts.steps).into());
            }
            if turn >= WARM_UP {
                found.push((parts, took));
            }
        }
    }
    println!("medians of {ROUNDS} on Docker {}, in ms", bare.info.version);
    println!("op            | steps |  loop | docker | added | enqueue | claim |  plan | execute | confirm | hear");
    let mut most = f64::NEG_INFINITY;
    for ((op, _), found) in round.iter().zip(&found) {
        let part = |part: fn(&Parts) -> f64| median(found.iter().map(|(parts, _)| part(parts)).collect());
        let docker = median(found.iter().map(|(_, took)| *took).collect());
        let total = part(|parts| parts.total);
        let steps = found.first().map_or(0, |(parts, _)| parts.steps);
        most = most.max(total - docker);
        println!(
            "{op:<13} | {steps:>5} | {total:>5.1} | {docker:>6.1} | {:>5.1} | {:>7.1} | {:>5.1} | {:>5.1} | {:>7.1} | {:>7.1} | {:>4.1}",
            total - docker,
            part(|parts| parts.enqueue),
            part(|parts| parts.claim),
            part(|parts| parts.plan),
            part(|parts| parts.execute),
            part(|parts| parts.confirm),
            part(|parts| parts.hear),
        );
    }
    let verdict = if most < LIMIT { "within" } else { "ABOVE" };
    println!("the loop adds at most {most:.1} ms, {verdict} the limit of {LIMIT} ms");
    Ok(())
}
