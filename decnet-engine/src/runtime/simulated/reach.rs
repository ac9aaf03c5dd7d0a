//! The reachability of packets in the simulated world.

use std::net::Ipv4Addr;

use decnet_decoy::protocol::{
    Answer, Deviation, Egress, NetState, Probe, ProbeResult, StateReport, Target, TargetResult,
};

use decnet_topology::{InstanceId, Port, Protocol};

use super::{
    containers,
    world::{Container, World},
};
use crate::{
    desired::BaseSpec,
    naming::{ContainerName, NetworkName},
    observe::{self, Activity},
    runtime::{CapturePlace, CaptureRequest, NetworkCheck, RuntimeError, ownership},
};

const RESOLVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
/// The maximum number of routers on a path.
const HOPS: usize = 64;

impl Container {
    /// Sets the namespace to the kept state, if its interfaces match that state.
    pub(super) fn restore_state(&mut self) {
        self.state_holds = self.can_hold_state();
        self.tampered = None;
        self.contained = true;
    }

    /// Returns the actual state of the namespace.
    fn actual_state(&self) -> Option<&NetState> {
        self.tampered.as_ref().or(self.state.as_ref())
    }

    /// Compares the namespace with a state.
    fn check_state(&self, state: &NetState) -> StateReport {
        let mut report = StateReport::default();
        if self.state.as_ref() != Some(state) {
            report.refused.push("another state is kept".into());
        }
        if !self.contained {
            report.deviations.push(Deviation::Uncontained);
        }
        if !self.state_holds && report == StateReport::default() {
            // Every deviation of forwarding, routes or interfaces is reported as one of forwarding.
            let ip = state.interfaces.first().copied().unwrap_or(Ipv4Addr::UNSPECIFIED);
            report.deviations.push(if state.forward {
                Deviation::ForwardingOff(ip)
            } else {
                Deviation::ForwardingOn(ip)
            });
        }
        report
    }

    /// Returns whether the containment allows a new connection from here.
    fn allows_outgoing(&self, state: &NetState, to: Ipv4Addr) -> bool {
        let everybody = state
            .lans
            .iter()
            .any(|lan| [lan.network(), lan.broadcast()].contains(&to));
        let closed = state.closed.contains(&to) || everybody || to == RESOLVER;
        !self.contained || !closed && (is_inside(state, to) || state.egress == Egress::Open)
    }

    /// Returns whether a packet between two addresses is forwarded here.
    fn passes(&self, from: Ipv4Addr, to: Ipv4Addr) -> bool {
        let forwards = |state: &NetState| {
            let closed = [from, to].iter().any(|end| state.closed.contains(end));
            state.forward && (!self.contained || !closed && is_inside(state, from) && is_inside(state, to))
        };
        self.actual_state().is_some_and(forwards)
    }
}

fn is_inside(state: &NetState, address: Ipv4Addr) -> bool {
    let mut routes = state.routes.iter().map(|route| &route.to);
    state.lans.iter().any(|lan| lan.contains(&address)) || routes.any(|to| to.prefix_len() > 0 && to.contains(&address))
}

/// The result of sending a packet that expects an answer.
enum Attempt {
    /// The packet and the answer arrived.
    Arrived,
    /// The containment blocked the packet.
    Blocked,
    /// There is no route.
    NoRoute,
    /// There was no answer.
    Silence,
}

/// The next hop of a packet.
enum Step<'a> {
    /// This container, over this network.
    To(&'a ContainerName, &'a NetworkName),
    /// The host or beyond.
    Out,
    /// No next hop.
    Lost,
}

impl World {
    /// Returns why packets are not captured: the simulation has none.
    pub(super) fn refuse_capture(&self, request: &CaptureRequest) -> RuntimeError {
        let instance = request.instance;
        let found = match &request.place {
            CapturePlace::Network(name) => {
                let what = format!("network {name}");
                match self.networks.get(name) {
                    Some(network) => ownership::require_ours(what, &network.labels, instance),
                    None => Err(RuntimeError::Gone { what }),
                }
            }
            CapturePlace::Base { base, .. } => self.require_base(instance, base).map(|_| ()),
        };
        found.err().unwrap_or_else(|| RuntimeError::NotCapturable {
            reason: "the simulation has no packets".into(),
            instead: String::new(),
        })
    }

    pub(super) fn check_network(&self, spec: &BaseSpec) -> NetworkCheck {
        let found = match observe::instance_of(&spec.labels) {
            Some(instance) => self.require_base(instance, &spec.name),
            None => Err(containers::missing(&spec.name)),
        };
        match found {
            Err(error) => NetworkCheck::Unchecked { why: error.to_string() },
            Ok(base) => NetworkCheck::Checked {
                report: base.check_state(&spec.state),
                inside_only: None,
            },
        }
    }

    /// Finds a base of a store, which must run.
    fn require_base(&self, instance: InstanceId, name: &ContainerName) -> Result<&Container, RuntimeError> {
        let found = self.container_of(instance, name)?;
        if found.activity == Activity::Running {
            Ok(found)
        } else {
            Err(containers::not_running(name))
        }
    }

    pub(super) fn probe(
        &self,
        instance: InstanceId,
        from: &ContainerName,
        probe: &Probe,
    ) -> Result<ProbeResult, RuntimeError> {
        self.require_base(instance, from)?;
        let result = |target: &Target| {
            let (address, arrived) = match *target {
                Target::Icmp { address } | Target::Broadcast { address, .. } => (address, Answer::Answered),
                Target::Tcp { address, port } => (address, self.answer(address, port, Protocol::Tcp)),
                Target::Udp { address, port } => (address, self.answer(address, port, Protocol::Udp)),
                _ => return None,
            };
            let detail = match self.try_to_reach(from, address) {
                Attempt::Arrived => arrived,
                Attempt::Blocked => Answer::Failed("Operation not permitted".into()),
                Attempt::NoRoute => Answer::Unreachable,
                Attempt::Silence => Answer::TimedOut,
            };
            Some(TargetResult {
                target: *target,
                reached: detail == Answer::Answered,
                detail,
                rtt_us: None,
            })
        };
        let targets = probe.targets.iter().map(result).collect::<Option<Vec<_>>>();
        let unknown = || RuntimeError::Probe {
            container: from.to_string(),
            reason: "a target is of an unknown kind".into(),
        };
        Ok(ProbeResult {
            targets: targets.ok_or_else(unknown)?,
        })
    }

    /// Returns the answer of a port at an address.
    fn answer(&self, address: Ipv4Addr, number: u16, protocol: Protocol) -> Answer {
        let mut containers = self.containers.values();
        let Some(base) = containers.find(|base| base.networks.values().any(|own| *own == address)) else {
            return Answer::Refused;
        };
        let listens = |service: &&Container| {
            let of_base = match &service.shares {
                Some(shared) => *shared == base.id && service.started_at >= base.started_at,
                None => service.volume.is_some() && service.volume == base.volume,
            };
            service.activity == Activity::Running && of_base && service.listens.contains(&Port { number, protocol })
        };
        match self.containers.values().find(listens) {
            Some(_) => Answer::Answered,
            None => Answer::Refused,
        }
    }

    /// Sends a packet and waits for the answer.
    fn try_to_reach(&self, from: &ContainerName, to: Ipv4Addr) -> Attempt {
        let origin = &self.containers[from];
        let Some(state) = origin.actual_state() else {
            return Attempt::NoRoute;
        };
        if !origin.allows_outgoing(state, to) {
            return Attempt::Blocked;
        }
        if to == RESOLVER || origin.networks.values().any(|own| *own == to) {
            return Attempt::Arrived;
        }
        let source = match self.step(from, origin, state, to) {
            Step::To(_, network) => origin.networks.get(network).copied(),
            // The host has a route to everywhere.
            Step::Out => return Attempt::Arrived,
            Step::Lost => None,
        };
        let Some(source) = source else {
            return Attempt::NoRoute;
        };
        match self.travel(from, source, to) {
            Some(there) if self.travel(there, to, source) == Some(from) => Attempt::Arrived,
            _ => Attempt::Silence,
        }
    }

    /// Follows a packet from its source to the container that receives it.
    fn travel<'a>(&'a self, from: &'a ContainerName, source: Ipv4Addr, to: Ipv4Addr) -> Option<&'a ContainerName> {
        let mut at = from;
        for hop in 0..HOPS {
            let container = self
                .containers
                .get(at)
                .filter(|found| found.activity == Activity::Running)?;
            if container.networks.values().any(|own| *own == to) {
                return Some(at);
            }
            if hop > 0 && !container.passes(source, to) {
                return None;
            }
            match self.step(at, container, container.actual_state()?, to) {
                Step::To(next, _) => at = next,
                Step::Out | Step::Lost => return None,
            }
        }
        None
    }

    fn step<'a>(&'a self, at: &ContainerName, container: &'a Container, state: &NetState, to: Ipv4Addr) -> Step<'a> {
        let neighbour = |address: Ipv4Addr| {
            container.networks.keys().find_map(|name| {
                let network = self.networks.get(name)?;
                network
                    .subnet
                    .contains(&address)
                    .then(|| (name, network, network.endpoints.get(&address)))
            })
        };
        if let Some((name, network, found)) = neighbour(to) {
            return match found {
                Some(next) if next != at => Step::To(next, name),
                None if network.gateway == Some(to) => Step::Out,
                _ => Step::Lost,
            };
        }
        let routes = state.routes.iter().filter(|route| route.to.contains(&to));
        match routes.max_by_key(|route| route.to.prefix_len()) {
            Some(route) => match neighbour(route.via) {
                Some((name, _, Some(next))) if next != at => Step::To(next, name),
                _ => Step::Lost,
            },
            None if state.default_route => Step::Out,
            None => Step::Lost,
        }
    }
}
