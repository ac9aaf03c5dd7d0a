//! What netfilter's messages are made of, as data that can be sent, and compared with what the kernel tells.

use crate::netlink::{Message, attributes};

pub(super) const NFTA_LIST_ELEM: u16 = 1;
pub(super) const NFTA_DATA_VALUE: u16 = 1;

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attribute {
    Value(u16, Vec<u8>),
    Nest(u16, Vec<Attribute>),
    /// A number that the kernel takes but does not tell.
    Unsaid(u16, u32),
}

impl Attribute {
    fn kind(&self) -> u16 {
        let (Self::Value(kind, _) | Self::Nest(kind, _) | Self::Unsaid(kind, _)) = self;
        *kind
    }

    pub(super) fn write(&self, message: &mut Message) {
        /// Newer messages insist on this flag.
        const NLA_F_NESTED: u16 = 0x8000;
        match self {
            Self::Value(kind, value) => message.attribute(*kind, value),
            Self::Unsaid(kind, value) => message.attribute(*kind, &value.to_be_bytes()),
            Self::Nest(kind, inner) => message.nest(kind | NLA_F_NESTED, |message| {
                for attribute in inner {
                    attribute.write(message);
                }
            }),
        }
    }

    pub(super) fn is(&self, told: &[u8]) -> bool {
        match self {
            Self::Value(_, value) => told == value,
            Self::Nest(_, inner) => holds(told, inner),
            Self::Unsaid(..) => true,
        }
    }
}

/// Returns whether all of some attributes are among those that the kernel told, the first of a kind as the first of that kind. The
/// kernel may tell more: counters, handles, and what later ones know.
pub(super) fn holds(told: &[u8], wanted: &[Attribute]) -> bool {
    wanted.iter().enumerate().all(|(place, attribute)| {
        let kind = attribute.kind();
        let before = wanted[..place].iter().filter(|other| other.kind() == kind).count();
        let counterpart = attributes(told).filter(|(other, _)| *other == kind).nth(before);
        matches!(attribute, Attribute::Unsaid(..)) || counterpart.is_some_and(|(_, value)| attribute.is(value))
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

/// The elements of a list that is an attribute of what was told.
pub(super) fn listed(told: &[u8], list: u16) -> impl Iterator<Item = &[u8]> {
    attributes(told)
        .filter(move |(kind, _)| *kind == list)
        .flat_map(|(_, list)| attributes(list))
        .filter(|(kind, _)| *kind == NFTA_LIST_ELEM)
        .map(|(_, value)| value)
}
