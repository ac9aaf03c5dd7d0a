use crate::{
    alloc::AllocError,
    config::InvalidConfig,
    model::TopologyError,
    name::{Name, NameError},
};

/// Says why no maze was generated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum GenerateError {
    /// The config names services that cannot be.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// Services are to be drawn, but the catalogue has none for deckies.
    #[error("the catalogue has no service that a decky may run")]
    #[strum(serialize = "no_services")]
    NoServices,
    /// The pool has too few subnets. The number needed is a lower bound: the tree is drawn only as far as there is room.
    #[error("the LANs cannot all have a subnet")]
    #[strum(serialize = "exhausted")]
    Subnets {
        /// Why.
        source: AllocError,
    },
    /// A LAN has too few addresses.
    #[error("the deckies on LAN `{lan}` cannot all have an address")]
    #[strum(serialize = "exhausted")]
    Addresses {
        /// The LAN.
        lan: Name,
        /// Why.
        source: AllocError,
    },
    /// The parts make no topology: the maze has more parts than there are ids.
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
