use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    net::Ipv4Addr,
};

use decnet_topology::LogDriver;

use crate::{
    desired::{Desired, ImageSpec},
    naming::{self, ContainerName, NetworkName, Role, VolumeName},
    observe::{Activity, Observed, ObservedContainer, ObservedImage, ObservedVolume},
    plan::{Action, Plan, Reason, Step, StepId, pairs::Pairs},
};

/// Plans the steps from the observed resources to the desired ones. Pure, and empty when nothing differs.
///
/// `observed` has the resources of one topology. Containers that stay are changed in place: interfaces, routes and forwarding
/// need no restart. Containers leave a network before others join it and before it is removed. Routes are set after the
/// interfaces of the base and the routers that they use exist. The order of the steps interleaves LANs, so that consecutive steps
/// rarely wait for the same network.
pub(crate) fn diff(desired: &Desired, observed: &Observed) -> Plan {
    diff_since(None, desired, observed)
}

/// Does the same with the desired resources `before` a change: the reasons then name the changed fields of specs.
pub(crate) fn diff_since(before: Option<&Desired>, desired: &Desired, observed: &Observed) -> Plan {
    build(before, desired, observed, &BTreeSet::new())
}

/// Plans the restart of containers of a decky: its services restart after its base. The plan also repairs them and what they
/// depend on, and leaves all others alone.
pub(crate) fn restart(desired: &Desired, observed: &Observed, containers: &BTreeSet<ContainerName>) -> Plan {
    build(None, desired, observed, containers).only(containers)
}

/// Plans the steps to the desired resources, with a restart of some containers.
fn build(before: Option<&Desired>, desired: &Desired, observed: &Observed, restarts: &BTreeSet<ContainerName>) -> Plan {
    let pairs = Pairs::new(desired, observed, before, restarts);
    let mut differ = PlanBuilder::new(before, desired, observed, &pairs);
    differ.remove_services();
    differ.remove_bases();
    differ.disconnect_bases();
    differ.remove_links();
    differ.remove_networks();
    differ.remove_volumes();
    differ.ensure_images();
    differ.create_networks();
    differ.ensure_links();
    differ.create_volumes();
    differ.settle_bases();
    differ.set_states();
    differ.settle_services();
    differ.remove_images();
    differ.plan
}

/// The plan so far, and the steps that later steps depend on.
pub(super) struct PlanBuilder<'a> {
    pub(super) before: Option<&'a Desired>,
    pub(super) desired: &'a Desired,
    pub(super) observed: &'a Observed,
    pub(super) plan: Plan,
    pub(super) pairs: &'a Pairs<'a>,
    /// Steps that use images for the last time: they remove containers and links.or interfaces from a network.
    pub(super) leaving: BTreeMap<NetworkName, BTreeSet<StepId>>,
    /// Steps that free a container's name.
    pub(super) name_removals: BTreeMap<ContainerName, BTreeSet<StepId>>,
    /// Removals of services, by their decky's base: the base is removed after them.
    pub(super) service_removals: BTreeMap<String, BTreeSet<StepId>>,
    /// Steps that use images for the last time: they remove containers and links.
    pub(super) removals: BTreeSet<StepId>,
    /// The step that creates a network.
    pub(super) made: BTreeMap<&'a NetworkName, StepId>,
    /// The step that creates a volume.
    pub(super) volumes: BTreeMap<&'a VolumeName, StepId>,
    /// The step that ensures an image, by host and reference.
    pub(super) images: BTreeMap<(Option<&'a str>, &'a str), StepId>,
    /// The step that gives a base a new namespace.
    pub(super) based: BTreeMap<&'a ContainerName, StepId>,
    /// The steps that make a new address answer.
    pub(super) appearing: BTreeMap<Ipv4Addr, BTreeSet<StepId>>,
    /// The steps that connect or disconnect a base that stays.
    pub(super) replugged: BTreeMap<&'a ContainerName, BTreeSet<StepId>>,
}

impl<'a> PlanBuilder<'a> {
    fn new(before: Option<&'a Desired>, desired: &'a Desired, observed: &'a Observed, pairs: &'a Pairs<'a>) -> Self {
        Self {
            before,
            desired,
            observed,
            plan: Plan::empty(),
            pairs,
            leaving: BTreeMap::new(),
            name_removals: BTreeMap::new(),
            service_removals: BTreeMap::new(),
            removals: BTreeSet::new(),
            made: BTreeMap::new(),
            volumes: BTreeMap::new(),
            images: BTreeMap::new(),
            based: BTreeMap::new(),
            appearing: BTreeMap::new(),
            replugged: BTreeMap::new(),
        }
    }

    /// Returns the containers of a role that are removed, ordered so that neighbours are on different LANs.
    fn removed_containers(&self, service: bool) -> Vec<&'a (&'a ObservedContainer, Reason)> {
        let removed = self.pairs.removed.iter();
        let removed = removed.filter(|(container, _)| (container.role() == Some(Role::Service)) == service);
        interleave(removed.map(|pair| (pair.0.networks.keys().next(), pair)))
    }

    fn remove_services(&mut self) {
        for (container, reason) in self.removed_containers(true) {
            let id = self.remove(container, Role::Service, reason, BTreeSet::new(), false);
            if let Some(decky) = container.labels.get(naming::DECKY) {
                self.service_removals.entry(decky.clone()).or_default().insert(id);
            }
        }
    }

    fn remove_bases(&mut self) {
        for (container, reason) in self.removed_containers(false) {
            let after = container
                .labels
                .get(naming::DECKY)
                .and_then(|decky| self.service_removals.get(decky))
                .cloned();
            let destructive = self.desired.bases.contains_key(&container.name);
            let id = self.remove(container, Role::Base, reason, after.unwrap_or_default(), destructive);
            for network in container.networks.keys() {
                self.leaving.entry(network.clone()).or_default().insert(id);
            }
        }
    }

    fn remove(
        &mut self,
        container: &ObservedContainer,
        role: Role,
        reason: &Reason,
        needs: BTreeSet<StepId>,
        destructive: bool,
    ) -> StepId {
        let action = Action::RemoveContainer {
            container: container.name.clone(),
            id: Some(container.id.clone()),
            role,
            networks: container.networks.keys().cloned().collect(),
            deletes_log: container
                .labels
                .get(naming::LOG)
                .is_none_or(|driver| LogDriver::keeps_with_container(driver)),
        };
        let id = self.plan.push_step(Step {
            action,
            reason: reason.clone(),
            needs,
            destructive: destructive && container.activity == Activity::Running,
        });
        self.name_removals.entry(container.name.clone()).or_default().insert(id);
        self.removals.insert(id);
        id
    }

    /// Disconnects bases that stay from networks where they should not be, or where their address should change.
    fn disconnect_bases(&mut self) {
        let pairs = self.pairs;
        let kept = pairs.bases.iter().filter_map(|pair| Some((pair.spec, pair.there?)));
        for (base, there) in kept {
            for (network, ip) in &there.networks {
                let mut interfaces = base.interfaces.iter();
                let reason = match interfaces.find(|interface| interface.network == *network) {
                    Some(interface) if ip.is_none_or(|ip| ip == interface.ip) => None,
                    Some(_) => Some(Reason::AddressChanged),
                    None => Some(Reason::NotDesired),
                };
                if let Some(reason) = reason {
                    let action = Action::Disconnect {
                        container: base.name.clone(),
                        network: network.clone(),
                        interface: None,
                    };
                    let id = self.plan.push(action, reason, BTreeSet::new());
                    self.leaving.entry(network.clone()).or_default().insert(id);
                    self.replugged.entry(&base.name).or_default().insert(id);
                }
            }
        }
    }

    /// Removes networks, after all containers left them.
    fn remove_networks(&mut self) {
        for network in &self.observed.networks {
            if self
                .pairs
                .networks
                .get(&network.name)
                .is_some_and(|kept| kept.id == network.id)
            {
                continue;
            }
            let needs = self.leaving.get(&network.name).cloned().unwrap_or_default();
            let action = Action::RemoveNetwork {
                network: network.name.clone(),
                id: Some(network.id.clone()),
            };
            // A second network with the same name is not in the maze either.
            let is_first = !self.pairs.networks.contains_key(&network.name);
            let recreated = self.pairs.recreated.get(network.name.as_text()).filter(|_| is_first);
            let reason = recreated.unwrap_or(&self.pairs.unwanted).clone();
            let id = self.plan.push(action, reason, needs);
            // Every new network on this subnet depends on it, whatever its name is.
            self.leaving.entry(network.name.clone()).or_default().insert(id);
            for spec in self.desired.networks.values() {
                let is_here = network.name.host() == spec.name.host();
                let overlaps = |subnet| decnet_topology::net::overlaps(subnet, spec.subnet);
                if is_here && network.subnet.is_some_and(overlaps) {
                    self.leaving.entry(spec.name.clone()).or_default().insert(id);
                }
            }
        }
    }

    /// Removes volumes that no remaining container uses. Those that are removed with their container need no step. Those that are kept
    /// stay, and so do the named ones of desired services, even if the catalogue no longer names them: their data is not lost by a
    /// change of the catalogue.
    fn remove_volumes(&mut self) {
        let containers = &self.observed.containers;
        // A service with its own namespace uses the volume of its base.
        let owns =
            |container: &&ObservedContainer| container.role() != Some(Role::Service) || container.shares.is_some();
        let used = containers.iter().filter(owns).flat_map(|container| &container.volumes);
        let used: HashSet<_> = used.collect();
        let wanted: HashSet<_> = self.desired.volumes().map(|volume| &volume.name).collect();
        let leftovers = self.observed.volumes.iter();
        for volume in leftovers.filter(|volume| !volume.is_kept() && !wanted.contains(&volume.name)) {
            let is_removed_with_container = volume.anonymous && used.contains(&volume.name);
            if is_removed_with_container || volume.used_elsewhere || self.is_of_desired_service(volume) {
                continue;
            }
            let users = containers.iter().filter(|user| user.volumes.contains(&volume.name));
            let freed: Option<Vec<_>> = users.map(|user| self.name_removals.get(&user.name)).collect();
            if let Some(needs) = freed {
                let action = Action::RemoveVolume {
                    volume: volume.name.clone(),
                };
                let needs = needs.into_iter().flatten().copied().collect();
                self.plan.push(action, Reason::Unused, needs);
            }
        }
    }

    /// Returns whether a volume is a named one of a desired service.
    fn is_of_desired_service(&self, volume: &ObservedVolume) -> bool {
        let labels = &volume.labels;
        let of = labels.get(naming::DECKY).zip(labels.get(naming::SERVICE_NAME));
        of.filter(|_| labels.contains_key(naming::VOLUME))
            .is_some_and(|(decky, name)| {
                let mut services = self.desired.services.values();
                services.any(|service| service.decky.as_str() == decky && service.service.as_str() == name)
            })
    }

    /// Ensures the images of containers that are created.
    fn ensure_images(&mut self) {
        let bases = self.pairs.bases.iter().filter(|pair| pair.there.is_none());
        let services = self.pairs.services.iter().filter(|pair| pair.there.is_none());
        let images = bases.map(|pair| (pair.spec.name.host(), pair.spec.image.as_str()));
        let of_services = services.map(|pair| (pair.spec.name.host(), pair.spec.image.as_str()));
        let wanted: BTreeSet<(Option<&str>, &str)> = images.chain(of_services).collect();
        let hosts: BTreeSet<Option<&str>> = wanted.iter().map(|(host, _)| *host).collect();
        for image in &self.desired.images {
            for &host in hosts
                .iter()
                .filter(|host| wanted.contains(&(**host, image.reference())))
            {
                let action = Action::EnsureImage {
                    image: image.clone(),
                    host: host.map(Into::into),
                };
                let id = self.plan.push(action, Reason::Needed, BTreeSet::new());
                self.images.insert((host, image.reference()), id);
            }
        }
    }

    fn create_networks(&mut self) {
        for (name, network) in &self.desired.networks {
            if self.pairs.networks.contains_key(name) {
                continue;
            }
            let needs = self.leaving.get(name).cloned().unwrap_or_default();
            let action = Action::CreateNetwork {
                network: Box::new(network.clone()),
            };
            let id = self.plan.push(action, self.pairs.why_created(name.as_text()), needs);
            self.made.insert(name, id);
        }
    }

    /// Creates the volumes of services.
    fn create_volumes(&mut self) {
        let there: HashSet<_> = self.observed.volumes.iter().map(|volume| &volume.name).collect();
        let desired = self.desired;
        for volume in desired.volumes().filter(|volume| !there.contains(&volume.name)) {
            let action = Action::CreateVolume {
                volume: Box::new(volume.clone()),
            };
            let id = self.plan.push(action, Reason::Missing, BTreeSet::new());
            self.volumes.insert(&volume.name, id);
        }
    }

    /// Removes images of the engine as the last steps, if nothing of the topology is left, or on a member of a fleet that it left.
    fn remove_images(&mut self) {
        // A topology that has only networks exists, too: the images then belong to others.
        let is_teardown = self.pairs.unwanted == Reason::Teardown;
        for ObservedImage { reference, host } in &self.observed.images {
            let mut wanted = self.desired.images.iter().map(ImageSpec::reference);
            let is_left = host.as_ref().is_some_and(|host| self.desired.former.contains(host));
            if is_left || is_teardown && !wanted.any(|wanted| wanted == reference) {
                let removals = self.removals.iter().copied();
                let is_here = |id: &StepId| self.plan.steps()[*id].action.host() == host.as_deref();
                let needs = removals.filter(is_here).collect();
                let action = Action::RemoveImage {
                    reference: reference.clone(),
                    host: host.clone(),
                };
                self.plan.push(action, Reason::Unused, needs);
            }
        }
    }
}

/// Takes one of each group in turn, so that consecutive items are of different groups as long as possible.
pub(super) fn interleave<G: Ord, T>(items: impl IntoIterator<Item = (G, T)>) -> Vec<T> {
    let mut groups: BTreeMap<G, VecDeque<T>> = BTreeMap::new();
    for (group, item) in items {
        groups.entry(group).or_default().push_back(item);
    }
    let mut taken = Vec::new();
    while !groups.is_empty() {
        groups.retain(|_, items| {
            taken.extend(items.pop_front());
            !items.is_empty()
        });
    }
    taken
}
