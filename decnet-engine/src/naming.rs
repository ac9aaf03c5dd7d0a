//! The names and labels of our resources on Docker.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use decnet_topology::{Decky, InstanceId, Lan, ServiceName, TopologyId, id};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The label with the id of the store that owns the resource. **Ownership is this label and nothing else.**
pub const INSTANCE: &str = "decnet.instance";
/// The label with the full id of the topology.
pub const TOPOLOGY: &str = "decnet.topology.id";
/// The label with the name of the LAN.
pub const LAN: &str = "decnet.topology.lan";
/// The label with the name of the decky.
pub const DECKY: &str = "decnet.topology.decky";
/// The label with the name of the service.
pub const SERVICE_NAME: &str = "decnet.topology.service_name";
/// The label with the [`Role`] of a container.
pub const ROLE: &str = "decnet.topology.role";
/// The label for log collectors: `true` on service containers.
pub const SERVICE: &str = "decnet.topology.service";
/// The label with the digest of a resource's spec. A resource with another digest is recreated.
pub const SPEC: &str = "decnet.spec";
/// The label with the digest of the network state of a base at its start.
pub const STATE: &str = "decnet.state";
/// The label with the log driver of a container, if it is not the default.
pub const LOG: &str = "decnet.log";

macro_rules! docker_names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

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

/// Returns the name of a LAN's network: `decnet_t_<8>_<lan>`.
///
/// The name of the DMZ's network has a dot before the LAN, so that it sorts first: engines before API 1.48 route by, and
/// publish ports on, the network whose name sorts first.
pub fn network(topology: TopologyId, lan: &Lan) -> NetworkName {
    let dot = if lan.is_dmz() { "." } else { "" };
    NetworkName(format!(
        "decnet_t_{}_{dot}{}",
        id::short(topology),
        lan.name().to_lowercase()
    ))
}

/// Returns the name of a network's bridge for engines that do not derive it from the network's id: `br-` and 12 hex digits.
pub fn bridge(network: &NetworkName) -> String {
    let digest = Sha256::digest(network.as_str());
    let number = digest
        .iter()
        .take(6)
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("br-{number:012x}")
}

/// Returns the name of a decky's base: `decnet_t_<8>_<decky>`.
pub fn base(topology: TopologyId, decky: &Decky) -> ContainerName {
    ContainerName(format!("decnet_t_{}_{}", id::short(topology), decky.name()))
}

/// Returns the name of a service's container: `decnet_t_<8>_<decky>.<service>`. The name of a decky has no dot.
pub fn service(topology: TopologyId, decky: &Decky, service: &ServiceName) -> ContainerName {
    service_beside(&base(topology, decky), service)
}

/// Returns the name of a service's container, given the name of its base.
pub fn service_beside(base: &ContainerName, service: &ServiceName) -> ContainerName {
    ContainerName([base.as_str(), ".", service.as_str()].concat())
}

/// Labels by name.
pub type Labels = BTreeMap<Cow<'static, str>, String>;

/// Returns the labels of the volume with the state of a base, given the labels of the base.
pub fn volume_labels(base: &Labels) -> Labels {
    let kept = [INSTANCE, TOPOLOGY, DECKY].into_iter();
    kept.filter_map(|key| Some((key.into(), base.get(key)?.clone())))
        .collect()
}

/// Returns the labels of all resources of a topology.
pub fn ownership(instance: InstanceId, topology: TopologyId) -> Labels {
    Labels::from([
        (INSTANCE.into(), instance.to_string()),
        (TOPOLOGY.into(), topology.to_string()),
    ])
}
