//! The attributes of netfilter's messages, which can be sent and compared with the kernel's answers.

use super::attributes::{NFTA_DATA_VALUE, NFTA_LIST_ELEM};
use crate::{
    kernel::NLA_F_NESTED,
    netlink::{Message, attributes},
};

/// An attribute of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attribute {
    Value(u16, Vec<u8>),
    Nest(u16, Vec<Attribute>),
    /// A number that the kernel accepts but does not return.
    WriteOnly(u16, u32),
}

impl Attribute {
    fn kind(&self) -> u16 {
        let (Self::Value(kind, _) | Self::Nest(kind, _) | Self::WriteOnly(kind, _)) = self;
        *kind
    }

    pub(super) fn write(&self, message: &mut Message) {
        match self {
            Self::Value(kind, value) => message.attribute(*kind, value),
            Self::WriteOnly(kind, value) => message.attribute(*kind, &value.to_be_bytes()),
            // Newer messages require this flag.
            Self::Nest(kind, inner) => message.nest(kind | NLA_F_NESTED, |message| {
                for attribute in inner {
                    attribute.write(message);
                }
            }),
        }
    }

    pub(super) fn is(&self, received: &[u8]) -> bool {
        match self {
            Self::Value(_, value) => received == value,
            Self::Nest(_, inner) => holds(received, inner),
            Self::WriteOnly(..) => true,
        }
    }
}

/// Returns whether the received attributes include all wanted ones, in the same order per kind. The kernel may return more:
/// counters, handles, and attributes of later versions.
pub(super) fn holds(received: &[u8], wanted: &[Attribute]) -> bool {
    wanted.iter().enumerate().all(|(place, attribute)| {
        let kind = attribute.kind();
        let before = wanted[..place].iter().filter(|other| other.kind() == kind).count();
        let counterpart = attributes(received).filter(|(other, _)| *other == kind).nth(before);
        matches!(attribute, Attribute::WriteOnly(..)) || counterpart.is_some_and(|(_, value)| attribute.is(value))
    })
}

pub(super) fn number(kind: u16, value: u32) -> Attribute {
    Attribute::Value(kind, value.to_be_bytes().to_vec())
}

pub(super) fn text(kind: u16, value: &str) -> Attribute {
    Attribute::Value(kind, [value.as_bytes(), b"\0"].concat())
}

pub(super) fn data(kind: u16, value: &[u8]) -> Attribute {
    Attribute::Nest(kind, vec![Attribute::Value(NFTA_DATA_VALUE, value.to_vec())])
}

/// Returns the elements of a list attribute.
pub(super) fn listed(received: &[u8], list: u16) -> impl Iterator<Item = &[u8]> {
    attributes(received)
        .filter(move |(kind, _)| *kind == list)
        .flat_map(|(_, list)| attributes(list))
        .filter(|(kind, _)| *kind == NFTA_LIST_ELEM)
        .map(|(_, value)| value)
}
