use std::{error::Error, sync::Arc};

use decnet_topology::{HostId, Name};
use jiff::Timestamp;

use crate::pki::PkiError;

/// Reports why a host cannot join a fleet, or why its heartbeat is refused.
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
    /// No such token was made here.
    #[error("the token was not made by this master")]
    TokenUnknown,
    /// The token was used.
    #[error("the token was used at {at}; a token works once")]
    TokenUsed {
        /// When it was used.
        at: Timestamp,
    },
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
    /// A host has the name.
    #[error("a host has the name `{name}`")]
    #[strum(serialize = "host_name_taken")]
    NameTaken {
        /// The name.
        name: Name,
    },
    /// The host is not one of the fleet.
    #[error("the host {host} is not one of this fleet; it may have been removed")]
    HostUnknown {
        /// The host.
        host: HostId,
    },
    /// A certificate could not be issued.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The store does not work.
    #[error("the store of hosts does not work")]
    #[strum(serialize = "host_store")]
    Store {
        /// The reason.
        source: Arc<dyn Error + Send + Sync>,
    },
}

impl FleetError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Pki(error) => error.code(),
            error => error.into(),
        }
    }
}
