//! The fixtures of the clauses.

#![expect(clippy::missing_panics_doc, reason = "a clause fails by a panic")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    net::Ipv4Addr,
    path::PathBuf,
};

use decnet_decoy::protocol::{
    BuiltinService, Listen, Mac, NetState, Os, Persona, Protocol, SERVICE_VARIABLE, ServiceState,
};
use decnet_topology::{InstanceId, LogSettings, ServiceName, TopologyId, short_id};

use crate::{
    desired::{
        BaseSpec, ImageSpec, InterfaceSpec, Limits, LogSpec, NOBODY, NetworkReach, NetworkSpec, RunAs, Seccomp,
        ServiceNetwork, ServiceSpec,
    },
    naming::{self, ContainerName, Labels, NetworkName, Role},
    observe::{Observed, ObservedContainer, Scope},
    plan::Action,
    runtime::{Effect, Runtime, RuntimeError},
};

/// Changes the engine without the runtime, as other programs do.
pub trait Outside: Send + Sync + Debug {
    /// Creates a network without a label of this program.
    fn add_network(&self, name: &NetworkName, subnet: &str);
    /// Creates a container without a label of this program; it need not run.
    fn add_container(&self, name: &ContainerName);
    /// Stops a container of the runtime.
    fn stop(&self, name: &ContainerName);
    /// Prints a line on the standard output of a running container, as its program would.
    fn print(&self, name: &ContainerName, text: &str);
    /// Returns whether a network exists.
    fn has_network(&self, name: &NetworkName) -> bool;
    /// Returns whether a container exists.
    fn has_container(&self, name: &ContainerName) -> bool;
    /// Returns a folder from which an image with the decoy's program can be built.
    fn build_context(&self) -> PathBuf;
}

/// A runtime, with ids and subnets for one clause.
#[derive(Debug)]
pub struct Lab {
    /// The runtime.
    pub runtime: Box<dyn Runtime>,
    /// Others on the same engine.
    pub outside: Box<dyn Outside>,
    /// A repo without other resources.
    pub instance: InstanceId,
    /// A topology without other resources.
    pub topology: TopologyId,
    /// The reference of the decoy's image.
    pub decoy: String,
    /// The third byte of the first subnet in `10.203.0.0/16`; a clause has eight.
    pub block: u8,
}

impl Lab {
    /// Performs an action.
    pub async fn perform(&self, action: &Action) -> Result<Effect, RuntimeError> {
        self.runtime.perform(self.instance, action).await
    }

    /// Performs an action that changes something.
    pub async fn change(&self, action: &Action) {
        self.expect_effect(action, Effect::Changed).await;
    }

    /// Performs an action that changes nothing.
    pub async fn keep(&self, action: &Action) {
        self.expect_effect(action, Effect::Unchanged).await;
    }

    async fn expect_effect(&self, action: &Action, expected: Effect) {
        match self.perform(action).await {
            Ok(effect) => assert_eq!(effect, expected, "{action}"),
            Err(error) => panic!("{action}: {error}"),
        }
    }

    /// Performs an action that fails.
    pub async fn refuse(&self, action: &Action) -> RuntimeError {
        match self.perform(action).await {
            Ok(effect) => panic!("{action}: {effect:?}"),
            Err(error) => error,
        }
    }

    /// Inspects all resources of the repo.
    pub async fn observe(&self) -> Observed {
        self.runtime
            .inspect(Scope::Instance(self.instance))
            .await
            .expect("observe")
    }

    /// Inspects a container that must exist.
    pub async fn find(&self, name: &ContainerName) -> ObservedContainer {
        let observed = self.observe().await;
        let found = observed
            .containers
            .into_iter()
            .find(|container| container.name == *name);
        found.unwrap_or_else(|| panic!("{name} does not exist"))
    }

    fn prefix(&self) -> String {
        format!("decnet_t_{}", short_id(self.topology))
    }

    fn labels(&self, spec: &impl Debug) -> Labels {
        let mut labels = naming::ownership(self.instance, self.topology);
        labels.insert(naming::SPEC.into(), format!("{spec:?}"));
        labels
    }

    /// Returns the name of a LAN's network.
    pub fn network_name(&self, lan: &str) -> NetworkName {
        NetworkName::from_docker(format!("{}_{}", self.prefix(), lan.to_lowercase()))
    }

    /// Returns the subnet with a number from 0 to 7.
    pub fn subnet(&self, number: u8) -> String {
        format!("10.203.{}.0/24", self.block + number)
    }

    /// Returns an address in the subnet with a number from 0 to 7.
    pub fn ip(&self, number: u8, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 203, self.block + number, host)
    }

    /// Returns the spec of an inner LAN on the subnet with a number.
    pub fn network(&self, lan: &str, number: u8) -> NetworkSpec {
        NetworkSpec {
            name: self.network_name(lan),
            lan: lan.parse().expect("name"),
            subnet: self.subnet(number).parse().expect("subnet"),
            gateway: self.ip(number, 1),
            reach: NetworkReach::Isolated,
            mtu: None,
            labels: self.labels(&(lan, number)),
        }
    }

    /// Returns an interface on the subnet with a number.
    pub fn interface(&self, lan: &str, number: u8, host: u8) -> InterfaceSpec {
        InterfaceSpec {
            network: self.network_name(lan),
            lan: lan.parse().expect("name"),
            ip: self.ip(number, host),
            mac: Mac([0x00, 0x0c, 0x29, 0, number, host]),
            priority: 0,
        }
    }

    /// Returns the name of a decky's base.
    pub fn base_name(&self, decky: &str) -> ContainerName {
        ContainerName::from_docker(format!("{}_{decky}", self.prefix()))
    }

    /// Returns the spec of a base.
    pub fn base(&self, decky: &str, interfaces: &[InterfaceSpec]) -> BaseSpec {
        let mut labels = self.labels(&(decky, interfaces));
        labels.insert(naming::ROLE.into(), Role::Base.as_str().into());
        BaseSpec {
            name: self.base_name(decky),
            decky: decky.parse().expect("name"),
            hostname: decky.into(),
            image: self.decoy.clone(),
            interfaces: interfaces.to_vec(),
            publish: BTreeSet::new(),
            state: state(interfaces),
            sysctls: [("net.ipv4.ip_forward", "0"), ("net.ipv4.ping_group_range", "0 65535")]
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
            limits: LIMITS,
            seccomp: Seccomp::profile(),
            log: LogSpec::new(&LogSettings::default()),
            labels,
        }
    }

    /// Returns the spec of a built-in service that sends `hello` to visitors of port 2323.
    pub fn service(&self, decky: &str, service: &str) -> ServiceSpec {
        let mut labels = self.labels(&(decky, service));
        labels.insert(naming::ROLE.into(), Role::Service.as_str().into());
        let listen = Listen {
            port: 2323,
            protocol: Protocol::Tcp,
        };
        let state = ServiceState {
            decky: decky.into(),
            persona: Persona {
                hostname: decky.into(),
                domain: "corp.local".into(),
                os: Os::Debian12,
                versions: BTreeMap::new(),
            },
            secret: "07".repeat(32),
            services: vec![BuiltinService {
                name: "own".into(),
                listen: vec![listen],
                fields: [("banner".into(), "hello".into())].into_iter().collect(),
            }],
            passwords: true,
        };
        let state = serde_json::to_string(&state).expect("plain JSON prints");
        ServiceSpec {
            name: ContainerName::from_docker(format!("{}_{decky}.{service}", self.prefix())),
            decky: decky.parse().expect("name"),
            service: ServiceName::new(service),
            base: self.base_name(decky),
            network: ServiceNetwork::HandedSockets,
            image: self.decoy.clone(),
            build: None,
            command: Some(vec!["service".into()]),
            environment: BTreeMap::from([(SERVICE_VARIABLE.into(), state)]),
            capabilities: BTreeSet::new(),
            ports: BTreeSet::new(),
            answers_datagrams: false,
            writable_root: None,
            tmpfs: BTreeSet::new(),
            volumes: Vec::new(),
            user: RunAs::User(NOBODY.into()),
            limits: LIMITS,
            seccomp: Seccomp::profile(),
            log: LogSpec::new(&LogSettings::default()),
            labels,
        }
    }

    /// Returns the spec of a service that shares its base's namespace, like one with its own image.
    pub fn sharing(&self, decky: &str, service: &str) -> ServiceSpec {
        ServiceSpec {
            network: ServiceNetwork::OfBase,
            ..self.service(decky, service)
        }
    }

    /// Ensures the decoy's image.
    pub async fn ensure_decoy(&self) {
        let image = ImageSpec::Decoy {
            reference: self.decoy.clone(),
        };
        self.perform(&Action::EnsureImage { image, host: None })
            .await
            .expect("image");
    }

    /// Creates a LAN on the first subnet and a base on it.
    pub async fn create_base(&self, lan: &str, decky: &str) -> BaseSpec {
        self.ensure_decoy().await;
        self.change(&create_network(&self.network(lan, 0))).await;
        let base = self.base(decky, &[self.interface(lan, 0, 2)]);
        self.change(&create_base(&base)).await;
        base
    }
}

const LIMITS: Limits = Limits {
    pids: 32,
    memory: 32 << 20,
    nano_cpus: 500_000_000,
    open_files: 256,
};

/// Returns the state of a base without routes.
pub fn state(interfaces: &[InterfaceSpec]) -> NetState {
    let mut state = NetState {
        interfaces: interfaces.iter().map(|interface| interface.ip).collect(),
        macs: interfaces
            .iter()
            .map(|interface| (interface.ip, interface.mac))
            .collect(),
        ..NetState::default()
    };
    state.sort();
    state
}

/// Returns the action that creates a network.
pub fn create_network(network: &NetworkSpec) -> Action {
    Action::CreateNetwork {
        network: Box::new(network.clone()),
    }
}

/// Returns the action that creates a base.
pub fn create_base(base: &BaseSpec) -> Action {
    Action::CreateBase {
        base: Box::new(base.clone()),
    }
}

/// Returns the action that creates a service.
pub fn create_service(service: &ServiceSpec) -> Action {
    Action::CreateService {
        service: Box::new(service.clone()),
    }
}

/// Returns the action that restarts a container.
pub fn restart(container: &ContainerName, role: Role) -> Action {
    Action::Restart {
        container: container.clone(),
        role,
    }
}

/// Returns the inverse of an action that has one.
pub fn undo(action: &Action) -> Action {
    action.inverse().expect("it can be undone")
}
