use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use decnet_decoy::protocol::NetState;
use decnet_topology::InstanceId;

use super::world::{Container, Volume, World};
use crate::{
    desired::{BaseSpec, ImageSpec, PortMapping, ServiceNetwork, ServiceSpec},
    naming::{self, ContainerName, Labels, VolumeName},
    observe::Activity,
    runtime::{Effect, RuntimeError, ownership},
};

pub(super) fn what(container: &ContainerName) -> String {
    format!("container {container}")
}

pub(super) fn missing(container: &ContainerName) -> RuntimeError {
    RuntimeError::Gone { what: what(container) }
}

pub(super) fn not_running(container: &ContainerName) -> RuntimeError {
    RuntimeError::Conflict {
        reason: format!("container {container} is not running"),
    }
}

fn taken(container: &ContainerName) -> RuntimeError {
    RuntimeError::Conflict {
        reason: format!("container {container} exists with another spec"),
    }
}

impl World {
    /// Finds a container of a store.
    pub(super) fn container_of(&self, instance: InstanceId, name: &ContainerName) -> Result<&Container, RuntimeError> {
        let found = self.containers.get(name).ok_or_else(|| missing(name))?;
        ownership::require_ours(what(name), &found.labels, instance)?;
        Ok(found)
    }

    /// Finds the existing container with the name and the same spec. Another container with this name is an error.
    fn find_made(&self, instance: InstanceId, name: &ContainerName, labels: &Labels) -> Result<bool, RuntimeError> {
        let Some(found) = self.containers.get(name) else {
            return Ok(false);
        };
        ownership::require_ours(what(name), &found.labels, instance)?;
        if found.labels.get(naming::SPEC) == labels.get(naming::SPEC) {
            Ok(true)
        } else {
            Err(taken(name))
        }
    }

    /// Creates a base without starting it.
    pub(super) fn create_base(&mut self, instance: InstanceId, spec: &BaseSpec) -> Result<Effect, RuntimeError> {
        if self.find_made(instance, &spec.name, &spec.labels)? {
            return Ok(Effect::Unchanged);
        }
        self.require_image(&spec.image)?;
        for interface in &spec.interfaces {
            self.require_free(instance, interface)?;
        }
        let volume = VolumeName::from_docker(self.next_id());
        let made = Volume {
            labels: naming::volume_labels(&spec.labels),
            anonymous: true,
        };
        self.volumes.insert(volume.clone(), made);
        let container = Container {
            id: self.next_id(),
            image: spec.image.clone(),
            labels: spec.labels.clone(),
            activity: Activity::Created,
            started_at: None,
            restarts: 0,
            exit_code: None,
            listens: BTreeSet::new(),
            networks: BTreeMap::new(),
            shares: None,
            volume: Some(volume),
            mounts: BTreeSet::new(),
            publish: spec.publish.clone(),
            state: Some(spec.state.clone()),
            state_holds: false,
            tampered: None,
            contained: true,
            log: Vec::new(),
        };
        self.containers.insert(spec.name.clone(), container);
        for interface in &spec.interfaces {
            self.plug(&spec.name, interface);
        }
        Ok(Effect::Changed)
    }

    /// Creates the container of a service without starting it.
    pub(super) fn create_service(&mut self, instance: InstanceId, spec: &ServiceSpec) -> Result<Effect, RuntimeError> {
        let made = self.find_made(instance, &spec.name, &spec.labels)?;
        let base = self.containers.get(&spec.base).ok_or_else(|| missing(&spec.base))?;
        ownership::require_ours(what(&spec.base), &base.labels, instance)?;
        let (shares, volume) = match spec.network {
            ServiceNetwork::OfBase => (Some(base.id.clone()), None),
            ServiceNetwork::HandedSockets => (None, base.volume.clone()),
        };
        if made {
            let there = &self.containers[&spec.name];
            return if there.shares == shares && there.volume == volume {
                Ok(Effect::Unchanged)
            } else {
                Err(taken(&spec.name))
            };
        }
        match &spec.build {
            // The image is built again if the teardown of another maze removed it.
            Some(context) => {
                self.ensure_image(&ImageSpec::Built {
                    reference: spec.image.clone(),
                    context: context.clone(),
                });
            }
            None => self.require_image(&spec.image)?,
        }
        // A missing volume is created with its container.
        for volume in &spec.volumes {
            self.create_volume(instance, volume)?;
        }
        let container = Container {
            id: self.next_id(),
            image: spec.image.clone(),
            labels: spec.labels.clone(),
            activity: Activity::Created,
            started_at: None,
            restarts: 0,
            exit_code: None,
            listens: spec.ports.clone(),
            networks: BTreeMap::new(),
            shares,
            volume,
            mounts: spec.volumes.iter().map(|volume| volume.name.clone()).collect(),
            publish: BTreeSet::new(),
            state: None,
            state_holds: true,
            tampered: None,
            contained: true,
            log: Vec::new(),
        };
        self.containers.insert(spec.name.clone(), container);
        Ok(Effect::Changed)
    }

    /// Starts a created container unless it runs.
    pub(super) fn start_made(&mut self, name: &ContainerName, made: Effect) -> Result<Effect, RuntimeError> {
        match self.containers.get(name) {
            Some(container) if container.activity == Activity::Running => Ok(made),
            _ => self.start(name).map(|()| Effect::Changed),
        }
    }

    pub(super) fn start(&mut self, name: &ContainerName) -> Result<(), RuntimeError> {
        let container = self.containers.get(name).ok_or_else(|| missing(name))?;
        if let Some(base) = &container.shares {
            let mut others = self.containers.iter();
            match others.find(|(_, other)| other.id == *base) {
                None => {
                    return Err(RuntimeError::Gone {
                        what: format!("the base {base} of {name}"),
                    });
                }
                Some((other, container)) if container.activity != Activity::Running => return Err(not_running(other)),
                Some(_) => {}
            }
        }
        let wanted = container.publish.clone();
        for port in &wanted {
            self.require_port(name, port)?;
        }
        let now = self.tick();
        if let Some(container) = self.containers.get_mut(name) {
            container.activity = Activity::Running;
            container.started_at = Some(now);
            container.exit_code = None;
            container.restore_state();
        }
        Ok(())
    }

    fn require_port(&self, name: &ContainerName, wanted: &PortMapping) -> Result<(), RuntimeError> {
        let meet = |one: IpAddr, two: IpAddr| {
            one.is_ipv4() == two.is_ipv4() && (one.is_unspecified() || two.is_unspecified() || one == two)
        };
        let meets = |other: &PortMapping| {
            other.host_port == wanted.host_port
                && other.protocol == wanted.protocol
                && meet(other.host_ip, wanted.host_ip)
        };
        let mut others = self.containers.iter().filter(|(other, container)| {
            *other != name && container.activity == Activity::Running && container.publish.iter().any(meets)
        });
        let reason = match others.next() {
            Some((other, _)) => format!("port {} is already allocated, by {other}", wanted.host_port),
            None => return Ok(()),
        };
        Err(RuntimeError::PortTaken {
            container: name.to_string(),
            reason,
        })
    }

    pub(super) fn set_state(
        &mut self,
        instance: InstanceId,
        name: &ContainerName,
        state: &NetState,
    ) -> Result<Effect, RuntimeError> {
        let container = self.containers.get_mut(name).ok_or_else(|| missing(name))?;
        ownership::require_ours(what(name), &container.labels, instance)?;
        if container.activity != Activity::Running {
            return Err(not_running(name));
        }
        container.state = Some(state.clone());
        container.restore_state();
        if container.state_holds {
            Ok(Effect::Changed)
        } else {
            Err(RuntimeError::State {
                container: name.to_string(),
                reason: "its interfaces are not those of the state".into(),
            })
        }
    }

    /// Sets a state without keeping it, like a caller that is interrupted in between. A restart loses it.
    pub(super) fn set_without_keeping(
        &mut self,
        instance: InstanceId,
        name: &ContainerName,
        state: &NetState,
    ) -> Result<Effect, RuntimeError> {
        let container = self.containers.get_mut(name).ok_or_else(|| missing(name))?;
        ownership::require_ours(what(name), &container.labels, instance)?;
        if container.activity != Activity::Running {
            return Err(not_running(name));
        }
        container.tampered = Some(state.clone());
        container.state_holds = false;
        Ok(Effect::Changed)
    }

    pub(super) fn restart(&mut self, instance: InstanceId, name: &ContainerName) -> Result<Effect, RuntimeError> {
        let container = self.containers.get_mut(name).ok_or_else(|| missing(name))?;
        ownership::require_ours(what(name), &container.labels, instance)?;
        container.activity = Activity::Exited;
        container.restarts = 0;
        self.start(name)?;
        Ok(Effect::Changed)
    }

    /// Finds the name of one of our containers by its id, or by its name if the id is not known.
    fn find_ours(&self, instance: InstanceId, name: &ContainerName, id: Option<&str>) -> Option<ContainerName> {
        let found = match id {
            None => self.containers.get_key_value(name),
            Some(id) => match self.containers.get_key_value(name) {
                Some((name, container)) if container.id == id => Some((name, container)),
                _ => self.containers.iter().find(|(_, container)| container.id == id),
            },
        };
        let ours = found.filter(|(_, container)| ownership::is_ours(&container.labels, instance));
        ours.map(|(name, _)| name.clone())
    }

    /// Stops one of our containers.
    pub(super) fn stop_ours(&mut self, instance: InstanceId, name: &ContainerName, id: Option<&str>) -> Effect {
        let found = self.find_ours(instance, name, id);
        match found.and_then(|name| self.containers.get_mut(&name)) {
            None => Effect::Unchanged,
            Some(container) => {
                container.activity = Activity::Exited;
                Effect::Changed
            }
        }
    }

    /// Removes one of our containers.
    pub(super) fn remove_container(&mut self, instance: InstanceId, name: &ContainerName, id: Option<&str>) -> Effect {
        match self.find_ours(instance, name, id) {
            None => Effect::Unchanged,
            Some(found) => {
                let volume = self.erase(&found);
                if let Some(volume) = volume.filter(|name| self.is_anonymous(name) && !self.is_used(name)) {
                    self.volumes.remove(&volume);
                }
                Effect::Changed
            }
        }
    }

    fn is_used(&self, volume: &VolumeName) -> bool {
        let mut containers = self.containers.values();
        containers.any(|container| container.uses(volume))
    }

    fn is_anonymous(&self, volume: &VolumeName) -> bool {
        self.volumes.get(volume).is_some_and(|volume| volume.anonymous)
    }

    /// Does half of a removal: a base is removed without its volume, another container is only stopped.
    pub(super) fn half_remove(&mut self, instance: InstanceId, name: &ContainerName, id: Option<&str>) -> Effect {
        let found = self.find_ours(instance, name, id);
        let is_base = |name: &ContainerName| self.containers[name].state.is_some();
        match found.filter(is_base) {
            Some(found) => {
                self.erase(&found);
                Effect::Changed
            }
            None => self.stop_ours(instance, name, id),
        }
    }

    /// Removes a container of any owner and returns its volume, which stays.
    pub(super) fn erase(&mut self, name: &ContainerName) -> Option<VolumeName> {
        let container = self.containers.remove(name)?;
        for (network, ip) in container.networks {
            if let Some(network) = self.networks.get_mut(&network) {
                network.endpoints.remove(&ip);
            }
        }
        container.volume
    }
}
