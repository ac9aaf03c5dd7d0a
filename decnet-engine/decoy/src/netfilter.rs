//! The few `nf_tables` messages that containment needs, as bytes, and how the kernel's answers are compared with them.
//!
//! Numbers and layouts are those of the kernel's `linux/netfilter/nfnetlink.h` and `linux/netfilter/nf_tables.h`. Attributes that
//! are numbers are in network byte order; what rules compare is in the order in which the kernel loads it.

mod attribute;
mod rule;

use std::net::Ipv4Addr;

use attribute::{Attribute, NFTA_DATA_VALUE, NFTA_LIST_ELEM, data, holds, listed, number, text};
pub(crate) use rule::{End, Rule};

use crate::netlink::{MESSAGE_HEADER, Message, attributes, u16_at};

const NFNL_MSG_BATCH_BEGIN: u16 = 0x10;
const NFNL_MSG_BATCH_END: u16 = 0x11;
const NFNL_SUBSYS_NFTABLES: u16 = 10;
const HEADER: usize = MESSAGE_HEADER + 4;

const NFT_MSG_NEWTABLE: u16 = 0;
const NFT_MSG_GETTABLE: u16 = 1;
const NFT_MSG_DELTABLE: u16 = 2;
const NFT_MSG_NEWCHAIN: u16 = 3;
const NFT_MSG_GETCHAIN: u16 = 4;
const NFT_MSG_NEWRULE: u16 = 6;
const NFT_MSG_GETRULE: u16 = 7;
const NFT_MSG_NEWSET: u16 = 9;
const NFT_MSG_GETSET: u16 = 10;
const NFT_MSG_NEWSETELEM: u16 = 12;
const NFT_MSG_GETSETELEM: u16 = 13;

const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_APPEND: u16 = 0x800;

const NFPROTO_UNSPEC: u8 = 0;
const NFPROTO_INET: u8 = 1;
const NF_DROP: u32 = 0;
const NF_ACCEPT: u32 = 1;

const NFT_SET_INTERVAL: u32 = 0x4;
const NFT_SET_ELEM_INTERVAL_END: u32 = 0x1;
/// What `nft` calls the type of the set's elements.
const TYPE_IPV4_ADDR: u32 = 7;
const SET_ID: u32 = 1;

const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
const NFTA_SET_ELEM_KEY: u16 = 1;
const NFTA_SET_ELEM_FLAGS: u16 = 3;

/// Elements in one message: an attribute holds at most 64 KiB.
const ELEMENTS_A_MESSAGE: usize = 512;

/// What the table is called.
pub(crate) const TABLE: &str = "decnet";
/// What its set of address ranges is called.
const SET: &str = "inside";

/// A table of the family `inet` with one set and base chains that drop what no rule accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// The ranges of the set, from and to, ascending and apart.
    pub(crate) inside: Vec<(Ipv4Addr, Ipv4Addr)>,
    pub(crate) chains: Vec<Chain>,
}

/// A base chain of the type `filter` at the priority of filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) hook: Hook,
    pub(crate) rules: Vec<Rule>,
}

/// Where a chain sees packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    Forward,
    Output,
}

impl Hook {
    fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Output => "output",
        }
    }

    /// `NF_INET_FORWARD`, `NF_INET_LOCAL_OUT`
    fn number(self) -> u32 {
        match self {
            Self::Forward => 2,
            Self::Output => 3,
        }
    }
}

/// What is asked of the kernel to compare a table with what it has, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Table,
    Chains,
    Set,
    Elements,
    Rules(Hook),
}

impl Question {
    pub(crate) const ALL: [Self; 6] = [
        Self::Table,
        Self::Chains,
        Self::Set,
        Self::Elements,
        Self::Rules(Hook::Output),
        Self::Rules(Hook::Forward),
    ];

    /// The message that asks; the kernel answers with as many as there are, and an end.
    pub(crate) fn message(self, sequence: u32) -> Vec<u8> {
        let (kind, attributes) = match self {
            Self::Table => (NFT_MSG_GETTABLE, Vec::new()),
            Self::Chains => (NFT_MSG_GETCHAIN, Vec::new()),
            Self::Set => (NFT_MSG_GETSET, vec![text(1, TABLE)]),
            Self::Elements => (NFT_MSG_GETSETELEM, vec![text(1, TABLE), text(2, SET)]),
            Self::Rules(hook) => (NFT_MSG_GETRULE, vec![text(1, TABLE), text(2, hook.name())]),
        };
        message(kind, NLM_F_REQUEST | NLM_F_DUMP, sequence, &attributes)
    }
}

impl Table {
    /// The messages that put this table in the place of the one that is there, all at once: no packet sees neither.
    ///
    /// Answered by an error, or by an acknowledgement of the message with the sequence number that is returned.
    pub(crate) fn replace(&self) -> (Vec<u8>, u32) {
        let new = NLM_F_REQUEST | NLM_F_CREATE;
        let mut parts = vec![
            // Deleting takes a table that is there.
            (NFT_MSG_NEWTABLE, new, table()),
            (NFT_MSG_DELTABLE, NLM_F_REQUEST, vec![text(1, TABLE)]),
            (NFT_MSG_NEWTABLE, new, table()),
            (NFT_MSG_NEWSET, new, set()),
        ];
        let elements: Vec<_> = self.elements().iter().map(|element| element.attribute()).collect();
        for elements in elements.chunks(ELEMENTS_A_MESSAGE) {
            let list = Attribute::Nest(NFTA_SET_ELEM_LIST_ELEMENTS, elements.to_vec());
            // NFTA_SET_ELEM_LIST_{TABLE, SET, SET_ID, ELEMENTS}
            parts.push((
                NFT_MSG_NEWSETELEM,
                new,
                vec![text(1, TABLE), text(2, SET), number(4, SET_ID), list],
            ));
        }
        for chain in &self.chains {
            parts.push((NFT_MSG_NEWCHAIN, new, chain.attributes()));
            for rule in &chain.rules {
                let expressions = Attribute::Nest(NFTA_RULE_EXPRESSIONS, rule.expressions.clone());
                let rule = vec![text(1, TABLE), text(2, chain.hook.name()), expressions];
                parts.push((NFT_MSG_NEWRULE, new | NLM_F_APPEND, rule));
            }
        }
        let mut bytes = batch(NFNL_MSG_BATCH_BEGIN, 0);
        let mut sequence = 0;
        let count = parts.len();
        for (place, (kind, flags, attributes)) in parts.into_iter().enumerate() {
            sequence += 1;
            let flags = if place + 1 == count { flags | NLM_F_ACK } else { flags };
            bytes.extend(message(kind, flags, sequence, &attributes));
        }
        bytes.extend(batch(NFNL_MSG_BATCH_END, sequence + 1));
        (bytes, sequence)
    }

    /// Tells whether what the kernel answered to a question, as whole messages, is this table.
    pub(crate) fn is(&self, question: Question, answer: &[Vec<u8>]) -> bool {
        let bodies = |kind: u16| {
            answer.iter().filter_map(move |message| {
                let is_kind = u16_at(message, 4)? == NFNL_SUBSYS_NFTABLES << 8 | kind;
                let is_family = *message.get(MESSAGE_HEADER)? == NFPROTO_INET;
                message.get(HEADER..).filter(|_| is_kind && is_family)
            })
        };
        match question {
            Question::Table => bodies(NFT_MSG_NEWTABLE).any(|told| holds(told, &table())),
            Question::Chains => self
                .chains
                .iter()
                .all(|chain| bodies(NFT_MSG_NEWCHAIN).any(|told| holds(told, &chain.attributes()))),
            Question::Set => bodies(NFT_MSG_NEWSET).any(|told| holds(told, &set())),
            Question::Elements => {
                let lists = bodies(NFT_MSG_NEWSETELEM).flat_map(|told| listed(told, NFTA_SET_ELEM_LIST_ELEMENTS));
                let told: Option<Vec<Element>> = lists.map(Element::read).collect();
                told.is_some_and(|mut told| {
                    told.sort_unstable();
                    told == self.elements()
                })
            }
            Question::Rules(hook) => {
                let own = [text(1, TABLE), text(2, hook.name())];
                let told: Vec<&[u8]> = bodies(NFT_MSG_NEWRULE).filter(|told| holds(told, &own)).collect();
                let wanted: Vec<&Rule> = self
                    .chains
                    .iter()
                    .filter(|chain| chain.hook == hook)
                    .flat_map(|chain| &chain.rules)
                    .collect();
                told.len() == wanted.len() && wanted.iter().zip(told).all(|(rule, told)| rule.is(told))
            }
        }
    }

    /// A range is where it begins, and the first address after it.
    fn elements(&self) -> Vec<Element> {
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
        self.inside.iter().flat_map(ends).collect()
    }
}

fn table() -> Vec<Attribute> {
    // NFTA_TABLE_{NAME, FLAGS}: the flag that puts it to sleep is not set.
    vec![text(1, TABLE), number(2, 0)]
}

fn set() -> Vec<Attribute> {
    // Tells `nft` that the elements are in network byte order.
    const USERDATA: [u8; 6] = [0, 4, 2, 0, 0, 0];
    // NFTA_SET_{TABLE, NAME, FLAGS, KEY_TYPE, KEY_LEN, ID, USERDATA}
    vec![
        text(1, TABLE),
        text(2, SET),
        number(3, NFT_SET_INTERVAL),
        number(4, TYPE_IPV4_ADDR),
        number(5, 4),
        Attribute::Unsaid(10, SET_ID),
        Attribute::Value(13, USERDATA.to_vec()),
    ]
}

impl Chain {
    fn attributes(&self) -> Vec<Attribute> {
        // NFTA_CHAIN_{TABLE, NAME, HOOK, POLICY, TYPE}, NFTA_HOOK_{HOOKNUM, PRIORITY}
        vec![
            text(1, TABLE),
            text(3, self.hook.name()),
            Attribute::Nest(4, vec![number(1, self.hook.number()), number(2, 0)]),
            number(5, NF_DROP),
            text(7, "filter"),
        ]
    }
}

/// One element of the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Element {
    address: Ipv4Addr,
    end: bool,
}

impl Element {
    fn attribute(self) -> Attribute {
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

fn message(kind: u16, flags: u16, sequence: u32, attributes: &[Attribute]) -> Vec<u8> {
    let mut message = Message::new(NFNL_SUBSYS_NFTABLES << 8 | kind, flags, sequence);
    message.append(&[NFPROTO_INET, 0, 0, 0]);
    for attribute in attributes {
        attribute.write(&mut message);
    }
    message.finish()
}

/// The beginning or the end of a batch; `struct nfgenmsg` names the subsystem.
fn batch(kind: u16, sequence: u32) -> Vec<u8> {
    let [high, low] = NFNL_SUBSYS_NFTABLES.to_be_bytes();
    let mut message = Message::new(kind, NLM_F_REQUEST, sequence);
    message.append(&[NFPROTO_UNSPEC, 0, high, low]);
    message.finish()
}

#[cfg(test)]
mod tests;
