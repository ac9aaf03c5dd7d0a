//! What things of ours are called on Docker, and how they are told from what is not ours.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use decnet_topology::{Decky, InstanceId, Lan, ServiceName, TopologyId, id};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The label that says whose a resource is: the id of the repo. **Ownership is this label and nothing else.**
pub const INSTANCE: &str = "decnet.instance";
/// The label with the whole id of the topology.
pub const TOPOLOGY: &str = "decnet.topology.id";
/// The label with the name of the LAN.
pub const LAN: &str = "decnet.topology.lan";
/// The label with the name of the decky.
pub const DECKY: &str = "decnet.topology.decky";
/// The label with the name of the service.
pub const SERVICE_NAME: &str = "decnet.topology.service_name";
/// The label that says what a container is: [`Role`].
pub const ROLE: &str = "decnet.topology.role";
/// The label that log collectors look for: `true` on service containers.
pub const SERVICE: &str = "decnet.topology.service";
/// The label with the digest of what a resource was made from, so that a diff sees what must be made anew.
pub const SPEC: &str = "decnet.spec";
/// The label with the digest of the network state that a base started with.
pub const STATE: &str = "decnet.state";
/// Which log driver a container has, where it is not the usual one.
pub const LOG: &str = "decnet.log";

macro_rules! docker_names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes a name as Docker says it.
            pub fn from_docker(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// Returns the name as Docker takes it.
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

/// What a container of ours is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It owns a decky's network namespace.
    Base,
    /// It answers on the ports of one service.
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

/// Names the network of a LAN: `decnet_t_<8>_<lan>`.
///
/// The DMZ's has a dot before the LAN, so that it sorts first: engines before API 1.48 route by, and publish ports on, the
/// network whose name sorts first.
pub fn network(topology: TopologyId, lan: &Lan) -> NetworkName {
    let dot = if lan.is_dmz() { "." } else { "" };
    NetworkName(format!(
        "decnet_t_{}_{dot}{}",
        id::short(topology),
        lan.name().to_lowercase()
    ))
}

/// Names the bridge of a network, where the engine does not name it after an id that is known: `br-` and 12 hex digits.
pub fn bridge(network: &NetworkName) -> String {
    let digest = Sha256::digest(network.as_str());
    let number = digest
        .iter()
        .take(6)
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("br-{number:012x}")
}

/// Names the base of a decky: `decnet_t_<8>_<decky>`.
pub fn base(topology: TopologyId, decky: &Decky) -> ContainerName {
    ContainerName(format!("decnet_t_{}_{}", id::short(topology), decky.name()))
}

/// Names the container of a decky's service: `decnet_t_<8>_<decky>.<service>`. No decky's name holds a dot.
pub fn service(topology: TopologyId, decky: &Decky, service: &ServiceName) -> ContainerName {
    service_beside(&base(topology, decky), service)
}

/// Names the container of a service beside the base of its decky.
pub fn service_beside(base: &ContainerName, service: &ServiceName) -> ContainerName {
    ContainerName([base.as_str(), ".", service.as_str()].concat())
}

/// Labels, by name.
pub type Labels = BTreeMap<Cow<'static, str>, String>;

/// Returns the labels of the volume in which a base keeps its state, given those of the base.
pub fn volume_labels(base: &Labels) -> Labels {
    let kept = [INSTANCE, TOPOLOGY, DECKY].into_iter();
    kept.filter_map(|key| Some((key.into(), base.get(key)?.clone())))
        .collect()
}

/// Returns the labels that everything of a topology carries.
pub fn ownership(instance: InstanceId, topology: TopologyId) -> Labels {
    Labels::from([
        (INSTANCE.into(), instance.to_string()),
        (TOPOLOGY.into(), topology.to_string()),
    ])
}
