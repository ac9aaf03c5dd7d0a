//! The types of names, roles and labels.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

macro_rules! docker_names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub(super) String);

        impl $name {
            /// Takes a name as Docker reports it.
            pub fn from_docker(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// Returns the name as Docker expects it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    )*};
}

docker_names! {
    /// The name of a Docker network.
    NetworkName;
    /// The name of a Docker container.
    ContainerName;
    /// The name of a Docker volume.
    VolumeName;
}

/// The role of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The container owns a decky's network namespace.
    Base,
    /// The container answers on the ports of one service.
    Service,
}

impl Role {
    /// Returns the value of the label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Service => "service",
        }
    }
}

/// Labels by name.
pub type Labels = BTreeMap<Cow<'static, str>, String>;
