use std::{collections::BTreeMap, net::Ipv4Addr};

use decnet_topology::{Decky, Name, ServiceName, StoredTopology, Topology, TopologyId, TopologyRow};
use futures_util::try_join;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    engine::{Engine, EngineError},
    host::Bridge,
    naming::MazeNames,
    observe::{Activity, Observed, ObservedContainer, Scope},
};

/// A topology and its state on the runtime.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The stored topology.
    pub stored: StoredTopology,
    /// The state of each decky, in the topology's order.
    pub deckies: Vec<DeckyState>,
}

/// The state of one decky.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent property of a decky"
)]
pub struct DeckyState {
    /// The decky.
    pub decky: Name,
    /// Its expected addresses by LAN, home first.
    pub addresses: Vec<(Name, Ipv4Addr)>,
    /// Its actual interfaces, those of the maze first, home first; none if it has no base.
    pub interfaces: Vec<InterfaceState>,
    /// Whether it forwards packets between its LANs.
    pub router: bool,
    /// Whether it publishes ports on the host.
    pub gateway: bool,
    /// Whether its host does not answer. Then nothing is known of its containers.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unseen: bool,
    /// The activity of its base; none if it has no base.
    pub base: Option<Activity>,
    /// Whether its base is in a crash loop.
    pub base_crash_loop: bool,
    /// The exit code of its base, if it does not run.
    pub base_exit_code: Option<i64>,
    /// The state of its services.
    pub services: Vec<ServiceState>,
}

/// One interface of a decky: expected and actual.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InterfaceState {
    /// The LAN; the runtime's name of the network if the decky should not be on it.
    pub network: String,
    /// The expected address; none if the decky should not be on the network.
    pub expected: Option<Ipv4Addr>,
    /// The actual address; none if the decky is not on the LAN.
    pub found: Option<Ipv4Addr>,
    /// The name of the interface inside the decky, such as `eth0`; none if it is not known, for example because the runtime is on
    /// another machine.
    pub name: Option<String>,
}

/// The state of one service of a decky.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceState {
    /// The service.
    pub service: ServiceName,
    /// The activity of its container; none if it has no container.
    pub activity: Option<Activity>,
    /// How often the runtime restarted it after it ended.
    pub restarts: u32,
    /// Whether it is in a crash loop.
    pub crash_loop: bool,
    /// Its exit code, if it does not run.
    pub exit_code: Option<i64>,
}

impl Engine {
    /// Inspects a topology on the runtime.
    pub async fn inspect(&self, id: TopologyId) -> Result<Inspection, EngineError> {
        let stored = self.repo.load(id).await?;
        let Observation { observed, .. } = self.observation(&stored.row, true).await?;
        Ok(Inspection::new(stored, &observed, Timestamp::now()))
    }
}

/// What hosts have of a topology.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Observation {
    /// Its resources.
    pub observed: Observed,
    /// The bridges of its LANs, by subnet and host.
    pub bridges: Vec<Bridge>,
}

impl Engine {
    /// Observes a topology where it is: on this machine, on the hosts that it is placed on, or on the host of its agent. Hosts that left
    /// the fleet are unseen.
    ///
    /// With `interfaces`, the names of the interfaces in its deckies are read too, which takes longer.
    ///
    /// # Errors
    ///
    /// [`EngineError::Runtime`] if the runtime does not answer, and [`EngineError::AgentMode`] if the host of its agent is not in the
    /// fleet.
    pub async fn observation(&self, row: &TopologyRow, interfaces: bool) -> Result<Observation, EngineError> {
        let (runtime, instance) = self.place_of(row).await?;
        let scope = Scope::Topology(instance, row.id);
        let (observed, info) = try_join!(runtime.inspect(scope), runtime.info())?;
        let mut observed = self.without_strangers(row.id, observed).await?;
        self.mark_lost(row, &mut observed).await?;
        if interfaces {
            runtime.name_interfaces(&mut observed).await?;
        }
        let bridges = observed.networks.iter().filter_map(|network| {
            let info = match network.name.host() {
                Some(host) => info.members.get(host)?.info.as_ref()?,
                None => &info,
            };
            Bridge::of(network, info.podman)
        });
        let mut bridges: Vec<Bridge> = bridges.collect();
        bridges.sort_by(|one, other| (one.subnet, &one.host).cmp(&(other.subnet, &other.host)));
        Ok(Observation { observed, bridges })
    }
}

impl Inspection {
    /// Combines the stored and the observed state.
    pub fn new(stored: StoredTopology, observed: &Observed, now: Timestamp) -> Self {
        let there: BTreeMap<_, &ObservedContainer> = observed
            .containers
            .iter()
            .map(|container| (&container.name, container))
            .collect();
        let names = MazeNames::of(&stored.row);
        let topology = &stored.topology;
        let deckies = topology.deckies().iter().map(|decky| {
            let base_name = names.base(decky);
            let base = there.get(&base_name).copied();
            DeckyState {
                decky: decky.name().clone(),
                addresses: decky
                    .attachments()
                    .iter()
                    .filter_map(|attachment| Some((topology.lan(attachment.lan)?.name().clone(), attachment.ip)))
                    .collect(),
                interfaces: base.map_or_else(Vec::new, |base| interfaces(names, topology, decky, base)),
                router: decky.is_router(),
                gateway: topology.is_gateway(decky),
                unseen: observed.unseen.contains_key(base_name.host().unwrap_or_default()),
                base: base.map(|base| base.activity),
                base_crash_loop: base.is_some_and(|base| base.is_crash_looping(now)),
                base_exit_code: base.and_then(|base| base.exit_code),
                services: decky
                    .services()
                    .iter()
                    .map(|service| {
                        let there = there.get(&names.service(decky, service)).copied();
                        ServiceState::new(service.clone(), there, now)
                    })
                    .collect(),
            }
        });
        let deckies = deckies.collect();
        Self { stored, deckies }
    }
}

impl ServiceState {
    fn new(service: ServiceName, there: Option<&ObservedContainer>, now: Timestamp) -> Self {
        Self {
            service,
            activity: there.map(|there| there.activity),
            restarts: there.map_or(0, |there| there.restarts),
            crash_loop: there.is_some_and(|there| there.is_crash_looping(now)),
            exit_code: there.and_then(|there| there.exit_code),
        }
    }
}

/// Matches the expected interfaces of a decky with the actual ones of its base.
fn interfaces(
    names: MazeNames<'_>,
    topology: &Topology,
    decky: &Decky,
    base: &ObservedContainer,
) -> Vec<InterfaceState> {
    let mut others = base.networks.clone();
    let own = decky.attachments().iter().filter_map(|attachment| {
        let lan = topology.lan(attachment.lan)?;
        let network = names.network_of(lan, decky);
        let found = others.remove(&network);
        Some(InterfaceState {
            name: base.interfaces.get(&network).cloned(),
            network: lan.name().to_string(),
            expected: Some(attachment.ip),
            // The decky is on the network even if Docker does not report the address.
            found: found.map(|ip| ip.unwrap_or(attachment.ip)),
        })
    });
    let mut interfaces: Vec<_> = own.collect();
    interfaces.extend(others.into_iter().map(|(network, ip)| InterfaceState {
        name: base.interfaces.get(&network).cloned(),
        network: network.to_string(),
        expected: None,
        found: Some(ip.unwrap_or(Ipv4Addr::UNSPECIFIED)),
    }));
    interfaces
}
