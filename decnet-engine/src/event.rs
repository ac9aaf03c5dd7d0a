//! What happens, as it happens: a closed set of events.

use std::time::Duration;

use decnet_topology::{Status, TopologyId};
use serde::Serialize;

use crate::plan::{Lane, StepId};

/// Something that happened to a topology.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// Its status changed.
    Status {
        /// The topology.
        topology: TopologyId,
        /// The status before.
        from: Status,
        /// The status after.
        to: Status,
        /// Why.
        reason: Option<String>,
    },
    /// A plan is about to be executed.
    Planned {
        /// The topology.
        topology: TopologyId,
        /// How many steps it has.
        steps: usize,
    },
    /// Something happened to a step of a plan.
    Step {
        /// The topology.
        topology: TopologyId,
        /// What happened.
        #[serde(flatten)]
        progress: Progress,
    },
}

impl Event {
    /// Returns the topology that it is about.
    pub fn topology(&self) -> TopologyId {
        match self {
            Self::Status { topology, .. } | Self::Planned { topology, .. } | Self::Step { topology, .. } => *topology,
        }
    }

    /// Returns the topic that it is published under.
    pub fn topic(&self) -> String {
        let topology = self.topology();
        match self {
            Self::Status { .. } => format!("topology.{topology}.status"),
            Self::Planned { .. } => format!("topology.{topology}.step.planned"),
            Self::Step { progress, .. } => format!("topology.{topology}.step.{}", progress.state.as_str()),
        }
    }
}

/// Something that happened to a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Progress {
    /// The step's place in its plan.
    pub step: StepId,
    /// The step in one line.
    pub text: String,
    /// The lane that it runs in.
    pub lane: Lane,
    /// Whether it undoes a step of before.
    pub undo: bool,
    /// What happened.
    #[serde(flatten)]
    pub state: StepState,
}

/// How far a step is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum StepState {
    /// It was begun.
    Started,
    /// It is done.
    Done {
        /// Whether it changed anything.
        changed: bool,
        /// How long it took.
        took: Duration,
    },
    /// It failed.
    Failed {
        /// Why.
        error: String,
    },
    /// It was left out because a step that it needs failed.
    Skipped,
}

impl StepState {
    /// Returns the last word of the topic.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Done { .. } => "done",
            Self::Failed { .. } => "failed",
            Self::Skipped => "skipped",
        }
    }
}
