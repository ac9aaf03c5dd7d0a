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
use decnet_decoy::protocol::{Probe, ProbeResult, StateReport};
use decnet_topology::InstanceId;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

pub use error::RuntimeError;

pub use crate::api::ApiVersion;
use crate::{
    desired::BaseSpec,
    naming::ContainerName,
    observe::{Observed, Scope},
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

/// The effect of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Something was changed.
    Changed,
    /// Nothing had to be changed; there is nothing to undo.
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

/// What a check of a base's network found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NetworkCheck {
    /// Its interfaces, routes, forwarding and containment were compared with its state.
    Checked {
        /// The differences; empty where it is as it should be.
        report: StateReport,
        /// Why only the program in the base was asked, which an intruder may have changed; none where the runtime saw for itself.
        inside_only: Option<String>,
    },
    /// It does not run the program that was deployed.
    Tampered {
        /// What was found.
        what: String,
    },
    /// It could not be checked: it does not run, or is not there.
    Unchecked {
        /// Why.
        why: String,
    },
}

impl NetworkCheck {
    /// Returns the report of a base that was compared with its state and differs from it.
    pub fn deviations(&self) -> Option<&StateReport> {
        match self {
            Self::Checked { report, .. } if *report != StateReport::default() => Some(report),
            _ => None,
        }
    }

    /// Returns what was found in place of the program that was deployed.
    pub fn tampered(&self) -> Option<&str> {
        match self {
            Self::Tampered { what } => Some(what),
            _ => None,
        }
    }
}

/// Runs containers.
///
/// `perform` is the only way to change anything. Everything that it creates carries the labels of its spec, and it never touches
/// a resource without the label of the runtime's own repo, [`naming::INSTANCE`](crate::naming::INSTANCE): if such a resource
/// is in the way, the error is [`RuntimeError::Foreign`].
#[async_trait]
pub trait Runtime: Send + Sync + Debug {
    /// Describes the runtime, and so makes sure that it answers; the description may be some seconds old.
    async fn info(&self) -> Result<RuntimeInfo, RuntimeError>;

    /// Lists resources without inspecting each container, which is most of what [`inspect`](Runtime::inspect) costs: the result
    /// need not contain images, nor when containers were started, how often and how they ended.
    async fn list(&self, scope: Scope) -> Result<Observed, RuntimeError>;

    /// Inspects resources: start times, restarts, exit codes and images too.
    async fn inspect(&self, scope: Scope) -> Result<Observed, RuntimeError>;

    /// Lists the networks with a subnet that do not belong to a repo.
    async fn foreign_networks(&self, instance: InstanceId) -> Result<Vec<ForeignNetwork>, RuntimeError>;

    /// Does one thing on behalf of a repo. If it fails, what it left half done is undone by the action's inverse.
    async fn perform(&self, instance: InstanceId, action: &Action) -> Result<Effect, RuntimeError>;

    /// Compares bases with their specs: their program, their kept state, interfaces, routes, forwarding and containment. The result
    /// has an entry for each base; an error means that the runtime itself does not answer.
    ///
    /// A runtime that can see for itself does not ask the program in a base, which could lie.
    async fn check_network(&self, bases: &[&BaseSpec]) -> Result<BTreeMap<ContainerName, NetworkCheck>, RuntimeError>;

    /// Sends packets from inside a base to targets: one result for each target, in their order.
    async fn probe(&self, base: &ContainerName, probe: &Probe) -> Result<ProbeResult, RuntimeError>;
}

#[cfg(test)]
mod wire;
