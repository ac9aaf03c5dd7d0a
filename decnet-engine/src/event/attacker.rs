//! Events about attackers.

use std::{fmt, net::Ipv4Addr};

use decnet_topology::{Name, ServiceName, TopologyId};
use serde::{Deserialize, Serialize};

/// A place that an attacker came from: an address outside of the maze, or a decky.
///
/// ```
/// use decnet_engine::Place;
///
/// let place = Place::Outside("192.0.2.7".parse()?);
/// assert_eq!(place.to_string(), "192.0.2.7");
/// assert_eq!(serde_json::to_string(&place)?, r#"{"outside":"192.0.2.7"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// An address outside of the maze.
    Outside(Ipv4Addr),
    /// A decky.
    Decky(Name),
    /// An address of a LAN of the maze that no decky is known to have had.
    Inside(Ipv4Addr),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside(address) => address.fmt(f),
            Self::Decky(name) => name.fmt(f),
            Self::Inside(address) => write!(f, "{address} (inside)"),
        }
    }
}

/// Something that an attacker did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttackerEvent {
    /// The topology.
    pub topology: TopologyId,
    /// The place that the attacker first came from. It identifies the attacker.
    pub origin: Place,
    /// The decky that was contacted.
    pub decky: Name,
    /// The service; none for a contact with a port without a service.
    pub service: Option<ServiceName>,
    /// The id of the line of the log. Several loops that follow one store publish an event of the same line.
    pub entry: String,
    /// What the attacker did.
    #[serde(flatten)]
    pub action: AttackerAction,
}

/// What an attacker did.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
#[non_exhaustive]
pub enum AttackerAction {
    /// The attacker was seen for the first time.
    Observed,
    /// A conversation with a service started.
    SessionStarted {
        /// Its id in the log of the service.
        session: String,
    },
    /// A conversation with a service ended.
    SessionEnded {
        /// Its id in the log of the service.
        session: String,
    },
    /// The attacker reached the decky from a place for the first time.
    Moved {
        /// The places from the origin to the last one before the decky.
        path: Vec<Place>,
    },
}

impl AttackerAction {
    /// Returns the end of the topic.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Observed => "observed",
            Self::SessionStarted { .. } => "session.started",
            Self::SessionEnded { .. } => "session.ended",
            Self::Moved { .. } => "moved",
        }
    }
}

impl AttackerEvent {
    /// Describes the event in one line for people.
    pub fn describe(&self) -> String {
        let decky = &self.decky;
        let place = match &self.service {
            Some(service) => format!("{decky}/{service}"),
            None => decky.to_string(),
        };
        let what = match &self.action {
            AttackerAction::Observed => format!("seen for the first time, at {place}"),
            AttackerAction::SessionStarted { session } => format!("session {session} with {place} started"),
            AttackerAction::SessionEnded { session } => format!("session {session} with {place} ended"),
            AttackerAction::Moved { path } => {
                let path: Vec<String> = path.iter().map(ToString::to_string).collect();
                format!("moved {} -> {place}", path.join(" -> "))
            }
        };
        format!("attacker {}: {what}", self.origin)
    }
}
