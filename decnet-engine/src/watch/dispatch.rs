//! The loop itself: it wakes on events, polls, and runs one worker for each topology.

use std::{
    collections::BTreeSet,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use decnet_topology::{Name, RepoError, Status, TopologyFilter, TopologyId, TopologyRow, name_of};
use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio::{
    task::JoinSet,
    time::{Interval, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    attackers, resync,
    schedule::{Schedule, Visit},
    shuffles::ShuffleTimes,
    visit::{self, VisitTarget},
};
use crate::{
    bus::{Pattern, Received, Subscription},
    engine::{Engine, EngineError},
    event::{Envelope, Event, Health, MutationStage},
};

/// The options of [`watch`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct WatchOptions {
    /// The interval at which all topologies are checked; 10 s by default.
    pub poll: Duration,
    /// The interval at which routes, forwarding and containment are checked inside the containers; 1 min by default.
    pub inside: Duration,
    /// How many topologies are processed in parallel; 16 by default.
    pub width: usize,
    /// The first backoff after a failed repair; 1 s by default. It doubles each time.
    pub first_pause: Duration,
    /// The longest backoff; 1 min by default.
    pub longest_pause: Duration,
    /// The interval of the loop's health events; 30 s by default.
    pub health: Duration,
    /// The name of the loop on the bus; `watch-` and the process id by default.
    pub worker: Option<Name>,
    /// Whether to follow the logs of all containers and to publish what attackers do; false by default. The daemon then keeps one
    /// open log per container.
    pub attackers: bool,
}

impl WatchOptions {
    /// Sets the interval at which all topologies are checked.
    pub fn poll(mut self, poll: Duration) -> Self {
        self.poll = poll;
        self
    }

    /// Sets the interval at which routes, forwarding and containment are checked inside the containers.
    pub fn inside(mut self, inside: Duration) -> Self {
        self.inside = inside;
        self
    }

    /// Sets how many topologies are processed in parallel.
    pub fn width(mut self, width: usize) -> Self {
        self.width = width;
        self
    }

    /// Sets the first backoff after a failed repair.
    pub fn first_pause(mut self, first_pause: Duration) -> Self {
        self.first_pause = first_pause;
        self
    }

    /// Sets the longest backoff.
    pub fn longest_pause(mut self, longest_pause: Duration) -> Self {
        self.longest_pause = longest_pause;
        self
    }

    /// Sets the interval of the loop's health events.
    pub fn health(mut self, health: Duration) -> Self {
        self.health = health;
        self
    }

    /// Sets the name of the loop on the bus.
    pub fn worker(mut self, worker: impl Into<Option<Name>>) -> Self {
        self.worker = worker.into();
        self
    }

    /// Sets whether to publish what attackers do.
    pub fn attackers(mut self, attackers: bool) -> Self {
        self.attackers = attackers;
        self
    }
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(10),
            inside: Duration::from_mins(1),
            width: 16,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(1),
            health: Duration::from_secs(30),
            worker: None,
            attackers: false,
        }
    }
}

/// Applies mutations to all topologies of the engine's store, and heals them, until the token fires.
///
/// # Errors
///
/// A store that is damaged or created by a newer program. Other errors of the store, a topology or the runtime are logged and
/// retried.
///
/// [`watch`] wakes up when a mutation is queued. It also checks all topologies every few seconds, because events may be lost:
/// mutations by this engine are noticed even if its bus is down, and the version reveals an edit without an event. Topologies are
/// processed in parallel, each by one worker. A topology that cannot be healed does not block others: it is retried with backoff.
///
/// # Guarantees
///
/// - A mutation becomes applied only after the runtime was observed to match ([`Engine::drain`](crate::engine::Engine::drain)).
/// - A running topology that drifted is [reconciled](crate::engine::Engine::reconcile) until it matches its maze: if its status
///   is degraded, if a container is missing, or if a base lacks a route (checked every minute). This never recreates running
///   containers.
/// - A decky is [shuffled](crate::engine::Engine::shuffle_due) when it is due, and when an event
///   [asks for it](crate::Event::ShuffleRequest).
/// - A degraded topology with intent down is not healed; its teardown is continued.
/// - Mutations do not wait for checks or for the end of a backoff.
/// - A worker that panics is replaced.
/// - When the token fires, no more steps start, running steps are waited for, and claims and leases are released. Calls that only look
///   for work are dropped, so a store that does not answer delays the end only for the topologies that are worked on.
///
/// # Assumptions
///
/// Several loops may run on one store, in one or several processes: a lease allows only one of them to work on a topology, and
/// the others retry soon. A runtime that does not answer is retried every second; a host that has a maze of its agent, with backoff.
///
/// ```
/// use std::sync::Arc;
///
/// use decnet_engine::{CancellationToken, DeployOptions, Engine, EngineOptions, Operation, WatchOptions};
/// use decnet_engine::{simulated::Simulated, watch};
/// use decnet_topology::{
///     Catalog, MemoryRepo, Mutation, MutationFilter, MutationQueue, MutationState, NewMutation, NewTopology, Timestamp,
///     Topology, TopologyStore,
/// };
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let repo = Arc::new(MemoryRepo::new());
/// let topology = Topology::builder().dmz("dmz", "172.20.0.0/24").build()?;
/// let new = NewTopology::new("corp".parse()?, topology);
/// let id = repo.create(new, Timestamp::now()).await?.row.id;
/// let engine = Engine::new(repo.clone(), Arc::new(Simulated::new()), EngineOptions::new(Catalog::builtin()));
/// engine.deploy(id, DeployOptions::default(), &CancellationToken::new()).await?;
///
/// let stop = CancellationToken::new();
/// let keeper = tokio::spawn({
///     let (engine, stop) = (engine.clone(), stop.clone());
///     async move { watch(&engine, &WatchOptions::default(), &stop).await }
/// });
///
/// let mutation = Mutation::from_json(r#"{"op": "add_decky", "payload": {"name": "web", "lan": "dmz", "services": ["http"]}}"#)?;
/// engine.submit(id, NewMutation::new(mutation), None).await?;
/// while !repo.mutations(&MutationFilter::default()).await?.rows.iter().all(|row| row.state == MutationState::Applied) {
///     tokio::time::sleep(std::time::Duration::from_millis(10)).await;
/// }
/// assert!(engine.prepare(id, Operation::Reconcile { force: false }).await?.plan().is_empty(), "the decky runs");
///
/// stop.cancel();
/// keeper.await??;
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn watch(engine: &Engine, options: &WatchOptions, cancel: &CancellationToken) -> Result<(), EngineError> {
    // It also listens to the engine itself, because events of this process must arrive even if the bus is down.
    let (mut own, mut shared) = engine.listen(&wanted());
    let mut watch = Watch {
        engine,
        schedule: Schedule::new(options.first_pause, options.longest_pause),
        workers: JoinSet::new(),
        watched: 0,
        inside: BTreeSet::new(),
        unreachable: false,
        shuffles: ShuffleTimes::default(),
        cancel,
    };
    // Dropping the set ends the task.
    let mut followers = JoinSet::new();
    if options.attackers {
        followers.spawn(attackers::publish(engine.clone()));
    }
    let started_at = Timestamp::now();
    let mut poll = every(options.poll);
    let mut inside = every(options.inside);
    let mut health = every(options.health);
    let result = loop {
        watch.dispatch(options.width);
        let due = watch
            .schedule
            .next_due()
            .filter(|_| watch.workers.len() < options.width);
        let shuffle = watch.shuffles.next_due(now(), Timestamp::now());
        let wake = tokio::select! {
            biased;
            () = cancel.cancelled() => break Ok(()),
            Some(Ok((id, visit))) = watch.workers.join_next(), if !watch.workers.is_empty() => {
                watch.finish(id, visit);
                continue;
            }
            wake = next(Some(&mut own)) => wake,
            wake = next(shared.as_mut()) => wake,
            _ = inside.tick() => {
                if let Err(error) = watch.poll(Depth::Inside).await {
                    break Err(error);
                }
                continue;
            }
            _ = poll.tick() => {
                if let Err(error) = watch.poll(Depth::Outside).await {
                    break Err(error);
                }
                continue;
            }
            _ = health.tick() => {
                engine.publish(Envelope::new(watch.health(options, started_at), Timestamp::now()));
                continue;
            }
            () = sleep_until(due) => continue,
            () = sleep_until(shuffle) => {
                cancel.run_until_cancelled(watch.shuffles.shuffle_due(engine)).await;
                continue;
            }
        };
        match wake {
            Wake::Enqueued(id) => watch.schedule.wake(id, now()),
            Wake::Degraded(id) => watch.schedule.remind(id, now()),
            Wake::Requested(id, decky) => {
                let request = watch.shuffles.request(engine, id, decky, now());
                cancel.run_until_cancelled(request).await;
            }
            Wake::Lost => poll.reset_immediately(),
            Wake::Other => {}
        }
    };
    watch.workers.join_all().await;
    result
}

/// The state of the loop.
struct Watch<'a> {
    engine: &'a Engine,
    schedule: Schedule,
    workers: JoinSet<(TopologyId, Visit)>,
    /// How many topologies were running at the last poll.
    watched: usize,
    /// The topologies whose bases are checked next time.
    inside: BTreeSet<TopologyId>,
    /// Whether the last call to the runtime got no answer.
    unreachable: bool,
    /// When deckies get other services.
    shuffles: ShuffleTimes,
    cancel: &'a CancellationToken,
}

impl Watch<'_> {
    /// Sends workers to the topologies that are due.
    fn dispatch(&mut self, width: usize) {
        while self.workers.len() < width {
            let Some((id, signal)) = self.schedule.take(now()) else {
                return;
            };
            let (engine, cancel) = (self.engine.clone(), self.cancel.clone());
            let target = VisitTarget {
                id,
                inside: self.inside.remove(&id),
            };
            let repo = Arc::clone(engine.repo());
            self.workers.spawn(async move {
                let visit = AssertUnwindSafe(visit::run(engine, target, signal, cancel))
                    .catch_unwind()
                    .await;
                let visit = if let Ok(visit) = visit {
                    visit
                } else {
                    let maze = name_of(repo.as_ref(), id).await;
                    tracing::error!(maze, "the worker panicked; the maze is retried");
                    Visit::Again
                };
                (id, visit)
            });
        }
    }

    /// Takes a topology back from its worker.
    fn finish(&mut self, id: TopologyId, visit: Visit) {
        // Logged once, not for each topology and attempt.
        match (visit, self.unreachable) {
            (Visit::Unreachable, false) => {
                tracing::warn!("the runtime of this machine does not answer; waiting for it");
                self.unreachable = true;
            }
            (Visit::Done | Visit::Again, true) => {
                tracing::info!("the runtime of this machine answers again");
                self.unreachable = false;
            }
            _ => {}
        }
        self.schedule.finish(id, visit, now());
    }

    /// Finds topologies with work, even if their events were lost.
    ///
    /// A store that does not answer must not delay a cancellation. The poll can be dropped at any await: each of its changes is one
    /// transaction, and the next loop continues.
    async fn poll(&mut self, depth: Depth) -> Result<(), EngineError> {
        let cancel = self.cancel;
        let polled = cancel.run_until_cancelled(async {
            let found = self.found().await?;
            self.take_up(&found, depth).await
        });
        match polled.await {
            None | Some(Ok(())) => Ok(()),
            Some(Err(error @ (RepoError::Corrupt { .. } | RepoError::TooNew { .. }))) => Err(error.into()),
            Some(Err(error)) => {
                tracing::warn!(%error, "the database could not be read; retrying");
                Ok(())
            }
        }
    }

    /// Schedules the topologies that a poll has found.
    async fn take_up(&mut self, found: &[TopologyRow], depth: Depth) -> Result<(), RepoError> {
        self.watched = found.len();
        if depth == Depth::Inside {
            self.inside = found.iter().map(|row| row.id).collect();
        }
        for row in found {
            self.schedule.see(row.id, row.version, now());
        }
        self.shuffles.see(self.engine, found).await;
        for id in resync::mark(self.engine.repo().as_ref(), found, Timestamp::now()).await? {
            self.schedule.wake(id, now());
        }
        Ok(())
    }

    async fn found(&self) -> Result<Vec<TopologyRow>, RepoError> {
        let repo = self.engine.repo();
        let live = TopologyFilter::default().statuses([Status::Active, Status::Degraded, Status::TearingDown]);
        Ok(repo.list(&live).await?.rows)
    }

    fn health(&self, options: &WatchOptions, started_at: Timestamp) -> Event {
        let pid = std::process::id();
        let worker = options
            .worker
            .clone()
            .unwrap_or_else(|| Name::new(&format!("watch-{pid}")).expect("a DNS label"));
        Event::Health(Health {
            worker,
            pid,
            started_at,
            topologies: self.watched,
            busy: self.workers.len(),
        })
    }
}

/// The depth of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// The lists of the runtime.
    Outside,
    /// Also the network state inside the bases.
    Inside,
}

/// The meaning of an event for the loop.
enum Wake {
    /// A mutation is queued.
    Enqueued(TopologyId),
    /// A topology is degraded.
    Degraded(TopologyId),
    /// Somebody asks for other services for a decky.
    Requested(TopologyId, Name),
    /// Events were lost.
    Lost,
    /// Nothing.
    Other,
}

fn wanted() -> [Pattern; 3] {
    [
        "topology.*.mutation.enqueued",
        "topology.*.status",
        "decky.*.*.mutate_request",
    ]
    .map(|pattern| pattern.parse().expect("a pattern"))
}

/// Waits for the next event. Without a bus it waits forever; the poll does its work.
async fn next(events: Option<&mut Subscription>) -> Wake {
    let Some(events) = events else {
        return std::future::pending().await;
    };
    match events.recv().await {
        Some(Received::Event(envelope)) => match envelope.event {
            Event::Mutation {
                topology,
                state: MutationStage::Enqueued,
                ..
            } => Wake::Enqueued(topology),
            Event::Status {
                topology,
                to: Status::Degraded,
                ..
            } => Wake::Degraded(topology),
            Event::ShuffleRequest { topology, decky } => Wake::Requested(topology, decky),
            _ => Wake::Other,
        },
        Some(Received::Lagged(_)) => Wake::Lost,
        None => std::future::pending().await,
    }
}

fn every(time: Duration) -> Interval {
    let mut interval = interval(time.max(Duration::from_millis(1)));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Returns the time of the loop's clock.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
