use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable};
use bollard::{
    models::{Ipam, IpamConfig, Network, NetworkCreateRequest, NetworkDisconnectRequest},
    query_parameters::ListNetworksOptionsBuilder,
};
use decnet_topology::InstanceId;
use ipnet::Ipv4Net;

use super::{Docker, containers, failure::Failure, labels, links::bridge_name, tolerant::tolerant};
use crate::{
    decoy::digest,
    desired::{NetworkReach, NetworkSpec, bridge_options},
    naming::{self, Labels, NetworkName},
    observe,
    runtime::{Effect, ForeignNetwork, RuntimeError, ownership},
};

pub(super) fn what(network: &NetworkName) -> String {
    format!("network {network}")
}

/// Returns the IPv4 subnets of a network.
pub(super) fn subnets(network: &Network) -> Vec<Ipv4Net> {
    let configs = network
        .ipam
        .as_ref()
        .and_then(|ipam| ipam.config.as_deref())
        .unwrap_or_default();
    let subnets = configs
        .iter()
        .filter_map(|config| config.subnet.as_deref()?.parse().ok());
    subnets.collect()
}

/// How often, and with which pauses, the daemon is asked for a network that it is still creating.
const IN_FLIGHT_ATTEMPTS: usize = 40;
const IN_FLIGHT_PAUSE: Duration = Duration::from_millis(250);

/// Docker's option for the name of a bridge.
const BRIDGE_NAME: &str = "com.docker.network.bridge.name";

/// Podman's message if a subnet is taken by an interface of the host or another network.
const USED_ON_HOST: &str = "already used on the host";

/// The result of a request to create a network.
enum Attempt {
    Made(Effect),
    /// The daemon holds the name or the subnet, but lists no network that has it. Contains the daemon's message.
    InFlight(String),
}

/// One of our networks, found by name.
struct Found {
    id: String,
    labels: Labels,
}

impl Docker {
    pub(super) async fn list_networks(&self, filters: &HashMap<&str, Vec<&str>>) -> Result<Vec<Network>, RuntimeError> {
        let options = ListNetworksOptionsBuilder::default().filters(filters).build();
        Ok(self
            .ask("list networks", self.client.list_networks(Some(options)))
            .await?)
    }

    /// Lists the host's addresses on its networks.
    pub(super) async fn gateways(&self) -> Result<Vec<Ipv4Addr>, RuntimeError> {
        let networks = self.list_networks(&HashMap::new()).await?;
        let configs = networks
            .into_iter()
            .filter_map(|network| network.ipam?.config)
            .flatten();
        // Without a configured gateway, the daemon may append the length of the prefix.
        let gateways = configs.filter_map(|config| config.gateway?.split('/').next()?.parse().ok());
        Ok(gateways.collect())
    }

    pub(super) async fn list_foreign_networks(
        &self,
        instance: InstanceId,
    ) -> Result<Vec<ForeignNetwork>, RuntimeError> {
        let mut foreign = Vec::new();
        for network in self.list_networks(&HashMap::new()).await? {
            let found = subnets(&network);
            let labels = labels::read(network.labels);
            if !ownership::is_ours(&labels, instance) {
                let name = network.name.unwrap_or_default();
                foreign.extend(found.into_iter().map(|subnet| ForeignNetwork {
                    name: name.clone(),
                    subnet,
                    instance: observe::instance_of(&labels),
                    host: None,
                }));
            }
        }
        Ok(foreign)
    }

    /// Returns the name of a network's bridge.
    pub(super) async fn bridge_of(&self, instance: InstanceId, network: &NetworkName) -> Result<String, RuntimeError> {
        let what = what(network);
        let request = self.client.inspect_network(network.as_str(), None);
        let found = match self.ask(&format!("inspect {what}"), request).await {
            Err(failure) if failure.is(404) => return Err(RuntimeError::Gone { what }),
            found => found?,
        };
        ownership::require_ours(&*what, &labels::read(found.labels), instance)?;
        if self.podman {
            return Ok(naming::bridge(network));
        }
        found
            .id
            .as_deref()
            .and_then(bridge_name)
            .ok_or(RuntimeError::Gone { what })
    }

    /// Finds the networks with exactly these names. Docker's filter also matches parts of names, and old engines allow several
    /// networks with one name.
    async fn named(&self, names: &[&NetworkName]) -> Result<Vec<(String, Found)>, RuntimeError> {
        let wanted: Vec<_> = names.iter().map(|name| name.as_str()).collect();
        let listed = self.list_networks(&HashMap::from([("name", wanted.clone())])).await?;
        let found = listed.into_iter().filter_map(|network| {
            let name = network.name.filter(|name| wanted.contains(&name.as_str()))?;
            let found = Found {
                id: network.id?,
                labels: labels::read(network.labels),
            };
            Some((name, found))
        });
        Ok(found.collect())
    }

    /// Checks that networks exist, are ours and have unique names, so that containers can be connected by name.
    pub(super) async fn require_networks(
        &self,
        instance: InstanceId,
        names: &[&NetworkName],
    ) -> Result<(), RuntimeError> {
        if names.is_empty() {
            return Ok(());
        }
        let found = self.named(names).await?;
        for name in names {
            let mut holders = found.iter().filter(|(holder, _)| holder == name.as_str()).peekable();
            if holders.peek().is_none() {
                return Err(RuntimeError::Gone { what: what(name) });
            }
            for (_, holder) in holders {
                ownership::require_ours(what(name), &holder.labels, instance)?;
            }
        }
        Ok(())
    }

    /// Returns whether the networks of a Podman are CNI's: their ids are digests of their names.
    pub(super) async fn has_cni(&self, networks: &[&NetworkName]) -> Result<bool, RuntimeError> {
        let found = self.named(networks).await?;
        Ok(found
            .iter()
            .any(|(name, network)| network.id == digest(name.as_bytes())))
    }

    pub(super) async fn create_network(
        &self,
        instance: InstanceId,
        spec: &NetworkSpec,
    ) -> Result<Effect, RuntimeError> {
        for _ in 0..IN_FLIGHT_ATTEMPTS {
            if self.is_made(instance, spec).await? {
                return Ok(Effect::Unchanged);
            }
            match self.try_to_create_network(instance, spec).await? {
                Attempt::Made(effect) => return Ok(effect),
                Attempt::InFlight(reason) => {
                    tracing::info!(network = %spec.name, reason, "the daemon is still creating the network");
                }
            }
            tokio::time::sleep(IN_FLIGHT_PAUSE).await;
        }
        Err(RuntimeError::SubnetTaken {
            subnet: spec.subnet.to_string(),
            reason: format!(
                "the daemon is still creating network {} for a process that ended",
                spec.name
            ),
        })
    }

    /// Creates a network, unless the daemon holds its name or subnet for one that it does not list yet.
    ///
    /// This happens if a process was killed during a request for the same network: the daemon creates it anyway, and lists it a
    /// moment later.
    async fn try_to_create_network(&self, instance: InstanceId, spec: &NetworkSpec) -> Result<Attempt, RuntimeError> {
        let options = bridge_options(spec, self.api).into_iter();
        let mut options: HashMap<_, _> = options.map(|(option, value)| (option.into(), value)).collect();
        if self.podman {
            options.insert(BRIDGE_NAME.into(), naming::bridge(&spec.name));
        }
        let request = self.client.create_network(NetworkCreateRequest {
            name: spec.name.to_string(),
            driver: Some("bridge".into()),
            ipam: Some(Ipam {
                config: Some(vec![IpamConfig {
                    subnet: Some(spec.subnet.to_string()),
                    gateway: Some(spec.gateway.to_string()),
                    ..IpamConfig::default()
                }]),
                ..Ipam::default()
            }),
            // Podman ignores the option. It does not masquerade packets from an internal network, and routers work there.
            internal: Some(self.podman && spec.reach == NetworkReach::Isolated),
            options: Some(options),
            enable_ipv6: Some(false),
            labels: Some(labels::write(&spec.labels)),
            ..NetworkCreateRequest::default()
        });
        let failure = match self.ask(&format!("create network {}", spec.name), request).await {
            Ok(_) => return Ok(Attempt::Made(Effect::Changed)),
            Err(failure) if failure.mentions("overlap") || failure.mentions(USED_ON_HOST) || failure.is(409) => failure,
            Err(failure) => return Err(failure.into()),
        };
        // Another process created it meanwhile.
        if self.is_made(instance, spec).await? {
            return Ok(Attempt::Made(Effect::Unchanged));
        }
        let listed = self.list_networks(&HashMap::new()).await?;
        let mut taken = listed.iter().flat_map(subnets);
        let overlaps = taken.any(|subnet| decnet_topology::net::overlaps(subnet, spec.subnet));
        if overlaps || failure.mentions(USED_ON_HOST) {
            return Err(RuntimeError::SubnetTaken {
                subnet: spec.subnet.to_string(),
                reason: failure.message(),
            });
        }
        Ok(Attempt::InFlight(failure.message()))
    }

    /// Returns whether a network exists with the same spec. Another network with this name is an error.
    async fn is_made(&self, instance: InstanceId, spec: &NetworkSpec) -> Result<bool, RuntimeError> {
        let found = self.named(&[&spec.name]).await?;
        for (_, holder) in &found {
            ownership::require_ours(what(&spec.name), &holder.labels, instance)?;
            if holder.labels.get(naming::SPEC) != spec.labels.get(naming::SPEC) {
                return Err(RuntimeError::Conflict {
                    reason: format!("network {} exists with another spec", spec.name),
                });
            }
        }
        Ok(!found.is_empty())
    }

    pub(super) async fn remove_network(
        &self,
        instance: InstanceId,
        name: &NetworkName,
        id: Option<&str>,
    ) -> Result<Effect, RuntimeError> {
        let found = self.named(&[name]).await?;
        let ours = found
            .into_iter()
            .map(|(_, found)| found)
            .filter(|found| ownership::is_ours(&found.labels, instance) && id.is_none_or(|id| id == found.id));
        let mut effect = Effect::Unchanged;
        for network in ours {
            // Given an id, Podman 4.3 removes a network that still has containers. Its names are unique.
            let handle = if self.podman { name.as_str() } else { &network.id };
            if self.remove_by_id(name, handle).await? == Effect::Changed {
                effect = Effect::Changed;
            }
        }
        Ok(effect)
    }

    async fn remove_by_id(&self, name: &NetworkName, id: &str) -> Result<Effect, RuntimeError> {
        let asked = format!("remove network {name}");
        let attempt = || async {
            let refused = match self.ask(&asked, self.client.remove_network(id)).await {
                // The messages of Docker and of Podman.
                Err(failure) if failure.mentions("active endpoints") || failure.mentions("network is being used") => {
                    failure
                }
                other => return other.map_err(Remove::Refused),
            };
            Err(match self.disconnect_stale(id).await? {
                Some(holder) => Remove::Held(format!("{holder} is connected")),
                None => Remove::Loosened(refused.message()),
            })
        };
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(50))
            .with_factor(2.0)
            .with_max_times(6);
        let removed = attempt
            .retry(pauses)
            .when(|remove| matches!(remove, Remove::Loosened(_)))
            .await;
        let busy = |reason| RuntimeError::NetworkBusy {
            network: name.to_string(),
            reason,
        };
        match removed {
            Ok(()) => Ok(Effect::Changed),
            Err(Remove::Refused(failure)) if failure.is(404) => Ok(Effect::Unchanged),
            Err(Remove::Refused(failure)) => Err(failure.into()),
            Err(Remove::Held(reason) | Remove::Loosened(reason)) => Err(busy(reason)),
        }
    }

    /// Disconnects the endpoints of removed containers from a network. Returns the name of a container that still exists.
    ///
    /// A daemon that removes several containers of a network at once may keep their endpoints forever.
    async fn disconnect_stale(&self, id: &str) -> Result<Option<String>, Failure> {
        let network = self
            .ask("inspect a network", self.client.inspect_network(id, None))
            .await?;
        let endpoints: BTreeMap<_, _> = network.containers.unwrap_or_default().into_iter().collect();
        for (container, endpoint) in endpoints {
            let endpoint = endpoint.name.unwrap_or_default();
            let request = tolerant(self.client.inspect_container(&container, None));
            let exists = match self.ask("inspect a container", request).await {
                Ok(found) => !containers::is_leaving(&found),
                Err(failure) if failure.is(404) => false,
                Err(failure) => return Err(failure),
            };
            if exists {
                return Ok(Some(endpoint));
            }
            let request = NetworkDisconnectRequest {
                container: endpoint,
                force: Some(true),
            };
            // The next attempt to remove the network shows whether this helped.
            let disconnected = self
                .ask("disconnect an endpoint", self.client.disconnect_network(id, request))
                .await;
            if let Err(failure) = disconnected {
                tracing::debug!(
                    network = id,
                    reason = failure.message(),
                    "an endpoint could not be disconnected"
                );
            }
        }
        Ok(None)
    }
}

/// The reason why a network was not removed.
enum Remove {
    Refused(Failure),
    /// An existing container is connected.
    Held(String),
    /// It had endpoints of removed containers.
    Loosened(String),
}

impl From<Failure> for Remove {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}
