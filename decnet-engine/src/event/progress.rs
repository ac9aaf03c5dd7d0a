use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::plan::{Lane, StepId};

/// Something that happened to a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

impl Progress {
    /// Returns what stands before the text of a step that is undone, for people.
    pub fn undo_mark(&self) -> &'static str {
        if self.undo { "undo: " } else { "" }
    }
}

/// How far a step is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum StepState {
    /// It was begun.
    Started,
    /// It is done.
    Done {
        /// Whether it changed anything.
        changed: bool,
        /// How long it took; on the wire `took_us`, in whole microseconds.
        #[serde(rename = "took_us", with = "microseconds")]
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
