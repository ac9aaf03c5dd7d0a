//! The deckies that were created, changed or retired by the steps of a plan.

use std::collections::{BTreeMap, BTreeSet};

use decnet_topology::{Name, ServiceName, TopologyId};

use crate::{
    desired::Desired,
    engine::Engine,
    event::{DeckyEvent, Event, Trigger},
    execute::ExecutionReport,
    naming::{self, ContainerName, Role},
    observe::{Activity, Observed, ObservedContainer},
    plan::{Action, Plan},
};

impl Engine {
    /// Publishes that all deckies of a maze were created.
    ///
    /// This includes all deckies: an earlier, interrupted run did not publish those that it created.
    pub(in crate::engine) fn publish_creation(&self, topology: TopologyId, desired: &Desired) {
        let mut services: BTreeMap<&Name, BTreeSet<ServiceName>> = BTreeMap::new();
        for base in desired.bases.values() {
            services.entry(&base.decky).or_default();
        }
        for service in desired.services.values() {
            let of_decky = services.entry(&service.decky).or_default();
            of_decky.insert(service.service.clone());
        }
        for (decky, new_services) in services {
            self.publish_now(Event::Decky(DeckyEvent {
                topology,
                decky: decky.clone(),
                old_services: BTreeSet::new(),
                new_services,
                trigger: Trigger::Creation,
            }));
        }
    }

    /// Publishes which deckies the executed steps changed.
    pub(in crate::engine) fn publish_deckies(
        &self,
        topology: TopologyId,
        before: &Observed,
        plan: &Plan,
        execution: &ExecutionReport,
        trigger: Trigger,
    ) {
        let actions = execution.changed.iter().map(|step| &plan.steps()[*step].action);
        for change in changes(topology, before, actions, trigger) {
            self.publish_now(Event::Decky(change));
        }
    }
}

/// The existing parts of a decky.
#[derive(Debug, Clone, Default)]
struct Presence {
    /// Whether its base exists.
    base: bool,
    /// The running services.
    services: BTreeSet<ServiceName>,
}

/// Determines which deckies the actions changed, and how.
fn changes<'a>(
    topology: TopologyId,
    before: &Observed,
    actions: impl Iterator<Item = &'a Action>,
    trigger: Trigger,
) -> Vec<DeckyEvent> {
    let named: BTreeMap<&ContainerName, (Name, &ObservedContainer)> = before
        .containers
        .iter()
        .filter_map(|container| Some((&container.name, (decky_of(container)?, container))))
        .collect();
    let mut old: BTreeMap<Name, Presence> = BTreeMap::new();
    for (decky, container) in named.values() {
        let presence = old.entry(decky.clone()).or_default();
        match container.role() {
            Some(Role::Base) => presence.base = true,
            _ if container.activity == Activity::Running => presence.services.extend(service_of(container)),
            _ => {}
        }
    }
    let mut new = old.clone();
    let mut touched = BTreeSet::new();
    // A recreated container is removed and created. Removals are applied first, so that it exists at the end.
    let (removals, rest): (Vec<&Action>, Vec<&Action>) =
        actions.partition(|action| matches!(action, Action::RemoveContainer { .. }));
    for action in removals.into_iter().chain(rest) {
        let decky = match action {
            Action::RemoveContainer { container, role, .. } => {
                let Some((decky, observed)) = named.get(container) else {
                    continue;
                };
                let presence = new.entry(decky.clone()).or_default();
                match (role, service_of(observed)) {
                    (Role::Base, _) => presence.base = false,
                    (Role::Service, Some(service)) => {
                        presence.services.remove(&service);
                    }
                    (Role::Service, None) => {}
                }
                decky
            }
            Action::Restart { container, role } => {
                let Some((decky, observed)) = named.get(container) else {
                    continue;
                };
                if *role == Role::Service {
                    let presence = new.entry(decky.clone()).or_default();
                    presence.services.extend(service_of(observed));
                }
                decky
            }
            Action::CreateBase { base } => {
                new.entry(base.decky.clone()).or_default().base = true;
                &base.decky
            }
            Action::CreateService { service } => {
                let presence = new.entry(service.decky.clone()).or_default();
                presence.services.insert(service.service.clone());
                &service.decky
            }
            _ => continue,
        };
        touched.insert(decky.clone());
    }
    let change = |decky: Name| {
        let was = old.remove(&decky).unwrap_or_default();
        let is = new.remove(&decky).unwrap_or_default();
        let trigger = match (was.base, is.base) {
            (true, false) => Trigger::Retirement,
            _ if trigger == Trigger::Healer => trigger,
            (false, true) => Trigger::Creation,
            (false, false) => Trigger::Retirement,
            // A resource whose removal failed still exists.
            (true, true) if trigger == Trigger::Retirement => Trigger::Operator,
            (true, true) => trigger,
        };
        DeckyEvent {
            topology,
            decky,
            old_services: was.services,
            // Without a base, nothing of the decky can be reached.
            new_services: if is.base { is.services } else { BTreeSet::new() },
            trigger,
        }
    };
    touched.into_iter().map(change).collect()
}

fn decky_of(container: &ObservedContainer) -> Option<Name> {
    Name::new(container.labels.get(naming::DECKY)?).ok()
}

fn service_of(container: &ObservedContainer) -> Option<ServiceName> {
    container
        .labels
        .get(naming::SERVICE_NAME)
        .map(|name| ServiceName::new(name))
}
