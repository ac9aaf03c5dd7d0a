//! Container runtimes: the trait [`Runtime`], Docker, and a simulation.

mod command;
mod copying;
pub(crate) mod deviation;
mod error;
pub(crate) mod fleet;
mod log;
mod ownership;
mod packets;
pub(crate) mod passing;
mod pushing;
#[cfg(feature = "agent")]
pub(crate) mod remote;
pub mod simulated;

#[cfg(feature = "docker")]
pub(crate) mod docker;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Debug},
    net::Ipv4Addr,
    sync::Arc,
};

use async_trait::async_trait;
use decnet_decoy::protocol::{Probe, ProbeResult, StateReport};
use decnet_topology::{ImageSource, InstanceId, Member, TopologyRow};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

pub use command::{CommandControl, CommandOutput, CommandOutputs, CommandRequest, RunningCommand, TerminalSize};
pub use copying::{ArchivePieces, CopyRequest};
pub(crate) use error::DISTRUST;
pub use error::RuntimeError;
pub use fleet::{Fleet, MemberInfo};
pub use log::{LogLine, LogLines, LogRequest, LogStream};
pub use packets::{Capture, CapturePlace, CaptureRequest, CapturedPacket};
pub use pushing::TopologyHost;

use crate::{
    api::ApiVersion,
    desired::BaseSpec,
    fence::Fence,
    host::machine::{AddressInterface, MachineFacts},
    naming::ContainerName,
    observe::{Observed, Scope},
    plan::Action,
};

/// The description of a runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent property of an engine"
)]
pub struct RuntimeInfo {
    /// The engine's version, for people.
    pub version: String,
    /// Whether it is Podman, which has Docker's API but differs in details.
    pub podman: bool,
    /// The negotiated version of the API.
    pub api: ApiVersion,
    /// The endpoint.
    pub endpoint: String,
    /// Whether it runs on this machine, so that this machine's routes and ports are those of the daemon.
    pub local: bool,
    /// The number of processors.
    pub cpus: usize,
    /// Whether containers survive a restart of the daemon.
    pub live_restore: bool,
    /// Whether the daemon runs rootless, so that published ports are forwarded by its own proxy.
    pub rootless: bool,
    /// The architecture, as the engine reports it.
    pub architecture: String,
    /// Whether containers can have a seccomp profile.
    pub seccomp: bool,
    /// The storage driver and its filesystem: `overlay2 on extfs`.
    pub storage: String,
    /// Whether the storage driver is known to limit the size of a container's root.
    pub limits_roots: bool,
    /// The resources that the daemon cannot limit because it lacks a cgroup controller, for instance when rootless.
    pub unlimited: Vec<Resource>,
    /// The known addresses of the machine. For a remote machine, only those on its container networks.
    pub addresses: Vec<Ipv4Addr>,
    /// The interfaces of those addresses that are not of container networks. For a remote machine, none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub interfaces: BTreeMap<Ipv4Addr, AddressInterface>,
    /// The members of a fleet, by name; empty if there is only one host.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<String, MemberInfo>,
    /// Whether a fleet also has the runtime of this machine, for mazes that are not placed on members.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_local: bool,
}

impl RuntimeInfo {
    /// Returns the description of a fleet of which no member answers.
    pub(crate) fn of_nothing() -> Self {
        Self {
            version: "unknown".into(),
            podman: false,
            api: ApiVersion::v1(0),
            endpoint: String::new(),
            local: false,
            cpus: 0,
            live_restore: false,
            rootless: false,
            architecture: String::new(),
            seccomp: false,
            storage: String::new(),
            limits_roots: false,
            unlimited: Vec::new(),
            addresses: Vec::new(),
            interfaces: BTreeMap::new(),
            members: BTreeMap::new(),
            has_local: false,
        }
    }

    /// Returns what it says of the machines that a topology runs on. The routes and ports of this machine are not those of members.
    pub(crate) fn for_row(&self, row: &TopologyRow) -> Cow<'_, Self> {
        if row.placement.is_none() || self.members.is_empty() {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self {
            local: false,
            ..self.clone()
        })
    }
}

/// A shared resource that a cgroup controller limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// Nothing changed, so there is nothing to undo.
    Unchanged,
}

/// A network of another owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignNetwork {
    /// Its name.
    pub name: String,
    /// Its subnet.
    pub subnet: Ipv4Net,
    /// The store that it belongs to, if any.
    pub instance: Option<InstanceId>,
    /// The member of a fleet that it is on; none if there is only one host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// The result of checking the network of a base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NetworkCheck {
    /// The interfaces, routes, forwarding and containment were compared with the state.
    Checked {
        /// The differences; empty if there are none.
        report: StateReport,
        /// The reason why only the program in the base was asked, which an intruder may have changed. None if the runtime
        /// checked from outside.
        inside_only: Option<String>,
    },
    /// The base does not run the deployed program.
    Tampered {
        /// The finding.
        what: String,
    },
    /// The base could not be checked: it does not run or does not exist.
    Unchecked {
        /// The reason.
        why: String,
    },
}

impl NetworkCheck {
    /// Returns the report if it has differences.
    pub fn deviations(&self) -> Option<&StateReport> {
        match self {
            Self::Checked { report, .. } if *report != StateReport::default() => Some(report),
            _ => None,
        }
    }

    /// Returns the finding if the program is not the deployed one.
    pub fn tampered(&self) -> Option<&str> {
        match self {
            Self::Tampered { what } => Some(what),
            _ => None,
        }
    }
}

/// Runs containers.
///
/// Only `perform` changes anything, apart from commands that a person runs in a container. Every resource that it creates carries the labels of its spec. It never touches a resource
/// without the label of the store that it acts for, [`naming::INSTANCE`](crate::naming::INSTANCE). If such a resource is in the
/// way, the error is [`RuntimeError::Foreign`].
#[async_trait]
pub trait Runtime: Send + Sync + Debug {
    /// Describes the runtime and checks that it answers. The description may be some seconds old.
    async fn info(&self) -> Result<RuntimeInfo, RuntimeError>;

    /// Lists resources without inspecting each container, which is the main cost of [`inspect`](Runtime::inspect). The result
    /// may lack images, start times, restart counts and exit codes.
    async fn list(&self, scope: Scope) -> Result<Observed, RuntimeError>;

    /// Inspects resources: start times, restarts, exit codes and images too. On the member of a fleet, links too.
    async fn inspect(&self, scope: Scope) -> Result<Observed, RuntimeError>;

    /// Adds the [names of the interfaces](crate::ObservedContainer::interfaces) of running bases that were inspected, as far as they
    /// can be read. A runtime that cannot read them adds none.
    async fn name_interfaces(&self, _: &mut Observed) -> Result<(), RuntimeError> {
        Ok(())
    }

    /// Lists the networks with a subnet that do not belong to a store.
    async fn foreign_networks(&self, instance: InstanceId) -> Result<Vec<ForeignNetwork>, RuntimeError>;

    /// Returns the images that the runtime does not have and cannot get, each with the reason. Nothing is pulled or built.
    ///
    /// It may ask a registry, but only for an image that is not present. An image is left out if this cannot be found out, for
    /// instance because the registry does not answer in time.
    async fn unavailable_images(
        &self,
        images: &BTreeSet<ImageSource>,
    ) -> Result<BTreeMap<ImageSource, String>, RuntimeError>;

    /// Reads the routes and listening sockets of the runtime's machine; none if only another machine could.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Unreachable`] if the runtime or its host does not answer; [`RuntimeError::Refused`] if the machine does not say it.
    async fn machine(&self) -> Result<Option<MachineFacts>, RuntimeError> {
        Ok(None)
    }

    /// Returns the runtime of one member of a fleet; none if this is not a fleet, or has no such member.
    async fn member(&self, _: Option<&str>) -> Result<Option<Arc<dyn Runtime>>, RuntimeError> {
        Ok(None)
    }

    /// Returns the members of a fleet by name, without asking them; none if this is not a fleet.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Refused`] if the list of the members cannot be read.
    async fn members(&self) -> Result<BTreeMap<String, Member>, RuntimeError> {
        Ok(BTreeMap::new())
    }

    /// Returns this runtime for the holder of a lease, if it refuses the holders of older leases; none if it cannot know of another
    /// holder.
    fn fenced(&self, _: Fence) -> Option<Arc<dyn Runtime>> {
        None
    }

    /// Returns this runtime as a host to which whole topologies are pushed; none if it is not an agent.
    fn topologies(&self) -> Option<&dyn TopologyHost> {
        None
    }

    /// Performs one action for a store. If it fails, the inverse action undoes what was half done.
    async fn perform(&self, instance: InstanceId, action: &Action) -> Result<Effect, RuntimeError>;

    /// Compares bases with their specs: the program, the kept state, interfaces, routes, forwarding and containment. The result
    /// has an entry for each base. An error means that the runtime itself does not answer.
    ///
    /// A runtime that can check from outside does not ask the program in a base, because that could lie.
    async fn check_network(&self, bases: &[&BaseSpec]) -> Result<BTreeMap<ContainerName, NetworkCheck>, RuntimeError>;

    /// Sends packets from inside a base of a store to targets. Returns one result per target, in the same order. A base of
    /// another store is refused ([`RuntimeError::Foreign`]).
    async fn probe(
        &self,
        instance: InstanceId,
        base: &ContainerName,
        probe: &Probe,
    ) -> Result<ProbeResult, RuntimeError>;

    /// Reads the log of a container of a store, oldest line first. A container of another store is refused
    /// ([`RuntimeError::Foreign`]), and one that does not exist is [`RuntimeError::Gone`].
    ///
    /// The stream ends with the log, or if it follows, when the container ends or is removed.
    fn container_log(&self, request: LogRequest) -> LogLines<'_>;

    /// Runs a command in a running container of a store, with the container's own user and limits. A container of another store is
    /// refused ([`RuntimeError::Foreign`]).
    ///
    /// A program that does not exist is not an error: the exit code is 127.
    async fn run_command(&self, request: CommandRequest) -> Result<RunningCommand, RuntimeError>;

    /// Reads a file or a folder of a container of a store as a tar archive. All its entries are below the last name of the path.
    /// A path that does not exist is [`RuntimeError::NoSuchPath`].
    fn copy_out(&self, request: CopyRequest) -> ArchivePieces<'_>;

    /// Captures packets of a network or a base of a store. If this process may not, the error is
    /// [`RuntimeError::NotCapturable`].
    async fn capture(&self, request: CaptureRequest) -> Result<Capture, RuntimeError>;
}

#[cfg(test)]
mod wire;
