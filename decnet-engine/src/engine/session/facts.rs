//! The inputs of a plan other than the topology: the runtime, and networks, routes and ports of the host.

use std::collections::{BTreeSet, btree_map::Entry};

use decnet_topology::{
    Catalog, DaemonNetwork, Decky, DeploySettings, HostFacts, HostRoute, ImageSource, InstallationSecret, InstanceId,
    Lan, Listener, NeighbourTable, Placement, Port, RuleSet, StoredTopology, Surroundings, TopologyId, TopologyRow,
    UnavailableImage, ValidTopology, net, published_ports,
};
use futures_util::{TryFutureExt as _, try_join};
use ipnet::Ipv4Net;

use crate::{
    desired::DesiredContext,
    engine::{Engine, EngineError},
    host,
    naming::MazeNames,
    observe::Observed,
    pushed::AgentStore,
    runtime::{Fleet, Runtime, RuntimeError, RuntimeInfo},
};

use super::{hosts::require_hosts_of, members::desired_fleet};

/// The inputs of plans other than the topology.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Facts {
    pub(in crate::engine) instance: InstanceId,
    pub(in crate::engine) secret: InstallationSecret,
    pub(in crate::engine) info: RuntimeInfo,
}

/// The state of a topology before an operation. If the operation deploys a copy, it is that of the original, which is removed first.
pub(in crate::engine) struct CurrentState<'a> {
    pub(in crate::engine) facts: &'a Facts,
    /// The topology.
    pub(in crate::engine) before: &'a StoredTopology,
    /// What the runtime has of it.
    pub(in crate::engine) observed: Observed,
}

impl Engine {
    /// Reads the inputs of plans other than the topology. This also checks that the runtime answers.
    pub(in crate::engine) async fn facts(&self) -> Result<Facts, EngineError> {
        if let Some(agent) = self.agent() {
            return Ok(Facts {
                instance: agent.instance,
                secret: agent.secret.clone(),
                info: self.runtime.info().await.map_err(|error| of_host(agent, error))?,
            });
        }
        let (info, instance, secret) = try_join!(
            self.runtime.info().map_err(EngineError::from),
            self.repo.instance().map_err(EngineError::from),
            self.repo.secret().map_err(EngineError::from)
        )?;
        Ok(Facts { instance, secret, info })
    }

    /// Does the same for a topology. If the hosts that it runs on are gone from the fleet, and this machine has no runtime, the hosts are
    /// what is missing.
    pub(in crate::engine) async fn facts_for(&self, row: &TopologyRow) -> Result<Facts, EngineError> {
        match self.facts().await {
            Err(EngineError::Runtime(error)) if error.is_unreachable() => {
                if row.placement.is_some() && self.runtime.members().await?.is_empty() {
                    require_hosts_of(row)?;
                }
                Err(error.into())
            }
            found => found,
        }
    }

    /// Validates a topology against a rule set, the claims of other topologies (without `own_claims`), and the host.
    pub(in crate::engine) async fn validate(
        &self,
        stored: &StoredTopology,
        settings: &DeploySettings,
        rules: RuleSet,
        host: Option<&HostFacts>,
        own_claims: TopologyId,
    ) -> Result<ValidTopology, EngineError> {
        let claims = self.repo.claims(Some(own_claims)).await?;
        let surroundings = Surroundings {
            claims: &claims,
            publish: Some(&settings.publish),
            host,
        };
        let topology = stored.topology.clone();
        Ok(topology.validate_in(&self.catalog_of(&stored.row), rules, surroundings)?)
    }

    /// Returns the inputs of specs other than the maze.
    pub(in crate::engine) fn desired_context<'s>(
        &'s self,
        facts: &'s Facts,
        row: &'s TopologyRow,
        catalog: &'s Catalog,
        settings: &'s DeploySettings,
    ) -> Result<DesiredContext<'s>, EngineError> {
        let image = self.image.as_ref().ok_or(EngineError::NoDecoy)?;
        Ok(DesiredContext {
            instance: facts.instance,
            secret: &facts.secret,
            topology: row.id,
            catalog,
            decoy: &image.reference,
            api: facts.info.api,
            settings,
            host_addresses: &facts.info.addresses,
            fleet: desired_fleet(row, &facts.info),
        })
    }

    /// Reads the facts of the host if a changed maze uses subnets, ports or images of it that it did not use before; none otherwise.
    pub(in crate::engine) async fn host_facts_of_change(
        &self,
        current: &CurrentState<'_>,
        after: &StoredTopology,
    ) -> Result<Option<HostFacts>, EngineError> {
        let before = current.before;
        if uses_more_of_the_host(&self.catalog_of(&before.row), before, after) {
            return Ok(Some(self.host_facts(current, after, &after.row.settings).await?));
        }
        Ok(None)
    }

    /// Gathers the facts for the rules on the host. The resources of the topology before are excluded; the images are those of the
    /// wanted one, and the ports are those that it has with the settings.
    pub(in crate::engine) async fn host_facts(
        &self,
        current: &CurrentState<'_>,
        wanted: &StoredTopology,
        settings: &DeploySettings,
    ) -> Result<HostFacts, EngineError> {
        let Some(placement) = &wanted.row.placement else {
            if let Some(reason) = current.observed.unseen.get("") {
                return Err(EngineError::HostUnreachable {
                    host: Fleet::THIS_MACHINE.into(),
                    reason: reason.clone(),
                });
            }
            let images = images_of(&self.catalog_of(&wanted.row), wanted, None);
            let runtime = self.runtime.member(None).await?;
            let runtime = runtime.as_deref().unwrap_or(self.runtime.as_ref());
            // A topology of mode `agent` is on the host of its agent.
            let host = self.agent().and(wanted.row.host.as_deref());
            let info = &current.facts.info;
            let mut facts = self
                .facts_of(current.facts.instance, (host, runtime), info, &images)
                .await?;
            self.add_machine_facts(&mut facts, (None, runtime), current).await?;
            if let Some(host) = host {
                name_host(&mut facts, host);
            }
            return Ok(facts);
        };
        let mut all = HostFacts::default();
        for host in placement.members() {
            let host = host.as_str();
            let silent = |reason: Option<&str>| EngineError::HostUnreachable {
                host: host.into(),
                reason: reason.unwrap_or("it is not a member of the fleet").into(),
            };
            let member = current.facts.info.members.get(host).ok_or_else(|| silent(None))?;
            let info = member.info.as_ref().ok_or_else(|| silent(member.silent.as_deref()))?;
            let runtime = self.runtime.member(Some(host)).await?.ok_or_else(|| silent(None))?;
            let images = images_of(&self.catalog_of(&wanted.row), wanted, Some(host));
            let (instance, member) = (current.facts.instance, (Some(host), runtime.as_ref()));
            let mut facts = self.facts_of(instance, member, info, &images).await?;
            self.add_machine_facts(&mut facts, member, current).await?;
            let uses = HostUses {
                subnets: subnets_on(wanted, host),
                ports: self.ports_on(wanted, settings, |decky| {
                    MazeNames::of(&wanted.row).host_of(decky) == Some(host)
                }),
            };
            merge(&mut all, host, facts, &uses);
        }
        Ok(all)
    }

    /// Gathers what a runtime knows for the rules on its host; the name of this machine is none.
    async fn facts_of(
        &self,
        instance: InstanceId,
        (host, runtime): (Option<&str>, &dyn Runtime),
        info: &RuntimeInfo,
        images: &BTreeSet<ImageSource>,
    ) -> Result<HostFacts, EngineError> {
        let foreign = runtime.foreign_networks(instance).await?;
        let networks: Vec<_> = foreign
            .into_iter()
            .map(|network| DaemonNetwork {
                name: network.name,
                subnet: network.subnet,
            })
            .collect();
        let lacks = info.podman.then(|| host::podman_lacks(info.local));
        let engine_lacks = lacks.into_iter().flatten().map(|lack| lack.to_string()).collect();
        let unavailable = runtime.unavailable_images(images).await?.into_iter();
        let hosts: BTreeSet<String> = host.into_iter().map(Into::into).collect();
        let unavailable = unavailable.map(|(image, reason)| {
            let hosts = hosts.clone();
            (image, UnavailableImage { reason, hosts })
        });
        Ok(HostFacts {
            listeners: Vec::new(),
            networks,
            routes: Vec::new(),
            neighbours: None,
            unavailable_images: unavailable.collect(),
            engine_lacks,
            unlimited_storage: (!info.limits_roots).then(|| info.storage.clone()),
            unlimited: info.unlimited.iter().map(ToString::to_string).collect(),
            rootless: info.rootless,
        })
    }

    /// Adds what only the machine of a runtime knows: its routes, its listeners and the size of its neighbour table. The resources of the
    /// topology before are excluded.
    async fn add_machine_facts(
        &self,
        facts: &mut HostFacts,
        (host, runtime): (Option<&str>, &dyn Runtime),
        current: &CurrentState<'_>,
    ) -> Result<(), EngineError> {
        if !self.options.check_host {
            return Ok(());
        }
        let Some(machine) = runtime.machine().await? else {
            return Ok(());
        };
        let networks = current.observed.networks.iter();
        let here = networks.filter(|network| network.name.host() == host);
        let ours: BTreeSet<_> = here.filter_map(|network| network.subnet).collect();
        let known = |subnet| ours.contains(&subnet) || facts.networks.iter().any(|network| network.subnet == subnet);
        let routes = machine.routes.into_iter().filter(|route| !known(route.subnet));
        facts.routes = routes
            .map(|route| HostRoute {
                host: host.map(Into::into),
                ..route
            })
            .collect();
        let held = self.held_ports(host, current);
        let listeners = machine.listeners.into_iter();
        facts.listeners = listeners
            .filter(|listener| !held.contains(&listener.port))
            .map(|listener| Listener {
                host: host.map(Into::into),
                ..listener
            })
            .collect();
        facts.neighbours = Some(NeighbourTable {
            size: machine.neighbours,
            host: host.map(Into::into),
        });
        Ok(())
    }

    /// Returns the ports of a host where gateways exist: the runtime listens on them for this maze.
    fn held_ports(&self, host: Option<&str>, current: &CurrentState<'_>) -> BTreeSet<Port> {
        let containers = current.observed.containers.iter();
        let there: BTreeSet<_> = containers.map(|container| &container.name).collect();
        let names = MazeNames::of(&current.before.row);
        self.ports_on(current.before, &current.before.row.settings, |decky| {
            let base = names.base(decky);
            base.host() == host && there.contains(&base)
        })
    }

    /// Returns the host ports that some deckies publish.
    fn ports_on(
        &self,
        stored: &StoredTopology,
        settings: &DeploySettings,
        is_here: impl Fn(&Decky) -> bool,
    ) -> BTreeSet<Port> {
        let here = stored.topology.deckies().iter().filter(|decky| is_here(decky));
        let here: BTreeSet<&str> = here.map(|decky| decky.name().as_str()).collect();
        published_ports(&stored.topology, &self.catalog_of(&stored.row), &settings.publish)
            .into_iter()
            .filter(|published| here.contains(published.decky.as_str()))
            .map(|published| published.host.port)
            .collect()
    }
}

/// Says on which host the runtime of an agent does not answer.
fn of_host(agent: &AgentStore, error: RuntimeError) -> RuntimeError {
    match (error, &agent.member) {
        (RuntimeError::Unreachable { endpoint, reason }, Some(member)) => RuntimeError::Unreachable {
            endpoint: format!("{endpoint} on host {}", member.name),
            reason,
        },
        (error, _) => error,
    }
}

/// Returns whether a maze uses subnets, ports or images of the host that it did not use before.
fn uses_more_of_the_host(catalog: &Catalog, before: &StoredTopology, after: &StoredTopology) -> bool {
    let subnets = |stored: &StoredTopology| stored.topology.lans().iter().map(Lan::subnet).collect::<BTreeSet<_>>();
    let ports = |stored: &StoredTopology| {
        let published = published_ports(&stored.topology, catalog, &stored.row.settings.publish);
        published
            .into_iter()
            .map(|published| published.host.port)
            .collect::<BTreeSet<_>>()
    };
    !subnets(after).is_subset(&subnets(before))
        || !ports(after).is_subset(&ports(before))
        || !images_of(catalog, after, None).is_subset(&images_of(catalog, before, None))
        || after.row.placement.as_ref().map(Placement::members) != before.row.placement.as_ref().map(Placement::members)
}

/// Says on which host the facts of a topology of mode `agent` are.
fn name_host(facts: &mut HostFacts, host: &str) {
    for route in &mut facts.routes {
        route.host = Some(host.into());
    }
    for listener in &mut facts.listeners {
        listener.host = Some(host.into());
    }
    if let Some(neighbours) = &mut facts.neighbours {
        neighbours.host = Some(host.into());
    }
    for network in &mut facts.networks {
        network.name = format!("{host}/{}", network.name);
    }
}

/// What a maze uses of a member of a fleet.
struct HostUses {
    subnets: Vec<Ipv4Net>,
    ports: BTreeSet<Port>,
}

/// Adds the facts of a member of a fleet. Only what is in the way of the maze there counts.
fn merge(all: &mut HostFacts, host: &str, facts: HostFacts, uses: &HostUses) {
    let named = |text: &str| format!("host {host}: {text}");
    let is_in_the_way = |other: Ipv4Net| uses.subnets.iter().any(|subnet| net::overlaps(*subnet, other));
    let networks = facts.networks.into_iter();
    let networks = networks.filter(|network| is_in_the_way(network.subnet));
    all.networks.extend(networks.map(|network| DaemonNetwork {
        name: format!("{host}/{}", network.name),
        subnet: network.subnet,
    }));
    let routes = facts.routes.into_iter();
    all.routes.extend(routes.filter(|route| is_in_the_way(route.subnet)));
    let listeners = facts.listeners.into_iter();
    all.listeners
        .extend(listeners.filter(|listener| uses.ports.contains(&listener.port)));
    let fills = |table: &NeighbourTable| uses.subnets.iter().any(|subnet| net::usable(*subnet) > table.size);
    let tables = all.neighbours.take().into_iter().chain(facts.neighbours.filter(fills));
    all.neighbours = tables.min_by_key(|table| table.size);
    for (image, unavailable) in facts.unavailable_images {
        match all.unavailable_images.entry(image) {
            Entry::Occupied(mut found) => found.get_mut().hosts.extend(unavailable.hosts),
            Entry::Vacant(entry) => drop(entry.insert(unavailable)),
        }
    }
    all.engine_lacks
        .extend(facts.engine_lacks.iter().map(|lack| named(lack)));
    all.unlimited_storage = all.unlimited_storage.take().or(facts.unlimited_storage);
    all.unlimited
        .extend(facts.unlimited.iter().map(|resource| named(resource)));
    all.rootless |= facts.rootless;
}

/// Returns the subnets that a member has of a maze.
fn subnets_on(stored: &StoredTopology, host: &str) -> Vec<Ipv4Net> {
    let names = MazeNames::of(&stored.row);
    let lans = stored
        .topology
        .lans()
        .iter()
        .filter(|lan| names.hosts_of(lan).contains(&host));
    lans.map(Lan::subnet).collect()
}

/// Returns the images of a maze's services that do not come with this program, on one member of a fleet or everywhere.
fn images_of(catalog: &Catalog, stored: &StoredTopology, host: Option<&str>) -> BTreeSet<ImageSource> {
    let names = MazeNames::of(&stored.row);
    let deckies = stored.topology.deckies().iter();
    let here = deckies.filter(|decky| host.is_none() || names.host_of(decky) == host);
    let services = here.flat_map(Decky::services);
    let known = services.filter_map(|service| catalog.service(service.as_str()));
    let images = known.map(|service| service.image.clone());
    images.filter(|image| *image != ImageSource::Builtin).collect()
}
