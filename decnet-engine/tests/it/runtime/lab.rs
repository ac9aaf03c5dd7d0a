use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    net::Ipv4Addr,
    path::PathBuf,
};

use decnet_decoy::protocol::NetState;
use decnet_engine::{
    desired::{
        BaseSpec, Image, Interface, Limits, Log, NOBODY, NetworkReach, NetworkSpec, RunAs, Seccomp, ServiceNetwork,
        ServiceSpec,
    },
    naming::{self, ContainerName, Labels, NetworkName, Role},
    observe::{Observed, ObservedContainer, Scope},
    plan::Action,
    runtime::{Effect, Runtime, RuntimeError},
};
use decnet_topology::{InstanceId, LogSettings, ServiceName, TopologyId, id};

/// What others than the runtime do to the same daemon.
pub(crate) trait Outside {
    fn add_network(&self, name: &NetworkName, subnet: &str);
    fn add_container(&self, name: &ContainerName);
    fn stop(&self, name: &ContainerName);
    fn has_network(&self, name: &NetworkName) -> bool;
    fn has_container(&self, name: &ContainerName) -> bool;
    /// A folder from which an image with the decoy's program can be built.
    fn build_context(&self) -> PathBuf;
}

/// A runtime, and a corner of the world where a clause may do what it likes.
pub(crate) struct Lab {
    pub(crate) runtime: Box<dyn Runtime>,
    pub(crate) outside: Box<dyn Outside>,
    pub(crate) instance: InstanceId,
    pub(crate) topology: TopologyId,
    /// The reference of the decoy's image.
    pub(crate) decoy: String,
    /// The third byte of the first subnet; a clause has eight.
    pub(crate) block: u8,
}

impl Lab {
    pub(crate) async fn perform(&self, action: &Action) -> Result<Effect, RuntimeError> {
        self.runtime.perform(self.instance, action).await
    }

    /// Does something that changes something.
    pub(crate) async fn change(&self, action: &Action) {
        self.come_to(action, Effect::Changed).await;
    }

    /// Does something that changes nothing.
    pub(crate) async fn keep(&self, action: &Action) {
        self.come_to(action, Effect::Unchanged).await;
    }

    async fn come_to(&self, action: &Action, expected: Effect) {
        match self.perform(action).await {
            Ok(effect) => assert_eq!(effect, expected, "{action}"),
            Err(error) => panic!("{action}: {error}"),
        }
    }

    /// Tries something that fails.
    pub(crate) async fn refuse(&self, action: &Action) -> RuntimeError {
        match self.perform(action).await {
            Ok(effect) => panic!("{action}: {effect:?}"),
            Err(error) => error,
        }
    }

    pub(crate) async fn observe(&self) -> Observed {
        self.runtime
            .inspect(Scope::Instance(self.instance))
            .await
            .expect("observe")
    }

    pub(crate) async fn find(&self, name: &ContainerName) -> ObservedContainer {
        let observed = self.observe().await;
        let found = observed
            .containers
            .into_iter()
            .find(|container| container.name == *name);
        found.unwrap_or_else(|| panic!("{name} is not there"))
    }

    fn prefix(&self) -> String {
        format!("decnet_t_{}", id::short(self.topology))
    }

    fn labels(&self, spec: &impl Debug) -> Labels {
        let mut labels = naming::ownership(self.instance, self.topology);
        labels.insert(naming::SPEC.into(), format!("{spec:?}"));
        labels
    }

    pub(crate) fn network_name(&self, lan: &str) -> NetworkName {
        NetworkName::from_docker(format!("{}_{}", self.prefix(), lan.to_lowercase()))
    }

    /// The subnet with a number from 0 to 7.
    pub(crate) fn subnet(&self, number: u8) -> String {
        format!("10.203.{}.0/24", self.block + number)
    }

    pub(crate) fn ip(&self, number: u8, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 203, self.block + number, host)
    }

    /// An inner LAN on the subnet with a number.
    pub(crate) fn network(&self, lan: &str, number: u8) -> NetworkSpec {
        NetworkSpec {
            name: self.network_name(lan),
            lan: lan.parse().expect("name"),
            subnet: self.subnet(number).parse().expect("subnet"),
            gateway: self.ip(number, 1),
            reach: NetworkReach::Isolated,
            labels: self.labels(&(lan, number)),
        }
    }

    pub(crate) fn interface(&self, lan: &str, number: u8, host: u8) -> Interface {
        Interface {
            network: self.network_name(lan),
            lan: lan.parse().expect("name"),
            ip: self.ip(number, host),
            priority: 0,
        }
    }

    pub(crate) fn base_name(&self, decky: &str) -> ContainerName {
        ContainerName::from_docker(format!("{}_{decky}", self.prefix()))
    }

    pub(crate) fn base(&self, decky: &str, interfaces: &[Interface]) -> BaseSpec {
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
            log: Log::new(&LogSettings::default()),
            labels,
        }
    }

    /// A built-in service that listens on no port.
    pub(crate) fn service(&self, decky: &str, service: &str) -> ServiceSpec {
        let mut labels = self.labels(&(decky, service));
        labels.insert(naming::ROLE.into(), Role::Service.as_str().into());
        let state =
            format!(r#"{{"decky":"{decky}","service":"{service}","listen":[{{"port":2323,"protocol":"tcp"}}]}}"#);
        ServiceSpec {
            name: ContainerName::from_docker(format!("{}_{decky}.{service}", self.prefix())),
            decky: decky.parse().expect("name"),
            service: ServiceName::new(service),
            base: self.base_name(decky),
            network: ServiceNetwork::HandedSockets,
            image: self.decoy.clone(),
            build: None,
            command: Some(vec!["service".into()]),
            environment: BTreeMap::from([("DECNET_SERVICE".into(), state)]),
            capabilities: BTreeSet::new(),
            ports: BTreeSet::new(),
            answers_datagrams: false,
            writable_root: None,
            user: RunAs::User(NOBODY.into()),
            limits: LIMITS,
            seccomp: Seccomp::profile(),
            log: Log::new(&LogSettings::default()),
            labels,
        }
    }

    /// A service that shares its base's namespace, as one with an image of another origin.
    pub(crate) fn sharing(&self, decky: &str, service: &str) -> ServiceSpec {
        ServiceSpec {
            network: ServiceNetwork::OfBase,
            ..self.service(decky, service)
        }
    }

    pub(crate) async fn ensure_decoy(&self) {
        let image = Image::Decoy {
            reference: self.decoy.clone(),
        };
        self.perform(&Action::EnsureImage { image }).await.expect("image");
    }

    /// Makes a LAN on the first subnet and a base on it.
    pub(crate) async fn raise(&self, lan: &str, decky: &str) -> BaseSpec {
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

pub(crate) fn state(interfaces: &[Interface]) -> NetState {
    let mut state = NetState {
        interfaces: interfaces.iter().map(|interface| interface.ip).collect(),
        ..NetState::default()
    };
    state.sort();
    state
}

pub(crate) fn create_network(network: &NetworkSpec) -> Action {
    Action::CreateNetwork {
        network: Box::new(network.clone()),
    }
}

pub(crate) fn create_base(base: &BaseSpec) -> Action {
    Action::CreateBase {
        base: Box::new(base.clone()),
    }
}

pub(crate) fn create_service(service: &ServiceSpec) -> Action {
    Action::CreateService {
        service: Box::new(service.clone()),
    }
}

pub(crate) fn restart(container: &ContainerName, role: Role) -> Action {
    Action::Restart {
        container: container.clone(),
        role,
    }
}

pub(crate) fn undo(action: &Action) -> Action {
    action.inverse().expect("it can be undone")
}
