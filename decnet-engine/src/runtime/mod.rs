//! What runs containers: the trait [`Runtime`], Docker, and a simulation of it.

mod error;
mod ownership;
pub mod simulated;

#[cfg(feature = "docker")]
pub mod docker;

use std::{
    collections::BTreeMap,
    fmt::{self, Debug},
    net::Ipv4Addr,
};

use async_trait::async_trait;
use decnet_decoy::protocol::StateReport;
use decnet_topology::InstanceId;
use ipnet::Ipv4Net;
use serde::Serialize;

pub use error::RuntimeError;

pub use crate::api::ApiVersion;
use crate::{
    desired::BaseSpec,
    naming::ContainerName,
    observe::{Observed, ObservedContainer, Scope},
    plan::Action,
};

/// What a runtime says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says one thing that an engine can do or not"
)]
pub struct RuntimeInfo {
    /// The engine's version, for people.
    pub version: String,
    /// Whether it is Podman, which has Docker's API and differs in some points behind it.
    pub podman: bool,
    /// The API version that was agreed on.
    pub api: ApiVersion,
    /// Where it was reached.
    pub endpoint: String,
    /// Whether it runs on this machine, so that this machine's routes and ports are its own.
    pub local: bool,
    /// How many processors it has.
    pub cpus: usize,
    /// Whether containers survive a restart of the daemon.
    pub live_restore: bool,
    /// Whether the daemon runs without root's rights, so that a program of its own forwards published ports.
    pub rootless: bool,
    /// The machine's architecture, as the engine says it.
    pub architecture: String,
    /// Whether containers can be given a seccomp profile.
    pub seccomp: bool,
    /// What containers are stored with, and on which filesystem: `overlay2 on extfs`.
    pub storage: String,
    /// Whether that is known to limit what a container writes to its root.
    pub limits_roots: bool,
    /// What of a container's use the daemon cannot limit: it has no cgroup controller for that, as without root's rights.
    pub unlimited: Vec<Resource>,
    /// The machine's addresses as far as they are known: of a machine elsewhere only those on its networks of containers.
    pub addresses: Vec<Ipv4Addr>,
}

/// What the containers of a machine share, and a cgroup controller limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Resource {
    /// Memory.
    Memory,
    /// Processes.
    Processes,
    /// Processor time.
    Cpu,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Processes => "processes",
            Self::Cpu => "processor time",
        })
    }
}

/// What an action came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Something was changed.
    Changed,
    /// All was as it should be; there is nothing to undo.
    Unchanged,
}

/// A network that is not ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForeignNetwork {
    /// Its name.
    pub name: String,
    /// Its subnet.
    pub subnet: Ipv4Net,
    /// The repo that it belongs to, if one of this kind.
    pub instance: Option<InstanceId>,
}

/// What a command inside a container printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its exit code.
    pub code: i64,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: Vec<u8>,
}

/// What shows of a base from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum View {
    /// It is as it should be.
    Right,
    /// The state that it keeps, or its namespace, is not as it should be.
    Deviates {
        /// How, as the program in it would say.
        report: StateReport,
    },
    /// It does not run the program that was deployed.
    Tampered {
        /// What was found.
        what: String,
    },
    /// It could not be looked at, so whoever wants to know asks the program in it.
    Hidden {
        /// Why.
        why: String,
    },
}

impl View {
    /// Returns what was found in place of the program that was deployed.
    pub fn tampered(&self) -> Option<&str> {
        match self {
            Self::Tampered { what } => Some(what),
            _ => None,
        }
    }
}

/// What runs containers.
///
/// `perform` is the only way to change anything. Everything that it makes carries the labels of its spec, and it never touches
/// what does not carry the label of the runtime's own repo, [`naming::INSTANCE`](crate::naming::INSTANCE): if such a thing
/// stands in the way, that is [`RuntimeError::Foreign`].
#[async_trait]
pub trait Runtime: Send + Sync + Debug {
    /// Asks the runtime who it is, and so makes sure that it answers; what it says may be some seconds old.
    async fn info(&self) -> Result<RuntimeInfo, RuntimeError>;

    /// Looks at what is there.
    async fn observe(&self, scope: Scope) -> Result<Observed, RuntimeError>;

    /// Looks at what is there without looking at each container, which is most of what [`observe`](Runtime::observe) costs: what
    /// is found need not say when containers were started, how often and how they ended, nor which images there are.
    async fn glance(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        self.observe(scope).await
    }

    /// Lists the networks with a subnet that do not belong to a repo.
    async fn foreign_networks(&self, instance: InstanceId) -> Result<Vec<ForeignNetwork>, RuntimeError>;

    /// Does one thing on behalf of a repo. If it fails, what it left half done is undone by the action's inverse.
    async fn perform(&self, instance: InstanceId, action: &Action) -> Result<Effect, RuntimeError>;

    /// Looks at bases from outside: their program, their kept state, routes, forwarding and containment. Nothing that runs in them
    /// is asked, so nothing there can lie.
    async fn look_through(&self, bases: &[(&ObservedContainer, &BaseSpec)]) -> BTreeMap<ContainerName, View> {
        let why = "this runtime does not look into bases from outside";
        let hidden = |name: &ContainerName| (name.clone(), View::Hidden { why: why.into() });
        bases.iter().map(|(container, _)| hidden(&container.name)).collect()
    }

    /// Runs a command of the decoy program in a base.
    async fn exec(&self, container: &ContainerName, command: &[String]) -> Result<ExecOutput, RuntimeError>;
}
