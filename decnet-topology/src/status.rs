//! What a stored topology is doing, what it is meant to do, and which step may follow which.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
        }

        impl $name {
            /// Every value, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the word for it, as stored and printed.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text).ok_or_else(|| UnknownWord {
                    word: text.into(),
                    expected: [$($word),*].join(", "),
                })
            }
        }
    };
}

/// A word that names none of a closed set of values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is none of {expected}")]
pub struct UnknownWord {
    /// The word.
    pub word: String,
    /// The words that there are, separated by commas.
    pub expected: String,
}

words! {
    /// What a stored topology is doing.
    Status {
        /// Stored; nothing of it is on Docker.
        Pending = "pending",
        /// Being raised.
        Deploying = "deploying",
        /// All of it runs.
        Active = "active",
        /// Part of it is not as it should be.
        Degraded = "degraded",
        /// It could not be raised.
        Failed = "failed",
        /// Being taken down.
        TearingDown = "tearing_down",
        /// Nothing of it is left on Docker. The end.
        TornDown = "torn_down",
    }
}

words! {
    /// What a stored topology is meant to be: set by the first step of a deploy or a teardown.
    Intent {
        /// It should run.
        Up = "up",
        /// It should be gone.
        Down = "down",
    }
}

words! {
    /// Where the deckies of a topology run.
    Mode {
        /// All on this host's Docker.
        Unihost = "unihost",
        /// On another host, by an agent.
        Agent = "agent",
    }
}

words! {
    /// How far a mutation is.
    MutationState {
        /// It waits its turn.
        Pending = "pending",
        /// Someone is at work on it, or was and died.
        Applying = "applying",
        /// It is in the maze and, of a live one, on Docker.
        Applied = "applied",
        /// It was illegal, and changed nothing.
        Rejected = "rejected",
        /// It is in the maze, but Docker does not follow.
        Failed = "failed",
    }
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
