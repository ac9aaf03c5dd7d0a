use serde::{Deserialize, Serialize};

/// How the texts of errors say that two programs refuse each other's certificates.
pub(crate) const DISTRUST: &str = "do not trust each other";

/// Reports why the runtime failed.
///
/// As JSON, it has its code and its fields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr, Serialize, Deserialize)]
#[strum(serialize_all = "snake_case")]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RuntimeError {
    /// The daemon does not answer.
    #[error("no Docker daemon answers at {endpoint}: {reason}")]
    #[strum(serialize = "docker_unreachable")]
    #[serde(rename = "docker_unreachable")]
    Unreachable {
        /// The endpoint.
        endpoint: String,
        /// The error of the operating system.
        reason: String,
    },
    /// The daemon is too old.
    #[error("the Docker daemon at {endpoint} has API {found}; the oldest supported API is {needed}")]
    #[strum(serialize = "docker_too_old")]
    #[serde(rename = "docker_too_old")]
    TooOld {
        /// The endpoint.
        endpoint: String,
        /// Its API.
        found: String,
        /// The oldest supported API.
        needed: String,
    },
    /// A resource of another owner has the name or the subnet.
    #[error("{what} is in the way and is not ours ({owner})")]
    Foreign {
        /// The resource: its kind and name.
        what: String,
        /// The owner, if the labels name one.
        owner: String,
    },
    /// A subnet overlaps that of another network.
    #[error("subnet {subnet} overlaps another network of the daemon: {reason}")]
    SubnetTaken {
        /// The subnet.
        subnet: String,
        /// The daemon's message.
        reason: String,
    },
    /// A port of the host is in use.
    #[error("a port that {container} publishes is in use: {reason}")]
    PortTaken {
        /// The container.
        container: String,
        /// The daemon's message.
        reason: String,
    },
    /// An image is missing and cannot be loaded, pulled or built.
    #[error("image {reference} is not available: {reason}")]
    ImageUnavailable {
        /// The image.
        reference: String,
        /// The reason.
        reason: String,
    },
    /// A network still has containers.
    #[error("network {network} still has endpoints: {reason}")]
    NetworkBusy {
        /// The network.
        network: String,
        /// The daemon's message.
        reason: String,
    },
    /// A required resource is missing.
    #[error("{what} does not exist")]
    Gone {
        /// The resource.
        what: String,
    },
    /// Routes and forwarding could not be set.
    #[error("could not set the routes of {container}: {reason}")]
    #[strum(serialize = "state_not_set")]
    #[serde(rename = "state_not_set")]
    State {
        /// The base.
        container: String,
        /// The message of the program in the base.
        reason: String,
    },
    /// A base with a default route could not be contained, so it does not run.
    #[error("{container} has a default route and cannot be contained: {reason}")]
    Uncontained {
        /// The base.
        container: String,
        /// The message of the program in the base.
        reason: String,
    },
    /// The daemon did not answer in time.
    #[error("the Docker daemon did not answer within {seconds} s to: {what}")]
    #[strum(serialize = "docker_timeout")]
    #[serde(rename = "docker_timeout")]
    TimedOut {
        /// The request.
        what: String,
        /// The timeout.
        seconds: u64,
        /// Whether the daemon answered a ping after that, so that the request alone was too slow.
        answers: bool,
    },
    /// The operation was cancelled.
    #[error("{what} was cancelled")]
    #[strum(serialize = "interrupted")]
    #[serde(rename = "interrupted")]
    Cancelled {
        /// The operation.
        what: String,
    },
    /// The program in a base could not send a probe.
    #[error("{container} cannot probe: {reason}")]
    #[strum(serialize = "probe_failed")]
    #[serde(rename = "probe_failed")]
    Probe {
        /// The base.
        container: String,
        /// The message of the program.
        reason: String,
    },
    /// A container does not have a file or folder.
    #[error("{container} has no file or folder {path}")]
    NoSuchPath {
        /// The container.
        container: String,
        /// The path.
        path: String,
    },
    /// A file is in memory, where the runtime cannot copy it.
    #[error("{path} of {container} is in memory ({folder}), and Docker copies only what is on disk")]
    InMemory {
        /// The container.
        container: String,
        /// The path.
        path: String,
        /// The folder that is in memory.
        folder: String,
    },
    /// This process cannot capture packets.
    #[error("packets cannot be captured: {reason}{}", if .instead.is_empty() { String::new() } else { format!("; as root on the machine of the daemon, this command can: {}", .instead) })]
    NotCapturable {
        /// The reason.
        reason: String,
        /// A command that captures the packets; may be empty.
        instead: String,
    },
    /// The name is taken or the resource is in use. Nothing was changed.
    #[error("conflict: {reason}")]
    Conflict {
        /// The conflict.
        reason: String,
    },
    /// An agent does not answer.
    #[error("the agent of {host} at {address} does not answer: {reason}")]
    AgentUnreachable {
        /// The name of its host.
        host: String,
        /// Its address.
        address: String,
        /// What failed.
        reason: String,
    },
    /// An agent and this program do not accept each other's certificates.
    #[error("the agent of {host} at {address} and this program {DISTRUST}: {reason}")]
    AgentUntrusted {
        /// The name of its host.
        host: String,
        /// Its address.
        address: String,
        /// Which certificate was refused, and why.
        reason: String,
    },
    /// An agent has another version of the protocol.
    #[error("the agent of {host} has version {theirs} of the protocol, and this program has version {ours}")]
    AgentVersion {
        /// The name of its host.
        host: String,
        /// Its version; `none` if it has none.
        theirs: String,
        /// The version of this program.
        ours: u32,
    },
    /// An agent obeys the holder of a newer lease.
    #[error(
        "the agent of {host} refuses generation {generation}: it has seen generation {highest}, so another master has taken over"
    )]
    AgentSuperseded {
        /// The name of its host.
        host: String,
        /// The generation of the lease of this program.
        generation: u64,
        /// The highest generation that the agent has seen.
        highest: u64,
    },
    /// An agent refused a request, or its answer makes no sense.
    #[error("the agent of {host} refused the request ({problem}): {reason}")]
    AgentRefused {
        /// The name of its host.
        host: String,
        /// The stable code of the refusal.
        problem: String,
        /// The message.
        reason: String,
    },
    /// Any other error of the daemon.
    #[error("the Docker daemon refused the request: {reason}")]
    #[strum(serialize = "docker")]
    #[serde(rename = "docker")]
    Refused {
        /// The daemon's message.
        reason: String,
    },
}

impl RuntimeError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }

    /// Returns whether the failed action may have done a part of its work. False if the name was taken or the lease was refused.
    pub fn may_be_half_done(&self) -> bool {
        !matches!(
            self,
            Self::Foreign { .. } | Self::Conflict { .. } | Self::AgentSuperseded { .. }
        )
    }

    /// Returns whether the same request may succeed later, without a change of anything else: the daemon did not answer it.
    pub fn is_unanswered(&self) -> bool {
        self.is_unreachable() || matches!(self, Self::TimedOut { .. })
    }

    /// Returns the highest generation that the agent has seen, if it refused the lease of this master.
    pub(crate) const fn superseded(&self) -> Option<u64> {
        match self {
            Self::AgentSuperseded { highest, .. } => Some(*highest),
            _ => None,
        }
    }

    /// Returns whether the agent of a host cannot be reached, so that nothing is known of its containers.
    pub fn is_agent_unreachable(&self) -> bool {
        matches!(self, Self::AgentUnreachable { .. })
    }

    /// Returns whether there is a daemon that this user may not use.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Unreachable { reason, .. } if reason.starts_with("permission denied"))
    }

    /// Returns whether the daemon or its agent cannot be reached, so that other requests would fail too.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::AgentUnreachable { .. }
                | Self::TooOld { .. }
                | Self::TimedOut { answers: false, .. }
        )
    }
}
