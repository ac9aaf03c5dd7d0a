use std::{collections::BTreeMap, net::Ipv4Addr};

use decnet_topology::{Name, ServiceName, StoredTopology, TopologyId};
use serde::Serialize;

use super::{Engine, EngineError};
use crate::{
    naming,
    observe::{Activity, Observed, ObservedContainer},
};

/// A topology, and how it fares on the runtime.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// What is stored.
    pub stored: StoredTopology,
    /// How each decky fares, in the topology's order.
    pub deckies: Vec<DeckyState>,
}

/// How one decky fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeckyState {
    /// The decky.
    pub decky: Name,
    /// Its addresses by LAN, home first.
    pub addresses: Vec<(Name, Ipv4Addr)>,
    /// Whether it forwards packets between its LANs.
    pub router: bool,
    /// Whether it publishes ports on the host.
    pub gateway: bool,
    /// What its base does; none if there is none.
    pub base: Option<Activity>,
    /// What its services do.
    pub services: Vec<ServiceState>,
}

/// How one service of a decky fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceState {
    /// The service.
    pub service: ServiceName,
    /// What its container does; none if there is none.
    pub activity: Option<Activity>,
}

impl Engine {
    /// Looks at how a topology fares on the runtime.
    pub async fn inspect(&self, id: TopologyId) -> Result<Inspection, EngineError> {
        let stored = self.repo.load(id).await?;
        let observed = self.observe(id).await?;
        Ok(Inspection::new(stored, &observed))
    }
}

impl Inspection {
    /// Puts together what is stored and what was observed.
    pub fn new(stored: StoredTopology, observed: &Observed) -> Self {
        let there: BTreeMap<_, &ObservedContainer> = observed
            .containers
            .iter()
            .map(|container| (&container.name, container))
            .collect();
        let activity = |name| there.get(&name).map(|container| container.activity);
        let id = stored.row.id;
        let topology = &stored.topology;
        let deckies = topology.deckies().iter().map(|decky| DeckyState {
            decky: decky.name().clone(),
            addresses: decky
                .attachments()
                .iter()
                .filter_map(|attachment| Some((topology.lan(attachment.lan)?.name().clone(), attachment.ip)))
                .collect(),
            router: decky.is_router(),
            gateway: topology.is_gateway(decky),
            base: activity(naming::base(id, decky)),
            services: decky
                .services()
                .iter()
                .map(|service| ServiceState {
                    service: service.clone(),
                    activity: activity(naming::service(id, decky, service)),
                })
                .collect(),
        });
        let deckies = deckies.collect();
        Self { stored, deckies }
    }
}
