//! The status and the intent of a stored topology, and the allowed steps.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

macro_rules! words {
    ($($name:ident),*) => {$(
        impl $name {
            /// Every value, in order.
            pub const ALL: &[Self] = Self::VARIANTS;

            /// Returns its word, as stored and printed.
            pub fn as_str(self) -> &'static str {
                self.into()
            }

            fn unknown(word: &str) -> UnknownWord {
                UnknownWord {
                    word: word.into(),
                    expected: Self::ALL.iter().map(|value| value.as_str()).collect::<Vec<_>>().join(", "),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    )*};
}

words!(Status, Intent, Mode, MutationState, MutationTrigger);

/// An unknown word for a closed set of values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not one of {expected}")]
pub struct UnknownWord {
    /// The word.
    pub word: String,
    /// The known words, separated by commas.
    pub expected: String,
}

impl UnknownWord {
    /// Returns a stable code for programs.
    pub const fn code(&self) -> &'static str {
        "unknown_word"
    }
}

/// The status of a stored topology.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownWord, parse_err_fn = Status::unknown)]
#[non_exhaustive]
pub enum Status {
    /// Stored; nothing exists on Docker.
    Pending,
    /// It is being deployed.
    Deploying,
    /// All of it runs.
    Active,
    /// A part of it does not match the desired state.
    Degraded,
    /// Its deploy failed.
    Failed,
    /// It is being torn down.
    TearingDown,
    /// Nothing is left on Docker. Final.
    TornDown,
}

/// The intended state of a stored topology: the first step of a deploy or a teardown sets it.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownWord, parse_err_fn = Intent::unknown)]
#[non_exhaustive]
pub enum Intent {
    /// It should run.
    Up,
    /// It should not exist on Docker.
    Down,
}

/// Where the deckies of a topology run.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownWord, parse_err_fn = Mode::unknown)]
#[non_exhaustive]
pub enum Mode {
    /// All on this host's Docker.
    Unihost,
    /// On another host, by an agent.
    Agent,
}

/// The state of a mutation.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownWord, parse_err_fn = MutationState::unknown)]
#[non_exhaustive]
pub enum MutationState {
    /// It waits for its turn.
    Pending,
    /// A process is applying it, or died before it was finished.
    Applying,
    /// It is in the maze and, if that runs, on Docker.
    Applied,
    /// It was illegal and changed nothing.
    Rejected,
    /// It is in the maze, but Docker could not be changed.
    Failed,
}

/// Who asked for a mutation.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownWord, parse_err_fn = MutationTrigger::unknown)]
#[non_exhaustive]
pub enum MutationTrigger {
    /// A user or a program.
    #[default]
    Operator,
    /// A schedule.
    Scheduled,
}

impl MutationTrigger {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn is_operator(&self) -> bool {
        *self == Self::Operator
    }
}

impl MutationState {
    /// Returns whether it is final.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Applied | Self::Rejected | Self::Failed)
    }
}

impl Status {
    /// Returns whether one status may follow the other.
    pub fn may_become(self, next: Self) -> bool {
        use Status::{Active, Degraded, Deploying, Failed, Pending, TearingDown, TornDown};
        matches!(
            (self, next),
            (Pending, Deploying | TornDown)
                | (Deploying, Active | Failed | Degraded | TearingDown)
                | (Active, Degraded | TearingDown)
                | (Degraded, Active | TearingDown)
                | (Failed, TearingDown)
                | (TearingDown, TornDown | Degraded)
        )
    }
}

/// One change of status, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusEvent {
    /// The status before; none for the first.
    pub from: Option<Status>,
    /// The status after.
    pub to: Status,
    /// When it changed.
    pub at: Timestamp,
    /// The reason, for people.
    pub reason: Option<String>,
}
