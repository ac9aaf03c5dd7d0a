use std::collections::{BTreeMap, BTreeSet};

use decnet_topology::Name;

use crate::{
    desired::{BaseSpec, Desired, Image, Interface, ServiceSpec},
    naming::{self, ContainerName, NetworkName, Role},
    observe::{Activity, Observed, ObservedContainer, ObservedNetwork},
    plan::{Action, Plan, StepId},
};

/// Works out what brings Docker from what is there to what should be. Pure, and empty when nothing differs.
///
/// `observed` holds the resources of the one topology. Steps stand in an order that interleaves LANs, so that neighbouring
/// steps seldom wait for the same network.
pub fn diff(desired: &Desired, observed: &Observed) -> Plan {
    let mut differ = Differ::new(desired, observed);
    differ.remove_services();
    differ.remove_bases();
    differ.rebuild_networks();
    differ.ensure_images();
    differ.create_networks();
    differ.settle_bases();
    differ.settle_services();
    differ.remove_images();
    differ.plan
}

/// What is being worked out, and which steps others must wait for.
struct Differ<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    plan: Plan,
    /// The containers that are there and stay, by name.
    kept: BTreeMap<&'a ContainerName, &'a ObservedContainer>,
    /// The networks that are there and stay, by name.
    networks: BTreeMap<&'a NetworkName, &'a ObservedNetwork>,
    /// Steps that take containers or interfaces off a network.
    leaving: BTreeMap<NetworkName, BTreeSet<StepId>>,
    /// Steps that free a container's name.
    freeing: BTreeMap<ContainerName, BTreeSet<StepId>>,
    /// Removals of services, by their decky's base: it goes after them.
    services_leaving: BTreeMap<String, BTreeSet<StepId>>,
    /// Steps that remove containers.
    removals: BTreeSet<StepId>,
    /// The step that makes a network.
    made: BTreeMap<&'a NetworkName, StepId>,
    /// The step that makes an image be there.
    images: BTreeMap<&'a str, StepId>,
    /// The step after which a base has a new namespace.
    based: BTreeMap<&'a ContainerName, StepId>,
}

impl<'a> Differ<'a> {
    fn new(desired: &'a Desired, observed: &'a Observed) -> Self {
        let mut differ = Self {
            desired,
            observed,
            plan: Plan::default(),
            kept: BTreeMap::new(),
            networks: BTreeMap::new(),
            leaving: BTreeMap::new(),
            freeing: BTreeMap::new(),
            services_leaving: BTreeMap::new(),
            removals: BTreeSet::new(),
            made: BTreeMap::new(),
            images: BTreeMap::new(),
            based: BTreeMap::new(),
        };
        for network in &observed.networks {
            let wanted = desired.networks.get(&network.name);
            if wanted.is_some_and(|spec| spec.labels.get(naming::SPEC) == network.labels.get(naming::SPEC)) {
                differ.networks.entry(&network.name).or_insert(network);
            }
        }
        for container in observed
            .containers
            .iter()
            .filter(|container| container.role() == Some(Role::Base))
        {
            if differ.base_stays(container) {
                differ.kept.entry(&container.name).or_insert(container);
            }
        }
        for container in observed
            .containers
            .iter()
            .filter(|container| container.role() == Some(Role::Service))
        {
            if differ.service_stays(container) {
                differ.kept.entry(&container.name).or_insert(container);
            }
        }
        differ
    }

    /// A base stays if it was made from the same spec and none of its networks is made anew.
    fn base_stays(&self, container: &ObservedContainer) -> bool {
        self.desired
            .bases
            .get(&container.name)
            .is_some_and(|spec| spec.labels.get(naming::SPEC).map(String::as_str) == container.spec())
            && container
                .networks
                .keys()
                .all(|network| !self.desired.networks.contains_key(network) || self.networks.contains_key(network))
    }

    /// A service stays if it was made from the same spec and shares the namespace of the base that stays.
    fn service_stays(&self, container: &ObservedContainer) -> bool {
        self.desired.services.get(&container.name).is_some_and(|spec| {
            spec.labels.get(naming::SPEC).map(String::as_str) == container.spec()
                && self
                    .kept
                    .get(&spec.base)
                    .is_some_and(|base| container.shares.as_deref() == Some(&base.id))
        })
    }

    /// A service whose base is gone or stopped serves nobody: removing it takes nothing down.
    fn has_namespace(&self, service: &ObservedContainer) -> bool {
        let bases = self.observed.containers.iter();
        bases
            .filter(|base| base.activity == Activity::Running)
            .any(|base| service.shares.as_ref() == Some(&base.id))
    }

    fn stays(&self, container: &ObservedContainer) -> bool {
        self.kept
            .get(&container.name)
            .is_some_and(|kept| kept.id == container.id)
    }

    /// The containers of a role that go, so ordered that neighbours are on different LANs.
    fn going(&self, service: bool) -> Vec<&'a ObservedContainer> {
        let going = self
            .observed
            .containers
            .iter()
            .filter(|container| (container.role() == Some(Role::Service)) == service && !self.stays(container));
        interleave(going.map(|container| (container.networks.keys().next(), container)))
    }

    fn remove_services(&mut self) {
        for container in self.going(true) {
            let destructive = self.desired.services.contains_key(&container.name) && self.has_namespace(container);
            let id = self.remove(container, Role::Service, BTreeSet::new(), destructive);
            if let Some(decky) = container.labels.get(naming::DECKY) {
                self.services_leaving.entry(decky.clone()).or_default().insert(id);
            }
        }
    }

    fn remove_bases(&mut self) {
        for container in self.going(false) {
            let after = container
                .labels
                .get(naming::DECKY)
                .and_then(|decky| self.services_leaving.get(decky))
                .cloned();
            let destructive = self.desired.bases.contains_key(&container.name);
            let id = self.remove(container, Role::Base, after.unwrap_or_default(), destructive);
            for network in container.networks.keys() {
                self.leaving.entry(network.clone()).or_default().insert(id);
            }
        }
    }

    fn remove(
        &mut self,
        container: &ObservedContainer,
        role: Role,
        needs: BTreeSet<StepId>,
        destructive: bool,
    ) -> StepId {
        let action = Action::RemoveContainer {
            container: container.name.clone(),
            id: Some(container.id.clone()),
            role,
            networks: container.networks.keys().cloned().collect(),
        };
        let id = self
            .plan
            .push(action, needs, destructive && container.activity == Activity::Running);
        self.freeing.entry(container.name.clone()).or_default().insert(id);
        self.removals.insert(id);
        id
    }

    /// Removes the networks that go, after all that was on them.
    fn rebuild_networks(&mut self) {
        for network in &self.observed.networks {
            if self
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
            let id = self.plan.push(action, needs, false);
            // What is made on this subnet, under whatever name, waits for it.
            self.leaving.entry(network.name.clone()).or_default().insert(id);
            for spec in self.desired.networks.values() {
                if network
                    .subnet
                    .is_some_and(|subnet| decnet_topology::net::overlaps(subnet, spec.subnet))
                {
                    self.leaving.entry(spec.name.clone()).or_default().insert(id);
                }
            }
        }
    }

    /// Makes sure of the images that containers yet to be made need.
    fn ensure_images(&mut self) {
        let bases = self
            .desired
            .bases
            .values()
            .filter(|base| !self.kept.contains_key(&base.name));
        let services = self
            .desired
            .services
            .values()
            .filter(|service| !self.kept.contains_key(&service.name));
        let wanted: BTreeSet<&str> = bases
            .map(|base| base.image.as_str())
            .chain(services.map(|service| service.image.as_str()))
            .collect();
        for image in self
            .desired
            .images
            .iter()
            .filter(|image| wanted.contains(image.reference()))
        {
            let id = self
                .plan
                .push(Action::EnsureImage { image: image.clone() }, BTreeSet::new(), false);
            self.images.insert(image.reference(), id);
        }
    }

    fn create_networks(&mut self) {
        for (name, network) in &self.desired.networks {
            if self.networks.contains_key(name) {
                continue;
            }
            let needs = self.leaving.get(name).cloned().unwrap_or_default();
            let action = Action::CreateNetwork {
                network: Box::new(network.clone()),
            };
            let id = self.plan.push(action, needs, false);
            self.made.insert(name, id);
        }
    }

    fn settle_bases(&mut self) {
        let desired = self.desired;
        let ordered = interleave(
            desired
                .bases
                .values()
                .map(|base| (base.interfaces.first().map(|home| &home.network), base)),
        );
        for base in ordered {
            match self.kept.get(&base.name).copied() {
                None => self.create_base(base),
                Some(there) => self.mend_base(base, there),
            }
        }
    }

    fn create_base(&mut self, base: &'a BaseSpec) {
        let mut needs: BTreeSet<_> = self.images.get(base.image.as_str()).copied().into_iter().collect();
        needs.extend(self.freeing.get(&base.name).into_iter().flatten());
        for interface in &base.interfaces {
            needs.extend(self.arrival(&interface.network));
        }
        let id = self.plan.push(
            Action::CreateBase {
                base: Box::new(base.clone()),
            },
            needs,
            false,
        );
        self.based.insert(&base.name, id);
    }

    /// The steps before anything new may come onto a network: it must be there, and addresses given up on it be free.
    fn arrival(&self, network: &NetworkName) -> BTreeSet<StepId> {
        let leaving = self.leaving.get(network).into_iter().flatten();
        self.made.get(network).into_iter().chain(leaving).copied().collect()
    }

    /// Brings the interfaces of a base that stays to what they should be, then its routes; starts it if it does not run.
    fn mend_base(&mut self, base: &'a BaseSpec, there: &'a ObservedContainer) {
        let wanted: BTreeMap<&NetworkName, &Interface> = base
            .interfaces
            .iter()
            .map(|interface| (&interface.network, interface))
            .collect();
        let runs = there.activity == Activity::Running;
        let mut changed = BTreeSet::new();
        for (network, ip) in &there.networks {
            let fits = wanted
                .get(network)
                .is_some_and(|interface| ip.is_none_or(|ip| ip == interface.ip));
            if !fits {
                let action = Action::Disconnect {
                    container: base.name.clone(),
                    network: network.clone(),
                    interface: None,
                };
                let id = self.plan.push(action, BTreeSet::new(), false);
                self.leaving.entry(network.clone()).or_default().insert(id);
                changed.insert(id);
            }
        }
        for interface in &base.interfaces {
            let there = there.networks.get(&interface.network);
            if there.is_some_and(|ip| ip.is_none_or(|ip| ip == interface.ip)) {
                continue;
            }
            let needs = self.arrival(&interface.network);
            let action = Action::Connect {
                container: base.name.clone(),
                interface: interface.clone(),
            };
            changed.insert(self.plan.push(action, needs, false));
        }
        let mut last = None;
        if !runs {
            let action = Action::Restart {
                container: base.name.clone(),
                role: Role::Base,
            };
            let id = self.plan.push(action, changed.clone(), false);
            self.based.insert(&base.name, id);
            last = Some(id);
        }
        if !changed.is_empty() || !runs || there.deviates {
            changed.extend(last);
            let action = Action::SetState {
                container: base.name.clone(),
                state: base.state.clone(),
            };
            self.plan.push(action, changed, false);
        }
    }

    fn settle_services(&mut self) {
        let desired = self.desired;
        let homes: BTreeMap<&Name, Option<&NetworkName>> = desired
            .bases
            .values()
            .map(|base| (&base.decky, base.interfaces.first().map(|home| &home.network)))
            .collect();
        let ordered = interleave(
            desired
                .services
                .values()
                .map(|service| (homes.get(&service.decky).copied().flatten(), service)),
        );
        for service in ordered {
            match self.kept.get(&service.name).copied() {
                None => self.create_service(service),
                Some(there) => self.mend_service(service, there),
            }
        }
    }

    fn create_service(&mut self, service: &ServiceSpec) {
        let mut needs: BTreeSet<_> = self.images.get(service.image.as_str()).copied().into_iter().collect();
        needs.extend(self.based.get(&service.base));
        needs.extend(self.freeing.get(&service.name).into_iter().flatten());
        self.plan.push(
            Action::CreateService {
                service: Box::new(service.clone()),
            },
            needs,
            false,
        );
    }

    /// A service that does not run, or whose base started after it and so has another namespace, is started again.
    fn mend_service(&mut self, service: &ServiceSpec, there: &ObservedContainer) {
        let base = self.kept.get(&service.base);
        let restarted = self.based.get(&service.base);
        let stranded = base.is_some_and(|base| there.started_at < base.started_at);
        if restarted.is_some() || stranded || !matches!(there.activity, Activity::Running | Activity::Restarting) {
            let needs = restarted.copied().into_iter().collect();
            let action = Action::Restart {
                container: service.name.clone(),
                role: Role::Service,
            };
            self.plan.push(action, needs, false);
        }
    }

    /// The images that the engine made and that nothing needs any more go last, once nothing of the topology is left.
    fn remove_images(&mut self) {
        // One that has networks alone is there, too: the images are others' then.
        if !self.desired.networks.is_empty() || !self.desired.bases.is_empty() {
            return;
        }
        for reference in &self.observed.images {
            if !self
                .desired
                .images
                .iter()
                .map(Image::reference)
                .any(|wanted| wanted == reference)
            {
                let action = Action::RemoveImage {
                    reference: reference.clone(),
                };
                self.plan.push(action, self.removals.clone(), false);
            }
        }
    }
}

/// Takes one of each group in turn, so that neighbours are of different groups as long as there are several.
fn interleave<G: Ord, T>(items: impl IntoIterator<Item = (G, T)>) -> Vec<T> {
    let mut groups: BTreeMap<G, std::collections::VecDeque<T>> = BTreeMap::new();
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
