//! Links between members of a fleet: VXLAN devices of the daemon's machine, which the decoy program changes in a short-lived container on
//! the network of the machine. Access to the daemon is enough; this process may be anywhere.

use std::collections::{BTreeMap, HashMap};

use bollard::{
    container::{AttachContainerResults, LogOutput},
    errors::Error as Refusal,
    models::{ContainerCreateBody, ContainerSummary, HostConfig},
    query_parameters::{
        AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, StartContainerOptions,
        WaitContainerOptionsBuilder,
    },
};
use decnet_decoy::protocol::{EXIT_FOREIGN, FoundVxlan, LinkOutcome, OWNER_PREFIX, OwnedDevice, VXLAN_PORT, Vxlan};
use decnet_topology::{InstanceId, rng};
use futures_util::{TryStreamExt as _, pin_mut};
use serde::de::DeserializeOwned;

use super::{Docker, exec::ExecOutput, labels};
use crate::{
    desired::{ImageSpec, LinkSpec},
    naming::{self, Labels, LinkName, NetworkName},
    observe::{ObservedLink, ObservedNetwork, Scope},
    runtime::{Effect, RuntimeError},
};

/// The role of the container that changes or lists links.
const HELPER: &str = "link";

/// Returns whether a container changes or lists links. It belongs to no maze, and removes itself.
pub(super) fn is_helper(container: &ContainerSummary) -> bool {
    let role = container.labels.as_ref().and_then(|labels| labels.get(naming::ROLE));
    role.is_some_and(|role| role == HELPER)
}

fn what(link: &LinkName) -> String {
    format!("link {link}")
}

fn refused(asked: &str, reason: impl std::fmt::Display) -> RuntimeError {
    RuntimeError::Refused {
        reason: format!("{asked}: {reason}"),
    }
}

impl Docker {
    pub(super) async fn ensure_link(&self, instance: InstanceId, spec: &LinkSpec) -> Result<Effect, RuntimeError> {
        let vxlan = Vxlan {
            device: spec.name.as_str().into(),
            owner: owner(&spec.labels),
            vni: spec.vni.get(),
            local: spec.local,
            peers: spec.peers.clone(),
            mtu: spec.mtu,
            bridge: self.bridge_of(instance, &spec.network).await?,
        };
        self.change_link(&spec.name, "ensure", &spec.labels, &vxlan).await
    }

    pub(super) async fn remove_link(
        &self,
        instance: InstanceId,
        name: &LinkName,
        labels: &Labels,
    ) -> Result<Effect, RuntimeError> {
        if labels.get(naming::INSTANCE) != Some(&instance.to_string()) {
            return Ok(Effect::Unchanged);
        }
        let device = OwnedDevice {
            device: name.as_str().into(),
            owner: owner(labels),
        };
        self.change_link(name, "remove", labels, &device).await
    }

    async fn change_link(
        &self,
        name: &LinkName,
        verb: &str,
        labels: &Labels,
        input: &impl serde::Serialize,
    ) -> Result<Effect, RuntimeError> {
        let asked = format!("{verb} {}", what(name));
        let json = serde_json::to_string(input).map_err(|error| refused(&asked, error))?;
        self.ensure_program(&asked).await?;
        let output = self.run_on_host(&asked, labels, &["link", verb, &json]).await?;
        match output.code {
            0 => match read(&asked, &output)? {
                LinkOutcome::Unchanged => Ok(Effect::Unchanged),
                _ => Ok(Effect::Changed),
            },
            code if code == i64::from(EXIT_FOREIGN) => Err(RuntimeError::Foreign {
                what: what(name),
                owner: output.text(),
            }),
            _ => Err(refused(&asked, output.text())),
        }
    }

    /// Lists the links, if this is a member of a fleet. If the image of the program is missing, nothing of ours is left there.
    pub(super) async fn observe_links(
        &self,
        scope: Scope,
        networks: &[ObservedNetwork],
    ) -> Result<Option<Vec<ObservedLink>>, RuntimeError> {
        self.list_links(scope, networks, &labels_of_list(scope)).await
    }

    /// Returns whether there is a link of any store. The container that lists them belongs to the given one.
    pub(super) async fn has_links(&self, instance: InstanceId) -> Result<bool, RuntimeError> {
        let labels = labels_of_list(Scope::Instance(instance));
        let links = self.list_links(Scope::Everyone, &[], &labels).await?;
        Ok(links.is_some_and(|links| !links.is_empty()))
    }

    async fn list_links(
        &self,
        scope: Scope,
        networks: &[ObservedNetwork],
        labels: &Labels,
    ) -> Result<Option<Vec<ObservedLink>>, RuntimeError> {
        if !self.member {
            return Ok(None);
        }
        let reference = self.decoy.as_ref().map(|decoy| decoy.reference.clone());
        let Some(reference) = reference else {
            return Ok(Some(Vec::new()));
        };
        if networks.is_empty() && self.is_ours(&reference).await?.is_none() {
            return Ok(Some(Vec::new()));
        }
        let asked = "list links";
        let words = ["link", "list"];
        let output = match self.run_on_host(asked, labels, &words).await {
            // The image was removed since, or is missing although something is there. A list must not leave an image behind that a
            // teardown has removed.
            Err(_) if self.is_ours(&reference).await?.is_none() => {
                if self.observe_networks(scope).await?.is_empty() {
                    return Ok(Some(Vec::new()));
                }
                self.ensure_program(asked).await?;
                self.run_on_host(asked, labels, &words).await?
            }
            ran => ran?,
        };
        if output.code != 0 {
            return Err(refused(asked, output.text()));
        }
        let bridges: BTreeMap<String, &NetworkName> = networks
            .iter()
            .filter_map(|network| Some((bridge_name(&network.id)?, &network.name)))
            .collect();
        let found: Vec<FoundVxlan> = read(asked, &output)?;
        let links = found.into_iter().filter_map(|found| observed(found, &bridges));
        Ok(Some(links.filter(|link| scope.holds(&link.labels)).collect()))
    }

    /// Loads the image of the decoy program if it is missing.
    async fn ensure_program(&self, asked: &str) -> Result<Effect, RuntimeError> {
        let reference = self.program(asked)?.into();
        self.ensure_image(InstanceId::nil(), &ImageSpec::Decoy { reference })
            .await
    }

    /// Returns the image of the decoy program.
    fn program(&self, asked: &str) -> Result<&str, RuntimeError> {
        let decoy = self.decoy.as_ref();
        decoy.map_or_else(
            || Err(refused(asked, "there is no decoy program")),
            |decoy| Ok(decoy.reference.as_str()),
        )
    }

    /// Runs the decoy program on the network of the daemon's machine, with the right to change it, and waits for its end. The daemon
    /// removes the container, also if this process is killed.
    async fn run_on_host(&self, asked: &str, labels: &Labels, words: &[&str]) -> Result<ExecOutput, RuntimeError> {
        let image = self.program(asked)?;
        let mut labels = labels.clone();
        labels.insert(naming::ROLE.into(), HELPER.into());
        let name = format!("decnet_link_{}", rng::topology_id());
        let body = ContainerCreateBody {
            image: Some(image.into()),
            cmd: Some(words.iter().copied().map(Into::into).collect()),
            user: Some("0:0".into()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            labels: Some(labels::write(&labels)),
            host_config: Some(HostConfig {
                network_mode: Some("host".into()),
                auto_remove: Some(true),
                readonly_rootfs: Some(true),
                init: Some(false),
                cap_drop: Some(vec!["ALL".into()]),
                cap_add: Some(vec!["NET_ADMIN".into()]),
                security_opt: Some(vec!["no-new-privileges".into()]),
                pids_limit: Some(16),
                memory: Some(64 << 20),
                log_config: Some(bollard::models::HostConfigLogConfig {
                    typ: Some("none".into()),
                    config: Some(HashMap::new()),
                }),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        let created = self
            .ask(asked, self.client.create_container(Some(options), body))
            .await?;
        let attach = AttachContainerOptionsBuilder::default()
            .stream(true)
            .stdout(true)
            .stderr(true)
            .build();
        let attached = self.client.attach_container(&created.id, Some(attach));
        let AttachContainerResults { output, .. } = self.ask(asked, attached).await?;
        let wait = WaitContainerOptionsBuilder::default().condition("removed").build();
        let ended = self.client.wait_container(&created.id, Some(wait));
        let started = async {
            self.ask(
                asked,
                self.client.start_container(&created.id, None::<StartContainerOptions>),
            )
            .await?;
            let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
            let pieces = self.follow(asked, output);
            pin_mut!(pieces);
            while let Some(piece) = pieces.try_next().await? {
                match piece {
                    LogOutput::StdErr { message } => stderr.extend_from_slice(&message),
                    LogOutput::StdOut { message } | LogOutput::Console { message } => {
                        stdout.extend_from_slice(&message);
                    }
                    LogOutput::StdIn { .. } => {}
                }
            }
            Ok::<_, RuntimeError>((stdout, stderr))
        };
        let code = async {
            pin_mut!(ended);
            match tokio::time::timeout(self.timeout, ended.try_next()).await {
                Ok(Ok(Some(ended))) => Ok(ended.status_code),
                Ok(Err(Refusal::DockerContainerWaitError { code, .. })) => Ok(code),
                Ok(Err(error)) => Err(refused(asked, error)),
                Ok(Ok(None)) => Err(refused(asked, "its end is not known")),
                Err(_) => Err(refused(asked, "it did not end in time")),
            }
        };
        let (printed, code) = futures_util::join!(started, code);
        let (stdout, stderr) = printed?;
        Ok(ExecOutput {
            code: code?,
            stdout,
            stderr,
        })
    }
}

/// Returns the labels of the container that lists the links of a scope. Each has a store, so that one which was never started is found
/// later: it would keep the image.
fn labels_of_list(scope: Scope) -> Labels {
    let of_store = |instance: InstanceId| Labels::from([(naming::INSTANCE.into(), instance.to_string())]);
    match scope {
        Scope::Topology(instance, topology) => naming::ownership(instance, topology),
        Scope::Instance(instance) => of_store(instance),
        // It works for no store in particular.
        Scope::Everyone => of_store(InstanceId::nil()),
    }
}

/// Reads what the program printed.
fn read<T: DeserializeOwned>(asked: &str, output: &ExecOutput) -> Result<T, RuntimeError> {
    serde_json::from_slice(&output.stdout).map_err(|error| refused(asked, error))
}

/// Returns the name of the bridge of a network, given its id.
pub(super) fn bridge_name(id: &str) -> Option<String> {
    Some(format!("br-{}", id.get(..12)?))
}

/// Returns the owner of the links of a maze, as the program keeps it.
fn owner(labels: &Labels) -> String {
    let label = |name| labels.get(name).map_or("", String::as_str);
    format!("{OWNER_PREFIX}{} {}", label(naming::INSTANCE), label(naming::TOPOLOGY))
}

/// Converts a link that the program found. None if its owner is of another form.
fn observed(found: FoundVxlan, bridges: &BTreeMap<String, &NetworkName>) -> Option<ObservedLink> {
    let FoundVxlan {
        vxlan,
        port,
        up,
        guarded,
    } = found;
    let (instance, topology) = vxlan.owner.strip_prefix(OWNER_PREFIX)?.split_once(' ')?;
    Some(ObservedLink {
        name: LinkName::from_docker(vxlan.device),
        labels: naming::ownership(instance.parse().ok()?, topology.parse().ok()?),
        network: bridges.get(&vxlan.bridge).map(|network| (*network).clone()),
        vni: vxlan.vni,
        local: vxlan.local,
        peers: vxlan.peers,
        mtu: vxlan.mtu,
        is_sound: up && guarded && port == VXLAN_PORT,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_lists_links_is_found_in_the_scope_that_it_is_for() {
        let (instance, topology) = (rng::instance_id(), rng::topology_id());
        for scope in [
            Scope::Topology(instance, topology),
            Scope::Instance(instance),
            Scope::Everyone,
        ] {
            let labels = labels_of_list(scope);
            assert!(
                scope.holds(&labels) && Scope::Everyone.holds(&labels),
                "{scope:?}: {labels:?}"
            );
        }
    }
}
