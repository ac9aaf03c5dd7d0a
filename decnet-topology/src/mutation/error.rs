use std::{borrow::Cow, net::Ipv4Addr};

use crate::{
    alloc::AllocError,
    finding::Code,
    name::{Name, NameError},
    net::SubnetError,
    validate::Report,
};

/// The reason why a text is not a mutation, or why a mutation is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MutationError {
    /// The text is not JSON, is too long or too deep, or has a repeated key.
    #[error("the mutation cannot be read: {message}")]
    Syntax {
        /// What is wrong with it.
        message: String,
    },
    /// The op is unknown.
    #[error("unknown op `{op}`{hint}")]
    UnknownOp {
        /// The word.
        op: String,
        /// A suggestion, or the list of ops, for people.
        hint: String,
    },
    /// An unknown key.
    #[error("{path} is not a field of {op}{hint}")]
    UnknownKey {
        /// Its path.
        path: String,
        /// The op or object that does not have it.
        op: String,
        /// A suggestion, or the list of keys, for people.
        hint: String,
    },
    /// A required key is missing.
    #[error("{path} is missing; it must be {expected}")]
    MissingKey {
        /// Its path.
        path: String,
        /// The expected value.
        expected: &'static str,
    },
    /// A value has the wrong JSON type.
    #[error("{path} must be {expected}, not {found}")]
    WrongType {
        /// Its path.
        path: String,
        /// The expected type.
        expected: Cow<'static, str>,
        /// The type that was found.
        found: String,
    },
    /// A name is not a DNS label.
    #[error("{path} is not a valid name: `{text}`")]
    NameInvalid {
        /// Its path.
        path: String,
        /// The text.
        text: String,
        /// The reason.
        source: NameError,
    },
    /// A subnet does not parse, or has host bits set.
    #[error("{path} is not a valid subnet")]
    SubnetMalformed {
        /// Its path.
        path: String,
        /// The reason.
        source: SubnetError,
    },
    /// An address does not parse.
    #[error("{path} must be an IPv4 address of the form 10.0.0.2, not `{text}`")]
    IpMalformed {
        /// Its path.
        path: String,
        /// The text.
        text: String,
    },
    /// No LAN has that name.
    #[error("no LAN named `{lan}`{hint}")]
    UnknownLan {
        /// The name.
        lan: Name,
        /// A suggestion for people; may be empty.
        hint: String,
    },
    /// No decky has that name.
    #[error("no decky named `{decky}`{hint}")]
    UnknownDecky {
        /// The name.
        decky: Name,
        /// A suggestion for people; may be empty.
        hint: String,
    },
    /// A LAN already has the name.
    #[error("a LAN named `{lan}` already exists")]
    LanNameDup {
        /// The LAN that has it.
        lan: Name,
    },
    /// A decky already has the name.
    #[error("a decky named `{decky}` already exists")]
    DeckyNameDup {
        /// The decky that has it.
        decky: Name,
    },
    /// The LAN is the home of a decky. A home cannot be removed.
    #[error("LAN `{lan}` is the home of decky `{decky}`; remove the decky first")]
    LanIsHome {
        /// The LAN.
        lan: Name,
        /// One of the deckies with this home.
        decky: Name,
    },
    /// The decky is already on the LAN.
    #[error("decky `{decky}` is already attached to LAN `{lan}` as {ip}")]
    AlreadyAttached {
        /// The decky.
        decky: Name,
        /// The LAN.
        lan: Name,
        /// Its address there.
        ip: Ipv4Addr,
    },
    /// The decky is not on the LAN.
    #[error("decky `{decky}` is not attached to LAN `{lan}`")]
    NotAttached {
        /// The decky.
        decky: Name,
        /// The LAN.
        lan: Name,
    },
    /// The membership is the decky's home. A decky cannot leave its home.
    #[error("decky `{decky}` cannot leave its home `{lan}`; remove the decky")]
    DetachFromHome {
        /// The decky.
        decky: Name,
        /// The LAN.
        lan: Name,
    },
    /// The mutation makes a decky forward, but it has only one LAN.
    #[error(
        "decky `{decky}` cannot forward packets: it has only one LAN, and its home is not the DMZ; attach it to another LAN first"
    )]
    RouterSingleHomed {
        /// The decky.
        decky: Name,
    },
    /// The published ports of a gateway or the look of a decky's packets would change, so its base would be recreated.
    #[error("this changes the {what} of decky `{decky}` and recreates its base; repeat it with `force`")]
    ForceRequired {
        /// The decky.
        decky: Name,
        /// What would change: `published ports`, or `TTL and TCP timestamps`.
        what: &'static str,
    },
    /// A running LAN keeps its name and its subnet.
    #[error("`{field}` of LAN `{lan}` cannot change while the maze runs")]
    FrozenWhileLive {
        /// The LAN.
        lan: Name,
        /// The field that would change.
        field: &'static str,
    },
    /// The pool has no subnet left.
    #[error("no subnet can be allocated for LAN `{lan}`")]
    SubnetPoolExhausted {
        /// The LAN.
        lan: Name,
        /// The reason.
        source: AllocError,
    },
    /// The LAN has no address left.
    #[error("no address on LAN `{lan}` can be allocated for decky `{decky}`")]
    AddressPoolExhausted {
        /// The LAN.
        lan: Name,
        /// The decky.
        decky: Name,
        /// The reason.
        source: AllocError,
    },
    /// The topology has no free ids.
    #[error("no ids are left for `{name}`")]
    IdsExhausted {
        /// The part that would be added.
        name: Name,
    },
    /// A decky of the wanted maze has no attachment, so no mutation can add it.
    #[error("decky `{decky}` has no attachment; attach it to a LAN, which becomes its home")]
    DeckyWithoutHome {
        /// The decky.
        decky: Name,
    },
    /// The changed maze breaks rules.
    #[error("the maze would break {}", .report.broken())]
    ResultInvalid {
        /// The findings.
        report: Report,
    },
}

impl MutationError {
    /// Returns the stable code. If the validator has a code for the same fault, it is that code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "SYNTAX",
            Self::UnknownOp { .. } => "UNKNOWN_OP",
            Self::UnknownKey { .. } => "UNKNOWN_KEY",
            Self::MissingKey { .. } => "MISSING_KEY",
            Self::WrongType { .. } => "WRONG_TYPE",
            Self::NameInvalid { .. } => Code::NameInvalid.as_str(),
            Self::SubnetMalformed { .. } => Code::SubnetMalformed.as_str(),
            Self::IpMalformed { .. } => Code::IpMalformed.as_str(),
            Self::UnknownLan { .. } => "UNKNOWN_LAN",
            Self::UnknownDecky { .. } => "UNKNOWN_DECKY",
            Self::LanNameDup { .. } => Code::LanNameDup.as_str(),
            Self::DeckyNameDup { .. } => Code::DeckyNameDup.as_str(),
            Self::LanIsHome { .. } => "LAN_IS_A_HOME",
            Self::AlreadyAttached { .. } => "ALREADY_ATTACHED",
            Self::NotAttached { .. } => "NOT_ATTACHED",
            Self::DetachFromHome { .. } => "DETACH_FROM_HOME",
            Self::RouterSingleHomed { .. } => Code::RouterSingleHomed.as_str(),
            Self::ForceRequired { .. } => "FORCE_REQUIRED",
            Self::FrozenWhileLive { .. } => "FROZEN_WHILE_LIVE",
            Self::SubnetPoolExhausted {
                source: AllocError::Special { .. },
                ..
            }
            | Self::AddressPoolExhausted {
                source: AllocError::Special { .. },
                ..
            } => Code::SubnetSpecial.as_str(),
            Self::SubnetPoolExhausted { .. } => "SUBNET_POOL_EXHAUSTED",
            Self::AddressPoolExhausted { .. } => "ADDRESS_POOL_EXHAUSTED",
            Self::IdsExhausted { .. } => "IDS_EXHAUSTED",
            Self::DeckyWithoutHome { .. } => Code::DeckyOrphan.as_str(),
            Self::ResultInvalid { .. } => "RESULT_INVALID",
        }
    }

    /// Returns whether the input is not a valid mutation. If false, the maze refuses it.
    pub const fn is_bad_input(&self) -> bool {
        matches!(
            self,
            Self::Syntax { .. }
                | Self::UnknownOp { .. }
                | Self::UnknownKey { .. }
                | Self::MissingKey { .. }
                | Self::WrongType { .. }
                | Self::NameInvalid { .. }
                | Self::SubnetMalformed { .. }
                | Self::IpMalformed { .. }
        )
    }
}
