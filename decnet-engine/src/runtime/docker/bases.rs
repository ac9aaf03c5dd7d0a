use std::{collections::HashMap, net::Ipv4Addr, time::Duration};

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, EndpointSettings, HostConfig, NetworkingConfig, PortBinding,
};
use decnet_decoy::protocol::{
    Deviation, EXIT_DEVIATES, EXIT_DONE, EXIT_UNCONTAINED, NetState, STATE_VARIABLE, StateReport,
};
use decnet_topology::{InstanceId, Protocol};

use super::{Docker, ENDPOINTS_AT_CREATE, containers, exec::User, images::Source, labels, volumes};
use crate::{
    decoy::DecoyImage,
    desired::{BASE_CAPABILITIES, BaseSpec, InterfaceSpec, PortMapping, RESOLVER},
    naming::ContainerName,
    runtime::{Effect, RuntimeError, RuntimeInfo, deviation},
};

/// How often, and with which pauses, a base with a default route is asked whether it is contained. It usually is within
/// milliseconds.
const CONTAINMENT_ATTEMPTS: usize = 50;
const CONTAINMENT_PAUSE: Duration = Duration::from_millis(100);

impl Docker {
    pub(super) async fn create_base(&self, instance: InstanceId, spec: &BaseSpec) -> Result<Effect, RuntimeError> {
        let networks: Vec<_> = spec.interfaces.iter().map(|interface| &interface.network).collect();
        let together = self.api >= ENDPOINTS_AT_CREATE;
        let at_create = if together { spec.interfaces.len() } else { 1 };
        let created = async {
            self.require_networks(instance, &networks).await?;
            self.require_one_way_in(spec).await?;
            let body = self.base_body(&self.description().await?, spec, at_create)?;
            Ok(self.create_container(&spec.name, body, Source::Nothing).await?)
        };
        let id = match created.await {
            Ok(id) => id,
            Err(error @ (RuntimeError::Unreachable { .. } | RuntimeError::TimedOut { .. })) => return Err(error),
            // The base exists, even if its networks or image are missing, or another container has its name.
            Err(error) => {
                return match self.find_made(instance, &spec.name, &spec.labels).await? {
                    Some(found) => self.finish_base(instance, spec, &found).await,
                    None => Err(error),
                };
            }
        };
        for interface in spec.interfaces.iter().skip(at_create) {
            self.plug(&id, interface).await?;
        }
        let effect = self.start(&spec.name, &id).await?;
        self.require_contained(spec, &id).await?;
        Ok(effect)
    }

    /// Refuses published ports that may not work.
    ///
    /// Podman's CNI networks forward a published port to an address of the container on any of its networks, whichever is set
    /// up first, and an inner LAN cannot be reached from the host.
    async fn require_one_way_in(&self, spec: &BaseSpec) -> Result<(), RuntimeError> {
        if !self.podman || spec.publish.is_empty() || spec.interfaces.len() < 2 {
            return Ok(());
        }
        let networks: Vec<_> = spec.interfaces.iter().map(|interface| &interface.network).collect();
        if self.has_cni(&networks).await? {
            return Err(RuntimeError::Refused {
                reason: format!(
                    "{} is on several LANs, and Podman's CNI networks forward its published ports to any of them: install netavark, set \
                     network_backend = \"netavark\" in containers.conf, and run `podman system reset`",
                    spec.name
                ),
            });
        }
        Ok(())
    }

    /// Completes the creation of a base that was interrupted.
    async fn finish_base(
        &self,
        instance: InstanceId,
        spec: &BaseSpec,
        found: &ContainerInspectResponse,
    ) -> Result<Effect, RuntimeError> {
        let was_started = containers::was_started(found);
        let mut effect = Effect::Unchanged;
        if !was_started {
            for interface in &spec.interfaces {
                let connected = self.connect_found(instance, &spec.name, found, interface).await?;
                if connected == Effect::Changed {
                    effect = Effect::Changed;
                }
            }
        }
        let started = self.start_found(&spec.name, found).await?;
        self.require_contained(spec, found.id.as_deref().unwrap_or(spec.name.as_str()))
            .await?;
        Ok(match started {
            Effect::Changed => Effect::Changed,
            Effect::Unchanged => effect,
        })
    }

    /// Waits until a base with a default route is contained, or until its containment has failed.
    async fn require_contained(&self, spec: &BaseSpec, id: &str) -> Result<(), RuntimeError> {
        if !spec.state.has_way_out() {
            return Ok(());
        }
        let refused = |reason: String| RuntimeError::Uncontained {
            container: spec.name.to_string(),
            reason,
        };
        let command = [DecoyImage::PROGRAM_PATH, "state", "check"].map(str::to_owned);
        for _ in 0..CONTAINMENT_ATTEMPTS {
            let found = self.find(id).await?.ok_or_else(|| containers::missing(&spec.name))?;
            let code = found.state.as_ref().and_then(|state| state.exit_code);
            if !containers::is_running(&found) && code == Some(EXIT_UNCONTAINED.into()) {
                return Err(refused("its log says that the kernel has no nf_tables".into()));
            }
            match self.run_in(&spec.name, id, &command).await {
                Ok(said) if is_contained(&said.stdout) => return Ok(()),
                // Neither is certain yet.
                Ok(_)
                | Err(RuntimeError::Gone { .. } | RuntimeError::Conflict { .. } | RuntimeError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(CONTAINMENT_PAUSE).await;
        }
        Err(refused("it did not confirm it in time".into()))
    }

    fn base_body(
        &self,
        info: &RuntimeInfo,
        spec: &BaseSpec,
        interfaces: usize,
    ) -> Result<ContainerCreateBody, RuntimeError> {
        let state = serde_json::to_string(&spec.state).map_err(|error| RuntimeError::State {
            container: spec.name.to_string(),
            reason: error.to_string(),
        })?;
        let home = spec.interfaces.first();
        let endpoint = |interface: &InterfaceSpec| (interface.network.to_string(), self.endpoint(interface));
        let endpoints: HashMap<String, EndpointSettings> =
            spec.interfaces.iter().take(interfaces).map(endpoint).collect();
        let sysctls = spec.sysctls.iter();
        let host = HostConfig {
            network_mode: Some(home.map_or_else(|| "none".into(), |home| home.network.to_string())),
            port_bindings: Some(bindings(spec.publish.iter(), info.podman)),
            dns: Some(vec![RESOLVER.into()]),
            sysctls: Some(
                sysctls
                    .map(|(key, value)| (key.to_string(), value.to_string()))
                    .collect(),
            ),
            readonly_rootfs: Some(true),
            // Its program is PID 1 even if the daemon adds an init by default.
            init: Some(false),
            mounts: Some(vec![volumes::state_folder(&spec.labels)]),
            ..self.confined(
                info,
                &spec.limits,
                &spec.seccomp,
                &spec.log,
                BASE_CAPABILITIES.map(Into::into),
            )
        };
        Ok(ContainerCreateBody {
            hostname: Some(spec.hostname.clone()),
            image: Some(spec.image.clone()),
            cmd: Some(vec!["base".into()]),
            env: Some(vec![format!("{STATE_VARIABLE}={state}")]),
            labels: Some(labels::write(&spec.labels)),
            exposed_ports: Some(spec.publish.iter().map(exposed).collect()),
            host_config: Some(host),
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some(endpoints),
            }),
            ..ContainerCreateBody::default()
        })
    }

    /// Sets a state and keeps it across restarts.
    ///
    /// Root in the base can set the state and cannot keep it; the keeper of its files can keep it and cannot set it. If the
    /// state cannot be kept, the previous one is restored. If the base was restarted in between, it has the previous state.
    pub(super) async fn set_state(
        &self,
        instance: InstanceId,
        name: &ContainerName,
        state: &NetState,
    ) -> Result<Effect, RuntimeError> {
        let found = self.find_ours(instance, name).await?;
        let id = found.id.as_deref().unwrap_or(name.as_str());
        let container = name.to_string();
        let refuse = |reason: String| RuntimeError::State {
            container: container.clone(),
            reason,
        };
        let json = serde_json::to_string(state).map_err(|error| refuse(error.to_string()))?;
        let run = async |user, words: &[&str]| {
            let command: Vec<_> = [DecoyImage::PROGRAM_PATH, "state"]
                .iter()
                .chain(words)
                .copied()
                .map(str::to_owned)
                .collect();
            self.run_as(name, id, user, &command).await
        };
        let set = run(User::Root, &["set", &json]).await?;
        if ![EXIT_DONE, EXIT_DEVIATES].map(i64::from).contains(&set.code) {
            let reason = set.text();
            return Err(if set.code == i64::from(EXIT_UNCONTAINED) {
                RuntimeError::Uncontained { container, reason }
            } else {
                refuse(format!("exit code {}: {reason}", set.code))
            });
        }
        let kept = match run(User::Keeper, &["keep", &json]).await {
            Ok(kept) if kept.code == 0 => Ok(()),
            Ok(kept) => Err(refuse(format!("it cannot be kept: {}", kept.text()))),
            Err(error) => Err(error),
        };
        if let Err(error) = kept {
            if let Err(undo) = run(User::Root, &["restore"]).await {
                tracing::warn!(%container, error = %undo, "the previous state is kept, but could not be restored");
            }
            return Err(error);
        }
        if set.code == i64::from(EXIT_DEVIATES) {
            let report = set.text();
            let read = serde_json::from_str::<StateReport>(&report).ok();
            return Err(refuse(read.as_ref().and_then(deviation::describe).unwrap_or(report)));
        }
        let started = |container: &ContainerInspectResponse| container.state.as_ref()?.started_at.clone();
        if started(&self.find_ours(instance, name).await?) != started(&found) {
            return Err(refuse("the base was restarted meanwhile".into()));
        }
        Ok(Effect::Changed)
    }
}

/// Returns whether the output of `state check` has no deviation of the containment.
fn is_contained(report: &[u8]) -> bool {
    serde_json::from_slice::<StateReport>(report)
        .is_ok_and(|report| !report.deviations.contains(&Deviation::Uncontained))
}

/// Returns Docker's form of a port: `80/tcp`.
fn exposed(port: &PortMapping) -> String {
    let protocol = match port.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    format!("{}/{protocol}", port.port)
}

/// Returns the port bindings.
///
/// For the address 0.0.0.0, Podman 4.3 with netavark creates rules that match no packet. Without an address it publishes on all
/// addresses, and only on IPv4, the only family of its networks here.
fn bindings<'a>(
    ports: impl Iterator<Item = &'a PortMapping>,
    podman: bool,
) -> HashMap<String, Option<Vec<PortBinding>>> {
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in ports {
        let binding = PortBinding {
            host_ip: Some(port.host_ip)
                .filter(|ip| !(podman && *ip == Ipv4Addr::UNSPECIFIED))
                .map(|ip| ip.to_string()),
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
