//! Typed ids.
//!
//! Rows of the store have random UUIDs, with one type for each kind of row, so that ids cannot be confused. LANs and deckies have
//! small ordinals that are unique within their topology: the core needs no randomness for them, and the same seed gives the same
//! ids. Mutations are numbered by their store: people say "twelve", not a UUID.

use std::{fmt, num::ParseIntError, str::FromStr};

use newtype_uuid::{GenericUuid, TypedUuid, TypedUuidKind, TypedUuidTag};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident => $id:ident, $tag:literal;)*) => {$(
        #[doc = concat!("The kind of [`", stringify!($id), "`].")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $kind {}

        impl TypedUuidKind for $kind {
            fn tag() -> TypedUuidTag {
                const TAG: TypedUuidTag = TypedUuidTag::new($tag);
                TAG
            }
        }

        $(#[$doc])*
        pub type $id = TypedUuid<$kind>;
    )*};
}

kinds! {
    /// The id of a stored topology (UUID v4).
    TopologyKind => TopologyId, "topology";
    /// The id of one store and of everything on Docker that belongs to it (UUID v4).
    InstanceKind => InstanceId, "instance";
    /// Proof that the caller holds a lease (UUID v4).
    LeaseKind => LeaseToken, "lease";
    /// Proof that the caller holds the claim on a mutation (UUID v4).
    ClaimKind => ClaimToken, "claim";
    /// The id of an event (UUID v4).
    EventKind => EventId, "event";
    /// The id of a host with an agent (UUID v4).
    HostKind => HostId, "host";
    /// The id of a token with which a host joins a fleet (UUID v4).
    EnrolmentKind => EnrolmentId, "enrolment";
    /// The id of one start of an agent (UUID v4). Its heartbeats have it until it ends.
    AgentRunKind => AgentRunId, "agent_run";
}

/// Returns the first eight hex digits of a topology's id, which are in the name of every Docker resource of it.
///
/// ```
/// let id = "01234567-89ab-4cde-8f01-23456789abcd".parse()?;
/// assert_eq!(decnet_topology::short_id(id), "01234567");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn short_id(id: TopologyId) -> String {
    let (first, ..) = id.into_untyped_uuid().as_fields();
    format!("{first:08x}")
}

macro_rules! ordinals {
    ($($(#[$doc:meta])* $id:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $id(u32);

        impl $id {
            /// Makes the id from its ordinal.
            pub const fn new(ordinal: u32) -> Self {
                Self(ordinal)
            }

            /// Returns the ordinal.
            pub const fn ordinal(self) -> u32 {
                self.0
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ordinals! {
    /// The id of a LAN within its topology.
    LanId;
    /// The id of a decky within its topology.
    DeckyId;
}

/// The number of a mutation within its store, from 1. Written `#12`.
///
/// ```
/// use decnet_topology::MutationId;
///
/// let id: MutationId = "12".parse()?;
/// assert_eq!(id, "#12".parse()?);
/// assert_eq!(id.to_string(), "#12");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MutationId(u64);

impl MutationId {
    /// Creates the id from its number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for MutationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("#{}", self.0))
    }
}

/// The number of a change in the log of its store, from 1.
///
/// Numbers only grow, and none is used twice. They are not comparable between stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(u64);

impl Sequence {
    /// The place before the first change.
    pub const START: Self = Self(0);

    /// Creates it from its number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Sequence {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}

impl FromStr for MutationId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.strip_prefix('#').unwrap_or(text).parse().map(Self)
    }
}
