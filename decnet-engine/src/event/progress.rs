use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::plan::{Lane, StepId};

/// A change of a step's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The id of the step in its plan.
    pub step: StepId,
    /// A description of the step in one line.
    pub text: String,
    /// The lane of the step.
    pub lane: Lane,
    /// Whether it undoes an earlier step.
    pub undo: bool,
    /// The new state.
    #[serde(flatten)]
    pub state: StepState,
}

impl Progress {
    /// Returns the prefix for the text of an undo step.
    pub fn undo_mark(&self) -> &'static str {
        if self.undo { "undo: " } else { "" }
    }
}

/// The state of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum StepState {
    /// It started.
    Started,
    /// It finished.
    Done {
        /// Whether it changed anything.
        changed: bool,
        /// The duration; on the wire `took_us`, in whole microseconds.
        #[serde(rename = "took_us", with = "microseconds")]
        took: Duration,
    },
    /// It failed.
    Failed {
        /// The reason.
        error: String,
    },
    /// It was skipped because a step that it depends on failed.
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

mod microseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        u64::try_from(took.as_micros())
            .unwrap_or(u64::MAX)
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_micros)
    }
}
