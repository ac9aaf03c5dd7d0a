//! The names and labels of our resources on Docker.

pub(crate) mod name;

use decnet_topology::{Decky, InstanceId, Lan, ServiceName, TopologyId, short_id};
use sha2::{Digest as _, Sha256};

pub(crate) use name::{ContainerName, Labels, NetworkName, Role, VolumeName};

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
/// The label with the name of a service's volume in the catalogue.
pub const VOLUME: &str = "decnet.topology.volume";
/// The label of a volume that is not removed with its maze: `true`.
pub const KEEP: &str = "decnet.keep";
/// The label with the log driver of a container, if it is not the default.
pub const LOG: &str = "decnet.log";

/// Returns the name of a LAN's network: `decnet_t_<8>_<lan>`.
///
/// The name of the DMZ's network has a dot before the LAN, so that it sorts first. Engines before API 1.48 use the
/// network whose name sorts first for the default route and the published ports.
pub fn network(topology: TopologyId, lan: &Lan) -> NetworkName {
    let dot = if lan.is_dmz() { "." } else { "" };
    NetworkName(format!(
        "decnet_t_{}_{dot}{}",
        short_id(topology),
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
    ContainerName(format!("decnet_t_{}_{}", short_id(topology), decky.name()))
}

/// Returns the name of a service's container: `decnet_t_<8>_<decky>.<service>`. The name of a decky has no dot.
pub fn service(topology: TopologyId, decky: &Decky, service: &ServiceName) -> ContainerName {
    service_of_base(&base(topology, decky), service)
}

/// Returns the name of a service's container, given the name of its base.
pub fn service_of_base(base: &ContainerName, service: &ServiceName) -> ContainerName {
    ContainerName([base.as_str(), ".", service.as_str()].concat())
}

/// Returns the labels of the volume with the state of a base, given the labels of the base.
pub fn volume_labels(base: &Labels) -> Labels {
    let kept = [INSTANCE, TOPOLOGY, DECKY].into_iter();
    kept.filter_map(|key| Some((key.into(), base.get(key)?.clone())))
        .collect()
}

/// Returns the name of a service's volume, given the name of the service's container: `<container>.<volume>`. The name of a volume has no
/// dot.
pub fn service_volume(service: &ContainerName, volume: &str) -> VolumeName {
    VolumeName([service.as_str(), ".", volume].concat())
}

/// Returns the labels of a service's volume, given the labels of its container.
pub fn service_volume_labels(service: &Labels, volume: &str, keep: bool) -> Labels {
    let mut labels = volume_labels(service);
    labels.extend(
        service
            .get(SERVICE_NAME)
            .map(|name| (SERVICE_NAME.into(), name.clone())),
    );
    labels.insert(VOLUME.into(), volume.into());
    if keep {
        labels.insert(KEEP.into(), "true".into());
    }
    labels
}

/// Returns the labels of all resources of a topology.
pub fn ownership(instance: InstanceId, topology: TopologyId) -> Labels {
    Labels::from([
        (INSTANCE.into(), instance.to_string()),
        (TOPOLOGY.into(), topology.to_string()),
    ])
}
