use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, EndpointSettings, HostConfig, NetworkingConfig, PortBinding,
};
use decnet_decoy::protocol::{NetState, STATE_VARIABLE};
use decnet_topology::{InstanceId, catalog::Protocol};

use super::{Docker, ENDPOINTS_AT_CREATE, containers, endpoints};
use crate::{
    desired::{BASE_CAPABILITIES, BaseSpec, Interface, PublishedPort, RESOLVER},
    naming::ContainerName,
    runtime::{Effect, RuntimeError},
};

impl Docker {
    pub(super) async fn create_base(&self, instance: InstanceId, spec: &BaseSpec) -> Result<Effect, RuntimeError> {
        if let Some(found) = self.find_made(instance, &spec.name, &spec.labels).await? {
            return self.finish_base(instance, spec, &found).await;
        }
        let networks: Vec<_> = spec.interfaces.iter().map(|interface| &interface.network).collect();
        self.require_networks(instance, &networks).await?;
        let together = self.api >= ENDPOINTS_AT_CREATE;
        let at_create = if together { spec.interfaces.len() } else { 1 };
        let id = match self
            .create_container(&spec.name, self.base_body(spec, at_create)?)
            .await
        {
            Ok(id) => id,
            // Somebody made it meanwhile.
            Err(failure) if failure.is(409) => {
                return match self.find_made(instance, &spec.name, &spec.labels).await? {
                    Some(found) => self.finish_base(instance, spec, &found).await,
                    None => Err(failure.into()),
                };
            }
            Err(failure) => return Err(failure.into()),
        };
        for interface in spec.interfaces.iter().skip(at_create) {
            self.plug(&id, interface).await?;
        }
        self.start(&spec.name, &id).await
    }

    /// Does what is left to do of a base that somebody began to make.
    async fn finish_base(
        &self,
        instance: InstanceId,
        spec: &BaseSpec,
        found: &ContainerInspectResponse,
    ) -> Result<Effect, RuntimeError> {
        let was_started = endpoints::was_started(found);
        let mut effect = Effect::Unchanged;
        if !was_started {
            for interface in &spec.interfaces {
                let connected = self.connect_found(instance, &spec.name, found, interface).await?;
                if connected == Effect::Changed {
                    effect = Effect::Changed;
                }
            }
        }
        match self.start_found(&spec.name, found).await? {
            Effect::Changed => Ok(Effect::Changed),
            Effect::Unchanged => Ok(effect),
        }
    }

    fn base_body(&self, spec: &BaseSpec, interfaces: usize) -> Result<ContainerCreateBody, RuntimeError> {
        let state = serde_json::to_string(&spec.state).map_err(|error| RuntimeError::State {
            container: spec.name.to_string(),
            reason: error.to_string(),
        })?;
        let home = spec.interfaces.first();
        let endpoint = |interface: &Interface| (interface.network.to_string(), self.endpoint(interface));
        let endpoints: HashMap<String, EndpointSettings> =
            spec.interfaces.iter().take(interfaces).map(endpoint).collect();
        let host = HostConfig {
            network_mode: Some(home.map_or_else(|| "none".into(), |home| home.network.to_string())),
            port_bindings: Some(bindings(spec.publish.iter())),
            dns: Some(vec![RESOLVER.into()]),
            sysctls: Some(spec.sysctls.clone().into_iter().collect()),
            ..containers::confined(&spec.limits, BASE_CAPABILITIES.map(Into::into))
        };
        Ok(ContainerCreateBody {
            hostname: Some(spec.hostname.clone()),
            image: Some(spec.image.clone()),
            cmd: Some(vec!["base".into()]),
            env: Some(vec![format!("{STATE_VARIABLE}={state}")]),
            labels: Some(spec.labels.clone().into_iter().collect()),
            exposed_ports: Some(spec.publish.iter().map(exposed).collect()),
            host_config: Some(host),
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some(endpoints),
            }),
            ..ContainerCreateBody::default()
        })
    }

    pub(super) async fn set_state(
        &self,
        instance: InstanceId,
        name: &ContainerName,
        state: &NetState,
    ) -> Result<Effect, RuntimeError> {
        let found = self.find_ours(instance, name).await?;
        let refuse = |reason: String| RuntimeError::State {
            container: name.to_string(),
            reason,
        };
        let json = serde_json::to_string(state).map_err(|error| refuse(error.to_string()))?;
        let command = ["/decnet-decoy", "state", "set", &json].map(str::to_owned);
        let done = self
            .run_in(name, found.id.as_deref().unwrap_or(name.as_str()), &command)
            .await?;
        if done.code == 0 {
            return Ok(Effect::Changed);
        }
        let said = [done.stderr, done.stdout].map(|text| String::from_utf8_lossy(&text).trim().to_owned());
        Err(refuse(format!("exit code {}: {}", done.code, said.join(" ").trim())))
    }
}

/// Names a port as Docker does: `80/tcp`.
fn exposed(port: &PublishedPort) -> String {
    let protocol = match port.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    format!("{}/{protocol}", port.port)
}

fn bindings<'a>(ports: impl Iterator<Item = &'a PublishedPort>) -> HashMap<String, Option<Vec<PortBinding>>> {
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in ports {
        let binding = PortBinding {
            host_ip: port.host_ip.map(|ip| ip.to_string()),
            host_port: Some(port.host_port.to_string()),
        };
        bindings
            .entry(exposed(port))
            .or_default()
            .get_or_insert_default()
            .push(binding);
    }
    bindings
}
