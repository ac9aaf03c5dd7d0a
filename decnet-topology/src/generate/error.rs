use crate::{
    alloc::AllocError,
    config::InvalidConfig,
    model::TopologyError,
    name::{Name, NameError},
};

/// The reason why no maze was generated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum GenerateError {
    /// The config names services that are unknown or cannot run on a decky.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// Services would be drawn, but the catalogue has none for deckies.
    #[error("the catalogue has no service that a decky may run")]
    #[strum(serialize = "no_services")]
    NoServices,
    /// The pool has too few subnets. The number needed is a lower bound, because drawing stops when there is no more room.
    #[error("not all LANs can get a subnet")]
    #[strum(serialize = "exhausted")]
    Subnets {
        /// The reason.
        source: AllocError,
    },
    /// A LAN has too few addresses.
    #[error("not all deckies on LAN `{lan}` can get an address")]
    #[strum(serialize = "exhausted")]
    Addresses {
        /// The LAN.
        lan: Name,
        /// The reason.
        source: AllocError,
    },
    /// The maze has more parts than ids.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// A number is too long for a name.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl GenerateError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config(error) => error.code(),
            Self::Topology(error) => error.code(),
            Self::Name(error) => error.code(),
            error => error.into(),
        }
    }
}
