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
    /// The text is not JSON, is too long or too deep, or has a key twice.
    #[error("the mutation cannot be read: {message}")]
    Syntax {
        /// What is wrong with it.
        message: String,
    },
    /// The op is unknown.
    #[error("there is no op `{op}`{hint}")]
    UnknownOp {
        /// The word.
        op: String,
        /// Which one was meant, or which there are, for people.
        hint: String,
    },
    /// An unknown key.
    #[error("{path} is not a key of {op}{hint}")]
    UnknownKey {
        /// Its path.
        path: String,
        /// Of what it is none.
        op: String,
        /// Which one was meant, or which there are, for people.
        hint: String,
    },
    /// A key that must be there is not.
    #[error("{path} is missing; it must be {expected}")]
    MissingKey {
        /// Its path.
        path: String,
        /// What its value would be.
        expected: &'static str,
    },
    /// A value has the wrong JSON type.
    #[error("{path} must be {expected}, not {found}")]
    WrongType {
        /// Its path.
        path: String,
        /// The expected type.
        expected: Cow<'static, str>,
        /// What does.
        found: String,
    },
    /// A name is not a DNS label.
    #[error("{path} is no name: `{text}`")]
    NameInvalid {
        /// Its path.
        path: String,
        /// The text.
        text: String,
        /// Why.
        source: NameError,
    },
    /// A subnet does not parse, or has host bits set.
    #[error("{path} is no subnet")]
    SubnetMalformed {
        /// Its path.
        path: String,
        /// Why.
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
    #[error("there is no LAN `{lan}`{hint}")]
    UnknownLan {
        /// The name.
        lan: Name,
        /// Which one was meant, for people; may be empty.
        hint: String,
    },
    /// No decky has that name.
    #[error("there is no decky `{decky}`{hint}")]
    UnknownDecky {
        /// The name.
        decky: Name,
        /// Which one was meant, for people; may be empty.
        hint: String,
    },
    /// A LAN has the name already.
    #[error("there is a LAN `{lan}` already")]
    LanNameDup {
        /// The LAN that has it.
        lan: Name,
    },
    /// A decky has the name already.
    #[error("there is a decky `{decky}` already")]
    DeckyNameDup {
        /// The decky that has it.
        decky: Name,
    },
    /// The LAN is the home of a decky, and homes stay.
    #[error("LAN `{lan}` is the home of decky `{decky}`; remove the decky first")]
    LanIsHome {
        /// The LAN.
        lan: Name,
        /// One of those at home there.
        decky: Name,
    },
    /// The decky is on the LAN already.
    #[error("decky `{decky}` is attached to LAN `{lan}` already, as {ip}")]
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
    /// The membership is the decky's home, and homes stay.
    #[error("LAN `{lan}` is the home of decky `{decky}`, which it cannot leave; remove the decky")]
    DetachFromHome {
        /// The decky.
        decky: Name,
        /// The LAN.
        lan: Name,
    },
    /// A decky that has nothing to forward between was to forward.
    #[error(
        "decky `{decky}` cannot forward packets: it has no two LANs to forward between, nor the DMZ; attach it to another first"
    )]
    RouterSingleHomed {
        /// The decky.
        decky: Name,
    },
    /// What a gateway publishes on the host would change, and with it its base.
    #[error("what decky `{decky}` publishes on the host changes, so its base is recreated; that wants `force`")]
    ForceRequired {
        /// The decky.
        decky: Name,
    },
    /// A LAN that runs keeps its name and its subnet.
    #[error("`{field}` of LAN `{lan}` cannot change while the maze runs")]
    FrozenWhileLive {
        /// The LAN.
        lan: Name,
        /// What was to change.
        field: &'static str,
    },
    /// The pool has no subnet left.
    #[error("LAN `{lan}` cannot have a subnet")]
    SubnetPoolExhausted {
        /// The LAN.
        lan: Name,
        /// Why.
        source: AllocError,
    },
    /// The LAN has no address left.
    #[error("LAN `{lan}` has no address for decky `{decky}`")]
    AddressPoolExhausted {
        /// The LAN.
        lan: Name,
        /// The decky.
        decky: Name,
        /// Why.
        source: AllocError,
    },
    /// The topology has no id left for one more.
    #[error("there are no ids left for `{name}`")]
    IdsExhausted {
        /// What was to be added.
        name: Name,
    },
    /// What comes of it breaks rules.
    #[error("the maze would break {}", .report.broken())]
    ResultInvalid {
        /// What was found.
        report: Report,
    },
}

impl MutationError {
    /// Returns the stable code. Where the validator has one for the same fault, it is that.
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
            Self::ResultInvalid { .. } => "RESULT_INVALID",
        }
    }

    /// Returns whether the input is not a mutation at all; otherwise the maze refuses it.
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
