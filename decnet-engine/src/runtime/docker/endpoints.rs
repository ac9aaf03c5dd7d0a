use std::net::Ipv4Addr;

use bollard::models::{
    ContainerInspectResponse, EndpointIpamConfig, EndpointSettings, NetworkConnectRequest, NetworkDisconnectRequest,
};
use decnet_topology::InstanceId;

use super::{Docker, GATEWAY_PRIORITY, MAC_OF_ENDPOINT, containers, labels, networks};
use crate::{
    desired::InterfaceSpec,
    naming::{ContainerName, NetworkName},
    runtime::{Effect, RuntimeError, ownership},
};

/// Returns the address that an endpoint has, or will have when its container runs.
pub(super) fn address(endpoint: &EndpointSettings) -> Option<Ipv4Addr> {
    let configured = endpoint
        .ipam_config
        .as_ref()
        .and_then(|config| config.ipv4_address.as_deref());
    let mut addresses = [endpoint.ip_address.as_deref(), configured].into_iter().flatten();
    addresses.find_map(|address| address.parse().ok())
}

fn endpoint_of<'a>(container: &'a ContainerInspectResponse, network: &NetworkName) -> Option<&'a EndpointSettings> {
    container
        .network_settings
        .as_ref()?
        .networks
        .as_ref()?
        .get(network.as_str())
}

impl Docker {
    pub(super) fn endpoint(&self, interface: &InterfaceSpec) -> EndpointSettings {
        EndpointSettings {
            ipam_config: Some(EndpointIpamConfig {
                ipv4_address: Some(interface.ip.to_string()),
                ..EndpointIpamConfig::default()
            }),
            mac_address: (self.api >= MAC_OF_ENDPOINT && !self.podman).then(|| interface.mac.to_string()),
            gw_priority: (self.api >= GATEWAY_PRIORITY).then_some(interface.priority),
            ..EndpointSettings::default()
        }
    }

    pub(super) async fn connect_interface(
        &self,
        instance: InstanceId,
        name: &ContainerName,
        interface: &InterfaceSpec,
    ) -> Result<Effect, RuntimeError> {
        let found = self.find_ours(instance, name).await?;
        self.connect_found(instance, name, &found, interface).await
    }

    /// Connects an inspected container to a network unless it is connected.
    pub(super) async fn connect_found(
        &self,
        instance: InstanceId,
        name: &ContainerName,
        found: &ContainerInspectResponse,
        interface: &InterfaceSpec,
    ) -> Result<Effect, RuntimeError> {
        match endpoint_of(found, &interface.network).map(address) {
            Some(ip) if ip == Some(interface.ip) => return Ok(Effect::Unchanged),
            Some(ip) => {
                let ip = ip.map_or_else(|| "without an address".into(), |ip| format!("as {ip}"));
                return Err(RuntimeError::Refused {
                    reason: format!("{name} is already on network {}, {ip}", interface.network),
                });
            }
            None => {}
        }
        self.require_networks(instance, &[&interface.network]).await?;
        let id = found.id.as_deref().unwrap_or(name.as_str());
        self.plug(id, interface).await?;
        Ok(Effect::Changed)
    }

    pub(super) async fn plug(&self, id: &str, interface: &InterfaceSpec) -> Result<(), RuntimeError> {
        let request = NetworkConnectRequest {
            container: id.into(),
            endpoint_config: Some(self.endpoint(interface)),
        };
        let network = interface.network.as_str();
        let request = self.client.connect_network(network, request);
        match self
            .ask(&format!("connect a container to network {network}"), request)
            .await
        {
            Ok(()) => Ok(()),
            Err(failure) if failure.is(404) => Err(RuntimeError::Gone {
                what: failure.message(),
            }),
            Err(failure) => Err(failure.into()),
        }
    }

    pub(super) async fn disconnect(
        &self,
        instance: InstanceId,
        name: &ContainerName,
        network: &NetworkName,
    ) -> Result<Effect, RuntimeError> {
        let Some(found) = self.find(name.as_str()).await? else {
            return Ok(Effect::Unchanged);
        };
        ownership::require_ours(containers::what(name), &labels::of_container(&found), instance)?;
        let Some(endpoint) = endpoint_of(&found, network) else {
            return Ok(Effect::Unchanged);
        };
        // Use the id if it is known: two networks may have one name, and the container is on this one.
        let target = endpoint.network_id.as_deref().filter(|id| !id.is_empty());
        let request = NetworkDisconnectRequest {
            container: found.id.clone().unwrap_or_else(|| name.to_string()),
            force: Some(false),
        };
        let request = self
            .client
            .disconnect_network(target.unwrap_or(network.as_str()), request);
        let asked = format!("disconnect container {name} from {}", networks::what(network));
        match self.ask(&asked, request).await {
            Ok(()) => Ok(Effect::Changed),
            Err(failure) if failure.is(404) || failure.mentions("is not connected") => Ok(Effect::Unchanged),
            Err(failure) => Err(failure.into()),
        }
    }
}
