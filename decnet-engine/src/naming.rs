//! The names and labels of our resources on Docker.

pub(crate) mod name;

use decnet_topology::{Decky, InstanceId, Lan, Name, Placement, ServiceName, TopologyId, TopologyRow, Vni, short_id};
use sha2::{Digest as _, Sha256};

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

/// The names of the resources of a maze, on one host or on the members of a fleet.
#[derive(Debug, Clone, Copy)]
pub struct MazeNames<'a> {
    topology: TopologyId,
    placement: Option<&'a Placement>,
}

impl<'a> MazeNames<'a> {
    /// Takes the placement of a stored maze.
    pub fn of(row: &'a TopologyRow) -> Self {
        Self::new(row.id, row.placement.as_ref())
    }

    /// Creates the names of a maze with a placement.
    pub fn new(topology: TopologyId, placement: Option<&'a Placement>) -> Self {
        Self { topology, placement }
    }

    /// Returns the member that a decky is placed on.
    pub fn host_of(&self, decky: &Decky) -> Option<&'a str> {
        Some(self.placement?.deckies.get(&decky.id())?.as_str())
    }

    /// Returns the members that have a LAN: first the one that it is placed on. There is none if there is only one host.
    pub fn hosts_of(&self, lan: &Lan) -> Vec<&'a str> {
        let Some(placement) = self.placement else {
            return Vec::new();
        };
        let home = placement.lans.get(&lan.id()).map(Name::as_str);
        let stretched = placement.stretched.get(&lan.id());
        let members = stretched.into_iter().flat_map(|stretched| &stretched.members);
        let others = members.map(Name::as_str).filter(|member| Some(*member) != home);
        home.into_iter().chain(others).collect()
    }

    /// Returns the name of a decky's base.
    pub fn base(&self, decky: &Decky) -> ContainerName {
        base(self.topology, decky).on(self.host_of(decky))
    }

    /// Returns the name of a service's container.
    pub fn service(&self, decky: &Decky, service: &ServiceName) -> ContainerName {
        service_of_base(&self.base(decky), service)
    }

    /// Returns the name of a LAN's network on the member that it is placed on.
    pub fn network(&self, lan: &Lan) -> NetworkName {
        network(self.topology, lan).on(self.hosts_of(lan).first().copied())
    }

    /// Returns the name of a LAN's network on the member of a decky.
    pub fn network_of(&self, lan: &Lan, decky: &Decky) -> NetworkName {
        network(self.topology, lan).on(self.host_of(decky))
    }

    /// Returns the names of a LAN's networks, one on each member that has it: first the one that it is placed on.
    pub fn networks(&self, lan: &Lan) -> Vec<NetworkName> {
        let name = network(self.topology, lan);
        let hosts = self.hosts_of(lan);
        if hosts.is_empty() {
            return vec![name];
        }
        hosts.into_iter().map(|host| name.on(Some(host))).collect()
    }
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
    ContainerName([base.as_text(), ".", service.as_str()].concat())
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
