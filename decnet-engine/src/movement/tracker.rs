//! Finds attackers and their moves in the lines of logs.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use decnet_decoy::protocol::{Action, Outcome, Record};
use decnet_topology::{Name, TopologyId};
use jiff::Timestamp;

use super::path::{AttackMove, AttackPath, AttackSession, LISTED_SESSIONS};
use crate::{
    event::{AttackerAction, AttackerEvent, Place},
    logs::{LogContent, LogEntry},
    naming::ContainerName,
};

/// How many attackers of one topology are remembered. A new one replaces the one that was silent for longest.
const ATTACKERS: usize = 10_000;

/// How many open conversations of one topology are remembered.
const SESSIONS: usize = 10_000;

/// Follows attackers through mazes, line by line.
///
/// An attacker is identified by the place that it first came from: an address outside of the maze. A contact that comes from a
/// decky is a move of the attacker who has a conversation open on that decky, or else was there last. If there are several, the
/// one with the latest contact is chosen, and the move names the others. If nobody was on that decky, the decky is the origin.
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
    visitors: BTreeMap<Name, BTreeMap<Place, Presence>>,
    /// The open conversations.
    open: BTreeMap<SessionKey, Open>,
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
    started: Timestamp,
}

/// The contacts of an attacker with one decky.
#[derive(Debug, Clone)]
struct Presence {
    last: Timestamp,
    open: usize,
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
        let mut events = Vec::new();
        let record = match &entry.content {
            LogContent::Record(record) => Some(&**record),
            _ => None,
        };
        if let Some(record) = record.filter(|record| record.event.sequence == 1) {
            maze.end_all(entry, record, &mut events);
        }
        let is_drop = record.is_some_and(|record| record.event.action == Action::ContainmentDrop);
        if let Some(from) = came_from(entry).filter(|_| !is_drop) {
            maze.contact(&Contact { entry, record, from }, &mut events);
        }
        events
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

/// Returns the place that the visitor of a line came from; none if nobody came.
fn came_from(entry: &LogEntry) -> Option<Place> {
    let address = entry.visitor()?;
    match &entry.from {
        Some(decky) if *decky == entry.decky => None,
        Some(decky) => Some(Place::Decky(decky.clone())),
        // A program that speaks to itself, or that has no visitor yet.
        None if address.is_loopback() || address.is_unspecified() => None,
        None => Some(Place::Outside(address)),
    }
}

impl Maze {
    /// Processes a contact.
    fn contact(&mut self, contact: &Contact<'_>, events: &mut Vec<AttackerEvent>) {
        let Contact { entry, record, from } = contact;
        let key = record.and_then(|record| key(entry, record));
        let known = key.as_ref().and_then(|key| self.open.get(key)).cloned();
        let (origin, others) = match known {
            Some(open) => (open.origin, BTreeSet::new()),
            None => self.origin(from),
        };
        let at = entry.at;
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
            path.moves.push(AttackMove {
                at,
                until: at,
                from: from.clone(),
                to: entry.decky.clone(),
                services: BTreeSet::new(),
                logins: BTreeSet::new(),
                sessions: Vec::new(),
                sessions_left_out: 0,
                other_origins: BTreeSet::new(),
            });
            let mut way = match from {
                Place::Decky(decky) if *from != path.origin => path.way_to(decky),
                _ => Vec::new(),
            };
            way.push(from.clone());
            report(AttackerAction::Moved { path: way });
        }
        let presence = self.visitors.entry(entry.decky.clone()).or_default();
        let presence = presence.entry(origin.clone()).or_insert(Presence { last: at, open: 0 });
        presence.last = presence.last.max(at);
        let one = &mut path.moves[index];
        one.until = one.until.max(at);
        one.other_origins.extend(others);
        one.services.extend(entry.service.clone());
        let Some(record) = record else {
            return;
        };
        if record.event.action == Action::AuthAttempt && record.event.outcome == Some(Outcome::Success) {
            one.logins
                .extend(record.user.as_ref().and_then(|user| user.name.clone()));
        }
        let Some(key) = key else {
            return;
        };
        let session = key.id.clone();
        let ends = record.event.action == Action::SessionClose;
        match self.open.entry(key) {
            btree_map::Entry::Vacant(vacant) if !ends => {
                vacant.insert(Open {
                    origin: origin.clone(),
                    from: from.clone(),
                    decky: entry.decky.clone(),
                    started: at,
                });
                presence.open += 1;
                path.open_sessions += 1;
                one.start(&session, entry);
                report(AttackerAction::SessionStarted { session });
            }
            btree_map::Entry::Occupied(occupied) if ends => {
                occupied.remove();
                presence.open = presence.open.saturating_sub(1);
                path.open_sessions = path.open_sessions.saturating_sub(1);
                one.end(&session, at);
                report(AttackerAction::SessionEnded { session });
            }
            _ => {}
        }
        self.limit_sessions();
    }

    /// Finds the attacker who came from a place, and others who may have.
    fn origin(&self, from: &Place) -> (Place, BTreeSet<Place>) {
        let Place::Decky(decky) = from else {
            return (from.clone(), BTreeSet::new());
        };
        let visitors = self.visitors.get(decky);
        let all: Vec<_> = visitors.into_iter().flatten().collect();
        let has_open = all.iter().any(|(_, presence)| presence.open > 0);
        let mut candidates: Vec<_> = all
            .into_iter()
            .filter(|(_, presence)| !has_open || presence.open > 0)
            .collect();
        candidates.sort_by_key(|(_, presence)| presence.last);
        match candidates.pop() {
            Some((origin, _)) => {
                let others = candidates.into_iter().map(|(place, _)| place.clone());
                (origin.clone(), others.collect())
            }
            None => (from.clone(), BTreeSet::new()),
        }
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
        self.visitors.retain(|_, visitors| {
            visitors.remove(origin);
            !visitors.is_empty()
        });
    }

    /// Ends the conversations of a service that was started again. Those of a killed service have no last line.
    fn end_all(&mut self, entry: &LogEntry, record: &Record, events: &mut Vec<AttackerEvent>) {
        let service = record.service.as_ref().map(|service| &service.name);
        let is_of_service = |key: &&SessionKey| key.container == entry.container && key.service.as_ref() == service;
        let ended: Vec<SessionKey> = self.open.keys().filter(is_of_service).cloned().collect();
        for key in ended {
            if let Some(open) = self.end(&key, entry.at) {
                events.push(AttackerEvent {
                    topology: entry.topology,
                    origin: open.origin,
                    decky: open.decky,
                    service: entry.service.clone(),
                    entry: entry.id.clone(),
                    action: AttackerAction::SessionEnded { session: key.id },
                });
            }
        }
    }

    /// Ends a conversation without a line of its own.
    fn end(&mut self, key: &SessionKey, at: Timestamp) -> Option<Open> {
        let open = self.open.remove(key)?;
        if let Some(visitors) = self.visitors.get_mut(&open.decky)
            && let Some(presence) = visitors.get_mut(&open.origin)
        {
            presence.open = presence.open.saturating_sub(1);
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
        service: record.service.as_ref().map(|service| service.name.clone()),
        id: record.decnet.session.clone()?,
    })
}

impl AttackMove {
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
