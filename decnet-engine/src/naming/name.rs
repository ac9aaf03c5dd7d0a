//! The types of names, roles and labels.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// Separates the member of a fleet from the name.
const SLASH: char = '/';
const SLASH_TEXT: &str = "/";

macro_rules! docker_names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// On a fleet, the name of the member is part of it: two members may each have one with the same name on Docker. Its text is then
        /// `member/name`; Docker's names have no slash.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub(super) String);

        impl $name {
            /// Takes a name as Docker reports it.
            pub fn from_docker(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// Returns the name as Docker expects it, without the member.
            pub fn as_str(&self) -> &str {
                self.0.split_once(SLASH).map_or(&self.0, |(_, name)| name)
            }

            /// Returns the member of a fleet that it is on; none if there is only one host.
            pub fn host(&self) -> Option<&str> {
                self.0.split_once(SLASH).map(|(host, _)| host)
            }

            /// Returns the same name on another member of a fleet, or on the only host.
            #[must_use]
            pub fn on(&self, host: Option<&str>) -> Self {
                Self(match host {
                    Some(host) => [host, SLASH_TEXT, self.as_str()].concat(),
                    None => self.as_str().into(),
                })
            }

            /// Returns the text with the member.
            pub fn as_text(&self) -> &str {
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
    /// The name of the network device that joins a network with those of the same LAN on other members of a fleet.
    LinkName;
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
