//! The names and labels of our resources on Docker.

pub(crate) mod maze;
pub(crate) mod name;

use decnet_topology::{InstanceId, TopologyId, Vni, short_id};
use sha2::{Digest as _, Sha256};

pub(crate) use maze::MazeNames;
pub use maze::{base, network, service, service_of_base};
pub(crate) use name::{ContainerName, Labels, LinkName, NetworkName, Role, VolumeName};

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
/// The label with the name of the member of a fleet that a resource was made on.
pub const MEMBER: &str = "decnet.member";
/// The label of a volume that is not removed with its maze: `true`.
pub const KEEP: &str = "decnet.keep";
/// The label with the log driver of a container, if it is not the default.
pub const LOG: &str = "decnet.log";

/// Returns the name of a network's bridge for engines that do not derive it from the network's id: `br-` and 12 hex digits.
pub fn bridge(network: &NetworkName) -> String {
    let digest = Sha256::digest(network.as_str());
    let number = digest
        .iter()
        .take(6)
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("br-{number:012x}")
}

/// Returns the labels of the volume with the state of a base, given the labels of the base.
pub fn volume_labels(base: &Labels) -> Labels {
    let kept = [INSTANCE, TOPOLOGY, DECKY, MEMBER].into_iter();
    kept.filter_map(|key| Some((key.into(), base.get(key)?.clone())))
        .collect()
}

/// Returns the name of a service's volume, given the name of the service's container: `<container>.<volume>`. The name of a volume has no
/// dot.
pub fn service_volume(service: &ContainerName, volume: &str) -> VolumeName {
    VolumeName([service.as_text(), ".", volume].concat())
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

/// Returns the name of the device of a stretched LAN: `d`, the first 8 digits of the topology's id, and the 6 digits of the VNI. Linux
/// allows 15 bytes.
pub fn link(topology: TopologyId, vni: Vni) -> LinkName {
    LinkName(format!("d{}{:06x}", short_id(topology), vni.get()))
}

/// Returns the labels of all resources of a topology.
pub fn ownership(instance: InstanceId, topology: TopologyId) -> Labels {
    Labels::from([
        (INSTANCE.into(), instance.to_string()),
        (TOPOLOGY.into(), topology.to_string()),
    ])
}
