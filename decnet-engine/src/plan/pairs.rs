//! What should be, beside what is there and stays.

use std::collections::HashMap;

use crate::{
    desired::{BaseSpec, Desired, ServiceNetwork, ServiceSpec},
    naming::{self, ContainerName, NetworkName, Role},
    observe::{Observed, ObservedContainer, ObservedNetwork},
};

/// What should be, each with what is there of it and stays.
///
/// Each is looked up once, here. A large maze does not fit in a processor's caches, and every further look would wait for memory.
pub(super) struct Pairs<'a> {
    /// The networks that are there and stay, by name.
    pub(super) networks: HashMap<&'a NetworkName, &'a ObservedNetwork>,
    /// The bases, in order of their names.
    pub(super) bases: Vec<BasePair<'a>>,
    /// The services, in order of their names.
    pub(super) services: Vec<ServicePair<'a>>,
    /// The containers that are there and go.
    pub(super) going: Vec<&'a ObservedContainer>,
}

/// A base that should be.
#[derive(Clone, Copy)]
pub(super) struct BasePair<'a> {
    pub(super) spec: &'a BaseSpec,
    /// Its container, if it stays.
    pub(super) there: Option<&'a ObservedContainer>,
}

/// A service that should be.
#[derive(Clone, Copy)]
pub(super) struct ServicePair<'a> {
    pub(super) spec: &'a ServiceSpec,
    /// Its container, if it stays.
    pub(super) there: Option<&'a ObservedContainer>,
    /// Its base, if that should be.
    pub(super) base: Option<BasePair<'a>>,
}

impl<'a> Pairs<'a> {
    pub(super) fn new(desired: &'a Desired, observed: &'a Observed) -> Self {
        let networks = networks(desired, observed);
        let mut there = ObservedIndex::new(observed);
        let stays = |container: &ObservedContainer| {
            let mut names = container.networks.keys();
            container.tampered.is_none()
                && names.all(|name| networks.contains_key(name) || !desired.networks.contains_key(name))
        };
        let bases = desired.bases.values().map(|spec| {
            // It stays if it was made from the same spec, runs what it should and none of its networks is recreated.
            let made = made_from(spec.labels.get(naming::SPEC));
            let there = there.take(&spec.name, Role::Base, |container| made(container) && stays(container));
            BasePair { spec, there }
        });
        let bases: Vec<_> = bases.collect();
        let by_name: HashMap<_, _> = bases.iter().map(|pair| (&pair.spec.name, *pair)).collect();
        let services = desired.services.values().map(|spec| {
            let base = by_name.get(&spec.base).copied();
            // It stays if it was made from the same spec, for the base that stays.
            let made = made_from(spec.labels.get(naming::SPEC));
            let base_there = base.and_then(|base| base.there);
            let there = there.take(&spec.name, Role::Service, |container| {
                made(container) && base_there.is_some_and(|base| belongs(spec, container, base))
            });
            ServicePair { spec, there, base }
        });
        Self {
            services: services.collect(),
            networks,
            bases,
            going: there.left(),
        }
    }
}

/// Finds the networks that were made from the same spec.
fn networks<'a>(desired: &'a Desired, observed: &'a Observed) -> HashMap<&'a NetworkName, &'a ObservedNetwork> {
    let mut networks = HashMap::with_capacity(observed.networks.len());
    for network in &observed.networks {
        let wanted = desired.networks.get(&network.name);
        if wanted.is_some_and(|spec| spec.labels.get(naming::SPEC) == network.labels.get(naming::SPEC)) {
            networks.entry(&network.name).or_insert(network);
        }
    }
    networks
}

/// Returns whether the container of a service was made for the base that is there: shares its namespace, or its volume.
pub(crate) fn belongs(spec: &ServiceSpec, container: &ObservedContainer, base: &ObservedContainer) -> bool {
    match spec.network {
        ServiceNetwork::OfBase => container.shares.as_deref() == Some(&base.id),
        ServiceNetwork::HandedSockets => container.shares.is_none() && base.volumes.is_subset(&container.volumes),
    }
}

fn made_from(spec: Option<&String>) -> impl Fn(&ObservedContainer) -> bool {
    move |container| spec.map(String::as_str) == container.spec()
}

/// The containers that are there, and which of them were found to stay.
struct ObservedIndex<'a> {
    containers: &'a [ObservedContainer],
    by_name: HashMap<&'a ContainerName, usize>,
    stays: Vec<bool>,
}

impl<'a> ObservedIndex<'a> {
    fn new(observed: &'a Observed) -> Self {
        let mut by_name = HashMap::with_capacity(observed.containers.len());
        for (at, container) in observed.containers.iter().enumerate() {
            by_name.entry(&container.name).or_insert(at);
        }
        Self {
            containers: &observed.containers,
            by_name,
            stays: vec![false; observed.containers.len()],
        }
    }

    /// Returns the container of a name and role, if it stays.
    fn take(
        &mut self,
        name: &ContainerName,
        role: Role,
        stays: impl Fn(&ObservedContainer) -> bool,
    ) -> Option<&'a ObservedContainer> {
        let at = *self.by_name.get(name)?;
        let container = &self.containers[at];
        let is_it = container.role() == Some(role) && stays(container);
        self.stays[at] |= is_it;
        is_it.then_some(container)
    }

    /// Returns those that go.
    fn left(self) -> Vec<&'a ObservedContainer> {
        let all = self.containers.iter().zip(self.stays);
        all.filter(|(_, stays)| !stays)
            .map(|(container, _)| container)
            .collect()
    }
}
