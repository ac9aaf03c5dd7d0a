use std::{collections::BTreeSet, fmt};

use decnet_topology::{MutationId, MutationState, Name, ServiceName, Status, TopologyId, Version};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AttackerEvent, Progress};
use crate::naming::ContainerName;

/// Something that happened.
///
/// On the wire, its kind is the `type` of the envelope and its fields are the `payload`.
///
/// | topic | [`Event`] |
/// |---|---|
/// | `topology.<id>.status` | [`Status`](Event::Status) |
/// | `topology.<id>.mutation.enqueued`, `.applying`, `.applied`, `.rejected`, `.failed` | [`Mutation`](Event::Mutation) |
/// | `topology.<id>.edited`, `.settings`, `.deleted` | [`Edited`](Event::Edited), [`Settings`](Event::Settings), [`Deleted`](Event::Deleted) |
/// | `topology.<id>.step.planned` | [`Planned`](Event::Planned) |
/// | `topology.<id>.step.started`, `.done`, `.failed`, `.skipped` | [`Step`](Event::Step) |
/// | `decky.<topology id>.<name>.mutation` | [`Decky`](Event::Decky) |
/// | `decky.<topology id>.<name>.mutate_request` | [`ShuffleRequest`](Event::ShuffleRequest) |
/// | `attacker.observed`, `.session.started`, `.session.ended`, `.moved` | [`Attacker`](Event::Attacker) |
/// | `system.<worker>.health` | [`Health`](Event::Health) |
///
/// Each event is delivered at most once, and publishing never waits. The store has the true state: a reader that must miss
/// nothing reads it as well.
///
/// On the wire an [`Envelope`](crate::Envelope) is JSON:
///
/// ```
/// use decnet_engine::{Envelope, Event};
/// use decnet_topology::{Status, rng};
///
/// let topology = rng::topology_id();
/// let event = Event::Status { topology, from: Some(Status::Deploying), to: Status::Active, reason: None };
/// let envelope = Envelope::new(event, "2030-01-01T00:00:00Z".parse()?);
/// let value = serde_json::to_value(&envelope)?;
/// assert_eq!(value["v"], 1);
/// assert_eq!(value["topic"], format!("topology.{topology}.status"));
/// assert_eq!((&value["type"], &value["payload"]["to"]), (&"status".into(), &"active".into()));
/// assert_eq!(serde_json::from_value::<Envelope>(value)?, envelope);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "payload", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The status of a topology changed.
    Status {
        /// The topology.
        topology: TopologyId,
        /// The status before, or none if the topology was just stored.
        from: Option<Status>,
        /// The status after.
        to: Status,
        /// The reason.
        reason: Option<String>,
    },
    /// A mutation reached a stage.
    Mutation {
        /// The topology.
        topology: TopologyId,
        /// The id of the mutation.
        mutation: MutationId,
        /// The operation, as on the wire: `add_lan`.
        op: String,
        /// The stage.
        state: MutationStage,
        /// The user or program that submitted it.
        actor: Option<String>,
        /// The reason for a rejection or failure.
        reason: Option<String>,
    },
    /// The maze of a pending topology was replaced.
    Edited {
        /// The topology.
        topology: TopologyId,
        /// Its version after the edit.
        version: Version,
    },
    /// The settings of a topology, its stored catalogue, or whether it needs a resync changed. Only a [`Feed`](crate::Feed) has
    /// this event.
    Settings {
        /// The topology.
        topology: TopologyId,
    },
    /// A topology was deleted.
    Deleted {
        /// The topology.
        topology: TopologyId,
    },
    /// A plan is about to be executed.
    Planned {
        /// The topology.
        topology: TopologyId,
        /// The number of steps.
        steps: usize,
        /// The containers whose logs the plan deletes: at most the first thousand.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        deleted_logs: Vec<ContainerName>,
    },
    /// Something happened to a step of a plan.
    Step {
        /// The topology.
        topology: TopologyId,
        /// What happened.
        #[serde(flatten)]
        progress: Progress,
    },
    /// A decky was created or removed, or its services changed.
    Decky(DeckyEvent),
    /// Somebody asks for other services for a decky, now. [`watch`](crate::watch()) shuffles it, if a rule applies to it.
    ShuffleRequest {
        /// The topology.
        topology: TopologyId,
        /// The decky.
        decky: Name,
    },
    /// An attacker did something in a maze. [`watch`](crate::watch()) publishes these events if its options say so.
    Attacker(AttackerEvent),
    /// A worker reports that it is alive.
    Health(Health),
}

/// The stage of a mutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MutationStage {
    /// It waits for its turn.
    Enqueued,
    /// It is being applied.
    Applying,
    /// It is stored, and Docker matches.
    Applied,
    /// It was invalid, and nothing changed.
    Rejected,
    /// It is stored, but Docker could not be changed to match.
    Failed,
}

impl MutationStage {
    /// Returns the last word of the topic.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enqueued => "enqueued",
            Self::Applying => "applying",
            Self::Applied => "applied",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
        }
    }
}

impl From<MutationState> for MutationStage {
    fn from(state: MutationState) -> Self {
        match state {
            MutationState::Applying => Self::Applying,
            MutationState::Applied => Self::Applied,
            MutationState::Rejected => Self::Rejected,
            MutationState::Failed => Self::Failed,
            // A released mutation waits again, like a new one.
            _ => Self::Enqueued,
        }
    }
}

/// A change of a decky: its services before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeckyEvent {
    /// The topology.
    pub topology: TopologyId,
    /// The decky.
    pub decky: Name,
    /// The services before. Empty for a creation.
    pub old_services: BTreeSet<ServiceName>,
    /// The services after. Empty for a retirement.
    pub new_services: BTreeSet<ServiceName>,
    /// The cause.
    pub trigger: Trigger,
}

/// The cause of a change of a decky.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trigger {
    /// The decky was created.
    Creation,
    /// The decky was removed.
    Retirement,
    /// A user changed it while it ran.
    Operator,
    /// A schedule.
    Scheduled,
    /// Drift was repaired.
    Healer,
}

impl Trigger {
    /// Returns the word used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Creation => "creation",
            Self::Retirement => "retirement",
            Self::Operator => "operator",
            Self::Scheduled => "scheduled",
            Self::Healer => "healer",
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The report of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The name of the worker: a DNS label, unique on the bus.
    pub worker: Name,
    /// Its process id.
    pub pid: u32,
    /// When it was started.
    pub started_at: Timestamp,
    /// The number of topologies that it watches.
    pub topologies: usize,
    /// The number of topologies that it works on now.
    pub busy: usize,
}

impl Event {
    /// Returns the topology of the event. Returns none for an event of a worker.
    pub fn topology(&self) -> Option<TopologyId> {
        match self {
            Self::Status { topology, .. }
            | Self::Mutation { topology, .. }
            | Self::Edited { topology, .. }
            | Self::Settings { topology }
            | Self::Deleted { topology }
            | Self::Planned { topology, .. }
            | Self::ShuffleRequest { topology, .. }
            | Self::Step { topology, .. }
            | Self::Decky(DeckyEvent { topology, .. })
            | Self::Attacker(AttackerEvent { topology, .. }) => Some(*topology),
            Self::Health(_) => None,
        }
    }

    /// Returns the topic of the event.
    pub fn topic(&self) -> String {
        match self {
            Self::Status { topology, .. } => format!("topology.{topology}.status"),
            Self::Mutation { topology, state, .. } => format!("topology.{topology}.mutation.{}", state.as_str()),
            Self::Edited { topology, .. } => format!("topology.{topology}.edited"),
            Self::Settings { topology } => format!("topology.{topology}.settings"),
            Self::Deleted { topology } => format!("topology.{topology}.deleted"),
            Self::Planned { topology, .. } => format!("topology.{topology}.step.planned"),
            Self::Step { topology, progress } => format!("topology.{topology}.step.{}", progress.state.as_str()),
            Self::Decky(DeckyEvent { topology, decky, .. }) => format!("decky.{topology}.{decky}.mutation"),
            Self::ShuffleRequest { topology, decky } => format!("decky.{topology}.{decky}.mutate_request"),
            Self::Attacker(AttackerEvent { action, .. }) => format!("attacker.{}", action.as_str()),
            Self::Health(Health { worker, .. }) => format!("system.{worker}.health"),
        }
    }
}
