//! Sets of address ranges.

use std::net::Ipv4Addr;

use super::{
    TABLE,
    attribute::{Attribute, data, number, text},
    attributes::{
        NFTA_DATA_VALUE, NFTA_LIST_ELEM, NFTA_SET_ELEM_FLAGS, NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_LIST_ELEMENTS,
        NFTA_SET_ELEM_LIST_SET, NFTA_SET_ELEM_LIST_SET_ID, NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_FLAGS, NFTA_SET_ID,
        NFTA_SET_KEY_LEN, NFTA_SET_KEY_TYPE, NFTA_SET_NAME, NFTA_SET_TABLE, NFTA_SET_USERDATA,
    },
};
use crate::{
    kernel::{NFT_SET_ELEM_INTERVAL_END, NFT_SET_INTERVAL},
    netlink::attributes,
};

/// The name of the elements' type in `nft`.
const TYPE_IPV4_ADDR: u32 = 7;

/// The number of elements per message: an attribute holds at most 64 KiB.
pub(super) const ELEMENTS_A_MESSAGE: usize = 512;

/// A set of addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) name: SetName,
    /// The first and the last address of each range, sorted and separate.
    pub(crate) ranges: Vec<(Ipv4Addr, Ipv4Addr)>,
}

/// The content of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetName {
    /// The reachable part of the maze.
    Inside,
    /// The host's addresses.
    Closed,
    /// Addresses that are shared by all neighbours.
    Broadcast,
    /// The decky's own addresses.
    Own,
    /// The hosts at the other ends of a link.
    Peers,
}

impl SetName {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Inside => "inside",
            Self::Closed => "closed",
            Self::Broadcast => "broadcast",
            Self::Own => "own",
            Self::Peers => "peers",
        }
    }

    /// Returns the id of the set within the batch that creates it. The kernel does not return it.
    pub(super) fn id(self) -> u32 {
        match self {
            Self::Inside => 1,
            Self::Closed => 2,
            Self::Broadcast => 3,
            Self::Own => 4,
            Self::Peers => 5,
        }
    }
}

impl Set {
    pub(super) fn attributes(&self) -> Vec<Attribute> {
        // Informs `nft` that the elements are in network byte order.
        const USERDATA: [u8; 6] = [0, 4, 2, 0, 0, 0];
        vec![
            text(NFTA_SET_TABLE, TABLE),
            text(NFTA_SET_NAME, self.name.as_str()),
            number(NFTA_SET_FLAGS, NFT_SET_INTERVAL),
            number(NFTA_SET_KEY_TYPE, TYPE_IPV4_ADDR),
            number(NFTA_SET_KEY_LEN, 4),
            Attribute::WriteOnly(NFTA_SET_ID, self.name.id()),
            Attribute::Value(NFTA_SET_USERDATA, USERDATA.to_vec()),
        ]
    }

    /// Returns the attributes of the messages that add the elements.
    pub(super) fn fillings(&self) -> impl Iterator<Item = Vec<Attribute>> {
        let elements: Vec<Attribute> = self.elements().into_iter().map(Element::attribute).collect();
        let fillings = elements.chunks(ELEMENTS_A_MESSAGE).map(|elements| {
            let list = Attribute::Nest(NFTA_SET_ELEM_LIST_ELEMENTS, elements.to_vec());
            vec![
                text(NFTA_SET_ELEM_LIST_TABLE, TABLE),
                text(NFTA_SET_ELEM_LIST_SET, self.name.as_str()),
                number(NFTA_SET_ELEM_LIST_SET_ID, self.name.id()),
                list,
            ]
        });
        fillings.collect::<Vec<_>>().into_iter()
    }

    /// Returns whether the kernel's elements are exactly those of this set, in any order.
    pub(super) fn has(&self, received: &[&[u8]]) -> bool {
        let received: Option<Vec<Element>> = received.iter().map(|received| Element::read(received)).collect();
        received.is_some_and(|mut received| {
            received.sort_unstable();
            received == self.elements()
        })
    }

    /// Returns the elements: each range has one for its start, and one for the first address after it.
    pub(super) fn elements(&self) -> Vec<Element> {
        let ends = |(from, to): &(Ipv4Addr, Ipv4Addr)| {
            let after = to.to_bits().checked_add(1).map(|bits| Element {
                address: Ipv4Addr::from_bits(bits),
                end: true,
            });
            let begin = Element {
                address: *from,
                end: false,
            };
            std::iter::once(begin).chain(after)
        };
        self.ranges.iter().flat_map(ends).collect()
    }
}

/// Merges ranges that overlap or touch, and sorts them.
pub(crate) fn ranges(parts: impl Iterator<Item = (Ipv4Addr, Ipv4Addr)>) -> Vec<(Ipv4Addr, Ipv4Addr)> {
    let mut parts: Vec<_> = parts.collect();
    parts.sort_unstable();
    let mut ranges: Vec<(Ipv4Addr, Ipv4Addr)> = Vec::new();
    for (from, to) in parts {
        match ranges.last_mut() {
            Some((_, last)) if from.to_bits() <= last.to_bits().saturating_add(1) => *last = to.max(*last),
            _ => ranges.push((from, to)),
        }
    }
    ranges
}

/// The start or the end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Element {
    address: Ipv4Addr,
    end: bool,
}

impl Element {
    pub(super) fn attribute(self) -> Attribute {
        let mut element = vec![data(NFTA_SET_ELEM_KEY, &self.address.octets())];
        if self.end {
            element.push(number(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END));
        }
        Attribute::Nest(NFTA_LIST_ELEM, element)
    }

    fn read(received: &[u8]) -> Option<Self> {
        let find = |wanted| {
            attributes(received)
                .find(|(kind, _)| *kind == wanted)
                .map(|(_, value)| value)
        };
        let key = find(NFTA_SET_ELEM_KEY)?;
        let (_, value) = attributes(key).find(|(kind, _)| *kind == NFTA_DATA_VALUE)?;
        let address = <[u8; 4]>::try_from(value).ok()?.into();
        let end = NFT_SET_ELEM_INTERVAL_END.to_be_bytes();
        Some(Self {
            address,
            end: find(NFTA_SET_ELEM_FLAGS).is_some_and(|flags| flags == end),
        })
    }
}
