//! The names of the resources of a maze.

use decnet_topology::{Decky, Lan, Name, Placement, ServiceName, TopologyId, TopologyRow, short_id};

use super::name::{ContainerName, NetworkName};

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

/// Returns the name of a LAN's network: `decnet_t_<8>_<lan>`.
///
/// The name of the DMZ's network has a dot before the LAN, so that it sorts first. Engines before API 1.48 use the
/// network whose name sorts first for the default route and the published ports.
pub fn network(topology: TopologyId, lan: &Lan) -> NetworkName {
    let dot = if lan.is_dmz() { "." } else { "" };
    NetworkName::from_docker(format!(
        "decnet_t_{}_{dot}{}",
        short_id(topology),
        lan.name().to_lowercase()
    ))
}

/// Returns the name of a decky's base: `decnet_t_<8>_<decky>`.
pub fn base(topology: TopologyId, decky: &Decky) -> ContainerName {
    ContainerName::from_docker(format!("decnet_t_{}_{}", short_id(topology), decky.name()))
}

/// Returns the name of a service's container: `decnet_t_<8>_<decky>.<service>`. The name of a decky has no dot.
pub fn service(topology: TopologyId, decky: &Decky, service: &ServiceName) -> ContainerName {
    service_of_base(&base(topology, decky), service)
}

/// Returns the name of a service's container, given the name of its base.
pub fn service_of_base(base: &ContainerName, service: &ServiceName) -> ContainerName {
    ContainerName::from_docker([base.as_text(), ".", service.as_str()].concat())
}
