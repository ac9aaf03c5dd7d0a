use std::{fmt, io};

use decnet_topology::Name;

/// Reports why an agent ended without a request of its owner.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum AgentError {
    /// The files with the generations and the stores cannot be read, TLS cannot be set up, or the options do not fit together.
    #[error(transparent)]
    #[strum(serialize = "io")]
    Serve(#[from] io::Error),
    /// The host was revoked, and no master will accept it again.
    #[error(
        "the host `{host}` was revoked: the master at {master} refuses its certificate, and the agent stops; {remains}"
    )]
    #[strum(serialize = "host_revoked")]
    Revoked {
        /// The name of the host.
        host: Name,
        /// The address of the master.
        master: String,
        /// What of the masters' mazes is still on the host.
        remains: HostRemains,
    },
}

impl AgentError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}

/// Says what of the masters' mazes an agent leaves on its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostRemains {
    /// Nothing that masters made.
    Nothing,
    /// This number of containers, which keep running, and what belongs to them.
    Containers(usize),
    /// The runtime did not answer.
    Unknown,
}

impl fmt::Display for HostRemains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing of its mazes is left here"),
            Self::Containers(1) => f.write_str("1 container of its mazes is still here"),
            Self::Containers(count) => write!(f, "{count} containers of its mazes are still here"),
            Self::Unknown => f.write_str("Docker does not answer, so what is still here is not known"),
        }
    }
}
