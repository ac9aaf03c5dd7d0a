//! Collects updates in the background: the events of the feed, the store after each change, the deckies on Docker, and the visits.

use std::{sync::Arc, time::Duration};

use decnet_engine::{Bus, Engine, EngineError, Feed, FeedItem, HistoryEntry, Inspection, LogCursor, LogOptions};
use decnet_topology::{
    MutationFilter, MutationRow, RepoError, Status, TopologyFilter, TopologyId, last_mutations, short_id,
};
use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{board::Update, rows};
use crate::bus::RemoteBus;

/// How many updates wait for the view. Then their sources wait.
const WAITING: usize = 256;

/// How many mutations and earlier changes are shown.
const SHOWN: usize = 200;

/// How often Docker is asked for the deckies, if it answers fast.
const OBSERVE_EVERY: Duration = Duration::from_secs(2);

/// How many times longer than an answer takes to wait until the next question. A large maze must not keep Docker busy.
const REST: u32 = 4;

/// How long Docker may take to answer.
const OBSERVE_WITHIN: Duration = Duration::from_secs(30);

/// How long a change waits for others that come with it.
const GATHER: Duration = Duration::from_millis(200);

/// How long to wait before the logs are opened again, or a database that cannot be reached is read again.
const REOPEN: Duration = Duration::from_secs(5);

/// How old the first visits may be.
const PAST: SignedDuration = SignedDuration::from_hours(1);

/// The updates of one maze, or of all. Dropping it ends its tasks.
pub(super) struct Source {
    updates: mpsc::Receiver<Update>,
    _tasks: JoinSet<()>,
}

/// What the tasks share.
#[derive(Clone)]
struct Watched {
    engine: Engine,
    only: Option<TopologyId>,
    updates: mpsc::Sender<Update>,
}

impl Source {
    /// Starts the tasks. The bus announces changes early; without it they arrive within a second.
    pub(super) async fn open(
        engine: &Engine,
        bus: Option<&RemoteBus>,
        only: Option<TopologyId>,
    ) -> Result<Self, RepoError> {
        let bus = bus.map(|bus| bus as &dyn Bus);
        let (_, feed) = Feed::open(Arc::clone(engine.repo()), bus, only).await?;
        let (sender, updates) = mpsc::channel(WAITING);
        let watched = Watched {
            engine: engine.clone(),
            only,
            updates: sender,
        };
        let (announce, changes) = watch::channel(());
        let mut tasks = JoinSet::new();
        tasks.spawn(watched.clone().follow(feed, announce));
        tasks.spawn(watched.clone().read_store(changes.clone()));
        if let Some(id) = only {
            tasks.spawn(watched.clone().observe(id, changes));
        }
        tasks.spawn(watched.read_logs());
        Ok(Self { updates, _tasks: tasks })
    }

    /// Waits for the next update. The future is cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Update> {
        self.updates.recv().await
    }

    /// Returns the next update, if there is one already.
    pub(super) fn ready(&mut self) -> Option<Update> {
        self.updates.try_recv().ok()
    }
}

impl Watched {
    const fn is_of_all(&self) -> bool {
        self.only.is_none()
    }

    /// Passes an update on. Returns whether the view is still there.
    async fn put(&self, update: Update) -> bool {
        self.updates.send(update).await.is_ok()
    }

    async fn remark(&self, what: String) -> bool {
        let row = rows::remark(Timestamp::now(), what, self.is_of_all());
        self.put(Update::Event(row)).await
    }

    /// Passes on the events.
    async fn follow(self, mut feed: Feed, announce: watch::Sender<()>) {
        if let Err(error) = self.past().await {
            self.put(Update::Failed(error.into())).await;
            return;
        }
        while let Some(item) = feed.next().await {
            let is_there = match item {
                Ok(FeedItem::Event { envelope, name, .. }) => {
                    announce.send_replace(());
                    let id = envelope.event.topology().map(short_id);
                    let maze = name.or(id).unwrap_or_else(|| "-".into());
                    match rows::event(&envelope, self.is_of_all().then_some(maze.as_str())) {
                        Some(row) => self.put(Update::Event(row)).await,
                        None => true,
                    }
                }
                Ok(FeedItem::Lagged(lost)) => self.remark(format!("{lost} events were lost")).await,
                Ok(FeedItem::BusLost) => {
                    let remark =
                        "no bus (`decnet bus`): changes appear within a second, without the steps of operations";
                    self.remark(remark.into()).await
                }
                Ok(FeedItem::BusFound) => self.remark("found the bus".into()).await,
                Ok(FeedItem::StoreLost(reason)) => self.put(Update::StoreLost(reason)).await,
                Ok(FeedItem::StoreFound) => self.put(Update::StoreFound).await,
                Ok(_) => true,
                Err(error) => {
                    self.put(Update::Failed(error.into())).await;
                    false
                }
            };
            if !is_there {
                return;
            }
        }
    }

    /// Passes on the last changes of the maze.
    async fn past(&self) -> Result<(), RepoError> {
        let Some(id) = self.only else { return Ok(()) };
        let repo = self.engine.repo();
        let events = repo.status_events(id).await?;
        let mutations = last_mutations(repo.as_ref(), id, SHOWN).await?;
        let entries = HistoryEntry::list(&events, &mutations);
        let skipped = entries.len().saturating_sub(SHOWN);
        for entry in entries.iter().skip(skipped) {
            self.put(Update::Event(rows::past(entry))).await;
        }
        Ok(())
    }

    /// Passes on the mazes or the maze, and the mutations, after each change.
    async fn read_store(self, mut changes: watch::Receiver<()>) {
        loop {
            match self.stored().await {
                Ok(updates) => {
                    for update in updates {
                        self.put(update).await;
                    }
                }
                // The feed says so.
                Err(RepoError::DatabaseUnreachable { .. }) => {
                    sleep(REOPEN).await;
                    continue;
                }
                Err(error) => {
                    self.put(Update::Failed(error.into())).await;
                    return;
                }
            }
            if changes.changed().await.is_err() {
                return;
            }
            sleep(GATHER).await;
            changes.mark_unchanged();
        }
    }

    async fn stored(&self) -> Result<Vec<Update>, RepoError> {
        let repo = self.engine.repo().as_ref();
        let Some(id) = self.only else {
            let all = repo.list(&TopologyFilter::default()).await?.rows;
            let unfinished = repo.mutations(&MutationFilter::unfinished(None)).await?.rows;
            let name = |row: &MutationRow| {
                let found = all.iter().find(|maze| maze.id == row.topology);
                found.map_or_else(|| short_id(row.topology), |maze| maze.name.to_string())
            };
            let mutations = last_mutations(repo, None, SHOWN).await?;
            let queue = mutations
                .iter()
                .map(|row| rows::mutation(row, Some(&name(row))))
                .collect();
            let live = all.iter().filter(|maze| maze.status != Status::TornDown).cloned();
            let waiting = |id| unfinished.iter().filter(|row| row.topology == id).count();
            let mazes = live
                .map(|maze| (waiting(maze.id), maze))
                .map(|(waiting, maze)| (maze, waiting));
            return Ok(vec![Update::Mazes(mazes.collect()), Update::Queue(queue)]);
        };
        let stored = match repo.load(id).await {
            Err(RepoError::NotFound { .. }) => return Ok(vec![Update::Maze(None)]),
            stored => stored?,
        };
        let mutations = match last_mutations(repo, id, SHOWN).await {
            Err(RepoError::NotFound { .. }) => Vec::new(),
            mutations => mutations?,
        };
        let queue = mutations.iter().map(|row| rows::mutation(row, None)).collect();
        Ok(vec![Update::Maze(Some(Box::new(stored))), Update::Queue(queue)])
    }

    /// Passes on the state of the deckies on Docker.
    async fn observe(self, id: TopologyId, mut changes: watch::Receiver<()>) {
        loop {
            let start = Instant::now();
            let update = match timeout(OBSERVE_WITHIN, self.inspect(id)).await {
                Ok(Ok(inspection)) => Some(Update::Observed(Box::new(inspection))),
                // The maze was deleted: the store says so.
                Ok(Err(EngineError::Repo(RepoError::NotFound { .. }))) => return,
                // The feed says so.
                Ok(Err(EngineError::Repo(RepoError::DatabaseUnreachable { .. }))) => None,
                Ok(Err(error)) => Some(Update::Unobserved(error.to_string())),
                Err(_) => Some(Update::Unobserved(format!(
                    "no answer within {} s",
                    OBSERVE_WITHIN.as_secs()
                ))),
            };
            if let Some(update) = update
                && !self.put(update).await
            {
                return;
            }
            let took = start.elapsed();
            tokio::select! {
                () = sleep(OBSERVE_EVERY.max(took * REST)) => {}
                seen = changes.changed() => match seen {
                    Ok(()) => sleep(GATHER.max(took)).await,
                    Err(_) => return,
                },
            }
            changes.mark_unchanged();
        }
    }

    /// Inspects the maze, without the names of interfaces, which are read in each decky.
    async fn inspect(&self, id: TopologyId) -> Result<Inspection, EngineError> {
        let repo = self.engine.repo();
        let stored = repo.load(id).await?;
        let observation = self.engine.observation(&stored.row, false).await?;
        Ok(Inspection::new(stored, &observation.observed, Timestamp::now()))
    }

    /// Passes on what visitors do.
    async fn read_logs(self) {
        let since = Timestamp::now().checked_sub(PAST).ok();
        let mut cursor = LogCursor::default();
        let mut said = None;
        loop {
            let options = LogOptions::default()
                .topology(self.only)
                .since(since)
                .cursor(cursor.clone())
                .follow(true);
            let reason = match self.engine.logs(options).await {
                Ok(mut logs) => {
                    let reason = loop {
                        match logs.next().await {
                            Some(Ok(item)) => {
                                said = None;
                                let row = rows::visit(&item, Timestamp::now(), self.is_of_all());
                                if !self.put(Update::Visit(row)).await {
                                    return;
                                }
                            }
                            Some(Err(error)) => break Some(error.to_string()),
                            None => break None,
                        }
                    };
                    cursor = logs.cursor().clone();
                    reason
                }
                // The maze was deleted.
                Err(EngineError::Repo(RepoError::NotFound { .. })) => return,
                Err(error) => Some(error.to_string()),
            };
            if let Some(reason) = reason
                && said.as_ref() != Some(&reason)
            {
                self.remark(format!("no visits: {reason}")).await;
                said = Some(reason);
            }
            sleep(REOPEN).await;
        }
    }
}
