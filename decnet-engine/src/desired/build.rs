use std::collections::{BTreeMap, BTreeSet};

use decnet_decoy::protocol::{self, Egress, Listen, NetState, Route, ServiceState};
use decnet_topology::{
    Catalog, Decky, DeckyId, DeploySettings, DmzEgress, InstanceId, Lan, ServiceName, Topology, TopologyId,
    ValidTopology,
    catalog::{self, ImageSource, Protocol, Service},
    graph::{self, Graph},
};

use super::spec::{BaseSpec, Image, Interface, Limits, NetworkSpec, PublishedPort, ServiceSpec, digest};
use crate::{
    api::ApiVersion,
    naming::{self, ContainerName, Labels, NetworkName, Role},
};

const MIB: i64 = 1 << 20;

/// What a base needs: one small program that sleeps.
const BASE_LIMITS: Limits = Limits {
    pids: 64,
    memory: 64 * MIB,
    nano_cpus: 500_000_000,
};
/// What a built-in responder needs.
const BUILTIN_LIMITS: Limits = Limits {
    pids: 64,
    memory: 64 * MIB,
    nano_cpus: 500_000_000,
};
/// What an image of the user's own gets.
const IMAGE_LIMITS: Limits = Limits {
    pids: 512,
    memory: 512 * MIB,
    nano_cpus: 1_000_000_000,
};

/// The environment variable with the fields of a service's configuration as a JSON object: what the maze sets, and the
/// catalogue's defaults of the rest.
const CONFIG_VARIABLE: &str = "DECNET_SERVICE_CONFIG";

/// The API from which a bridge must be told not to guard its containers against routed packets (Docker 28).
const NAT_UNPROTECTED_SINCE: ApiVersion = ApiVersion::v1(48);

/// What the specs depend on beside the maze.
#[derive(Debug, Clone)]
pub struct Setting<'a> {
    /// The repo.
    pub instance: InstanceId,
    /// The topology.
    pub topology: TopologyId,
    /// The services that there are.
    pub catalog: &'a Catalog,
    /// The reference of the decoy's image.
    pub decoy: &'a str,
    /// The API of the runtime.
    pub api: ApiVersion,
    /// How the topology is raised.
    pub settings: &'a DeploySettings,
}

/// The refusal to say what should be there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DesiredError {
    /// The topology was found valid with a catalogue that has the service; this one has not.
    #[error("service `{service}` of decky `{decky}` is not in the catalogue")]
    UnknownService {
        /// The decky.
        decky: String,
        /// The service.
        service: ServiceName,
    },
}

/// What should be on Docker for one topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// The repo.
    pub instance: InstanceId,
    /// The topology.
    pub topology: TopologyId,
    /// The images that the containers are made from.
    pub images: BTreeSet<Image>,
    /// The networks.
    pub networks: BTreeMap<NetworkName, NetworkSpec>,
    /// The bases.
    pub bases: BTreeMap<ContainerName, BaseSpec>,
    /// The services.
    pub services: BTreeMap<ContainerName, ServiceSpec>,
}

impl Desired {
    /// Says that nothing should be there: what a teardown and a reap aim at.
    pub fn nothing(instance: InstanceId, topology: TopologyId) -> Self {
        Self {
            instance,
            topology,
            images: BTreeSet::new(),
            networks: BTreeMap::new(),
            bases: BTreeMap::new(),
            services: BTreeMap::new(),
        }
    }

    /// Works out what a valid topology is on Docker.
    pub fn new(valid: &ValidTopology, setting: &Setting<'_>) -> Result<Self, DesiredError> {
        let topology = valid.topology();
        let mut desired = Self::nothing(setting.instance, setting.topology);
        for lan in topology.lans() {
            let network = network(lan, setting);
            desired.networks.insert(network.name.clone(), network);
        }
        let mut routes = routes(topology);
        for decky in topology.deckies() {
            let base = base(topology, decky, routes.remove(&decky.id()).unwrap_or_default(), setting)?;
            for name in decky.services() {
                let entry = entry(decky, name, setting)?;
                let (image, service) = service(decky, entry, &base.name, setting);
                desired.images.insert(image);
                desired.services.insert(service.name.clone(), service);
            }
            desired.images.insert(Image::Decoy {
                reference: setting.decoy.into(),
            });
            desired.bases.insert(base.name.clone(), base);
        }
        Ok(desired)
    }

    /// Returns the bases whose routes or forwarding differ from what they were to be before: where that was so, it is these that
    /// must be set anew.
    pub fn states_changed_since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a ContainerName> {
        let changed = |base: &&BaseSpec| before.bases.get(&base.name).is_some_and(|old| old.state != base.state);
        self.bases.values().filter(changed).map(|base| &base.name)
    }
}

fn entry<'a>(decky: &Decky, name: &ServiceName, setting: &Setting<'a>) -> Result<&'a Service, DesiredError> {
    setting
        .catalog
        .decky_service(name.as_str())
        .ok_or_else(|| DesiredError::UnknownService {
            decky: decky.name().to_string(),
            service: name.clone(),
        })
}

fn network(lan: &Lan, setting: &Setting<'_>) -> NetworkSpec {
    let mut options = BTreeMap::new();
    let mut option = |key: &str, value: &str| options.insert(format!("com.docker.network.bridge.{key}"), value.into());
    if lan.is_dmz() {
        option(
            "enable_ip_masquerade",
            if setting.settings.dmz_egress == DmzEgress::None {
                "false"
            } else {
                "true"
            },
        );
    } else {
        option("inhibit_ipv4", "true");
    }
    if setting.api >= NAT_UNPROTECTED_SINCE {
        option("gateway_mode_ipv4", "nat-unprotected");
    }
    let mut spec = NetworkSpec {
        name: naming::network(setting.topology, lan),
        lan: lan.name().clone(),
        subnet: lan.subnet(),
        gateway: lan.gateway(),
        options,
        labels: naming::ownership(setting.instance, setting.topology),
    };
    spec.labels.insert(naming::LAN.into(), lan.name().to_string());
    spec.labels.insert(naming::SPEC.into(), digest(&spec));
    spec
}

fn base(
    topology: &Topology,
    decky: &Decky,
    routes: Vec<Route>,
    setting: &Setting<'_>,
) -> Result<BaseSpec, DesiredError> {
    let gateway = topology.is_gateway(decky);
    let attached = decky.attachments().iter().filter_map(|attachment| {
        let lan = topology.lan(attachment.lan)?;
        Some(Interface {
            network: naming::network(setting.topology, lan),
            lan: lan.name().clone(),
            ip: attachment.ip,
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
    let egress = dmz.map_or(Egress::None, |_| egress(setting.settings.dmz_egress));
    let mut state = NetState {
        forward: decky.is_router(),
        // A gateway's answers to outsiders need it.
        default_route: gateway || egress != Egress::None,
        interfaces: interfaces.iter().map(|interface| interface.ip).collect(),
        routes,
        lans: lans.iter().map(|lan| lan.subnet()).collect(),
        // The one LAN on which the host has an address.
        closed: dmz.map(Lan::gateway).into_iter().collect(),
        egress,
    };
    state.sort();
    let mut publish = BTreeSet::new();
    if gateway {
        for name in decky.services() {
            let entry = entry(decky, name, setting)?;
            publish.extend(entry.ports.iter().map(|port| {
                let host = setting.settings.publish.host_port(decky.name().as_str(), entry, *port);
                PublishedPort {
                    host_ip: host.address,
                    host_port: host.port.number,
                    port: port.number,
                    protocol: port.protocol,
                }
            }));
        }
    }
    let mut spec = BaseSpec {
        name: naming::base(setting.topology, decky),
        decky: decky.name().clone(),
        hostname: decky.name().to_string(),
        image: setting.decoy.into(),
        // Set apart while the digest is taken: they are changed in the running base.
        interfaces: Vec::new(),
        publish,
        state: NetState::default(),
        sysctls: sysctls(),
        limits: BASE_LIMITS,
        labels: labels(decky, Role::Base, setting),
    };
    spec.labels.insert(naming::SPEC.into(), digest(&spec));
    spec.labels.insert(naming::STATE.into(), digest(&state));
    spec.interfaces = interfaces;
    spec.state = state;
    Ok(spec)
}

fn egress(setting: DmzEgress) -> Egress {
    match setting {
        DmzEgress::None => Egress::None,
        DmzEgress::DnsOnly => Egress::DnsOnly,
        DmzEgress::RateLimited => Egress::RateLimited,
        DmzEgress::Open => Egress::Open,
        _ => unreachable!("the core and the engine are of one version"),
    }
}

/// A base starts with forwarding off, whatever the host does; a router turns it on by itself, interface by interface.
fn sysctls() -> BTreeMap<String, String> {
    let sysctls = [
        ("net.ipv4.ip_forward", "0"),
        // Loose: a bridge decky may be asked over one LAN and answer over another.
        ("net.ipv4.conf.all.rp_filter", "2"),
        ("net.ipv4.conf.all.accept_redirects", "0"),
        ("net.ipv4.conf.default.accept_redirects", "0"),
        ("net.ipv4.conf.all.send_redirects", "0"),
        ("net.ipv4.conf.default.send_redirects", "0"),
        ("net.ipv4.conf.all.accept_source_route", "0"),
        ("net.ipv4.ip_unprivileged_port_start", "0"),
        ("net.ipv4.ping_group_range", "0 2147483647"),
    ];
    sysctls
        .into_iter()
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}

fn labels(decky: &Decky, role: Role, setting: &Setting<'_>) -> Labels {
    let mut labels = naming::ownership(setting.instance, setting.topology);
    labels.insert(naming::DECKY.into(), decky.name().to_string());
    labels.insert(naming::ROLE.into(), role.as_str().into());
    labels
}

fn service(decky: &Decky, entry: &Service, base: &ContainerName, setting: &Setting<'_>) -> (Image, ServiceSpec) {
    let fields = decky.service_config().get(&entry.name);
    let mut environment = entry.environment.clone();
    let (image, command, limits) = match &entry.image {
        ImageSource::Builtin => {
            let state = ServiceState {
                decky: decky.name().to_string(),
                service: entry.name.to_string(),
                listen: entry
                    .ports
                    .iter()
                    .map(|port| Listen {
                        port: port.number,
                        protocol: transport(port.protocol),
                    })
                    .collect(),
                banner: fields
                    .and_then(|fields| fields.get("banner"))
                    .and_then(|banner| banner.as_str())
                    .or(entry.banner.as_deref())
                    .map(Into::into),
            };
            environment.insert(protocol::SERVICE_VARIABLE.into(), json(&state));
            (
                Image::Decoy {
                    reference: setting.decoy.into(),
                },
                Some(vec!["service".into()]),
                BUILTIN_LIMITS,
            )
        }
        ImageSource::Reference(reference) => (
            Image::Pulled {
                reference: reference.clone(),
            },
            own_command(entry),
            IMAGE_LIMITS,
        ),
        ImageSource::Build(context) => {
            let reference = format!("decnet-built:{}-{}", entry.name, digest(&(setting.instance, context)));
            (
                Image::Built {
                    reference,
                    context: context.clone(),
                },
                own_command(entry),
                IMAGE_LIMITS,
            )
        }
        _ => unreachable!("the core and the engine are of one version"),
    };
    let defaults = entry
        .fields
        .iter()
        .filter_map(|field| Some((&field.key, field.default.as_ref()?)));
    let config: BTreeMap<_, _> = defaults.chain(fields.into_iter().flatten()).collect();
    if !config.is_empty() {
        environment.insert(CONFIG_VARIABLE.into(), json(&config));
    }
    let mut spec = ServiceSpec {
        name: naming::service(setting.topology, decky, &entry.name),
        decky: decky.name().clone(),
        service: entry.name.clone(),
        base: base.clone(),
        image: image.reference().into(),
        command,
        environment,
        capabilities: entry.capabilities.clone(),
        writable_root: entry.writable_root,
        user: entry
            .user
            .clone()
            .or_else(|| matches!(image, Image::Decoy { .. }).then(|| "65534:65534".into())),
        limits: bounded(limits, entry.limits),
        labels: labels(decky, Role::Service, setting),
    };
    spec.labels.insert(naming::SERVICE.into(), "true".into());
    spec.labels.insert(naming::SERVICE_NAME.into(), entry.name.to_string());
    spec.labels.insert(naming::SPEC.into(), digest(&spec));
    (image, spec)
}

/// What an entry has run instead of its image's own command, if anything.
fn own_command(entry: &Service) -> Option<Vec<String>> {
    Some(entry.command.clone()).filter(|command| !command.is_empty())
}

/// Puts what an entry says in the place of the bounds for all.
fn bounded(usual: Limits, own: catalog::Limits) -> Limits {
    Limits {
        pids: own.pids.map_or(usual.pids, i64::from),
        memory: own.memory_mib.map_or(usual.memory, |mib| i64::from(mib) * MIB),
        nano_cpus: own.cpus.map_or(usual.nano_cpus, nanos),
    }
}

/// Counts processors in billionths; Docker takes no less than a hundredth of one.
fn nanos(cpus: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a fraction of a billionth is nothing, and too many are as many as there can be"
    )]
    let nanos = (cpus.max(0.01) * 1e9) as i64;
    nanos
}

fn transport(protocol: Protocol) -> protocol::Protocol {
    match protocol {
        Protocol::Tcp => protocol::Protocol::Tcp,
        Protocol::Udp => protocol::Protocol::Udp,
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("what is written has text keys only")
}

/// The routes of every decky, as the maze implies them.
fn routes(topology: &Topology) -> BTreeMap<DeckyId, Vec<Route>> {
    let implied = Graph::new(topology).routes();
    let state = |route: &graph::Route| Route {
        to: route.destination,
        via: route.via,
    };
    implied
        .into_iter()
        .map(|(decky, routes)| (decky, routes.iter().map(state).collect()))
        .collect()
}
