mod details;
mod making;
mod text;

use std::time::Duration;

use decnet_topology::{
    GenerateError, Intent, InvalidConfig, InvalidTopology, Lease, MutationError, MutationId, MutationState, Name,
    NameError, NotPlaced, NotShuffled, RepoError, ResolveError, Status, StoredTopology, Topology, TopologyId,
    TopologyName, UnknownPart, shown::count,
};

use super::{LostHost, MissingUnderlay, access::AccessError};
use crate::{desired::DesiredError, execute::StepFailure, plan::PlanError, runtime::RuntimeError};
pub(crate) use making::require_version;
use text::{describe, difference, joined, queue};

/// The reason why an operation of the engine failed.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum EngineError {
    /// The store refused.
    #[error(transparent)]
    Repo(RepoError),
    /// The runtime refused or cannot be reached. No step was started.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// Another process holds the topology's lease.
    #[error("{} (pid {}) is working on `{name}`; its lease expires at {}", .lease.holder.label, .lease.holder.pid, .lease.until)]
    Busy {
        /// The topology's name.
        name: TopologyName,
        /// The lease.
        lease: Box<Lease>,
    },
    /// The topology was torn down as far as possible, but the store could not be written to, so it has the old status.
    #[error("{}, but the database still says that it is {status}", if .leftovers.is_empty() { format!("nothing of `{name}` is left") } else { format!("{} is left of `{name}`", .leftovers.join(", ")) })]
    #[strum(serialize = "teardown_unrecorded")]
    TeardownUnrecorded {
        /// The topology.
        id: TopologyId,
        /// Its name.
        name: TopologyName,
        /// The stored status.
        status: Status,
        /// What is left.
        leftovers: Vec<String>,
        /// Why the store could not be written to.
        source: RepoError,
    },
    /// The topology breaks rules. Nothing was changed.
    #[error(transparent)]
    Invalid(#[from] InvalidTopology),
    /// The topology does not have the part that the operation is about. Nothing was changed.
    #[error(transparent)]
    Part(#[from] UnknownPart),
    /// A command, a copy or a capture is not possible.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A decky or a service is not well after its restart.
    #[error("{part} is unhealthy after its restart: {reason}")]
    NotWell {
        /// The decky or the service.
        part: String,
        /// What is wrong: a step that failed, or what was seen last.
        reason: String,
    },
    /// The topology's status does not allow it. Nothing was changed.
    #[error("`{name}` is {status}{}: it cannot be {verb}", match (.status, .intent) {
        (Status::Active | Status::Degraded, Some(Intent::Down)) => " with intent down",
        _ => "",
    })]
    WrongStatus {
        /// The topology's name.
        name: TopologyName,
        /// The status.
        status: Status,
        /// The intent of the topology.
        intent: Option<Intent>,
        /// The requested operation, as a past participle.
        verb: &'static str,
    },
    /// A publish rule matches no port of a gateway, so the intended port would be published on every address. Nothing was
    /// changed.
    #[error("the publish rule {rule} maps nothing: no gateway of the maze has such a port")]
    #[strum(serialize = "publish_maps_nothing")]
    PublishMapsNothing {
        /// The rule.
        rule: String,
    },
    /// The decky cannot be shuffled. Nothing was changed.
    #[error("decky `{decky}` of `{name}` cannot be shuffled: {reason}")]
    NotShuffled {
        /// The topology's name.
        name: TopologyName,
        /// The decky.
        decky: Name,
        /// The reason.
        reason: NotShuffled,
    },
    /// The topology is for the agent of a host that is not in the fleet, or whose runtime is not an agent. Nothing was changed.
    #[error("`{name}` is for the agent of {}", .host.as_deref().map_or_else(|| "a host, and names none".into(), |host| format!("host {host}, which is not in the fleet")))]
    AgentMode {
        /// The topology's name.
        name: TopologyName,
        /// The agent's host.
        host: Option<String>,
    },
    /// The agent of the host has another topology; an agent has one at most. Nothing was changed.
    #[error("`{name}` cannot be deployed by the agent of host {host}, which has `{by}`: an agent has one maze")]
    HostTaken {
        /// The topology's name.
        name: TopologyName,
        /// The host.
        host: String,
        /// The name of the other topology.
        by: TopologyName,
    },
    /// Hosts of the topology are not in the fleet any more, so the master cannot remove what they have of it. Nothing was changed.
    #[error("parts of `{name}` may be left, and the master cannot remove them: {}", joined(.hosts, "; "))]
    HostLost {
        /// The topology's name.
        name: TopologyName,
        /// The hosts.
        hosts: Vec<LostHost>,
    },
    /// The stored topology is for another host. Nothing was changed.
    #[error("`{name}` is stored for {}, not for the agent of host {wanted}", .stored.as_deref().map_or_else(|| "this machine or several hosts".into(), |host| format!("the agent of host {host}")))]
    OtherAgent {
        /// The topology's name.
        name: TopologyName,
        /// The host that it is stored for; none if it is not for an agent.
        stored: Option<String>,
        /// The host that was asked for.
        wanted: Name,
    },
    /// The maze cannot be placed on the members of the fleet. Nothing was changed.
    #[error(transparent)]
    NotPlaced(#[from] NotPlaced),
    /// Hosts of the maze do not have the address from which their links would send. Nothing was changed.
    #[error("{}", joined(.hosts, "; "))]
    UnderlayMissing {
        /// All such hosts.
        hosts: Vec<MissingUnderlay>,
    },
    /// The maze is placed on members of a fleet, and the runtime is not a fleet. Nothing was changed.
    #[error("`{name}` {}, and the fleet has no hosts", if .hosts.is_empty() { "is to be placed on hosts".into() } else { format!("runs on the hosts {}", .hosts.join(", ")) })]
    FleetMissing {
        /// The topology's name.
        name: TopologyName,
        /// The members that it is placed on; none if it is not placed yet.
        hosts: Vec<String>,
    },
    /// The settings name hosts that are not members of the fleet. Nothing was changed.
    #[error("`{name}` is to run on hosts that are not in the fleet: {} (its members: {})", .hosts.join(", "), if .known.is_empty() { "none".into() } else { .known.join(", ") })]
    HostsUnknown {
        /// The topology's name.
        name: TopologyName,
        /// The hosts that do not exist.
        hosts: Vec<String>,
        /// The members of the fleet; none if there is no fleet.
        known: Vec<String>,
    },
    /// A member of the fleet that the deploy needs does not answer. Nothing was changed.
    #[error("host `{host}` does not answer: {reason}")]
    HostUnreachable {
        /// The member.
        host: String,
        /// Why it does not answer.
        reason: String,
    },
    /// This crate was built without a decoy program, and the options have none. Nothing was changed.
    #[error("no decoy program is available for the deckies")]
    NoDecoy,
    /// The mutation is invalid or refused. Nothing was changed.
    #[error(transparent)]
    Mutation(#[from] MutationError),
    /// The maze would refuse the mutation after those that are queued, so it was not queued.
    #[error("the mutation cannot be applied after {}", queue(.queued))]
    #[strum(serialize = "refused_after_queue")]
    RefusedAfterQueue {
        /// The queued mutations that are not in the maze yet.
        queued: Vec<MutationId>,
        /// The reason.
        source: MutationError,
    },
    /// The plan was refused. Nothing was changed.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The needed plan is no longer the one that was shown. Nothing was changed.
    #[error("the plan is not the one that was shown: {}", difference(.shown.as_deref(), .now.as_deref()))]
    PlanChanged {
        /// The first different step, as shown; none if the shown plan ends there.
        shown: Option<String>,
        /// The step that is needed instead; none if no step is needed.
        now: Option<String>,
    },
    /// Other mutations of the topology are queued, and the plan does not include them. Nothing was changed.
    #[error("other mutations of `{name}` are queued")]
    QueueNotEmpty {
        /// The topology.
        id: TopologyId,
        /// Its name.
        name: TopologyName,
    },
    /// The mutation was rejected. Nothing was changed.
    #[error("the mutation was rejected: {reason}")]
    #[strum(serialize = "mutation_rejected")]
    MutationRejected {
        /// The reason.
        reason: String,
    },
    /// A text is not a valid topology name. Nothing was changed.
    #[error("`{text}` is not a valid name")]
    InvalidName {
        /// The text.
        text: String,
        /// The reason.
        source: NameError,
    },
    /// A config breaks rules. Nothing was changed.
    #[error(transparent)]
    Config(InvalidConfig),
    /// No topology could be generated. Nothing was changed.
    #[error("no maze could be generated")]
    Generate(#[source] GenerateError),
    /// A draft could not be completed. Nothing was changed.
    #[error("the maze could not be completed")]
    Resolve(#[source] ResolveError),
    /// Another topology with that name is not pending, so a file cannot replace it. Nothing was changed.
    #[error("`{}` is {} and differs from the file", .stored.row.name, .stored.row.status)]
    Differs {
        /// The stored topology.
        stored: Box<StoredTopology>,
        /// The maze to apply, completed from the stored one.
        wanted: Box<Topology>,
    },
    /// Resources of a failed topology are left on the runtime, so it was not deleted.
    #[error("`{name}` still has {} on Docker", count(.leftovers.len(), "resource", "resources"))]
    #[strum(serialize = "left_on_docker")]
    LeftOnRuntime {
        /// The name of the topology.
        name: TopologyName,
        /// What is left.
        leftovers: Vec<String>,
    },
    /// A mutation was queued but not finished. It stays in the queue for the next drain.
    #[error("mutation {mutation} is not finished; its state is {state}")]
    MutationQueued {
        /// The mutation.
        mutation: MutationId,
        /// Its state.
        state: MutationState,
        /// The reason: [`Interrupted`](Self::Interrupted) if the caller cancelled, [`TimedOut`](Self::TimedOut) after the
        /// timeout.
        source: Box<EngineError>,
    },
    /// The desired resources could not be computed. Nothing was changed.
    #[error(transparent)]
    Desired(#[from] DesiredError),
    /// The deploy failed, and its steps were undone.
    #[error("maze `{name}` could not be deployed: {}", failures.first().map(describe).unwrap_or_default())]
    DeployFailed {
        /// The topology.
        id: TopologyId,
        /// Its name.
        name: TopologyName,
        /// The steps that failed.
        failures: Vec<StepFailure>,
        /// The steps that could not be undone.
        undo_failures: Vec<StepFailure>,
        /// What is left on the runtime.
        leftovers: Vec<String>,
    },
    /// The operation was cancelled.
    #[error("the operation was interrupted")]
    Interrupted {
        /// The topology.
        id: TopologyId,
        /// The steps that could not be undone.
        undo_failures: Vec<StepFailure>,
        /// What is left on the runtime that this run should have removed.
        leftovers: Vec<String>,
    },
    /// The timeout of the caller passed. Nothing was changed.
    #[error("the mutation was not queued within {limit:?}")]
    TimedOut {
        /// The timeout.
        limit: Duration,
    },
    /// The teardown left resources.
    #[error("maze `{name}` is not completely torn down: {} resource(s) left{}", .leftovers.len(), failures.first().map(|failure| format!("; {}", describe(failure))).unwrap_or_default())]
    TeardownIncomplete {
        /// The topology.
        id: TopologyId,
        /// Its name.
        name: TopologyName,
        /// Whether a host that may still have a part of it does not answer.
        unseen: bool,
        /// The steps that failed.
        failures: Vec<StepFailure>,
        /// What is left on the runtime.
        leftovers: Vec<String>,
    },
}

impl EngineError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Repo(error) => error.code(),
            Self::Runtime(error) => error.code(),
            Self::Invalid(error) => error.code(),
            Self::Part(error) => error.code(),
            Self::Access(error) => error.code(),
            Self::Config(error) => error.code(),
            Self::Generate(error) => error.code(),
            Self::Resolve(error) => error.code(),
            Self::Mutation(error) | Self::RefusedAfterQueue { source: error, .. } => error.code(),
            Self::Plan(error) => error.code(),
            Self::NotPlaced(error) => error.code(),
            Self::Desired(error) => error.code(),
            error => error.into(),
        }
    }

    /// Returns the name of the topology that the error is about, if it knows it.
    pub fn topology_name(&self) -> Option<&TopologyName> {
        match self {
            Self::Repo(error) => error.topology_name(),
            Self::MutationQueued { source, .. } => source.topology_name(),
            Self::Differs { stored, .. } => Some(&stored.row.name),
            Self::Busy { name, .. }
            | Self::TeardownUnrecorded { name, .. }
            | Self::WrongStatus { name, .. }
            | Self::AgentMode { name, .. }
            | Self::HostTaken { name, .. }
            | Self::HostLost { name, .. }
            | Self::OtherAgent { name, .. }
            | Self::FleetMissing { name, .. }
            | Self::HostsUnknown { name, .. }
            | Self::QueueNotEmpty { name, .. }
            | Self::LeftOnRuntime { name, .. }
            | Self::DeployFailed { name, .. }
            | Self::TeardownIncomplete { name, .. } => Some(name),
            _ => None,
        }
    }
}

impl From<GenerateError> for EngineError {
    fn from(error: GenerateError) -> Self {
        match error {
            GenerateError::Config(config) => Self::Config(config),
            error => Self::Generate(error),
        }
    }
}

impl From<RepoError> for EngineError {
    fn from(error: RepoError) -> Self {
        match error {
            RepoError::LeaseHeld { name, lease } => Self::Busy { name, lease },
            RepoError::QueueNotEmpty { id, name } => Self::QueueNotEmpty { id, name },
            error => Self::Repo(error),
        }
    }
}
