use decnet_topology::{HostProfileError, Name, RepoError};
use jiff::Timestamp;

use crate::{
    peer::PeerError,
    pki::{Fingerprint, PkiError},
};

/// Reports why a host cannot join a fleet, why its heartbeat is refused, or that there is no such host.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum FleetError {
    /// A text is not a token.
    #[error("this is not a token: {reason}")]
    TokenMalformed {
        /// What is wrong.
        reason: &'static str,
    },
    /// No such token was made here, or its host was revoked since.
    #[error("this master did not make the token, or the host of the token was revoked since")]
    TokenUnknown,
    /// The token is too old.
    #[error("the token expired at {at}")]
    TokenExpired {
        /// When it expired.
        at: Timestamp,
    },
    /// The token is for another host.
    #[error("the token is for the host `{expected}`, not for `{given}`")]
    #[strum(serialize = "token_name")]
    TokenForOther {
        /// The name that it is for.
        expected: Name,
        /// The name that was given.
        given: Name,
    },
    /// The agent has a name as its address, or one that no host can have, and the token does not say which address the links use.
    #[error(
        "the address of the agent, {address}, is not an IPv4 address of a host, and the token does not say which one the host has \
         on the network of the hosts"
    )]
    UnderlayUnknown {
        /// The address of the agent.
        address: String,
    },
    /// A later start of the agent was heard from another machine, or this heartbeat was delayed.
    #[error("the certificate of `{host}` is used by another agent at {address}, which was started later")]
    HostCloned {
        /// The name of the host.
        host: Name,
        /// The address of the other agent.
        address: String,
    },
    /// The stored authority is not one.
    #[error("the stored authority of the fleet cannot be read: {reason}")]
    AuthorityDamaged {
        /// The reason.
        reason: String,
    },
    /// A newer program stored the authority in a way that this one cannot read.
    #[error("a newer decnet stored the authority of the fleet: it has {what}, which this program does not know")]
    AuthorityNewer {
        /// What this program does not know.
        what: String,
    },
    /// A rotation of the authority has begun, and is not finished.
    #[error("the authority is being rotated to {next} already")]
    RotationPending {
        /// The next authority.
        next: Fingerprint,
    },
    /// No rotation of the authority has begun.
    #[error("no rotation of the authority has begun")]
    RotationNotBegun,
    /// Some hosts do not trust the next authority yet.
    #[error("{} {} not trust the next authority yet", joined(hosts), if hosts.len() == 1 { "does" } else { "do" })]
    RotationWaits {
        /// The hosts.
        hosts: Vec<Name>,
    },
    /// No host has the name.
    #[error("no host has the name or id `{name}`{}", if *.is_revoked { "; it was revoked" } else { "" })]
    NoHost {
        /// The name or the id.
        name: String,
        /// Whether a host that was revoked has it.
        is_revoked: bool,
    },
    /// A host cannot have the profile of its token.
    #[error(transparent)]
    #[strum(serialize = "host_profile")]
    Profile(#[from] HostProfileError),
    /// The connection to an agent cannot be prepared.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// A certificate could not be issued.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The store refused or failed.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

impl FleetError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &str {
        match self {
            Self::Pki(error) => error.code(),
            Self::Peer(error) => error.code(),
            Self::Repo(error) => error.code(),
            error => <&'static str>::from(error),
        }
    }
}

fn joined(hosts: &[Name]) -> String {
    let names: Vec<&str> = hosts.iter().map(Name::as_str).collect();
    names.join(", ")
}
