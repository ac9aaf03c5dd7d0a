//! What a stored topology is doing, what it is meant to do, and which step may follow which.

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

            /// Returns the word for it, as stored and printed.
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

words!(Status, Intent, Mode, MutationState);

/// A word that names none of a closed set of values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is none of {expected}")]
pub struct UnknownWord {
    /// The word.
    pub word: String,
    /// The words that there are, separated by commas.
    pub expected: String,
}

impl UnknownWord {
    /// Returns a stable code for programs.
    pub const fn code(&self) -> &'static str {
        "unknown_word"
    }
}

/// What a stored topology is doing.
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
    /// Stored; nothing of it is on Docker.
    Pending,
    /// Being raised.
    Deploying,
    /// All of it runs.
    Active,
    /// Part of it is not as it should be.
    Degraded,
    /// It could not be raised.
    Failed,
    /// Being taken down.
    TearingDown,
    /// Nothing of it is left on Docker. The end.
    TornDown,
}

/// What a stored topology is meant to be: set by the first step of a deploy or a teardown.
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
    /// It should be gone.
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

/// How far a mutation is.
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
    /// It waits its turn.
    Pending,
    /// Someone is at work on it, or was and died.
    Applying,
    /// It is in the maze and, of a live one, on Docker.
    Applied,
    /// It was illegal, and changed nothing.
    Rejected,
    /// It is in the maze, but Docker does not follow.
    Failed,
}

impl MutationState {
    /// Returns whether it is the last.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Applied | Self::Rejected | Self::Failed)
    }
}

impl Status {
    /// Returns whether the one status may follow the other.
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

/// One change of status, as the store remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusEvent {
    /// The status before; none for the first.
    pub from: Option<Status>,
    /// The status after.
    pub to: Status,
    /// When it changed.
    pub at: Timestamp,
    /// Why, in words for people.
    pub reason: Option<String>,
}
