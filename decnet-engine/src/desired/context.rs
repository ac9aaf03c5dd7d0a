use std::net::Ipv4Addr;

use decnet_topology::{Catalog, DeploySettings, InstallationSecret, InstanceId, Lan, TopologyId};

use super::{
    fleet::{DesiredFleet, DesiredMember},
    spec::LinkSpec,
};
use crate::{
    api::ApiVersion,
    naming::{self, MazeNames, NetworkName},
};

/// The inputs of the desired state other than the topology.
#[derive(Debug, Clone)]
pub struct DesiredContext<'a> {
    /// The repo.
    pub instance: InstanceId,
    /// The secret of the repo, from which keys and versions of the deckies derive.
    pub secret: &'a InstallationSecret,
    /// The topology.
    pub topology: TopologyId,
    /// The catalogue of services.
    pub catalog: &'a Catalog,
    /// The reference of the decoy's image.
    pub decoy: &'a str,
    /// The API of the runtime.
    pub api: ApiVersion,
    /// The deploy settings of the topology.
    pub settings: &'a DeploySettings,
    /// The addresses of the host. With some kinds of egress, deckies must not open connections to them.
    pub host_addresses: &'a [Ipv4Addr],
    /// The members of the fleet that have the topology; none if there is only one host.
    pub fleet: Option<DesiredFleet<'a>>,
}

impl<'a> DesiredContext<'a> {
    /// Returns the names of the topology's resources.
    pub(super) fn names(&self) -> MazeNames<'a> {
        MazeNames::new(self.topology, self.fleet.as_ref().map(|fleet| fleet.placement))
    }

    /// Returns the API of the runtime on a host. That of a member that does not answer is not known, and nothing is planned there.
    pub(super) fn api_on(&self, host: Option<&str>) -> ApiVersion {
        self.member(host).and_then(|member| member.api).unwrap_or(self.api)
    }

    /// Returns the known addresses of a host.
    pub(super) fn addresses_of(&self, host: Option<&str>) -> &'a [Ipv4Addr] {
        self.member(host).map_or(self.host_addresses, |member| member.addresses)
    }

    /// Returns the MTU of all networks; none for the default of the engine.
    pub(super) fn mtu(&self) -> Option<u16> {
        self.fleet.as_ref()?.placement.mtu
    }

    fn member(&self, host: Option<&str>) -> Option<&DesiredMember<'a>> {
        self.fleet.as_ref()?.members.get(host?)
    }

    /// Returns the ends of the tunnel of a LAN that is on several members.
    pub(super) fn links(&self, lan: &Lan) -> Vec<LinkSpec> {
        let stretched = |fleet: &DesiredFleet<'a>| fleet.placement.stretched.get(&lan.id());
        let Some((stretched, mtu)) = self.fleet.as_ref().and_then(stretched).zip(self.mtu()) else {
            return Vec::new();
        };
        let name = naming::link(self.topology, stretched.vni);
        let networks = self.names().networks(lan).into_iter();
        let ends: Vec<(NetworkName, Ipv4Addr)> = networks
            .filter_map(|network| {
                let underlay = self.member(network.host())?.underlay;
                Some((network, underlay))
            })
            .collect();
        let links = ends.iter().map(|(network, local)| LinkSpec {
            name: name.on(network.host()),
            network: network.clone(),
            lan: lan.name().clone(),
            vni: stretched.vni,
            local: *local,
            peers: ends
                .iter()
                .map(|(_, peer)| *peer)
                .filter(|peer| peer != local)
                .collect(),
            mtu,
            labels: naming::ownership(self.instance, self.topology),
        });
        links.collect()
    }
}
