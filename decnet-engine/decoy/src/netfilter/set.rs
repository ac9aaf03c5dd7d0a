//! Sets of addresses, as ranges.

use std::net::Ipv4Addr;

use super::attribute::{Attribute, NFTA_DATA_VALUE, NFTA_LIST_ELEM, data, number, text};
use super::{NFTA_SET_ELEM_LIST_ELEMENTS, TABLE};
use crate::netlink::attributes;

const NFT_SET_INTERVAL: u32 = 0x4;
const NFT_SET_ELEM_INTERVAL_END: u32 = 0x1;
/// What `nft` calls the type of the set's elements.
const TYPE_IPV4_ADDR: u32 = 7;

const NFTA_SET_ELEM_KEY: u16 = 1;
const NFTA_SET_ELEM_FLAGS: u16 = 3;

/// Elements in one message: an attribute holds at most 64 KiB.
pub(super) const ELEMENTS_A_MESSAGE: usize = 512;

/// A set of addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) name: SetName,
    /// The ranges, from and to, ascending and apart.
    pub(crate) ranges: Vec<(Ipv4Addr, Ipv4Addr)>,
}

/// What is in a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetName {
    /// The maze, as far as it can be reached from here.
    Inside,
    /// The host's addresses.
    Closed,
    /// What is not one neighbour's address but everybody's.
    Broadcast,
}

impl SetName {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Inside => "inside",
            Self::Closed => "closed",
            Self::Broadcast => "broadcast",
        }
    }

    /// What names it within the batch that makes it. The kernel takes but does not tell it.
    pub(super) fn id(self) -> u32 {
        match self {
            Self::Inside => 1,
            Self::Closed => 2,
            Self::Broadcast => 3,
        }
    }
}

impl Set {
    pub(super) fn attributes(&self) -> Vec<Attribute> {
        // Tells `nft` that the elements are in network byte order.
        const USERDATA: [u8; 6] = [0, 4, 2, 0, 0, 0];
        // NFTA_SET_{TABLE, NAME, FLAGS, KEY_TYPE, KEY_LEN, ID, USERDATA}
        vec![
            text(1, TABLE),
            text(2, self.name.as_str()),
            number(3, NFT_SET_INTERVAL),
            number(4, TYPE_IPV4_ADDR),
            number(5, 4),
            Attribute::Unsaid(10, self.name.id()),
            Attribute::Value(13, USERDATA.to_vec()),
        ]
    }

    /// What the messages say that put the elements in.
    pub(super) fn fillings(&self) -> impl Iterator<Item = Vec<Attribute>> {
        let elements: Vec<Attribute> = self.elements().into_iter().map(Element::attribute).collect();
        let fillings = elements.chunks(ELEMENTS_A_MESSAGE).map(|elements| {
            let list = Attribute::Nest(NFTA_SET_ELEM_LIST_ELEMENTS, elements.to_vec());
            // NFTA_SET_ELEM_LIST_{TABLE, SET, SET_ID, ELEMENTS}
            vec![
                text(1, TABLE),
                text(2, self.name.as_str()),
                number(4, self.name.id()),
                list,
            ]
        });
        fillings.collect::<Vec<_>>().into_iter()
    }

    /// Returns whether elements that the kernel told are exactly this set's, in whatever order.
    pub(super) fn has(&self, told: &[&[u8]]) -> bool {
        let told: Option<Vec<Element>> = told.iter().map(|told| Element::read(told)).collect();
        told.is_some_and(|mut told| {
            told.sort_unstable();
            told == self.elements()
        })
    }

    /// A range is where it begins, and the first address after it.
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

/// Where a range begins, or is over.
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

    fn read(told: &[u8]) -> Option<Self> {
        let find = |wanted| {
            attributes(told)
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
