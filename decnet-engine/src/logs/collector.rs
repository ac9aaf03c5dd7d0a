//! The task that reads the logs.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

use decnet_topology::InstanceId;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::{
    LogContent, LogItem, LogOptions,
    again::Again,
    agents::Agents,
    cursor::{Position, Reading},
    maze::Mazes,
    muted,
    source::Source,
};
use crate::{
    engine::{Engine, EngineError},
    observe::{self, Activity, Scope},
    runtime::{LogLine, LogLines, LogRequest, Runtime, RuntimeError},
};

/// How often the containers are listed.
const PAUSE: Duration = Duration::from_secs(1);

/// How many logs are opened at once.
const WIDTH: usize = 8;

/// How many lines of all containers wait for the collector.
const WAITING: usize = 64;

/// Something for the reader: an item, a new position, or both.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) item: Option<Result<LogItem, EngineError>>,
    pub(super) mark: Option<Mark>,
}

/// A change of the reader's cursor.
#[derive(Debug)]
pub(super) enum Mark {
    /// The log of a container was read up to here.
    At(String, Position),
    /// A container was removed.
    Removed(String),
}

/// The reader is gone.
struct Closed;

/// The log of a container, up to now.
struct Past<'a> {
    id: String,
    lines: LogLines<'a>,
    reading: Reading,
    head: Option<LogLine>,
}

/// What a reader got from the log of a container; none at its end.
type Read = Option<Result<LogLine, RuntimeError>>;

pub(super) struct Collector {
    engine: Engine,
    instance: InstanceId,
    options: LogOptions,
    sender: mpsc::Sender<Delivery>,
    mazes: Mazes,
    agents: Agents,
    /// The containers by their ids. One that was removed stays until its log is read.
    sources: BTreeMap<String, Source>,
    /// The containers that exist, and whether they run. Those of hosts that do not answer are as they were.
    listed: BTreeMap<String, bool>,
    /// The members of a fleet that do not answer.
    unseen: BTreeSet<String>,
    /// Containers that had ended when their log was read to its end.
    finished: BTreeSet<String>,
    /// Containers whose log cannot be read, and when to try again.
    unreadable: BTreeMap<String, Again>,
}

impl Collector {
    /// Lists the containers for the first time.
    pub(super) async fn new(
        engine: Engine,
        options: LogOptions,
        sender: mpsc::Sender<Delivery>,
    ) -> Result<Self, EngineError> {
        let instance = engine.repo().instance().await?;
        if let Some(id) = options.topology {
            engine.repo().get(id).await?;
        }
        let mut collector = Self {
            instance,
            options,
            sender,
            mazes: Mazes::new(engine.catalog().clone()),
            agents: Agents::default(),
            engine,
            sources: BTreeMap::new(),
            listed: BTreeMap::new(),
            unseen: BTreeSet::new(),
            finished: BTreeSet::new(),
            unreadable: BTreeMap::new(),
        };
        collector.list().await?;
        Ok(collector)
    }

    /// Reads all logs. Ends early if the reader is gone.
    pub(super) async fn run(mut self) {
        if self.past().await.is_ok() && self.options.follow {
            // Following ends only if the reader is gone.
            let _ = self.follow().await;
        }
    }

    /// Lists the containers, and reads what the store knows of their mazes.
    async fn list(&mut self) -> Result<(), EngineError> {
        let scope = match self.options.topology {
            Some(id) => Scope::Topology(self.instance, id),
            None => Scope::Instance(self.instance),
        };
        let mut observed = self.engine.runtime().list(scope).await?;
        let of_agents = self.agents.list(&self.engine, self.options.topology).await?;
        observed.containers.extend(of_agents);
        // Whether a container has the built-in program depends on the catalogue of its maze.
        let listed = observed.containers.iter();
        let listed = listed.filter_map(|container| observe::topology_of(&container.labels));
        let known = self.sources.values().map(|source| source.topology);
        let topologies: BTreeSet<_> = listed.chain(known).collect();
        for id in topologies {
            self.mazes.refresh(self.engine.repo().as_ref(), id).await?;
        }
        self.unseen = observed.unseen.into_keys().collect();
        let mut before = std::mem::take(&mut self.listed);
        before.retain(|id, _| self.is_unseen(id));
        self.listed = before;
        for container in &observed.containers {
            // A container that ends soon after each start is hardly ever seen while it runs.
            let runs = matches!(
                container.activity,
                Activity::Running | Activity::Paused | Activity::Restarting
            );
            self.listed.insert(container.id.clone(), runs);
            if !self.sources.contains_key(&container.id)
                && let Some(source) = Source::of(container, &self.options, &self.mazes)
            {
                self.sources.insert(source.id.clone(), source);
            }
        }
        Ok(())
    }

    /// Reads the lines that exist, ordered by time.
    async fn past(&mut self) -> Result<(), Closed> {
        let requests: Vec<_> = self.sources.keys().map(|id| self.request(id, false)).collect();
        let opened: Vec<_> = requests
            .iter()
            .map(|(runtime, request)| open(runtime.as_ref(), request))
            .collect();
        let opened: Vec<_> = stream::iter(opened).buffered(WIDTH).collect().await;
        let mut logs = Vec::with_capacity(opened.len());
        let mut order = BinaryHeap::new();
        for (id, lines, first) in opened {
            let mut log = Past {
                reading: self.options.cursor.reading(&id),
                id,
                lines,
                head: None,
            };
            if let Some(at) = self.hold(&mut log, first).await? {
                order.push(Reverse((at, logs.len())));
            }
            logs.push(log);
        }
        while let Some(Reverse((_, index))) = order.pop() {
            let log = &mut logs[index];
            if let Some(line) = log.head.take() {
                self.line(&log.id, &mut log.reading, line).await?;
            }
            let next = log.lines.next().await;
            if let Some(at) = self.hold(log, next).await? {
                order.push(Reverse((at, index)));
            }
        }
        Ok(())
    }

    /// Keeps the next line of a log until it is the oldest one of all logs, and returns its time.
    async fn hold(&mut self, log: &mut Past<'_>, next: Read) -> Result<Option<Timestamp>, Closed> {
        match next {
            Some(Ok(line)) => {
                let at = line.at;
                log.head = Some(line);
                return Ok(Some(at));
            }
            Some(Err(error)) => self.failed(&log.id, error).await?,
            None => self.ended(&log.id),
        }
        Ok(None)
    }

    /// Reads new lines of all containers, and of those that are created later.
    async fn follow(&mut self) -> Result<(), Closed> {
        let (sender, mut incoming) = mpsc::channel(WAITING);
        let mut readers = JoinSet::new();
        let mut open = BTreeMap::new();
        let mut tick = interval(PAUSE);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_connected = true;
        loop {
            tokio::select! {
                () = self.sender.closed() => return Err(Closed),
                // Takes the results of readers that ended.
                Some(_) = readers.join_next() => {}
                Some((id, read)) = incoming.recv() => self.read(&mut open, id, read).await?,
                _ = tick.tick() => {
                    is_connected = self.refresh(is_connected).await?;
                    self.forget_removed(&open).await?;
                    for id in self.unread(&open) {
                        open.insert(id.clone(), self.options.cursor.reading(&id));
                        let (runtime, request) = self.request(&id, true);
                        readers.spawn(read(runtime, request, sender.clone()));
                    }
                }
            }
        }
    }

    /// Processes what a reader got.
    async fn read(&mut self, open: &mut BTreeMap<String, Reading>, id: String, read: Read) -> Result<(), Closed> {
        match read {
            Some(Ok(line)) => {
                if let Some(reading) = open.get_mut(&id) {
                    self.unreadable.remove(&id);
                    self.line(&id, reading, line).await?;
                }
            }
            Some(Err(error)) => {
                open.remove(&id);
                self.failed(&id, error).await?;
            }
            None => {
                open.remove(&id);
                self.ended(&id);
            }
        }
        Ok(())
    }

    /// Lists the containers again. Returns whether the runtime answers, and reports a change of that.
    async fn refresh(&mut self, was_connected: bool) -> Result<bool, Closed> {
        match (self.list().await, was_connected) {
            (Ok(()), true) => Ok(true),
            (Ok(()), false) => self.item(LogItem::Connected {}).await.map(|()| true),
            (Err(_), false) => Ok(false),
            (Err(error), true) => {
                let reason = error.to_string();
                self.item(LogItem::Disconnected { reason }).await.map(|()| false)
            }
        }
    }

    /// Forgets containers that were removed and whose logs were read to the end.
    async fn forget_removed(&mut self, open: &BTreeMap<String, Reading>) -> Result<(), Closed> {
        let is_removed =
            |id: &&String| !self.listed.contains_key(*id) && !open.contains_key(*id) && !self.is_unseen(id);
        // With a topology, the cursor may have containers of others.
        let in_cursor = self.options.cursor.containers();
        let in_cursor = in_cursor.filter(|_| self.options.topology.is_none());
        let known = self.sources.keys().chain(in_cursor);
        let removed: BTreeSet<String> = known.filter(is_removed).cloned().collect();
        for id in removed {
            self.sources.remove(&id);
            self.finished.remove(&id);
            self.unreadable.remove(&id);
            self.options.cursor.forget(&id);
            self.deliver(None, Some(Mark::Removed(id))).await?;
        }
        Ok(())
    }

    /// Returns the containers whose logs must be opened.
    fn unread(&self, open: &BTreeMap<String, Reading>) -> Vec<String> {
        let is_unread = |id: &&String| {
            let runs = self.listed.get(*id).copied();
            runs.is_some_and(|runs| runs || !self.finished.contains(*id))
                && self.unreadable.get(*id).is_none_or(Again::is_due)
                && !open.contains_key(*id)
        };
        self.sources.keys().filter(is_unread).cloned().collect()
    }

    /// Returns whether a container is on a host that does not answer, so that it may still exist.
    fn is_unseen(&self, id: &str) -> bool {
        let host = id.split_once('/').map_or("", |(host, _)| host);
        match self.sources.get(id) {
            _ if self.unseen.contains(host) => true,
            Some(source) => self.agents.is_silent(source.topology),
            // It is only in the cursor, which does not know its maze.
            None => self.agents.has_silent(),
        }
    }

    /// Returns the runtime that has a container, and the request for its log.
    fn request(&self, id: &str, follow: bool) -> (Arc<dyn Runtime>, LogRequest) {
        let read = self.options.cursor.position(id).map(Position::at);
        let topology = self.sources.get(id).map(|source| source.topology);
        let (runtime, instance) = match topology.and_then(|topology| self.agents.place(topology)) {
            Some((runtime, instance)) => (Arc::clone(runtime), *instance),
            None => (Arc::clone(self.engine.runtime()), self.instance),
        };
        let request = LogRequest {
            instance,
            id: id.into(),
            since: read.max(self.options.since),
            follow,
        };
        (runtime, request)
    }

    /// Notes that the log of a container was read to its end.
    fn ended(&mut self, id: &str) {
        if self.listed.get(id) == Some(&false) {
            self.finished.insert(id.into());
        }
    }

    async fn failed(&mut self, id: &str, error: RuntimeError) -> Result<(), Closed> {
        match (error, self.sources.get(id)) {
            // It was removed.
            (RuntimeError::Gone { .. }, _) | (_, None) => Ok(()),
            // The next list reports it.
            (error, _) if error.is_unanswered() && self.options.follow => Ok(()),
            (error, _) if error.is_unanswered() => self.deliver(Some(Err(error.into())), None).await,
            (error, Some(source)) => {
                let unreadable = LogItem::Unreadable {
                    container: source.container.clone(),
                    reason: error.to_string(),
                };
                match self.unreadable.entry(id.into()) {
                    Entry::Vacant(new) => {
                        new.insert(Again::after(PAUSE));
                        self.item(unreadable).await
                    }
                    Entry::Occupied(mut failed_before) => {
                        failed_before.get_mut().double();
                        Ok(())
                    }
                }
            }
        }
    }

    /// Delivers a line unless it was read before or is not selected. Reports lines that are missing before it.
    async fn line(&mut self, id: &str, reading: &mut Reading, line: LogLine) -> Result<(), Closed> {
        let is_whole = self.options.since.is_none() || self.options.cursor.position(id).is_some();
        let is_wanted = Some(line.at) >= self.options.since;
        let Some(source) = self.sources.get(id) else {
            return Ok(());
        };
        let Some((number, position)) = self.options.cursor.advance(id, reading, line.at) else {
            return Ok(());
        };
        let entry = source.entry(line, number, &self.mazes);
        let mut dropped = None;
        if let Some(LogContent::Record(record)) = entry.as_ref().map(|entry| &entry.content) {
            let service = record.service.as_ref().map_or("", |service| &service.name);
            let lines = position.missing(service, record.event.sequence);
            dropped = (lines > 0 && is_whole).then(|| LogItem::Dropped {
                container: source.container.clone(),
                service: service.into(),
                lines,
            });
        }
        let mark = Mark::At(id.into(), position.clone());
        if let Some(dropped) = dropped {
            self.item(dropped).await?;
        }
        let entry = entry.filter(|entry| is_wanted && !muted::is_muted(&self.options.muted, entry));
        self.deliver(entry.map(|entry| Ok(LogItem::Entry(entry))), Some(mark))
            .await
    }

    async fn item(&self, item: LogItem) -> Result<(), Closed> {
        self.deliver(Some(Ok(item)), None).await
    }

    async fn deliver(&self, item: Option<Result<LogItem, EngineError>>, mark: Option<Mark>) -> Result<(), Closed> {
        self.sender.send(Delivery { item, mark }).await.map_err(|_| Closed)
    }
}

/// Opens the log of a container, and reads its first line.
async fn open<'a>(runtime: &'a dyn Runtime, request: &LogRequest) -> (String, LogLines<'a>, Read) {
    let mut lines = runtime.container_log(request.clone());
    let first = lines.next().await;
    (request.id.clone(), lines, first)
}

/// Reads the log of a container until it ends.
async fn read(runtime: Arc<dyn Runtime>, request: LogRequest, sender: mpsc::Sender<(String, Read)>) {
    let id = request.id.clone();
    let mut lines = runtime.container_log(request);
    loop {
        let read = lines.next().await;
        let is_end = !matches!(read, Some(Ok(_)));
        if sender.send((id.clone(), read)).await.is_err() || is_end {
            return;
        }
    }
}
