//! The desired resources, paired with the observed ones that stay.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use super::Reason;
use crate::{
    desired::{self, BaseSpec, Desired, ServiceNetwork, ServiceSpec},
    naming::{self, ContainerName, Labels, NetworkName, Role},
    observe::{Observed, ObservedContainer, ObservedNetwork},
};

/// The desired resources, each with the observed one that stays.
///
/// Each is looked up once, here. A large maze does not fit in a processor's caches, so further lookups would wait for memory.
pub(super) struct Pairs<'a> {
    /// The networks that stay, by name.
    pub(super) networks: HashMap<&'a NetworkName, &'a ObservedNetwork>,
    /// The bases, in order of their names.
    pub(super) bases: Vec<BasePair<'a>>,
    /// The services, in order of their names.
    pub(super) services: Vec<ServicePair<'a>>,
    /// The containers that are removed, and why.
    pub(super) removed: Vec<(&'a ObservedContainer, Reason)>,
    /// Why containers and networks are recreated, by name.
    pub(super) recreated: HashMap<&'a str, Reason>,
    /// Why resources that are not desired are removed.
    pub(super) unwanted: Reason,
}

/// A desired base.
#[derive(Clone, Copy)]
pub(super) struct BasePair<'a> {
    pub(super) spec: &'a BaseSpec,
    /// Its container, if it stays.
    pub(super) there: Option<&'a ObservedContainer>,
    /// Whether a restart was requested.
    pub(super) restarts: bool,
}

/// A desired service.
#[derive(Clone, Copy)]
pub(super) struct ServicePair<'a> {
    pub(super) spec: &'a ServiceSpec,
    /// Its container, if it stays.
    pub(super) there: Option<&'a ObservedContainer>,
    /// Its base, if that is desired.
    pub(super) base: Option<BasePair<'a>>,
    /// Whether a restart was requested.
    pub(super) restarts: bool,
}

impl<'a> Pairs<'a> {
    /// Pairs them, and marks the containers whose restart was requested. With the desired resources `before` a change, the
    /// reasons name the changed fields of a spec.
    pub(super) fn new(
        desired: &'a Desired,
        observed: &'a Observed,
        before: Option<&Desired>,
        restarts: &BTreeSet<ContainerName>,
    ) -> Self {
        let mut recreated = HashMap::new();
        let networks = networks(desired, observed, before, &mut recreated);
        let unwanted = if desired.networks.is_empty() && desired.bases.is_empty() {
            Reason::Teardown
        } else {
            Reason::NotDesired
        };
        let mut there = ObservedIndex::new(observed, &unwanted);
        let bases = desired.bases.values().map(|spec| {
            let there = there.take(&spec.name, Role::Base, |container| {
                let is_recreated = |name| desired.networks.contains_key(name) && !networks.contains_key(name);
                if let Some(what) = &container.tampered {
                    return Err(Reason::Tampered { what: what.clone() });
                }
                let old = before.and_then(|before| before.bases.get(&spec.name));
                require_container(
                    spec,
                    &spec.image,
                    &spec.labels,
                    container,
                    old.map(|old| (old, &old.labels)),
                )?;
                if container.networks.keys().any(is_recreated) {
                    return Err(Reason::NetworkRecreated);
                }
                Ok(())
            });
            BasePair {
                spec,
                there,
                restarts: restarts.contains(&spec.name),
            }
        });
        let bases: Vec<_> = bases.collect();
        let by_name: HashMap<_, _> = bases.iter().map(|pair| (&pair.spec.name, *pair)).collect();
        let services = desired.services.values().map(|spec| {
            let base = by_name.get(&spec.base).copied();
            let base_there = base.and_then(|base| base.there);
            let there = there.take(&spec.name, Role::Service, |container| {
                let old = before.and_then(|before| before.services.get(&spec.name));
                require_container(
                    spec,
                    &spec.image,
                    &spec.labels,
                    container,
                    old.map(|old| (old, &old.labels)),
                )?;
                if base_there.is_some_and(|base| belongs(spec, container, base)) {
                    Ok(())
                } else {
                    Err(Reason::BaseRecreated)
                }
            });
            ServicePair {
                spec,
                there,
                base,
                restarts: restarts.contains(&spec.name),
            }
        });
        let services = services.collect();
        let removed = there.left();
        recreated.extend((removed.iter()).map(|(container, reason)| (container.name.as_text(), reason.clone())));
        Self {
            networks,
            bases,
            services,
            removed,
            recreated,
            unwanted,
        }
    }

    /// Returns why a resource is created: it is missing, or the old one is removed for a reason.
    pub(super) fn why_created(&self, name: &str) -> Reason {
        self.recreated.get(name).cloned().unwrap_or(Reason::Missing)
    }
}

/// Finds the networks with the same spec, and records why others are recreated.
fn networks<'a>(
    desired: &'a Desired,
    observed: &'a Observed,
    before: Option<&Desired>,
    recreated: &mut HashMap<&'a str, Reason>,
) -> HashMap<&'a NetworkName, &'a ObservedNetwork> {
    let mut networks = HashMap::with_capacity(observed.networks.len());
    for network in &observed.networks {
        let Some(spec) = desired.networks.get(&network.name) else {
            continue;
        };
        let old = before.and_then(|before| before.networks.get(&network.name));
        let differing = || seen(&[("subnet", network.subnet.is_some_and(|subnet| subnet != spec.subnet))]);
        match require_spec(
            spec,
            &spec.labels,
            &network.labels,
            old.map(|old| (old, &old.labels)),
            differing,
        ) {
            Ok(()) => {
                networks.entry(&network.name).or_insert(network);
            }
            Err(reason) => {
                recreated.insert(network.name.as_text(), reason);
            }
        }
    }
    networks
}

/// Requires the same spec. The changed fields are known if the resource has the spec from before the change; otherwise, those
/// that are seen to differ.
fn require_spec<S: Serialize>(
    spec: &S,
    labels: &Labels,
    found: &Labels,
    old: Option<(&S, &Labels)>,
    differing: impl FnOnce() -> BTreeSet<String>,
) -> Result<(), Reason> {
    let found = found.get(naming::SPEC);
    if labels.get(naming::SPEC) == found {
        return Ok(());
    }
    match old.filter(|(_, labels)| labels.get(naming::SPEC) == found) {
        Some((old, _)) => Err(Reason::SpecChanged {
            fields: desired::changed_spec_fields(old, spec),
        }),
        None => Err(Reason::OtherVersion { fields: differing() }),
    }
}

/// Requires the same spec of a container, of which the image and the log driver can be seen to differ.
fn require_container<S: Serialize>(
    spec: &S,
    image: &str,
    labels: &Labels,
    container: &ObservedContainer,
    old: Option<(&S, &Labels)>,
) -> Result<(), Reason> {
    let differing = || {
        seen(&[
            ("image", container.image.as_deref().is_some_and(|found| found != image)),
            ("log", container.labels.get(naming::LOG) != labels.get(naming::LOG)),
        ])
    };
    require_spec(spec, labels, &container.labels, old, differing)
}

/// Returns the names of the fields that differ.
fn seen(fields: &[(&str, bool)]) -> BTreeSet<String> {
    let differing = fields.iter().filter(|(_, differs)| *differs);
    differing.map(|(name, _)| (*name).to_owned()).collect()
}

/// Returns whether the container of a service belongs to the existing base: it shares its namespace or its volume.
pub(crate) fn belongs(spec: &ServiceSpec, container: &ObservedContainer, base: &ObservedContainer) -> bool {
    match spec.network {
        ServiceNetwork::OfBase => container.shares.as_deref() == Some(&base.id),
        ServiceNetwork::HandedSockets => container.shares.is_none() && base.volumes.is_subset(&container.volumes),
    }
}

/// The observed containers, and why each is removed; none for those that stay.
struct ObservedIndex<'a> {
    containers: &'a [ObservedContainer],
    by_name: HashMap<&'a ContainerName, usize>,
    reasons: Vec<Option<Reason>>,
}

impl<'a> ObservedIndex<'a> {
    fn new(observed: &'a Observed, unwanted: &Reason) -> Self {
        let mut by_name = HashMap::with_capacity(observed.containers.len());
        for (at, container) in observed.containers.iter().enumerate() {
            by_name.entry(&container.name).or_insert(at);
        }
        Self {
            containers: &observed.containers,
            by_name,
            reasons: vec![Some(unwanted.clone()); observed.containers.len()],
        }
    }

    /// Returns the container with a name and role, if it stays.
    fn take(
        &mut self,
        name: &ContainerName,
        role: Role,
        stays: impl Fn(&ObservedContainer) -> Result<(), Reason>,
    ) -> Option<&'a ObservedContainer> {
        let at = *self.by_name.get(name)?;
        let container = &self.containers[at];
        if container.role() != Some(role) {
            return None;
        }
        self.reasons[at] = stays(container).err();
        self.reasons[at].is_none().then_some(container)
    }

    /// Returns the removed containers, with the reasons.
    fn left(self) -> Vec<(&'a ObservedContainer, Reason)> {
        let all = self.containers.iter().zip(self.reasons);
        all.filter_map(|(container, reason)| Some((container, reason?)))
            .collect()
    }
}
