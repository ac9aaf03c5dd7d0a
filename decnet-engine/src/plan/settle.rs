use std::{collections::BTreeSet, net::Ipv4Addr};

use super::diff::{PlanBuilder, interleave};
use crate::{
    desired::{self, BaseSpec, InterfaceSpec, ServiceNetwork, ServiceSpec},
    naming::{NetworkName, Role},
    observe::{Activity, ObservedContainer},
    plan::{
        Action, Reason, StepId,
        pairs::{BasePair, ServicePair},
    },
};

/// Steps that create containers, and that repair those that stay.
impl<'a> PlanBuilder<'a> {
    pub(super) fn settle_bases(&mut self) {
        let pairs = self.pairs.bases.iter();
        let wanting = pairs.filter(|pair| pair.restarts || pair.there.is_none_or(|there| !is_whole(pair.spec, there)));
        for pair in interleave(wanting.map(|pair| (home(pair), pair))) {
            match pair.there {
                None => self.create_base(pair.spec),
                Some(there) => self.repair_base(pair.spec, there, pair.restarts),
            }
        }
    }

    fn create_base(&mut self, base: &'a BaseSpec) {
        let mut needs: BTreeSet<_> = self
            .images
            .get(&(base.name.host(), base.image.as_str()))
            .copied()
            .into_iter()
            .collect();
        needs.extend(self.name_removals.get(&base.name).into_iter().flatten());
        for interface in &base.interfaces {
            needs.extend(self.steps_before_connect(&interface.network));
        }
        let action = Action::CreateBase {
            base: Box::new(base.clone()),
        };
        let id = self
            .plan
            .push(action, self.pairs.why_created(base.name.as_text()), needs);
        self.record_namespace(base, id);
    }

    /// The steps before a new interface can join a network: the network must exist, and released addresses must be free.
    fn steps_before_connect(&self, network: &NetworkName) -> BTreeSet<StepId> {
        let leaving = self.leaving.get(network).into_iter().flatten();
        self.made.get(network).into_iter().chain(leaving).copied().collect()
    }

    /// Connects a base that stays to its missing networks, and starts it if it is stopped or its restart was requested.
    fn repair_base(&mut self, base: &'a BaseSpec, there: &'a ObservedContainer, restarts: bool) {
        let (plugged, lacking): (Vec<_>, Vec<_>) =
            (base.interfaces.iter()).partition(|interface| is_plugged(interface, there));
        let runs = there.activity == Activity::Running;
        let may_set = runs && !self.desired.keep_state.contains(&base.name);
        let has_route = may_set && lacking.iter().any(|interface| self.may_have_route_to(interface));
        let cleared = has_route.then(|| self.clear_routes(base, &plugged));
        for interface in lacking {
            let mut needs = self.steps_before_connect(&interface.network);
            needs.extend(cleared);
            let action = Action::Connect {
                container: base.name.clone(),
                interface: interface.clone(),
            };
            let moved = there.networks.contains_key(&interface.network);
            let reason = if moved { Reason::AddressChanged } else { Reason::Missing };
            let id = self.plan.push(action, reason, needs);
            self.appearing.entry(interface.ip).or_default().insert(id);
            self.replugged.entry(&base.name).or_default().insert(id);
        }
        if !runs || restarts {
            let needs = self.replugged.get(&base.name).cloned().unwrap_or_default();
            let action = Action::Restart {
                container: base.name.clone(),
                role: Role::Base,
            };
            let reason = if runs { Reason::Requested } else { Reason::NotRunning };
            let id = self.plan.push(action, reason, needs);
            self.record_namespace(base, id);
        }
    }

    /// Returns whether a base that is not on an interface's network may have a route to it: the network exists, or another
    /// network used its subnet.
    fn may_have_route_to(&self, interface: &InterfaceSpec) -> bool {
        let subnet = self
            .desired
            .networks
            .get(&interface.network)
            .map(|network| network.subnet);
        let mut known = self.observed.networks.iter().filter_map(|network| network.subnet);
        subnet.is_some_and(|subnet| known.any(|known| decnet_topology::net::overlaps(known, subnet)))
    }

    /// Removes the routes of a running base to networks that it is about to join: Docker refuses an address inside the
    /// destination of a route. Routes over its existing interfaces stay.
    fn clear_routes(&mut self, base: &BaseSpec, plugged: &[&InterfaceSpec]) -> StepId {
        let networks = &self.desired.networks;
        let on_link = |via: Ipv4Addr| {
            let subnets = plugged.iter().filter_map(|interface| networks.get(&interface.network));
            subnets.into_iter().any(|network| network.subnet.contains(&via))
        };
        let mut state = base.state.clone();
        state.routes.retain(|route| on_link(route.via));
        state
            .interfaces
            .retain(|ip| plugged.iter().any(|interface| interface.ip == *ip));
        state.default_route &= plugged.iter().any(|interface| interface.priority > 0);
        let needs = self.replugged.get(&base.name).cloned().unwrap_or_default();
        let action = Action::SetState {
            container: base.name.clone(),
            state,
        };
        self.plan.push(action, Reason::InterfacesChanged, needs)
    }

    /// Records the step that gives a base a new namespace.
    fn record_namespace(&mut self, base: &'a BaseSpec, id: StepId) {
        self.based.insert(&base.name, id);
        for interface in &base.interfaces {
            self.appearing.entry(interface.ip).or_default().insert(id);
        }
    }

    /// Sets routes and forwarding in the bases that stay, if they deviate or their interfaces change. A base whose state is not wholly
    /// known keeps the one that it has, and sets that itself after a restart.
    ///
    /// A router exists before a route uses it. Routers are set first where possible, so that they already forward. This order is
    /// not a dependency, because two routers may use each other, and would wait in a cycle.
    pub(super) fn set_states(&mut self) {
        // A new base sets them at its start.
        let kept = self
            .pairs
            .bases
            .iter()
            .filter(|pair| !self.desired.keep_state.contains(&pair.spec.name))
            .filter_map(|pair| Some((pair.spec, pair.there?)));
        let (routers, others): (Vec<_>, Vec<_>) = kept.partition(|(base, _)| base.state.forward);
        for (base, there) in routers.into_iter().chain(others) {
            let mut needs = self.replugged.get(&base.name).cloned().unwrap_or_default();
            needs.extend(self.based.get(&base.name));
            if needs.is_empty() && there.deviates.is_none() {
                continue;
            }
            for route in &base.state.routes {
                needs.extend(self.appearing.get(&route.via).into_iter().flatten());
            }
            let action = Action::SetState {
                container: base.name.clone(),
                state: base.state.clone(),
            };
            self.plan.push(action, self.why_set(base, there), needs);
        }
    }

    /// Returns why the state of a base that stays must be set.
    fn why_set(&self, base: &BaseSpec, there: &ObservedContainer) -> Reason {
        let old = self.before.and_then(|before| before.bases.get(&base.name));
        let fields = old.map(|old| desired::changed_fields(&old.state, &base.state));
        if let Some(fields) = fields.filter(|fields| !fields.is_empty()) {
            return Reason::SpecChanged { fields };
        }
        match &there.deviates {
            Some(what) => Reason::StateDiffers { what: what.clone() },
            None if self.based.contains_key(&base.name) && there.activity != Activity::Running => Reason::NotRunning,
            None if self.based.contains_key(&base.name) => Reason::BaseRestarted,
            None => Reason::InterfacesChanged,
        }
    }

    pub(super) fn settle_services(&mut self) {
        let pairs = self.pairs.services.iter();
        let wanting = pairs.filter(|pair| pair.there.is_none_or(|there| !self.serves(pair, there)));
        let wanting: Vec<_> = wanting.map(|pair| (pair.base.as_ref().and_then(home), pair)).collect();
        for pair in interleave(wanting) {
            match pair.there {
                None => self.create_service(pair.spec),
                Some(there) => self.restart_service(pair.spec, there, pair.restarts),
            }
        }
    }

    fn create_service(&mut self, service: &ServiceSpec) {
        let mut needs: BTreeSet<_> = self
            .images
            .get(&(service.name.host(), service.image.as_str()))
            .copied()
            .into_iter()
            .collect();
        needs.extend(self.based.get(&service.base));
        needs.extend(
            service
                .volumes
                .iter()
                .filter_map(|volume| self.volumes.get(&volume.name)),
        );
        needs.extend(self.name_removals.get(&service.name).into_iter().flatten());
        let action = Action::CreateService {
            service: Box::new(service.clone()),
        };
        let reason = self.pairs.why_created(service.name.as_text());
        self.plan.push(action, reason, needs);
    }

    /// Returns whether a service that stays needs no step: it runs, and if it shares its base's namespace, it shares the current
    /// one. Other services follow their base without a step.
    fn serves(&self, pair: &ServicePair<'_>, there: &ObservedContainer) -> bool {
        let runs = is_running(there) && !pair.restarts;
        if pair.spec.network == ServiceNetwork::HandedSockets {
            return runs;
        }
        let base = pair.base.and_then(|base| base.there);
        let is_stale = base.is_some_and(|base| there.started_at < base.started_at);
        runs && !is_stale && !self.based.contains_key(&pair.spec.base)
    }

    /// Restarts a service that is stopped, that shares an old namespace of its base, or whose restart was requested.
    fn restart_service(&mut self, service: &ServiceSpec, there: &ObservedContainer, restarts: bool) {
        let shares = service.network == ServiceNetwork::OfBase;
        let based = self.based.get(&service.base).filter(|_| shares || restarts);
        let needs = based.copied().into_iter().collect();
        let action = Action::Restart {
            container: service.name.clone(),
            role: Role::Service,
        };
        let reason = match is_running(there) {
            true if restarts => Reason::Requested,
            true => Reason::BaseRestarted,
            false => Reason::NotRunning,
        };
        self.plan.push(action, reason, needs);
    }
}

/// Returns whether a service runs, or will be restarted by the runtime.
fn is_running(service: &ObservedContainer) -> bool {
    matches!(service.activity, Activity::Running | Activity::Restarting)
}

/// Returns the network of a base's home.
fn home<'a>(pair: &BasePair<'a>) -> Option<&'a NetworkName> {
    Some(&pair.spec.interfaces.first()?.network)
}

/// Returns whether a base that stays runs and has the right interfaces.
fn is_whole(base: &BaseSpec, there: &ObservedContainer) -> bool {
    let mut interfaces = base.interfaces.iter();
    there.activity == Activity::Running && interfaces.all(|interface| is_plugged(interface, there))
}

/// Returns whether a base has an interface. If Docker does not report its address, being on the network is enough.
fn is_plugged(interface: &InterfaceSpec, there: &ObservedContainer) -> bool {
    let found = there.networks.get(&interface.network);
    found.is_some_and(|ip| ip.is_none_or(|ip| ip == interface.ip))
}
