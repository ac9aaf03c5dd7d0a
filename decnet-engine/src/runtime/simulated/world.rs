use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use decnet_decoy::protocol::NetState;
use decnet_topology::{ImageSource, InstanceId, Port};
use ipnet::Ipv4Net;
use jiff::Timestamp;

use crate::{
    api::ApiVersion,
    desired::{ImageSpec, PortMapping, VolumeSpec},
    naming::{self, ContainerName, Labels, LinkName, NetworkName, VolumeName},
    observe::{
        Activity, Observed, ObservedContainer, ObservedImage, ObservedLink, ObservedNetwork, ObservedVolume, Scope,
    },
    plan::Action,
    runtime::{Effect, LogLine, RuntimeError, RuntimeInfo, ownership},
};

/// Returns the description of the simulated engine.
pub(crate) fn described(api: ApiVersion, endpoint: &str) -> RuntimeInfo {
    RuntimeInfo {
        version: "simulated".into(),
        podman: false,
        api,
        endpoint: endpoint.into(),
        local: false,
        cpus: 4,
        live_restore: false,
        architecture: "x86_64".into(),
        rootless: false,
        seccomp: true,
        storage: "memory".into(),
        limits_roots: true,
        unlimited: Vec::new(),
        addresses: Vec::new(),
        interfaces: BTreeMap::new(),
        members: BTreeMap::new(),
        has_local: false,
    }
}

/// The endpoint of the simulated daemon.
pub(super) const ENDPOINT: &str = "simulated:";

/// A network of the simulated world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The id, which is unique.
    pub id: String,
    /// Its subnet.
    pub subnet: Ipv4Net,
    /// The host's address on it, if any.
    pub gateway: Option<Ipv4Addr>,
    /// The labels. A network of another owner has none of ours.
    pub labels: Labels,
    /// The connected containers by address.
    pub endpoints: BTreeMap<Ipv4Addr, ContainerName>,
}

/// A volume of the simulated world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The labels. A volume of another owner has none of ours.
    pub labels: Labels,
    /// Whether it was created for one container and is removed with it.
    pub anonymous: bool,
}

/// A container of the simulated world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The id, which is unique.
    pub id: String,
    /// The reference of its image.
    pub image: String,
    /// The labels. A container of another owner has none of ours.
    pub labels: Labels,
    /// Its activity.
    pub activity: Activity,
    /// The last start time, on the clock of the simulated world.
    pub started_at: Option<Timestamp>,
    /// How often it was restarted after it ended.
    pub restarts: u32,
    /// The exit code of its last process, if it is not running.
    pub exit_code: Option<i64>,
    /// The ports that it answers on while it runs.
    pub listens: BTreeSet<Port>,
    /// Its networks.
    pub networks: BTreeMap<NetworkName, Ipv4Addr>,
    /// The id of the container whose namespace it uses.
    pub shares: Option<String>,
    /// The volume that it uses. A service with its own namespace uses the volume of its base.
    pub volume: Option<VolumeName>,
    /// The named volumes of a service.
    pub mounts: BTreeSet<VolumeName>,
    /// The ports that it publishes while it runs.
    pub publish: BTreeSet<PortMapping>,
    /// The last network state that was set, which survives restarts; none for a service.
    pub state: Option<NetState>,
    /// Whether the namespace matches `state`. False after a network was connected or disconnected.
    pub state_holds: bool,
    /// The state of the namespace after tampering; the next `SetState` removes it.
    pub tampered: Option<NetState>,
    /// Whether the containment is active.
    pub contained: bool,
    /// The lines that it printed.
    pub log: Vec<LogLine>,
}

impl Container {
    /// Returns whether it uses a volume.
    pub(super) fn uses(&self, volume: &VolumeName) -> bool {
        self.volume.as_ref() == Some(volume) || self.mounts.contains(volume)
    }

    /// Returns whether its interfaces are those of the state. The program inside refuses any other state.
    pub(super) fn can_hold_state(&self) -> bool {
        let plugged: BTreeSet<_> = self.networks.values().copied().collect();
        self.state
            .as_ref()
            .is_none_or(|state| state.interfaces.iter().copied().collect::<BTreeSet<_>>() == plugged)
    }
}

/// The simulated world.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct World {
    /// The networks.
    pub networks: BTreeMap<NetworkName, Network>,
    /// The containers.
    pub containers: BTreeMap<ContainerName, Container>,
    /// The volumes.
    pub volumes: BTreeMap<VolumeName, Volume>,
    /// The images by reference, and whether the engine created them.
    pub images: BTreeMap<String, bool>,
    /// The links, if the world is a member of a fleet.
    pub links: Option<BTreeMap<LinkName, ObservedLink>>,
    /// The images that no registry has.
    pub(super) withheld: BTreeSet<String>,
    /// The archives that copies of paths return.
    pub(super) archives: BTreeMap<(ContainerName, String), Vec<u8>>,
    ids: u64,
    clock: i64,
}

impl World {
    pub(super) fn next_id(&mut self) -> String {
        self.ids += 1;
        format!("{:012x}", self.ids)
    }

    /// Advances the clock and reads it: no two starts have the same time.
    pub(super) fn tick(&mut self) -> Timestamp {
        const BEGIN: i64 = 1_700_000_000;
        self.clock += 1;
        Timestamp::from_second(BEGIN + self.clock).expect("the clock stays in range")
    }

    /// Lists what [`inspect`](Self::inspect) returns, without the details that a list may lack.
    pub(super) fn list(&self, scope: Scope) -> Observed {
        let mut listed = self.inspect(scope);
        listed.images.clear();
        listed.links = None;
        for container in &mut listed.containers {
            container.started_at = None;
            container.restarts = 0;
            container.exit_code = None;
        }
        listed
    }

    pub(super) fn inspect(&self, scope: Scope) -> Observed {
        let networks = self.networks.iter().filter(|(_, network)| scope.holds(&network.labels));
        let containers = self
            .containers
            .iter()
            .filter(|(_, container)| scope.holds(&container.labels));
        Observed {
            networks: networks
                .map(|(name, network)| ObservedNetwork {
                    id: network.id.clone(),
                    name: name.clone(),
                    labels: network.labels.clone(),
                    subnet: Some(network.subnet),
                })
                .collect(),
            containers: containers
                .map(|(name, container)| ObservedContainer {
                    image: Some(container.image.clone()),
                    activity: container.activity,
                    started_at: container.started_at,
                    restarts: container.restarts,
                    exit_code: container.exit_code,
                    networks: container
                        .networks
                        .iter()
                        .map(|(network, ip)| (network.clone(), Some(*ip)))
                        .collect(),
                    shares: container.shares.clone(),
                    volumes: container.volume.iter().chain(&container.mounts).cloned().collect(),
                    ..ObservedContainer::running(container.id.clone(), name.clone(), container.labels.clone())
                })
                .collect(),
            volumes: self.observe_volumes(scope),
            images: self
                .images
                .iter()
                .filter(|(_, made)| **made)
                .map(|(reference, _)| ObservedImage {
                    reference: reference.clone(),
                    host: None,
                })
                .collect(),
            links: self.observe_links(scope),
            unseen: BTreeMap::new(),
        }
    }

    pub(super) fn perform(&mut self, instance: InstanceId, action: &Action) -> Result<Effect, RuntimeError> {
        match action {
            Action::EnsureImage { image, .. } => Ok(self.ensure_image(image)),
            Action::CreateNetwork { network } => self.create_network(instance, network),
            Action::CreateVolume { volume } => self.create_volume(instance, volume),
            Action::CreateBase { base } => {
                let made = self.create_base(instance, base)?;
                self.start_made(&base.name, made)
            }
            Action::CreateService { service } => {
                let made = self.create_service(instance, service)?;
                self.start_made(&service.name, made)
            }
            Action::Connect { container, interface } => self.connect(instance, container, interface),
            Action::Disconnect { container, network, .. } => self.disconnect(instance, container, network),
            Action::SetState { container, state } => self.set_state(instance, container, state),
            Action::Restart { container, .. } => self.restart(instance, container),
            Action::RemoveContainer { container, id, .. } => {
                Ok(self.remove_container(instance, container, id.as_deref()))
            }
            Action::RemoveNetwork { network, id } => self.remove_network(instance, network, id.as_deref()),
            Action::RemoveVolume { volume } => self.remove_volume(instance, volume),
            Action::RemoveImage { reference, .. } => self.remove_image(reference),
            Action::EnsureLink { link } => self.ensure_link(instance, link),
            Action::RemoveLink { link, .. } => self.remove_link(instance, link),
        }
    }

    /// Does half of an action, as when its caller is interrupted.
    pub(super) fn perform_half(&mut self, instance: InstanceId, action: &Action) -> Result<Effect, RuntimeError> {
        match action {
            Action::CreateBase { base } => self.create_base(instance, base),
            Action::CreateService { service } => self.create_service(instance, service),
            Action::Restart { container, .. } => Ok(self.stop_ours(instance, container, None)),
            Action::RemoveContainer { container, id, .. } => Ok(self.half_remove(instance, container, id.as_deref())),
            Action::SetState { container, state } => self.set_without_keeping(instance, container, state),
            _ => self.perform(instance, action),
        }
    }

    fn observe_volumes(&self, scope: Scope) -> Vec<ObservedVolume> {
        let volumes = self.volumes.iter().filter(|(_, volume)| scope.holds(&volume.labels));
        let used_elsewhere = |name: &VolumeName| {
            let mut users = self.containers.values();
            users.any(|user| user.uses(name) && !scope.holds(&user.labels))
        };
        volumes
            .map(|(name, volume)| ObservedVolume {
                name: name.clone(),
                labels: volume.labels.clone(),
                anonymous: volume.anonymous,
                used_elsewhere: used_elsewhere(name),
            })
            .collect()
    }

    /// Creates a named volume.
    pub(super) fn create_volume(&mut self, instance: InstanceId, spec: &VolumeSpec) -> Result<Effect, RuntimeError> {
        let what = format!("volume {}", spec.name);
        if let Some(found) = self.volumes.get(&spec.name) {
            ownership::require_ours(what.clone(), &found.labels, instance)?;
            if found.labels.get(naming::TOPOLOGY) != spec.labels.get(naming::TOPOLOGY) {
                return Err(RuntimeError::Conflict {
                    reason: format!("{what} belongs to another maze"),
                });
            }
            return Ok(Effect::Unchanged);
        }
        let made = Volume {
            labels: spec.labels.clone(),
            anonymous: false,
        };
        self.volumes.insert(spec.name.clone(), made);
        Ok(Effect::Changed)
    }

    fn remove_volume(&mut self, instance: InstanceId, name: &VolumeName) -> Result<Effect, RuntimeError> {
        let ours = self
            .volumes
            .get(name)
            .filter(|volume| ownership::is_ours(&volume.labels, instance));
        if ours.is_none() {
            return Ok(Effect::Unchanged);
        }
        let mut containers = self.containers.iter();
        if let Some((user, _)) = containers.find(|(_, container)| container.uses(name)) {
            return Err(RuntimeError::Conflict {
                reason: format!("volume {name} is in use by {user}"),
            });
        }
        self.volumes.remove(name);
        Ok(Effect::Changed)
    }

    pub(super) fn unavailable_images(&self, images: &BTreeSet<ImageSource>) -> BTreeMap<ImageSource, String> {
        let missing = images.iter().filter_map(|image| {
            let ImageSource::Reference(reference) = image else {
                return None;
            };
            let is_missing = self.withheld.contains(reference) && !self.images.contains_key(reference);
            is_missing.then(|| (image.clone(), "no such image".into()))
        });
        missing.collect()
    }

    pub(super) fn ensure_image(&mut self, image: &ImageSpec) -> Effect {
        let reference = image.reference();
        if self.images.contains_key(reference) {
            return Effect::Unchanged;
        }
        let made = !matches!(image, ImageSpec::Pulled { .. });
        self.images.insert(reference.into(), made);
        Effect::Changed
    }

    fn remove_image(&mut self, reference: &str) -> Result<Effect, RuntimeError> {
        match self.images.get(reference) {
            None => Ok(Effect::Unchanged),
            Some(false) => Err(RuntimeError::Foreign {
                what: format!("image {reference}"),
                owner: "not created by this program".into(),
            }),
            Some(true) if self.containers.values().any(|container| container.image == reference) => {
                Ok(Effect::Unchanged)
            }
            Some(true) => {
                self.images.remove(reference);
                Ok(Effect::Changed)
            }
        }
    }

    pub(super) fn require_image(&self, reference: &str) -> Result<(), RuntimeError> {
        if self.images.contains_key(reference) {
            Ok(())
        } else {
            Err(no_image(reference))
        }
    }
}

fn no_image(reference: &str) -> RuntimeError {
    RuntimeError::ImageUnavailable {
        reference: reference.into(),
        reason: "no such image".into(),
    }
}
