//! Finds attackers and their moves in the lines of logs.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use decnet_decoy::protocol::{Action, Outcome, Record};
use decnet_topology::{Name, ServiceName, TopologyId};
use jiff::Timestamp;

use super::{
    path::{AttackMove, AttackPath, AttackSession, LISTED_LOGINS, LISTED_ORIGINS, LISTED_SESSIONS},
    presence::{Candidates, Visitors},
    process::{Ended, Processes, container_id, cut},
};
use crate::{
    event::{AttackerAction, AttackerEvent, Place},
    logs::{LogContent, LogEntry},
    naming::ContainerName,
    observe::{self, Activity, ObservedContainer},
};

/// How many attackers of one topology are remembered. A new one replaces the one that was silent for longest.
const ATTACKERS: usize = 10_000;

/// How many open conversations of one topology are remembered.
const SESSIONS: usize = 10_000;

/// How many characters of the name of a user are kept.
const LONGEST_LOGIN: usize = 256;

/// Follows attackers through mazes, line by line.
///
/// An attacker is identified by the place that it first came from: an address outside of the maze. A contact that comes from a
/// decky is a move of the attacker who has a conversation open on that decky, or, if nobody has one open, of the attacker who was
/// there last. If there are several, the one with the latest contact is chosen, and the move names the others. If nobody was on
/// that decky within the last 12 hours, the decky is the origin.
///
/// Its memory is bounded: each list has a limit, and ids and names that a container chose are cut.
///
/// ```
/// use decnet_engine::{AttackTracker, LogItem};
///
/// # fn example(items: Vec<LogItem>) {
/// let mut tracker = AttackTracker::default();
/// for item in &items {
///     if let LogItem::Entry(entry) = item {
///         for event in tracker.see(entry) {
///             println!("{}: {}", event.origin, event.action.as_str());
///         }
///     }
/// }
/// for path in tracker.paths() {
///     println!("{}", path.describe().join("\n"));
/// }
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct AttackTracker {
    mazes: BTreeMap<TopologyId, Maze>,
}

/// The attackers of one maze.
#[derive(Debug, Clone, Default)]
struct Maze {
    paths: BTreeMap<Place, AttackPath>,
    /// Who was on each decky.
    visitors: Visitors,
    /// The open conversations.
    open: BTreeMap<SessionKey, Open>,
    processes: Processes,
}

/// A conversation: the ids are unique in the log of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct SessionKey {
    container: ContainerName,
    service: Option<String>,
    id: String,
}

/// An open conversation.
#[derive(Debug, Clone)]
struct Open {
    origin: Place,
    from: Place,
    decky: Name,
    service: Option<ServiceName>,
    started: Timestamp,
    last: Timestamp,
    /// The id of its first line.
    entry: String,
    /// Whether it counts as open on the decky: not if its container is known to have stopped.
    counts: bool,
}

/// A contact of an attacker with a decky.
struct Contact<'a> {
    entry: &'a LogEntry,
    /// The event of a built-in service.
    record: Option<&'a Record>,
    from: Place,
}

impl AttackTracker {
    /// Processes a line, and returns what it shows. Lines that do not name a visitor show nothing. A JSON object of another
    /// program that names a visitor is a contact without a conversation.
    pub fn see(&mut self, entry: &LogEntry) -> Vec<AttackerEvent> {
        let maze = self.mazes.entry(entry.topology).or_default();
        let mut events = maze.end_old(entry);
        let record = record(entry);
        let is_drop = record.is_some_and(|record| record.event.action == Action::ContainmentDrop);
        if let Some(from) = came_from(entry).filter(|_| !is_drop) {
            maze.contact(&Contact { entry, record, from }, &mut events);
        }
        events
    }

    /// Processes a line of a visitor who is not followed: it can show that a process was restarted.
    pub(super) fn skip(&mut self, entry: &LogEntry) {
        self.mazes.entry(entry.topology).or_default().end_old(entry);
    }

    /// Notes when the processes of containers started, and which do not run. Their conversations end with them.
    pub(super) fn know(&mut self, containers: &[ObservedContainer]) {
        for container in containers {
            let Some(topology) = observe::topology_of(&container.labels) else {
                continue;
            };
            let processes = &mut self.mazes.entry(topology).or_default().processes;
            match container.started_at {
                _ if !runs(container) => processes.stopped(container.name.clone()),
                Some(at) => processes.started(container.name.clone(), at),
                None => {}
            }
        }
    }

    /// Ends the conversations of containers that were removed, do not run, or were restarted since.
    pub(crate) fn refresh(&mut self, containers: &[ObservedContainer], now: Timestamp) -> Vec<AttackerEvent> {
        let running = containers.iter().filter(|container| runs(container));
        let running: BTreeMap<_, _> = running.map(|container| (&container.name, container)).collect();
        let mut events = Vec::new();
        for (topology, maze) in &mut self.mazes {
            let is_over = |(key, open): &(&SessionKey, &Open)| match running.get(&key.container) {
                Some(container) => {
                    let is_same = container.id.starts_with(container_id(&open.entry));
                    !is_same || container.started_at.is_some_and(|started| started > open.last)
                }
                None => true,
            };
            let over: Vec<_> = maze.open.iter().filter(is_over).map(|(key, _)| key.clone()).collect();
            for key in over {
                events.extend(maze.end(&key, now).map(|open| open.ended(*topology, key, None)));
            }
        }
        events
    }

    /// Returns the topologies with conversations that are open.
    pub(crate) fn topologies_with_sessions(&self) -> Vec<TopologyId> {
        let open = self.mazes.iter().filter(|(_, maze)| !maze.open.is_empty());
        open.map(|(id, _)| *id).collect()
    }

    /// Ends the conversations of containers that do not run, each with its last line.
    pub(super) fn end_stopped(&mut self) {
        for maze in self.mazes.values_mut() {
            let starts = maze.processes.take_starts();
            let stopped = maze.processes.all_stopped();
            let is_over = |(key, open): &(&SessionKey, &Open)| {
                let is_before =
                    |(at, container): &(Timestamp, ContainerName)| *container == key.container && open.started < *at;
                stopped.contains(&key.container) || starts.iter().any(is_before)
            };
            let over = maze.open.iter().filter(is_over);
            let over: Vec<_> = over.map(|(key, open)| (key.clone(), open.last)).collect();
            for (key, last) in over {
                maze.end(&key, last);
            }
        }
    }

    /// Returns the topologies with lines.
    pub(super) fn topologies(&self) -> Vec<TopologyId> {
        self.mazes.keys().copied().collect()
    }

    /// Ends all conversations of a topology.
    pub(super) fn end_sessions(&mut self, topology: TopologyId, at: Timestamp) {
        if let Some(maze) = self.mazes.get_mut(&topology) {
            let keys: Vec<_> = maze.open.keys().cloned().collect();
            for key in keys {
                maze.end(&key, at);
            }
        }
    }

    /// Returns the paths so far, ordered by topology and first contact. Their `mutations_during` are empty.
    pub fn paths(&self) -> Vec<AttackPath> {
        let mut paths: Vec<_> = self
            .mazes
            .values()
            .flat_map(|maze| maze.paths.values())
            .cloned()
            .collect();
        paths.sort_by_key(|path| (path.topology, path.first_seen));
        paths
    }
}

fn runs(container: &ObservedContainer) -> bool {
    matches!(container.activity, Activity::Running | Activity::Paused)
}

fn record(entry: &LogEntry) -> Option<&Record> {
    match &entry.content {
        LogContent::Record(record) => Some(record),
        _ => None,
    }
}

/// Returns the place that the visitor of a line came from; none if nobody came.
fn came_from(entry: &LogEntry) -> Option<Place> {
    let address = entry.visitor()?;
    match &entry.from {
        Some(decky) if *decky == entry.decky => None,
        Some(decky) => Some(Place::Decky(decky.clone())),
        // A program that speaks to itself, or that has no visitor yet.
        None if address.is_loopback() || address.is_unspecified() => None,
        None if entry.inside => Some(Place::Inside(address)),
        None => Some(Place::Outside(address)),
    }
}

impl Maze {
    /// Processes a contact.
    fn contact(&mut self, contact: &Contact<'_>, events: &mut Vec<AttackerEvent>) {
        let Contact { entry, record, from } = contact;
        let key = record.and_then(|record| key(entry, record));
        let at = entry.at;
        let Candidates {
            origin,
            others,
            left_out,
        } = match key.as_ref().and_then(|key| self.open.get_mut(key)) {
            Some(open) => {
                open.last = open.last.max(at);
                Candidates::only(open.origin.clone())
            }
            None => self.visitors.came_from(from, at),
        };
        let mut report = |action| {
            events.push(AttackerEvent {
                topology: entry.topology,
                origin: origin.clone(),
                decky: entry.decky.clone(),
                service: entry.service.clone(),
                entry: entry.id.clone(),
                action,
            });
        };
        if self.observe(&origin, entry) {
            report(AttackerAction::Observed);
        }
        let Some(path) = self.paths.get_mut(&origin) else {
            return;
        };
        path.last_seen = path.last_seen.max(at);
        path.maze.clone_from(&entry.maze);
        let is_known = |one: &AttackMove| one.from == *from && one.to == entry.decky;
        let index = path.moves.iter().position(is_known).unwrap_or(path.moves.len());
        if index == path.moves.len() {
            path.moves.push(AttackMove::new(at, from.clone(), entry.decky.clone()));
            let mut places = match from {
                Place::Decky(decky) if *from != path.origin => path.path_to(decky),
                _ => Vec::new(),
            };
            places.push(from.clone());
            report(AttackerAction::Moved { path: places });
        }
        self.visitors.contact(&entry.decky, &origin, at);
        let one = &mut path.moves[index];
        one.until = one.until.max(at);
        one.name_others(others, left_out);
        one.services.extend(entry.service.clone());
        let Some(record) = record else {
            return;
        };
        if record.event.action == Action::AuthAttempt && record.event.outcome == Some(Outcome::Success) {
            let user = record.user.as_ref();
            if let Some(name) = user.and_then(|user| user.name.as_deref()) {
                one.logged_in(name);
            }
        }
        let Some(key) = key else {
            return;
        };
        let session = key.id.clone();
        let counts = self.processes.runs(&key.container);
        let ends = record.event.action == Action::SessionClose;
        match self.open.entry(key) {
            btree_map::Entry::Vacant(vacant) if !ends => {
                vacant.insert(Open {
                    origin: origin.clone(),
                    from: from.clone(),
                    decky: entry.decky.clone(),
                    service: entry.service.clone(),
                    started: at,
                    last: at,
                    entry: entry.id.clone(),
                    counts,
                });
                if counts {
                    self.visitors.opened(&entry.decky, &origin);
                }
                path.open_sessions += 1;
                one.start(&session, entry);
                report(AttackerAction::SessionStarted { session });
            }
            btree_map::Entry::Occupied(occupied) if ends => {
                if occupied.remove().counts {
                    self.visitors.closed(&entry.decky, &origin);
                }
                path.open_sessions = path.open_sessions.saturating_sub(1);
                one.end(&session, at);
                report(AttackerAction::SessionEnded { session });
            }
            _ => {}
        }
        self.limit_sessions();
    }

    /// Returns whether the attacker is new.
    fn observe(&mut self, origin: &Place, entry: &LogEntry) -> bool {
        if self.paths.contains_key(origin) {
            return false;
        }
        if self.paths.len() >= ATTACKERS {
            let silent = self.paths.values().min_by_key(|path| path.last_seen);
            if let Some(silent) = silent.map(|path| path.origin.clone()) {
                self.forget(&silent);
            }
        }
        let path = AttackPath {
            topology: entry.topology,
            maze: entry.maze.clone(),
            origin: origin.clone(),
            first_seen: entry.at,
            last_seen: entry.at,
            open_sessions: 0,
            moves: Vec::new(),
            mutations_during: Vec::new(),
        };
        self.paths.insert(origin.clone(), path);
        true
    }

    fn forget(&mut self, origin: &Place) {
        self.paths.remove(origin);
        self.open.retain(|_, open| open.origin != *origin);
        self.visitors.forget(origin);
    }

    /// Ends the conversations of which a line shows that their process has ended. They have no last line.
    fn end_old(&mut self, entry: &LogEntry) -> Vec<AttackerEvent> {
        let mut ended = self.processes.see(entry);
        ended.extend(record(entry).and_then(|record| self.processes.see_record(entry, record)));
        let is_over = |key: &SessionKey, open: &Open| {
            ended.iter().any(|one| match one {
                Ended::Service(container, service) => key.container == *container && key.service == *service,
                Ended::Container(container, at) => key.container == *container && open.started < *at,
            })
        };
        if ended.is_empty() {
            return Vec::new();
        }
        let over = self.open.iter().filter(|(key, open)| is_over(key, open));
        let over: Vec<_> = over.map(|(key, _)| key.clone()).collect();
        let end = |key: SessionKey| Some(self.end(&key, entry.at)?.ended(entry.topology, key, Some(entry)));
        over.into_iter().filter_map(end).collect()
    }

    /// Ends a conversation without a line of its own.
    fn end(&mut self, key: &SessionKey, at: Timestamp) -> Option<Open> {
        let open = self.open.remove(key)?;
        if open.counts {
            self.visitors.closed(&open.decky, &open.origin);
        }
        if let Some(path) = self.paths.get_mut(&open.origin) {
            path.open_sessions = path.open_sessions.saturating_sub(1);
            for one in &mut path.moves {
                if one.from == open.from && one.to == open.decky {
                    one.end(&key.id, at);
                }
            }
        }
        Some(open)
    }

    fn limit_sessions(&mut self) {
        while self.open.len() > SESSIONS {
            let oldest = self.open.iter().min_by_key(|(_, open)| open.started);
            let Some((key, at)) = oldest.map(|(key, open)| (key.clone(), open.started)) else {
                return;
            };
            self.end(&key, at);
        }
    }
}

fn key(entry: &LogEntry, record: &Record) -> Option<SessionKey> {
    Some(SessionKey {
        container: entry.container.clone(),
        service: record.service.as_ref().map(|service| cut(&service.name)),
        id: cut(record.decnet.session.as_ref()?),
    })
}

impl Open {
    /// Returns the event of its end. Without a line that shows it, the event has the id of its first line.
    fn ended(self, topology: TopologyId, key: SessionKey, entry: Option<&LogEntry>) -> AttackerEvent {
        AttackerEvent {
            topology,
            origin: self.origin,
            decky: self.decky,
            service: self.service,
            entry: entry.map_or(self.entry, |entry| entry.id.clone()),
            action: AttackerAction::SessionEnded { session: key.id },
        }
    }
}

impl AttackMove {
    const fn new(at: Timestamp, from: Place, to: Name) -> Self {
        Self {
            at,
            until: at,
            from,
            to,
            services: BTreeSet::new(),
            logins: BTreeSet::new(),
            logins_left_out: 0,
            sessions: Vec::new(),
            sessions_left_out: 0,
            other_origins: BTreeSet::new(),
            other_origins_left_out: 0,
        }
    }

    /// Adds attackers who may have made this move.
    fn name_others(&mut self, others: Vec<Place>, mut left_out: u64) {
        for other in others {
            if self.other_origins.len() < LISTED_ORIGINS {
                self.other_origins.insert(other);
            } else if !self.other_origins.contains(&other) {
                left_out += 1;
            }
        }
        self.other_origins_left_out = self.other_origins_left_out.max(left_out);
    }

    /// Adds the user of a successful login.
    fn logged_in(&mut self, name: &str) {
        let name: String = name.chars().take(LONGEST_LOGIN).collect();
        if self.logins.len() < LISTED_LOGINS {
            self.logins.insert(name);
        } else if !self.logins.contains(&name) {
            self.logins_left_out += 1;
        }
    }

    fn start(&mut self, session: &str, entry: &LogEntry) {
        if self.sessions.len() == LISTED_SESSIONS {
            self.sessions_left_out += 1;
            return;
        }
        self.sessions.push(AttackSession {
            id: session.into(),
            service: entry.service.clone(),
            started: entry.at,
            ended: None,
        });
    }

    fn end(&mut self, session: &str, at: Timestamp) {
        let is_open = |one: &&mut AttackSession| one.id == session && one.ended.is_none();
        if let Some(found) = self.sessions.iter_mut().find(is_open) {
            found.ended = Some(at);
        }
    }
}

#[cfg(test)]
mod tests;
