use std::net::Ipv4Addr;

use decnet_topology::{InstanceId, net};

use super::{
    containers,
    world::{Network, World},
};
use crate::{
    desired::{InterfaceSpec, NetworkReach, NetworkSpec},
    naming::{self, ContainerName, NetworkName},
    observe::{self, Activity},
    runtime::{Effect, ForeignNetwork, RuntimeError, ownership},
};

pub(super) fn what(network: &NetworkName) -> String {
    format!("network {network}")
}

impl World {
    /// Lists the networks that do not belong to a store.
    pub(super) fn foreign_networks(&self, instance: InstanceId) -> Vec<ForeignNetwork> {
        let networks = self.networks.iter();
        let foreign = networks.filter(|(_, network)| !ownership::is_ours(&network.labels, instance));
        let described = foreign.map(|(name, network)| ForeignNetwork {
            name: name.as_str().into(),
            subnet: network.subnet,
            instance: observe::instance_of(&network.labels),
            host: None,
        });
        described.collect()
    }

    pub(super) fn create_network(&mut self, instance: InstanceId, spec: &NetworkSpec) -> Result<Effect, RuntimeError> {
        if let Some(found) = self.networks.get(&spec.name) {
            ownership::require_ours(what(&spec.name), &found.labels, instance)?;
            if found.labels.get(naming::SPEC) == spec.labels.get(naming::SPEC) {
                return Ok(Effect::Unchanged);
            }
            return Err(RuntimeError::Conflict {
                reason: format!("network {} exists with another spec", spec.name),
            });
        }
        let mut networks = self.networks.iter();
        if let Some((other, _)) = networks.find(|(_, network)| net::overlaps(network.subnet, spec.subnet)) {
            return Err(RuntimeError::SubnetTaken {
                subnet: spec.subnet.to_string(),
                reason: format!("overlaps network {other}"),
            });
        }
        let network = Network {
            id: self.next_id(),
            subnet: spec.subnet,
            gateway: (spec.reach != NetworkReach::Isolated).then_some(spec.gateway),
            labels: spec.labels.clone(),
            endpoints: std::collections::BTreeMap::new(),
        };
        self.networks.insert(spec.name.clone(), network);
        Ok(Effect::Changed)
    }

    pub(super) fn remove_network(
        &mut self,
        instance: InstanceId,
        name: &NetworkName,
        id: Option<&str>,
    ) -> Result<Effect, RuntimeError> {
        let Some(found) = self.networks.get(name) else {
            return Ok(Effect::Unchanged);
        };
        if id.is_some_and(|id| id != found.id) || !ownership::is_ours(&found.labels, instance) {
            return Ok(Effect::Unchanged);
        }
        if let Some(container) = found.endpoints.values().next() {
            return Err(RuntimeError::NetworkBusy {
                network: name.to_string(),
                reason: format!("{} active endpoint(s), including {container}", found.endpoints.len()),
            });
        }
        self.networks.remove(name);
        Ok(Effect::Changed)
    }

    pub(super) fn connect(
        &mut self,
        instance: InstanceId,
        name: &ContainerName,
        interface: &InterfaceSpec,
    ) -> Result<Effect, RuntimeError> {
        let container = self.container_of(instance, name)?;
        match container.networks.get(&interface.network) {
            Some(ip) if *ip == interface.ip => return Ok(Effect::Unchanged),
            Some(ip) => {
                return Err(RuntimeError::Refused {
                    reason: format!("{name} is already on network {}, as {ip}", interface.network),
                });
            }
            None => {}
        }
        self.require_free(instance, interface)?;
        self.require_no_conflicting_route(name, interface)?;
        self.plug(name, interface);
        Ok(Effect::Changed)
    }

    /// Refuses an interface whose network is missing or not ours, or whose address is not available.
    pub(super) fn require_free(&self, instance: InstanceId, interface: &InterfaceSpec) -> Result<(), RuntimeError> {
        let Some(network) = self.networks.get(&interface.network) else {
            return Err(RuntimeError::Gone {
                what: what(&interface.network),
            });
        };
        ownership::require_ours(what(&interface.network), &network.labels, instance)?;
        let reason = if !network.subnet.contains(&interface.ip) {
            "does not belong to the network's subnet"
        } else if let Some(kept) = net::reserved(network.subnet, interface.ip) {
            kept
        } else if network.endpoints.contains_key(&interface.ip) {
            "address already in use"
        } else {
            return Ok(());
        };
        Err(RuntimeError::Refused {
            reason: format!("{} on {}: {reason}", interface.ip, interface.network),
        })
    }

    /// Refuses an interface in the destination of one of the container's routes while it runs, like a daemon.
    fn require_no_conflicting_route(
        &self,
        name: &ContainerName,
        interface: &InterfaceSpec,
    ) -> Result<(), RuntimeError> {
        let (container, network) = (&self.containers[name], &self.networks[&interface.network]);
        let mut routes = container.state.iter().flat_map(|state| &state.routes);
        match routes.find(|route| net::overlaps(route.to, network.subnet)) {
            Some(route) if container.activity == Activity::Running => Err(RuntimeError::Refused {
                reason: format!(
                    "{} on {name} conflicts with the existing route to {}",
                    interface.ip, route.to
                ),
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn plug(&mut self, name: &ContainerName, interface: &InterfaceSpec) {
        self.plug_at(name, &interface.network, interface.ip);
    }

    pub(super) fn plug_at(&mut self, name: &ContainerName, network: &NetworkName, ip: Ipv4Addr) {
        if let Some(network) = self.networks.get_mut(network) {
            network.endpoints.insert(ip, name.clone());
        }
        if let Some(container) = self.containers.get_mut(name) {
            container.networks.insert(network.clone(), ip);
            container.state_holds = false;
        }
    }

    pub(super) fn disconnect(
        &mut self,
        instance: InstanceId,
        name: &ContainerName,
        network: &NetworkName,
    ) -> Result<Effect, RuntimeError> {
        let Some(container) = self.containers.get(name) else {
            return Ok(Effect::Unchanged);
        };
        ownership::require_ours(containers::what(name), &container.labels, instance)?;
        Ok(self.unplug(name, network))
    }

    pub(super) fn unplug(&mut self, name: &ContainerName, network: &NetworkName) -> Effect {
        let Some(container) = self.containers.get_mut(name) else {
            return Effect::Unchanged;
        };
        let Some(ip) = container.networks.remove(network) else {
            return Effect::Unchanged;
        };
        container.state_holds = false;
        if let Some(network) = self.networks.get_mut(network) {
            network.endpoints.remove(&ip);
        }
        Effect::Changed
    }
}
