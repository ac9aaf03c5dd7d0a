use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use decnet_decoy::protocol::{self, Egress, NetState};
use decnet_topology::{
    Decky, DmzEgress, Graph, ImageSource, InstanceId, Lan, PacketStyle, Route, Service, ServiceName, Topology,
    TopologyId, ValidTopology,
};

use super::bridge;
use super::builtin::{self, transport};
use super::context::DesiredContext;
use super::digest::digest;
use super::limits::{BASE_LIMITS, BUILTIN_LIMITS, IMAGE_LIMITS, bounded, writable_root};
use super::mac::Macs;
use super::persona;
use super::redirects::redirects;
use super::seccomp::Seccomp;
use super::spec::{
    BaseSpec, ImageSpec, InterfaceSpec, LinkSpec, LogSpec, NOBODY, NetworkReach, NetworkSpec, PortMapping, RunAs,
    ServiceNetwork, ServiceSpec, VolumeSpec,
};
use super::sysctls;
use crate::naming::{self, ContainerName, Labels, LinkName, NetworkName, Role};

/// The environment variable with the fields of a service's configuration as a JSON object: values from the maze, and the
/// catalogue's defaults for the rest.
const CONFIG_VARIABLE: &str = "SERVICE_CONFIG";

/// Reports why the desired state cannot be computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum DesiredError {
    /// The topology was validated against a catalogue that has the service; this catalogue does not.
    #[error("service `{service}` of decky `{decky}` is not in the catalogue")]
    UnknownService {
        /// The decky.
        decky: String,
        /// The service.
        service: ServiceName,
    },
}

impl DesiredError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}

/// The desired state on Docker of one topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// The repo.
    pub instance: InstanceId,
    /// The topology.
    pub topology: TopologyId,
    /// The images of the containers.
    pub images: BTreeSet<ImageSpec>,
    /// The networks.
    pub networks: BTreeMap<NetworkName, NetworkSpec>,
    /// The bases.
    pub bases: BTreeMap<ContainerName, BaseSpec>,
    /// The services.
    pub services: BTreeMap<ContainerName, ServiceSpec>,
    /// The links between members of a fleet.
    pub links: BTreeMap<LinkName, LinkSpec>,
    /// The members of a fleet that do not answer, and why. Nothing is desired there until they do.
    pub(crate) unseen: BTreeMap<String, String>,
    /// The members of a fleet that the maze left. Its images are removed there, too.
    pub(crate) former: BTreeSet<String>,
    /// The bases that keep the state that they have: that of their spec is incomplete, because the catalogue lacks a service.
    pub(crate) keep_state: BTreeSet<ContainerName>,
}

impl Desired {
    /// Returns an empty desired state: the target of a teardown and a reap.
    pub fn nothing(instance: InstanceId, topology: TopologyId) -> Self {
        Self {
            instance,
            topology,
            images: BTreeSet::new(),
            networks: BTreeMap::new(),
            bases: BTreeMap::new(),
            services: BTreeMap::new(),
            links: BTreeMap::new(),
            unseen: BTreeMap::new(),
            former: BTreeSet::new(),
            keep_state: BTreeSet::new(),
        }
    }

    /// Computes the desired state of a valid topology.
    pub fn new(valid: &ValidTopology, context: &DesiredContext<'_>) -> Result<Self, DesiredError> {
        let topology = valid.topology();
        let maker = Maker {
            context,
            ownership: naming::ownership(context.instance, context.topology),
            macs: Macs::new(context.secret, context.topology),
            seccomp: Seccomp::profile(),
        };
        let mut desired = Self::nothing(context.instance, context.topology);
        let networks = topology.lans().iter().flat_map(|lan| maker.networks(lan));
        desired.networks = networks.map(|network| (network.name.clone(), network)).collect();
        let routes = Graph::new(topology).routes();
        let mut images = BTreeMap::new();
        // Maps are built from lists: names arrive almost sorted.
        let (mut bases, mut services) = (Vec::with_capacity(topology.deckies().len()), Vec::new());
        for decky in topology.deckies() {
            let base = maker.base(topology, decky, routes.get(&decky.id()).map_or(&[], |routes| routes))?;
            for name in decky.services() {
                let entry = maker.entry(decky, name)?;
                let image = images.entry(name).or_insert_with(|| maker.image(entry));
                let service = maker.service(decky, entry, &base.name, image);
                services.push((service.name.clone(), service));
            }
            bases.push((base.name.clone(), base));
        }
        desired.images = images.into_values().collect();
        if !bases.is_empty() {
            desired.images.insert(maker.decoy());
        }
        let links = topology.lans().iter().flat_map(|lan| context.links(lan));
        desired.links = links.map(|link| (link.name.clone(), link)).collect();
        desired.bases = bases.into_iter().collect();
        desired.services = services.into_iter().collect();
        Ok(desired)
    }

    /// Leaves out what is desired on members of a fleet that do not answer.
    pub(crate) fn leave_out(&mut self, unseen: &BTreeMap<String, String>) {
        let is_seen = |host: Option<&str>| !unseen.contains_key(host.unwrap_or_default());
        self.networks.retain(|name, _| is_seen(name.host()));
        self.bases.retain(|name, _| is_seen(name.host()));
        self.services.retain(|name, _| is_seen(name.host()));
        self.links.retain(|name, _| is_seen(name.host()));
        self.unseen.clone_from(unseen);
    }

    /// Walks the named volumes of the services.
    pub fn volumes(&self) -> impl Iterator<Item = &VolumeSpec> {
        self.services.values().flat_map(|service| &service.volumes)
    }

    /// Returns the bases whose routes or forwarding differ from those in `before`. Their network state must be set again.
    pub fn states_changed_since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a ContainerName> {
        let changed = |base: &&BaseSpec| before.bases.get(&base.name).is_some_and(|old| old.state != base.state);
        self.bases.values().filter(changed).map(|base| &base.name)
    }
}

/// Builds the specs, with the values that all of them share.
struct Maker<'s, 'a> {
    context: &'s DesiredContext<'a>,
    ownership: Labels,
    macs: Macs,
    seccomp: Seccomp,
}

impl<'a> Maker<'_, 'a> {
    fn entry(&self, decky: &Decky, name: &ServiceName) -> Result<&'a Service, DesiredError> {
        self.context
            .catalog
            .decky_service(name.as_str())
            .ok_or_else(|| DesiredError::UnknownService {
                decky: decky.name().to_string(),
                service: name.clone(),
            })
    }

    /// Returns the network of a LAN on each member that has it. Only on the member that it is placed on, the host has an address on the
    /// DMZ: two hosts with one address on a LAN would both answer.
    fn networks(&self, lan: &Lan) -> impl Iterator<Item = NetworkSpec> {
        let names = self.context.names().networks(lan).into_iter().enumerate();
        names.map(|(place, name)| self.network(lan, name, place == 0))
    }

    fn network(&self, lan: &Lan, name: NetworkName, is_first: bool) -> NetworkSpec {
        let context = self.context;
        let reach = match (lan.is_dmz() && is_first, context.settings.dmz_egress) {
            (false, _) => NetworkReach::Isolated,
            (true, DmzEgress::None) => NetworkReach::Host,
            (true, _) => NetworkReach::Outside,
        };
        let mut spec = NetworkSpec {
            lan: lan.name().clone(),
            subnet: lan.subnet(),
            gateway: lan.gateway(),
            reach,
            mtu: context.mtu(),
            labels: self.ownership.clone(),
            name,
        };
        spec.labels.insert(naming::LAN.into(), lan.name().to_string());
        let api = context.api_on(spec.name.host());
        spec.labels
            .insert(naming::SPEC.into(), bridge::network_digest(&spec, api));
        spec
    }

    fn base(&self, topology: &Topology, decky: &Decky, routes: &[Route]) -> Result<BaseSpec, DesiredError> {
        let context = self.context;
        let names = context.names();
        let gateway = topology.is_gateway(decky);
        let system = decky.system(context.catalog);
        let attached = decky.attachments().iter().filter_map(|attachment| {
            let lan = topology.lan(attachment.lan)?;
            Some(InterfaceSpec {
                network: names.network_of(lan, decky),
                lan: lan.name().clone(),
                ip: attachment.ip,
                mac: self.macs.of(decky.name().as_str(), system, attachment.ip),
                priority: i64::from(lan.is_dmz()),
            })
        });
        let interfaces: Vec<_> = attached.collect();
        let lans: Vec<&Lan> = decky
            .attachments()
            .iter()
            .filter_map(|attachment| topology.lan(attachment.lan))
            .collect();
        let dmz = lans.iter().copied().find(|lan| lan.is_dmz());
        let egress = dmz.map_or(Egress::None, |_| egress(context.settings.dmz_egress));
        let mut state = NetState {
            forward: decky.is_router(),
            // Answers to visitors of a gateway need it.
            default_route: gateway || egress != Egress::None,
            interfaces: interfaces.iter().map(|interface| interface.ip).collect(),
            macs: interfaces
                .iter()
                .map(|interface| (interface.ip, interface.mac))
                .collect(),
            routes: routes.iter().map(state_route).collect(),
            lans: lans.iter().map(|lan| lan.subnet()).collect(),
            // The host has an address on the DMZ, and on every LAN if the runtime cannot omit it.
            closed: lans.iter().map(|lan| lan.gateway()).collect(),
            published: Vec::new(),
            broadcast: Vec::new(),
            redirects: Vec::new(),
            egress,
        };
        let mut publish = BTreeSet::new();
        if gateway {
            for name in decky.services() {
                let entry = self.entry(decky, name)?;
                for port in &entry.ports {
                    let host = context.settings.publish.host_port(decky.name().as_str(), entry, *port);
                    publish.extend(host.bound().map(|host_ip| PortMapping {
                        host_ip,
                        host_port: host.port.number,
                        port: port.number,
                        protocol: port.protocol,
                    }));
                }
            }
        }
        // The host forwards to the address on the DMZ, which is a gateway's home.
        let home = decky.attachments().first().map(|home| home.ip);
        state.published = home.map_or_else(Vec::new, |home| {
            publish.iter().map(|port| published(home, port)).collect()
        });
        if matches!(egress, Egress::DnsOnly | Egress::RateLimited) {
            let addresses = context.addresses_of(names.host_of(decky));
            let of_maze = |address: &&Ipv4Addr| topology.lans().iter().any(|lan| lan.subnet().contains(*address));
            state
                .closed
                .extend(addresses.iter().filter(|address| !of_maze(address)));
        }
        if dmz.is_none() {
            for name in decky.services() {
                let entry = self.entry(decky, name)?;
                state.broadcast.extend(entry.broadcast.iter().map(|port| port.number));
            }
        }
        for name in decky.services() {
            state.redirects.extend(redirects(self.entry(decky, name)?));
        }
        state.sort();
        let mut spec = BaseSpec {
            name: names.base(decky),
            decky: decky.name().clone(),
            hostname: decky.name().to_string(),
            image: context.decoy.into(),
            // Not part of the digest: interfaces are changed in the running base.
            interfaces: Vec::new(),
            publish,
            state: NetState::default(),
            sysctls: sysctls::of(PacketStyle::of(system)),
            limits: BASE_LIMITS,
            seccomp: self.seccomp.clone(),
            log: LogSpec::new(&context.settings.log),
            labels: self.labels(decky, Role::Base),
        };
        spec.labels.insert(naming::SPEC.into(), digest(&spec));
        spec.labels.insert(naming::STATE.into(), digest(&state));
        spec.interfaces = interfaces;
        spec.state = state;
        Ok(spec)
    }

    fn labels(&self, decky: &Decky, role: Role) -> Labels {
        let mut labels = self.ownership.clone();
        labels.insert(naming::DECKY.into(), decky.name().to_string());
        labels.insert(naming::ROLE.into(), role.as_str().into());
        let log = &self.context.settings.log;
        if !log.is_usual() {
            labels.insert(naming::LOG.into(), log.driver.to_string());
        }
        labels
    }

    fn decoy(&self) -> ImageSpec {
        ImageSpec::Decoy {
            reference: self.context.decoy.into(),
        }
    }

    fn image(&self, entry: &Service) -> ImageSpec {
        match &entry.image {
            ImageSource::Builtin => self.decoy(),
            ImageSource::Reference(reference) => ImageSpec::Pulled {
                reference: reference.clone(),
            },
            ImageSource::Build(context) => ImageSpec::Built {
                reference: format!(
                    "decnet-built:{}-{}",
                    entry.name,
                    digest(&(self.context.instance, context))
                ),
                context: context.clone(),
            },
            _ => unreachable!("the core and the engine have the same version"),
        }
    }

    fn service(&self, decky: &Decky, entry: &Service, base: &ContainerName, image: &ImageSpec) -> ServiceSpec {
        let fields = decky.service_config().get(&entry.name);
        let mut environment = entry.environment.clone();
        let is_builtin = matches!(entry.image, ImageSource::Builtin);
        let mut answers_datagrams = false;
        let (command, limits) = if is_builtin {
            let secret = persona::secret(self.context.secret, self.context.topology, decky.name());
            let state = builtin::state_of(decky, entry, self.context.catalog, self.context.settings, secret);
            answers_datagrams = state.services.iter().any(builtin::answers_every_datagram);
            environment.insert(protocol::SERVICE_VARIABLE.into(), json(&state));
            (Some(vec!["service".into()]), BUILTIN_LIMITS)
        } else {
            (
                Some(entry.command.clone()).filter(|command| !command.is_empty()),
                IMAGE_LIMITS,
            )
        };
        // A built-in service has its fields in its state.
        if !is_builtin {
            let defaults = entry
                .fields
                .iter()
                .filter_map(|field| Some((&field.key, field.default.as_ref()?)));
            let config: BTreeMap<_, _> = defaults.chain(fields.into_iter().flatten()).collect();
            if !config.is_empty() {
                environment.insert(CONFIG_VARIABLE.into(), json(&config));
            }
        }
        let name = naming::service_of_base(base, &entry.name);
        let volumes = entry.volumes.iter().map(|volume| VolumeSpec {
            name: naming::service_volume(&name, &volume.name),
            path: volume.path.clone(),
            labels: Labels::new(),
        });
        let mut spec = ServiceSpec {
            volumes: volumes.collect(),
            name,
            decky: decky.name().clone(),
            service: entry.name.clone(),
            base: base.clone(),
            network: if is_builtin {
                ServiceNetwork::HandedSockets
            } else {
                ServiceNetwork::OfBase
            },
            image: image.reference().into(),
            // Not part of the digest, like the ports: the container does not depend on them.
            build: None,
            command,
            environment,
            capabilities: entry.capabilities.clone(),
            ports: BTreeSet::new(),
            answers_datagrams: false,
            tmpfs: entry.tmpfs.clone(),
            writable_root: entry.writable_root.then(|| writable_root(entry.limits)),
            user: run_as(entry, is_builtin),
            limits: bounded(limits, entry.limits),
            seccomp: Seccomp::of(entry.seccomp, &self.seccomp),
            log: LogSpec::new(&self.context.settings.log),
            labels: self.labels(decky, Role::Service),
        };
        spec.labels.insert(naming::SERVICE.into(), "true".into());
        spec.labels.insert(naming::SERVICE_NAME.into(), entry.name.to_string());
        spec.labels.insert(naming::SPEC.into(), digest(&spec));
        for (spec_volume, volume) in spec.volumes.iter_mut().zip(&entry.volumes) {
            spec_volume.labels = naming::service_volume_labels(&spec.labels, &volume.name, volume.keep);
        }
        spec.ports.clone_from(&entry.ports);
        spec.answers_datagrams = answers_datagrams;
        if let ImageSpec::Built { context, .. } = image {
            spec.build = Some(context.clone());
        }
        spec
    }
}

/// Converts a published port for a base.
fn published(address: Ipv4Addr, port: &PortMapping) -> protocol::Published {
    protocol::Published {
        address,
        port: port.port,
        protocol: transport(port.protocol),
        host_only: port.host_ip.is_loopback(),
    }
}

/// Converts a route for a base.
fn state_route(route: &Route) -> protocol::Route {
    protocol::Route {
        to: route.destination,
        via: route.via,
    }
}

fn egress(setting: DmzEgress) -> Egress {
    match setting {
        DmzEgress::None => Egress::None,
        DmzEgress::DnsOnly => Egress::DnsOnly,
        DmzEgress::RateLimited => Egress::RateLimited,
        DmzEgress::Open => Egress::Open,
        _ => unreachable!("the core and the engine have the same version"),
    }
}

fn run_as(entry: &Service, is_builtin: bool) -> RunAs {
    match &entry.user {
        Some(user) => RunAs::User(user.clone()),
        None if is_builtin => RunAs::User(NOBODY.into()),
        None => RunAs::ImageUserUnlessRoot,
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("all keys are texts")
}
