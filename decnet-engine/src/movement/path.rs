//! The path of one attacker.

use std::collections::BTreeSet;

use decnet_topology::{MutationId, Name, ServiceName, TopologyId, TopologyName, shown};
use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use crate::event::Place;

/// How many sessions of a move are listed.
pub(super) const LISTED_SESSIONS: usize = 100;

/// How many users of successful logins are listed for a move.
pub(super) const LISTED_LOGINS: usize = 100;

/// How many other attackers are listed for a move.
pub(super) const LISTED_ORIGINS: usize = super::presence::NAMED;

/// The path of one attacker through a maze.
///
/// It serializes with its fields and with `timeline`: its [events](Self::timeline), ordered by time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttackPath {
    /// The topology.
    pub topology: TopologyId,
    /// The name of the topology; none if it was deleted from the store.
    pub maze: Option<TopologyName>,
    /// The place that the attacker first came from. It identifies the attacker. It is a decky if no visitor of that decky is known.
    pub origin: Place,
    /// The time of the first contact.
    pub first_seen: Timestamp,
    /// The time of the last contact.
    pub last_seen: Timestamp,
    /// The number of conversations that are open.
    pub open_sessions: usize,
    /// The moves, in order of their start.
    pub moves: Vec<AttackMove>,
    /// The mutations that changed deckies of the path between its first and its last contact, or until now if a conversation is
    /// open.
    pub mutations_during: Vec<MutationDuring>,
}

/// All contacts of one attacker with a decky from one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AttackMove {
    /// The time of the first contact.
    pub at: Timestamp,
    /// The time of the last contact.
    pub until: Timestamp,
    /// The place that the contacts came from.
    pub from: Place,
    /// The decky that was contacted.
    pub to: Name,
    /// The services that were contacted.
    pub services: BTreeSet<ServiceName>,
    /// The users of successful logins: the first hundred, each cut after 256 characters.
    pub logins: BTreeSet<String>,
    /// The number of successful logins of further users.
    pub logins_left_out: u64,
    /// The conversations, in order of their start: the first hundred.
    pub sessions: Vec<AttackSession>,
    /// The number of further conversations.
    pub sessions_left_out: u64,
    /// Other attackers who were on the decky `from` and may have made this move instead: the first hundred.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub other_origins: BTreeSet<Place>,
    /// The number of further ones.
    #[serde(skip_serializing_if = "is_zero")]
    pub other_origins_left_out: u64,
}

/// A conversation of an attacker with a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AttackSession {
    /// The id in the log of the service.
    pub id: String,
    /// The service.
    pub service: Option<ServiceName>,
    /// The time of its first line.
    pub started: Timestamp,
    /// The time of its last line; none while it is open.
    pub ended: Option<Timestamp>,
}

/// A mutation that changed deckies while an attacker was in the maze.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MutationDuring {
    /// When the changed maze was stored.
    pub at: Timestamp,
    /// The mutation.
    pub mutation: MutationId,
    /// Its operation: `update_decky`.
    pub op: String,
    /// The user or program that submitted it.
    pub actor: Option<String>,
    /// The deckies of the path that it changed.
    pub deckies: BTreeSet<Name>,
}

/// An entry in the timeline of an [`AttackPath`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum PathEvent<'a> {
    /// The attacker reached a decky.
    Move {
        /// The time.
        at: Timestamp,
        /// The place that the attacker came from.
        from: &'a Place,
        /// The decky.
        to: &'a Name,
    },
    /// A mutation changed deckies of the path.
    Mutation {
        /// The time.
        at: Timestamp,
        /// The mutation.
        mutation: MutationId,
        /// The deckies.
        deckies: &'a BTreeSet<Name>,
    },
}

/// Something in the timeline, with all that is known of it.
enum Happening<'a> {
    Move(&'a AttackMove),
    Mutation(&'a MutationDuring),
}

impl Happening<'_> {
    const fn at(&self) -> Timestamp {
        match self {
            Self::Move(one) => one.at,
            Self::Mutation(one) => one.at,
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Move(one) => one.describe(),
            Self::Mutation(one) => one.describe(),
        }
    }
}

impl PathEvent<'_> {
    /// Returns the time.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Move { at, .. } | Self::Mutation { at, .. } => *at,
        }
    }
}

impl AttackPath {
    /// Returns the moves and the mutations in order of time.
    pub fn timeline(&self) -> Vec<PathEvent<'_>> {
        let events = self.happenings().into_iter().map(|happening| match happening {
            Happening::Move(one) => PathEvent::Move {
                at: one.at,
                from: &one.from,
                to: &one.to,
            },
            Happening::Mutation(one) => PathEvent::Mutation {
                at: one.at,
                mutation: one.mutation,
                deckies: &one.deckies,
            },
        });
        events.collect()
    }

    fn happenings(&self) -> Vec<Happening<'_>> {
        let mutations = self.mutations_during.iter().map(Happening::Mutation);
        let mut all: Vec<_> = self.moves.iter().map(Happening::Move).chain(mutations).collect();
        all.sort_by_key(Happening::at);
        all
    }

    /// Returns the places from the origin to a decky, without the decky: the path by which it was first reached. Returns the origin
    /// alone if the decky was not reached.
    pub fn path_to(&self, decky: &Name) -> Vec<Place> {
        let mut places = Vec::new();
        let mut target = decky;
        while let Some(first) = self.moves.iter().find(|one| one.to == *target) {
            let is_circle = places.contains(&first.from);
            places.push(first.from.clone());
            match &first.from {
                Place::Decky(from) if !is_circle && first.from != self.origin => target = from,
                _ => break,
            }
        }
        if places.last() != Some(&self.origin) {
            places.push(self.origin.clone());
        }
        places.reverse();
        places
    }

    /// Returns the longest path of the attacker: the first one of those with the most places.
    pub fn longest_path(&self) -> Vec<Place> {
        let paths = self.moves.iter().map(|one| {
            let mut places = self.path_to(&one.to);
            places.push(Place::Decky(one.to.clone()));
            places
        });
        let longest = paths.reduce(|longest, path| if path.len() > longest.len() { path } else { longest });
        longest.unwrap_or_else(|| vec![self.origin.clone()])
    }

    /// Describes the path for people: a line with the longest path, and an indented line for each event of the timeline. No value
    /// of a visitor can break a line.
    pub fn describe(&self) -> Vec<String> {
        let places: Vec<String> = self.longest_path().iter().map(ToString::to_string).collect();
        let maze = self.maze.as_ref().map(|maze| format!("{maze}: ")).unwrap_or_default();
        let state = match self.open_sessions {
            0 => format!("last seen {}", shown::time(self.last_seen)),
            1 => "1 session open".into(),
            open => format!("{open} sessions open"),
        };
        let mut lines = vec![format!("{maze}{} ({state})", places.join(" -> "))];
        let happenings = self.happenings().into_iter();
        lines.extend(happenings.map(|one| format!("  {}  {}", shown::time(one.at()), one.describe())));
        for line in &mut lines {
            *line = shown::one_line(line).into_owned();
        }
        lines
    }
}

impl AttackMove {
    fn describe(&self) -> String {
        let mut text = format!("{} -> {}", self.from, self.to);
        let mut put = |words: &str| {
            text.push_str("  ");
            text.push_str(words);
        };
        if !self.services.is_empty() {
            put(&list(self.services.iter()));
        }
        if let Some(first) = self.sessions.first() {
            match self.sessions.len() as u64 + self.sessions_left_out {
                1 => put(&format!("session {}", first.id)),
                all => put(&format!("{all} sessions, first {}", first.id)),
            }
        }
        if !self.logins.is_empty() {
            let others = more(self.logins_left_out);
            put(&format!("logged in as {}{others}", list(self.logins.iter())));
        }
        if !self.other_origins.is_empty() {
            let others = more(self.other_origins_left_out);
            put(&format!("or made by {}{others}", list(self.other_origins.iter())));
        }
        text
    }
}

impl MutationDuring {
    fn describe(&self) -> String {
        let actor = self
            .actor
            .as_ref()
            .map(|actor| format!(" by {actor}"))
            .unwrap_or_default();
        let deckies = list(self.deckies.iter());
        format!("mutation {} {} changed {deckies}{actor}", self.mutation, self.op)
    }
}

impl Serialize for AttackPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("AttackPath", 9)?;
        fields.serialize_field("topology", &self.topology)?;
        fields.serialize_field("maze", &self.maze)?;
        fields.serialize_field("origin", &self.origin)?;
        fields.serialize_field("first_seen", &self.first_seen)?;
        fields.serialize_field("last_seen", &self.last_seen)?;
        fields.serialize_field("open_sessions", &self.open_sessions)?;
        fields.serialize_field("moves", &self.moves)?;
        fields.serialize_field("mutations_during", &self.mutations_during)?;
        fields.serialize_field("timeline", &self.timeline())?;
        fields.end()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn more(left_out: u64) -> String {
    match left_out {
        0 => String::new(),
        count => format!(" and {count} more"),
    }
}

fn list<T: ToString>(items: impl Iterator<Item = T>) -> String {
    let items: Vec<String> = items.map(|item| item.to_string()).collect();
    items.join(", ")
}
