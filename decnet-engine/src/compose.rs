//! Prints the desired state as a Compose file, to read it or to run a maze without this program.
//!
//! [`print()`] is pure: the same state prints the same bytes. The file has neither `version:` nor `name:`, so that Compose 1.29
//! and every 2.x accept it without warnings.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use decnet_decoy::protocol::{STATE_FOLDER, STATE_VARIABLE};
use serde::Serialize;

use crate::{
    api::ApiVersion,
    desired::{
        BASE_CAPABILITIES, BaseSpec, Desired, ImageSpec, InterfaceSpec, Limits, LogSpec, NO_CORE, NOBODY, NetworkSpec,
        OOM_SCORE, PER_USER, PortMapping, RESOLVER, RunAs, SCRATCH, ServiceNetwork, ServiceSpec, VolumeSpec,
        bridge_options, folder_options,
    },
    naming::{self, ContainerName, Labels, NetworkName},
};

/// The API that the file is written for. Older engines ignore what they do not support.
pub const API: ApiVersion = ApiVersion::v1(48);

/// Prints a desired state as a Compose file.
///
/// Every decky is one service for its base and one, `<decky>.<service>`, for each of its services; every LAN is a network.
/// Names, addresses, labels and limits are the same as in a deploy.
///
/// The decoy's image is not in any registry. The first lines of the file say so, and `pull_policy: never` prevents Compose from
/// pulling it.
#[expect(clippy::missing_panics_doc, reason = "it never panics")]
pub fn print(desired: &Desired) -> String {
    let options = serde_saphyr::ser_options! {
        prefer_block_scalars: false,
    };
    let body = serde_saphyr::to_string_with_options(&File::new(desired), options)
        .expect("texts, numbers and string keys are always YAML");
    heading(desired) + &body
}

fn heading(desired: &Desired) -> String {
    let mut heading = format!(
        "# The maze {} as a Compose file.\n\
         # Its labels say that it belongs to the store {}:\n\
         # `decnet` with that store treats containers of this file as its own, and `decnet deploy --force` recreates them.\n\
         # Its containers have the engine's seccomp profile, which allows more than that of `decnet`.\n",
        desired.topology, desired.instance
    );
    if desired.volumes().next().is_some() {
        heading += "#\n# `docker compose down` keeps the volumes of its services; `docker compose down --volumes` removes them.\n";
    }
    for image in &desired.images {
        if let ImageSpec::Decoy { reference } = image {
            heading += "#\n# The image ";
            heading += reference;
            heading += " is in no registry. `decnet` loads it with the first maze that it deploys.\n";
        }
    }
    heading
}

/// A text in which every `$` is doubled, so that Compose does not substitute variables.
#[derive(Serialize)]
#[serde(transparent)]
struct Literal(String);

impl<T: AsRef<str>> From<T> for Literal {
    fn from(text: T) -> Self {
        Self(text.as_ref().replace('$', "$$"))
    }
}

type Literals = BTreeMap<String, Literal>;

fn literals(map: &BTreeMap<impl AsRef<str>, impl AsRef<str>>) -> Literals {
    map.iter()
        .map(|(key, value)| (key.as_ref().into(), value.into()))
        .collect()
}

#[derive(Serialize)]
struct File {
    services: BTreeMap<String, Container>,
    networks: BTreeMap<String, Network>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    volumes: BTreeMap<String, Volume>,
}

impl File {
    fn new(desired: &Desired) -> Self {
        let images: BTreeMap<&str, &ImageSpec> =
            desired.images.iter().map(|image| (image.reference(), image)).collect();
        let lans: BTreeMap<&NetworkName, String> = desired
            .networks
            .iter()
            .map(|(name, network)| (name, network.lan.to_string()))
            .collect();
        let bases: BTreeMap<&ContainerName, String> = desired
            .bases
            .iter()
            .map(|(name, base)| (name, base.decky.to_string()))
            .collect();
        let mut services = BTreeMap::new();
        for (name, base) in &desired.bases {
            let key = bases[name].clone();
            services.insert(
                key,
                Container::base(base, images.get(base.image.as_str()).copied(), &lans),
            );
        }
        for service in desired.services.values() {
            let key = format!("{}.{}", service.decky, service.service);
            let image = images.get(service.image.as_str()).copied();
            services.insert(key, Container::service(service, image, bases.get(&service.base)));
        }
        let networks = desired
            .networks
            .iter()
            .map(|(name, network)| (lans[name].clone(), Network::new(network)));
        let volumes = desired
            .bases
            .iter()
            .map(|(name, base)| (bases[name].clone(), Volume::new(base)));
        let of_service = |service: &ServiceSpec| {
            let own = service.volumes.iter();
            let named = own.map(|volume| (key_of(service, volume), Volume::of_service(volume)));
            named.collect::<Vec<_>>()
        };
        let named = desired.services.values().flat_map(of_service);
        Self {
            services,
            networks: networks.collect(),
            volumes: volumes.chain(named).collect(),
        }
    }
}

#[derive(Serialize)]
struct Network {
    name: Literal,
    driver: &'static str,
    driver_opts: Literals,
    enable_ipv6: bool,
    ipam: Ipam,
    labels: Literals,
}

/// The volume of a base for its state and its socket to the services, which a Compose file must name to give it labels, or the volume of a
/// service.
#[derive(Serialize)]
struct Volume {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Literal>,
    labels: Literals,
}

impl Volume {
    fn new(base: &BaseSpec) -> Self {
        Self {
            name: None,
            labels: literals(&naming::volume_labels(&base.labels)),
        }
    }

    fn of_service(spec: &VolumeSpec) -> Self {
        Self {
            name: Some(spec.name.as_str().into()),
            labels: literals(&spec.labels),
        }
    }
}

/// Returns the key of a service's volume in the file: `<decky>.<service>.<volume>`.
fn key_of(service: &ServiceSpec, volume: &VolumeSpec) -> String {
    let own = volume.name.as_str().rsplit('.').next().unwrap_or_default();
    format!("{}.{}.{own}", service.decky, service.service)
}

#[derive(Serialize)]
struct Ipam {
    config: [Pool; 1],
}

#[derive(Serialize)]
struct Pool {
    subnet: String,
    gateway: String,
}

impl Network {
    fn new(spec: &NetworkSpec) -> Self {
        Self {
            name: spec.name.as_str().into(),
            driver: "bridge",
            driver_opts: literals(&bridge_options(spec, API)),
            enable_ipv6: false,
            ipam: Ipam {
                config: [Pool {
                    subnet: spec.subnet.to_string(),
                    gateway: spec.gateway.to_string(),
                }],
            },
            labels: literals(&spec.labels),
        }
    }
}

/// A container: a service in Compose's terms.
#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "these are the keys of Compose")]
struct Container {
    container_name: Literal,
    image: Literal,
    #[serde(skip_serializing_if = "Option::is_none")]
    pull_policy: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    build: Option<Literal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<Literal>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    depends_on: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network_mode: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    networks: BTreeMap<String, Endpoint>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ports: Vec<Literal>,
    /// False for a base: its program is PID 1 even if the daemon adds an init by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    init: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<Vec<Literal>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Literal>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    environment: Literals,
    cap_drop: [&'static str; 1],
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    cap_add: BTreeSet<String>,
    security_opt: [&'static str; 1],
    read_only: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    volumes: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    sysctls: Literals,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dns: Vec<&'static str>,
    pids_limit: i64,
    mem_limit: i64,
    memswap_limit: i64,
    cpus: f64,
    oom_score_adj: i64,
    ulimits: BTreeMap<&'static str, i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tmpfs: Vec<String>,
    restart: &'static str,
    logging: Logging,
    labels: Literals,
}

#[derive(Serialize)]
struct Endpoint {
    ipv4_address: String,
}

#[derive(Serialize)]
struct Logging {
    driver: Literal,
    options: Literals,
}

impl Container {
    fn base(spec: &BaseSpec, image: Option<&ImageSpec>, lans: &BTreeMap<&NetworkName, String>) -> Self {
        let state = serde_json::to_string(&spec.state).expect("all keys are texts");
        let mut container = Self::hardened(&spec.name, &spec.image, image, spec.limits, &spec.log, &spec.labels);
        container.hostname = Some((&spec.hostname).into());
        container.networks = spec
            .interfaces
            .iter()
            .map(|interface| endpoint(interface, lans))
            .collect();
        container.network_mode = spec.interfaces.is_empty().then(|| "none".into());
        container.ports = spec.publish.iter().map(port).collect();
        container.init = Some(false);
        container.command = Some(vec!["base".into()]);
        container.environment = Literals::from([(STATE_VARIABLE.into(), state.into())]);
        container.cap_add = BASE_CAPABILITIES.map(Into::into).into();
        container.volumes = vec![format!("{}:{STATE_FOLDER}", spec.decky)];
        container.sysctls = literals(&spec.sysctls);
        container.dns = vec![RESOLVER];
        container
    }

    fn service(spec: &ServiceSpec, image: Option<&ImageSpec>, base: Option<&String>) -> Self {
        let mut container = Self::hardened(&spec.name, &spec.image, image, spec.limits, &spec.log, &spec.labels);
        container.depends_on = base.iter().map(|base| (*base).clone()).collect();
        container.network_mode = Some(match (spec.network, base) {
            (ServiceNetwork::HandedSockets, _) => "none".into(),
            (ServiceNetwork::OfBase, Some(base)) => format!("service:{base}"),
            (ServiceNetwork::OfBase, None) => format!("container:{}", spec.base),
        });
        if spec.network == ServiceNetwork::HandedSockets {
            container.volumes = vec![format!("{}:{STATE_FOLDER}:ro", spec.decky)];
        }
        container.command = spec
            .command
            .as_ref()
            .map(|words| words.iter().map(Literal::from).collect());
        container.user = Some(Literal::from(match &spec.user {
            RunAs::User(user) => user,
            // Compose cannot inspect the image.
            _ => NOBODY,
        }));
        container.environment = literals(&spec.environment);
        container.cap_add.clone_from(&spec.capabilities);
        if let Some(bytes) = spec.writable_root {
            container.read_only = false;
            container.ulimits.insert("fsize", bytes);
        } else {
            let (folder, options) = SCRATCH;
            let is_free = spec.tmpfs.iter().all(|own| own.path != folder);
            if is_free && spec.volumes.iter().all(|volume| volume.path != folder) {
                container.tmpfs.push(format!("{folder}:{options}"));
            }
        }
        let own = spec.tmpfs.iter();
        let own = own.map(|folder| format!("{}:{}", folder.path, folder_options(folder, spec.limits.memory)));
        container.tmpfs.extend(own);
        let named = spec.volumes.iter();
        container
            .volumes
            .extend(named.map(|volume| format!("{}:{}", key_of(spec, volume), volume.path)));
        container
    }

    /// Returns the settings that bases and services share.
    fn hardened(
        name: &ContainerName,
        reference: &str,
        image: Option<&ImageSpec>,
        limits: Limits,
        log: &LogSpec,
        labels: &Labels,
    ) -> Self {
        let mut ulimits = BTreeMap::from(PER_USER);
        ulimits.extend([("nofile", limits.open_files), ("core", NO_CORE)]);
        Self {
            container_name: name.as_str().into(),
            image: reference.into(),
            pull_policy: matches!(image, Some(ImageSpec::Decoy { .. })).then_some("never"),
            build: match image {
                Some(ImageSpec::Built { context, .. }) => Some(context.to_string_lossy().into()),
                _ => None,
            },
            hostname: None,
            depends_on: Vec::new(),
            network_mode: None,
            networks: BTreeMap::new(),
            ports: Vec::new(),
            init: None,
            command: None,
            user: None,
            environment: Literals::new(),
            cap_drop: ["ALL"],
            cap_add: BTreeSet::new(),
            security_opt: ["no-new-privileges:true"],
            read_only: true,
            volumes: Vec::new(),
            sysctls: Literals::new(),
            dns: Vec::new(),
            pids_limit: limits.pids,
            mem_limit: limits.memory,
            // Equal to the memory, so that nothing is swapped.
            memswap_limit: limits.memory,
            cpus: cpus(limits.nano_cpus),
            oom_score_adj: OOM_SCORE,
            ulimits,
            tmpfs: Vec::new(),
            restart: "always",
            logging: Logging {
                driver: (&log.driver).into(),
                options: literals(&log.options),
            },
            labels: literals(labels),
        }
    }
}

fn endpoint(interface: &InterfaceSpec, lans: &BTreeMap<&NetworkName, String>) -> (String, Endpoint) {
    let lan = lans.get(&interface.network).cloned();
    let endpoint = Endpoint {
        ipv4_address: interface.ip.to_string(),
    };
    (lan.unwrap_or_else(|| interface.lan.to_string()), endpoint)
}

/// The short form, because Compose 1 supports no host address in the long form.
fn port(port: &PortMapping) -> Literal {
    let host = SocketAddr::new(port.host_ip, port.host_port);
    format!("{host}:{}/{}", port.port, port.protocol).into()
}

/// Converts billionths of a processor to processors.
fn cpus(nano_cpus: i64) -> f64 {
    // A thousandth is precise enough, and the number fits a double.
    f64::from(i32::try_from(nano_cpus / 1_000_000).unwrap_or(i32::MAX)) / 1000.0
}

#[cfg(test)]
mod tests;
