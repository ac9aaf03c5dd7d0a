//! The planned work of operations.

use std::collections::BTreeSet;

use decnet_topology::{
    BatchEdit, DeploySettings, Edit, Finding, Mutation, NewMutation, NewTopology, StoredTopology, Topology, TopologyRow,
};

use super::{change::Change, force::Force, remains::Remains};
use crate::{
    engine::LostHost,
    naming::ContainerName,
    plan::{Plan, PlanError},
};

/// The planned work of an operation, not begun yet.
#[derive(Debug, Clone)]
pub(in crate::engine) enum Work {
    /// A pending topology is edited.
    Edit {
        row: TopologyRow,
        new: NewMutation,
        topology: Topology,
        nothing: Plan,
    },
    /// A topology is deployed that is pending or whose deploy was interrupted.
    Deploy(Box<Task>),
    /// A new or pending maze is stored, and deployed.
    Store {
        stores: Box<Stores>,
        /// The difference from the stored maze.
        mutations: Vec<Mutation>,
        task: Box<Task>,
    },
    /// The remains of a topology are cleared, and a fresh copy of it is deployed.
    DeployCopy {
        row: TopologyRow,
        remains: Option<Remains>,
        /// The hosts that left the fleet, and that may still have a part of the topology.
        given_up: Vec<LostHost>,
        task: Box<Task>,
        /// The difference from the stored maze, if another one is wanted.
        mutations: Vec<Mutation>,
        /// The steps of both, in order.
        plan: Plan,
    },
    /// A running topology is reconciled with the stored maze.
    Reconcile(Box<Task>),
    /// A decky or a service of a running topology is restarted.
    Restart(Box<Task>),
    /// A running topology is changed by a mutation.
    Mutate { task: Box<Task>, new: NewMutation },
    /// A running topology is changed by several mutations at once.
    Replace { task: Box<Task>, batch: Box<BatchEdit> },
    /// A topology is torn down.
    Teardown {
        row: TopologyRow,
        remains: Remains,
        /// The hosts that left the fleet, and that may still have a part of it.
        given_up: Vec<LostHost>,
    },
}

/// What is stored before a deploy.
#[derive(Debug, Clone)]
pub(in crate::engine) enum Stores {
    /// A new topology.
    New(NewTopology),
    /// Another maze of a pending topology.
    Edit(Edit),
}

/// A topology, and the change that makes the runtime match it.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Task {
    /// The desired maze, in its row.
    pub(in crate::engine) stored: StoredTopology,
    pub(in crate::engine) settings: DeploySettings,
    pub(in crate::engine) change: Change,
    /// The reason why the plan must not be executed, if any.
    pub(in crate::engine) refusal: Option<PlanError>,
}

impl Task {
    /// Wraps a change, and records why it must not be executed.
    pub(super) fn new(stored: StoredTopology, settings: DeploySettings, change: Change, force: &Force) -> Self {
        let refusal = force.permit(&stored, &change.plan).err();
        Self {
            stored,
            settings,
            change,
            refusal,
        }
    }
}

impl Work {
    fn task(&self) -> Option<&Task> {
        match self {
            Self::Deploy(task)
            | Self::Store { task, .. }
            | Self::DeployCopy { task, .. }
            | Self::Reconcile(task)
            | Self::Restart(task)
            | Self::Mutate { task, .. }
            | Self::Replace { task, .. } => Some(task),
            Self::Edit { .. } | Self::Teardown { .. } => None,
        }
    }

    pub(in crate::engine) fn plan(&self) -> &Plan {
        match self {
            Self::Edit { nothing, .. } => nothing,
            Self::Deploy(task)
            | Self::Store { task, .. }
            | Self::Reconcile(task)
            | Self::Restart(task)
            | Self::Mutate { task, .. }
            | Self::Replace { task, .. } => &task.change.plan,
            Self::DeployCopy { plan, .. } => plan,
            Self::Teardown { remains, .. } => &remains.plan,
        }
    }

    /// Returns the mutations, or the difference from the stored maze.
    pub(in crate::engine) fn mutations(&self) -> Vec<&Mutation> {
        match self {
            Self::Edit { new, .. } | Self::Mutate { new, .. } => vec![&new.mutation],
            Self::Store { mutations, .. } | Self::DeployCopy { mutations, .. } => mutations.iter().collect(),
            Self::Replace { batch, .. } => batch.batch.mutations().collect(),
            Self::Deploy(_) | Self::Reconcile(_) | Self::Restart(_) | Self::Teardown { .. } => Vec::new(),
        }
    }

    pub(in crate::engine) fn warnings(&self) -> &[Finding] {
        self.task().map_or(&[], |task| &task.change.warnings)
    }

    /// Says which hosts do not answer, so that nothing is planned there.
    pub(in crate::engine) fn unseen(&self) -> Vec<String> {
        match self {
            Self::Teardown { remains, .. } => remains.observed.silence().collect(),
            work => {
                let task = work.task();
                task.map(|task| task.change.observed.silence().collect())
                    .unwrap_or_default()
            }
        }
    }

    /// Returns the hosts that left the fleet, and that a teardown does not ask.
    pub(in crate::engine) fn given_up(&self) -> &[LostHost] {
        match self {
            Self::Teardown { given_up, .. } | Self::DeployCopy { given_up, .. } => given_up,
            _ => &[],
        }
    }

    pub(in crate::engine) fn refusal(&self) -> Option<&PlanError> {
        self.task()?.refusal.as_ref()
    }

    pub(in crate::engine) fn restarts(&self) -> BTreeSet<ContainerName> {
        let restarts = |task: &Task| task.change.plan.restarts(&task.change.observed);
        self.task().map(restarts).unwrap_or_default()
    }

    pub(in crate::engine) fn topology(&self) -> Option<&Topology> {
        match self {
            Self::Edit { topology, .. } => Some(topology),
            work => work.task().map(|task| &task.stored.topology),
        }
    }
}
