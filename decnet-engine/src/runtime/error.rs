/// Says why the runtime did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum RuntimeError {
    /// Nothing answers.
    #[error("no Docker daemon answers at {endpoint}: {reason}")]
    #[strum(serialize = "docker_unreachable")]
    Unreachable {
        /// Where it was tried.
        endpoint: String,
        /// What the operating system said.
        reason: String,
    },
    /// The daemon is too old.
    #[error("the Docker daemon at {endpoint} speaks API {found}, {needed} is the oldest that will do")]
    #[strum(serialize = "docker_too_old")]
    TooOld {
        /// Where it was found.
        endpoint: String,
        /// Its API.
        found: String,
        /// The oldest API that will do.
        needed: String,
    },
    /// Something that is not ours has the name or the subnet.
    #[error("{what} is in the way and is not ours ({owner})")]
    Foreign {
        /// What it is, with its name.
        what: String,
        /// Whose it is, as far as its labels say.
        owner: String,
    },
    /// A subnet overlaps that of another network.
    #[error("subnet {subnet} overlaps another network of the daemon: {reason}")]
    SubnetTaken {
        /// The subnet.
        subnet: String,
        /// What the daemon said.
        reason: String,
    },
    /// A port of the host is in use.
    #[error("a port that {container} publishes is in use: {reason}")]
    PortTaken {
        /// The container.
        container: String,
        /// What the daemon said.
        reason: String,
    },
    /// An image is not there and cannot be got.
    #[error("image {reference} cannot be had: {reason}")]
    ImageUnavailable {
        /// The image.
        reference: String,
        /// Why.
        reason: String,
    },
    /// A network still has containers.
    #[error("network {network} still has endpoints: {reason}")]
    NetworkBusy {
        /// The network.
        network: String,
        /// What the daemon said.
        reason: String,
    },
    /// A thing that should be there is gone.
    #[error("{what} is not there")]
    Gone {
        /// What.
        what: String,
    },
    /// Routes and forwarding could not be set.
    #[error("the routes of {container} could not be set: {reason}")]
    #[strum(serialize = "state_not_set")]
    State {
        /// The base.
        container: String,
        /// What the program inside said.
        reason: String,
    },
    /// A base with a way out could not be contained, so it does not run.
    #[error("{container} has a default route and cannot be contained: {reason}")]
    Uncontained {
        /// The base.
        container: String,
        /// What the program inside said.
        reason: String,
    },
    /// The daemon did not answer in time.
    #[error("the Docker daemon did not answer within {seconds} s to: {what}")]
    #[strum(serialize = "docker_timeout")]
    TimedOut {
        /// What was asked.
        what: String,
        /// How long was waited.
        seconds: u64,
    },
    /// It was called off before it was through.
    #[error("{what} was called off")]
    #[strum(serialize = "interrupted")]
    Cancelled {
        /// What.
        what: String,
    },
    /// The program in a base could not send a probe.
    #[error("{container} cannot probe: {reason}")]
    #[strum(serialize = "probe_failed")]
    Probe {
        /// The base.
        container: String,
        /// What the program said.
        reason: String,
    },
    /// Something else has the name or is in use, so nothing was done.
    #[error("conflict: {reason}")]
    Conflict {
        /// What conflicts.
        reason: String,
    },
    /// Any other refusal.
    #[error("the Docker daemon refused: {reason}")]
    #[strum(serialize = "docker")]
    Refused {
        /// What the daemon said.
        reason: String,
    },
}

impl RuntimeError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }

    /// Returns whether the action that failed may have done a part of its work: not if the place was taken.
    pub fn may_be_half_done(&self) -> bool {
        !matches!(self, Self::Foreign { .. } | Self::Conflict { .. })
    }

    /// Returns whether the daemon is out of reach, rather than unwilling.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::TooOld { .. } | Self::TimedOut { .. }
        )
    }
}
