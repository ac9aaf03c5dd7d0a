use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use decnet_decoy::protocol::NetState;
use serde::{Deserialize, Serialize};

use super::Reason;
use crate::{
    desired::{BaseSpec, ImageSpec, InterfaceSpec, LinkSpec, NetworkSpec, ServiceSpec, VolumeSpec},
    naming::{self, ContainerName, Labels, LinkName, NetworkName, Role, VolumeName},
    observe::{Activity, Observed},
};

/// One effect on Docker. Each is idempotent: it is not an error if the resource already exists or is already removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Loads, pulls or builds an image if it is missing.
    EnsureImage {
        /// The image.
        image: ImageSpec,
        /// The member of a fleet that needs it; none if there is only one host.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
    },
    /// Creates a network.
    CreateNetwork {
        /// The network.
        network: Box<NetworkSpec>,
    },
    /// Creates a named volume of a service.
    CreateVolume {
        /// The volume.
        volume: Box<VolumeSpec>,
    },
    /// Creates a base with all its interfaces and starts it.
    CreateBase {
        /// The base.
        base: Box<BaseSpec>,
    },
    /// Creates the container of a service and starts it.
    CreateService {
        /// The service.
        service: Box<ServiceSpec>,
    },
    /// Connects a base to a network.
    Connect {
        /// The base.
        container: ContainerName,
        /// The interface.
        interface: InterfaceSpec,
    },
    /// Disconnects a base from a network.
    Disconnect {
        /// The base.
        container: ContainerName,
        /// The network.
        network: NetworkName,
        /// The interface in the maze, for the undo; none if the maze does not have it.
        interface: Option<InterfaceSpec>,
    },
    /// Sets routes and forwarding in a running base.
    SetState {
        /// The base.
        container: ContainerName,
        /// The new state.
        state: NetState,
    },
    /// Restarts a container, in its base's current namespace if it shares that.
    Restart {
        /// The container.
        container: ContainerName,
        /// Its role.
        role: Role,
    },
    /// Kills and removes a container, with its own anonymous volumes.
    RemoveContainer {
        /// Its name.
        container: ContainerName,
        /// Its id on Docker, if it was observed; otherwise the name identifies our container.
        id: Option<String>,
        /// Its role.
        role: Role,
        /// Its networks.
        networks: BTreeSet<NetworkName>,
        /// Whether its log is deleted with it.
        deletes_log: bool,
    },
    /// Removes a network.
    RemoveNetwork {
        /// Its name.
        network: NetworkName,
        /// Its id on Docker, if it was observed; otherwise the name identifies our network.
        id: Option<String>,
    },
    /// Removes a volume with all data in it, unless it is in use. No container of the maze uses it any more; the service of a named one
    /// is not desired any more.
    RemoveVolume {
        /// Its name.
        volume: VolumeName,
    },
    /// Removes an image of the engine, unless it is in use.
    RemoveImage {
        /// Its reference on Docker.
        reference: String,
        /// The member of a fleet that has it; none if there is only one host.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
    },
    /// Creates one end of the tunnel of a LAN that is on several members of a fleet, or changes it in place.
    EnsureLink {
        /// The link.
        link: Box<LinkSpec>,
    },
    /// Removes one end of the tunnel of a LAN.
    RemoveLink {
        /// Its name.
        link: LinkName,
        /// The labels of its maze.
        labels: Labels,
    },
}

/// The lane of a step. It limits how many steps run in parallel, in addition to their dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Images: one at a time.
    ImageSpec,
    /// Networks: one at a time, in parallel with containers.
    Network,
    /// Containers: as many in parallel as the daemon can use.
    Container,
}

impl Action {
    /// Returns its lane.
    pub fn lane(&self) -> Lane {
        match self {
            Self::EnsureImage { .. } | Self::RemoveImage { .. } => Lane::ImageSpec,
            Self::CreateNetwork { .. } | Self::RemoveNetwork { .. } => Lane::Network,
            _ => Lane::Container,
        }
    }

    /// Returns the container that it changes, if it changes one.
    pub(crate) fn container(&self) -> Option<&ContainerName> {
        match self {
            Self::CreateBase { base } => Some(&base.name),
            Self::CreateService { service } => Some(&service.name),
            Self::Connect { container, .. }
            | Self::Disconnect { container, .. }
            | Self::SetState { container, .. }
            | Self::Restart { container, .. }
            | Self::RemoveContainer { container, .. } => Some(container),
            Self::EnsureImage { .. }
            | Self::CreateNetwork { .. }
            | Self::RemoveNetwork { .. }
            | Self::CreateVolume { .. }
            | Self::RemoveVolume { .. }
            | Self::RemoveImage { .. }
            | Self::EnsureLink { .. }
            | Self::RemoveLink { .. } => None,
        }
    }

    /// Returns the member of a fleet on which it has its effect; none if there is only one host.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::EnsureImage { host, .. } | Self::RemoveImage { host, .. } => host.as_deref(),
            Self::CreateNetwork { network } => network.name.host(),
            Self::CreateVolume { volume } => volume.name.host(),
            Self::RemoveNetwork { network, .. } => network.host(),
            Self::RemoveVolume { volume } => volume.host(),
            Self::EnsureLink { link } => link.name.host(),
            Self::RemoveLink { link, .. } => link.host(),
            _ => self.container()?.host(),
        }
    }

    /// Marks what it creates with the member of a fleet on which it is done, unless it is marked. The daemon of a member may also be that of
    /// the machine of a master, and each leaves the resources of the other alone.
    #[must_use]
    pub(crate) fn marked(mut self, member: &str) -> Self {
        let mark = |labels: &mut Labels| {
            labels.entry(naming::MEMBER.into()).or_insert_with(|| member.into());
        };
        match &mut self {
            Self::CreateNetwork { network } => mark(&mut network.labels),
            Self::CreateVolume { volume } => mark(&mut volume.labels),
            Self::CreateBase { base } => mark(&mut base.labels),
            Self::CreateService { service } => {
                mark(&mut service.labels);
                // Those that are missing are created with it.
                for volume in &mut service.volumes {
                    mark(&mut volume.labels);
                }
            }
            _ => {}
        }
        self
    }

    /// Returns the networks that no other step may use at the same time: removing several containers of one network at once can
    /// leave it with "active endpoints" permanently (measured on Docker 20.10).
    pub fn locks(&self) -> BTreeSet<&NetworkName> {
        match self {
            Self::RemoveContainer { networks, .. } => networks.iter().collect(),
            Self::Disconnect { network, .. } => BTreeSet::from([network]),
            _ => BTreeSet::new(),
        }
    }

    /// Returns the action that undoes it, if there is one.
    pub fn inverse(&self) -> Option<Self> {
        match self {
            Self::EnsureImage {
                image: image @ (ImageSpec::Decoy { .. } | ImageSpec::Built { .. }),
                host,
            } => Some(Self::RemoveImage {
                reference: image.reference().into(),
                host: host.clone(),
            }),
            Self::CreateNetwork { network } => Some(Self::RemoveNetwork {
                network: network.name.clone(),
                id: None,
            }),
            Self::CreateVolume { volume } => Some(Self::RemoveVolume {
                volume: volume.name.clone(),
            }),
            Self::CreateBase { base } => Some(Self::RemoveContainer {
                container: base.name.clone(),
                id: None,
                role: Role::Base,
                networks: base
                    .interfaces
                    .iter()
                    .map(|interface| interface.network.clone())
                    .collect(),
                deletes_log: true,
            }),
            Self::CreateService { service } => Some(Self::RemoveContainer {
                container: service.name.clone(),
                id: None,
                role: Role::Service,
                networks: BTreeSet::new(),
                deletes_log: true,
            }),
            Self::Connect { container, interface } => Some(Self::Disconnect {
                container: container.clone(),
                network: interface.network.clone(),
                interface: Some(interface.clone()),
            }),
            Self::Disconnect {
                container, interface, ..
            } => interface.as_ref().map(|interface| Self::Connect {
                container: container.clone(),
                interface: interface.clone(),
            }),
            Self::EnsureLink { link } => Some(Self::RemoveLink {
                link: link.name.clone(),
                labels: link.labels.clone(),
            }),
            Self::EnsureImage { .. }
            | Self::RemoveLink { .. }
            | Self::SetState { .. }
            | Self::Restart { .. }
            | Self::RemoveContainer { .. }
            | Self::RemoveNetwork { .. }
            | Self::RemoveVolume { .. }
            | Self::RemoveImage { .. } => None,
        }
    }
}

/// The position of a step in its plan.
pub type StepId = usize;

/// One effect, its reason, and its dependencies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Step {
    /// The effect.
    #[serde(flatten)]
    pub action: Action,
    /// The reason.
    pub reason: Reason,
    /// The steps that must be done before; all of them are earlier in the plan.
    pub needs: BTreeSet<StepId>,
    /// Whether it removes a running container in order to recreate it.
    pub destructive: bool,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.destructive { "destructive, " } else { "" };
        write!(f, "{} ({mark}{})", self.action, self.reason)
    }
}

/// Steps that bring Docker from the observed resources to the desired ones.
///
/// Only [`Engine::prepare`](crate::engine::Engine::prepare) makes plans: nothing else can compare or construct them.
///
/// ```compile_fail,E0603
/// use decnet_engine::plan::diff;
/// ```
///
/// ```compile_fail,E0599
/// let plan = decnet_engine::Plan::default();
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Plan {
    steps: Vec<Step>,
}

/// The reason why a plan was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum PlanError {
    /// The plan removes running containers, and no `force` allows it.
    #[error("the plan removes {count} running container(s), first: {step}")]
    Destructive {
        /// The first such step, and why it is needed.
        step: String,
        /// How many there are.
        count: usize,
    },
}

impl PlanError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}

impl Plan {
    /// Returns a plan without steps.
    pub(crate) fn empty() -> Self {
        Self { steps: Vec::new() }
    }

    /// Returns a plan with the steps of this one, then those of another.
    pub(crate) fn then(&self, later: &Self) -> Self {
        let offset = self.steps.len();
        let needed: BTreeSet<StepId> = self.steps.iter().flat_map(|step| step.needs.iter().copied()).collect();
        let last: BTreeSet<StepId> = (0..offset).filter(|id| !needed.contains(id)).collect();
        let mut plan = self.clone();
        for step in &later.steps {
            let needs = if step.needs.is_empty() {
                last.clone()
            } else {
                step.needs.iter().map(|need| need + offset).collect()
            };
            plan.steps.push(Step { needs, ..step.clone() });
        }
        plan
    }

    /// Returns the steps that change some containers, and the steps that those depend on.
    pub(crate) fn only(&self, containers: &BTreeSet<ContainerName>) -> Self {
        let mut kept = BTreeSet::new();
        for (id, step) in self.steps.iter().enumerate().rev() {
            let changes = step.action.container().is_some_and(|name| containers.contains(name));
            if changes || kept.contains(&id) {
                kept.insert(id);
                kept.extend(&step.needs);
            }
        }
        let places: BTreeMap<StepId, StepId> = kept.into_iter().enumerate().map(|(new, old)| (old, new)).collect();
        let steps = places.keys().map(|old| {
            let step = &self.steps[*old];
            Step {
                needs: step.needs.iter().map(|need| places[need]).collect(),
                ..step.clone()
            }
        });
        Self { steps: steps.collect() }
    }

    /// Adds a step and returns its position. Its dependencies must be earlier steps.
    pub(crate) fn push(&mut self, action: Action, reason: Reason, needs: BTreeSet<StepId>) -> StepId {
        self.push_step(Step {
            action,
            reason,
            needs,
            destructive: false,
        })
    }

    pub(crate) fn push_step(&mut self, step: Step) -> StepId {
        let id = self.steps.len();
        assert!(
            step.needs.iter().all(|need| *need < id),
            "a step depends only on earlier ones"
        );
        self.steps.push(step);
        id
    }

    /// Returns the steps; each comes after its dependencies.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Returns whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Refuses a plan that removes running containers, except those that `is_allowed` returns true for.
    pub fn require_no_destruction(&self, is_allowed: &dyn Fn(&ContainerName) -> bool) -> Result<(), PlanError> {
        let refused = |step: &&Step| {
            step.destructive
                && !matches!(&step.action, Action::RemoveContainer { container, .. } if is_allowed(container))
        };
        let mut destructive = self.steps.iter().filter(refused);
        match destructive.next() {
            None => Ok(()),
            Some(first) => Err(PlanError::Destructive {
                step: format!("{} ({})", first.action, first.reason),
                count: destructive.count() + 1,
            }),
        }
    }

    /// Returns the running containers that the plan restarts, or recreates under the same name.
    pub fn restarts(&self, observed: &Observed) -> BTreeSet<ContainerName> {
        let made: BTreeSet<_> = self
            .steps
            .iter()
            .filter_map(|step| match &step.action {
                Action::CreateBase { base } => Some(&base.name),
                Action::CreateService { service } => Some(&service.name),
                Action::Restart { container, .. } => Some(container),
                _ => None,
            })
            .collect();
        let running = observed
            .containers
            .iter()
            .filter(|container| container.activity == Activity::Running);
        running
            .map(|container| &container.name)
            .filter(|name| made.contains(name))
            .cloned()
            .collect()
    }

    /// Returns the containers whose logs are deleted with them.
    pub fn deleted_logs(&self) -> BTreeSet<&ContainerName> {
        let deleted = self.steps.iter().filter_map(|step| match &step.action {
            Action::RemoveContainer {
                container,
                deletes_log: true,
                ..
            } => Some(container),
            _ => None,
        });
        deleted.collect()
    }

    /// Returns the plan that undoes the given steps: their inverses, newest first, in reverse order of dependencies.
    #[must_use]
    pub(crate) fn undo(&self, done: &BTreeSet<StepId>) -> Self {
        let mut undo = Self::empty();
        let mut place = BTreeMap::new();
        for id in done.iter().rev() {
            let Some(inverse) = self.steps.get(*id).and_then(|step| step.action.inverse()) else {
                continue;
            };
            let needs = done
                .range(id + 1..)
                .filter(|later| self.steps[**later].needs.contains(id))
                .filter_map(|later| place.get(later).copied())
                .collect();
            place.insert(*id, undo.push(inverse, Reason::Undo, needs));
        }
        undo
    }
}
