//! The few `nf_tables` messages that containment needs, as bytes, and how the kernel's answers are compared with them.
//!
//! Numbers and layouts are those of the kernel's `linux/netfilter/nfnetlink.h` and `linux/netfilter/nf_tables.h`. Attributes that
//! are numbers are in network byte order; what rules compare is in the order in which the kernel loads it.

use std::net::Ipv4Addr;

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
const NFPROTO_IPV4: u8 = 2;
const NF_DROP: u32 = 0;
const NF_ACCEPT: u32 = 1;

const NFT_REG_VERDICT: u32 = 0;
const NFT_REG_1: u32 = 1;
const NFT_SET_INTERVAL: u32 = 0x4;
const NFT_SET_ELEM_INTERVAL_END: u32 = 0x1;
/// What `nft` calls the type of the set's elements.
const TYPE_IPV4_ADDR: u32 = 7;
const SET_ID: u32 = 1;

const NFTA_LIST_ELEM: u16 = 1;
const NFTA_DATA_VALUE: u16 = 1;
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

/// One rule: what has to hold, one thing after the other, and what becomes of the packet then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    expressions: Vec<Attribute>,
}

/// One of the two addresses in an IPv4 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Source,
    Destination,
}

impl Rule {
    /// A rule for all packets.
    pub(crate) fn all() -> Self {
        Self {
            expressions: Vec::new(),
        }
    }

    /// A rule for IPv4 packets.
    pub(crate) fn ipv4() -> Self {
        // NFT_META_NFPROTO
        Self::all().meta(15).compare(true, &[NFPROTO_IPV4])
    }

    /// A rule for all that is not IPv4.
    pub(crate) fn not_ipv4() -> Self {
        Self::all().meta(15).compare(false, &[NFPROTO_IPV4])
    }

    /// ... that leave by the loopback interface, which has the index 1 in every namespace.
    pub(crate) fn to_loopback(self) -> Self {
        // NFT_META_OIF
        self.meta(5).compare(true, &1_u32.to_ne_bytes())
    }

    /// ... that answer, or belong to, a connection that was begun by the other side.
    pub(crate) fn answering(self) -> Self {
        const IP_CT_DIR_REPLY: u8 = 1;
        const ESTABLISHED_OR_RELATED: u32 = 0x2 | 0x4;
        // NFT_CT_DIRECTION, NFT_CT_STATE
        self.conntrack(1)
            .compare(true, &[IP_CT_DIR_REPLY])
            .conntrack(0)
            .mask(ESTABLISHED_OR_RELATED)
            .compare(false, &0_u32.to_ne_bytes())
    }

    /// ... with an address.
    pub(crate) fn with(self, end: End, address: Ipv4Addr) -> Self {
        self.address(end).compare(true, &address.octets())
    }

    /// ... with an address in one of the set's ranges.
    pub(crate) fn inside(self, end: End) -> Self {
        // NFTA_LOOKUP_{SET, SREG, SET_ID, FLAGS}; the kernel does not tell the id, which is for the batch alone.
        self.address(end).expression(
            "lookup",
            vec![
                text(1, SET),
                number(2, NFT_REG_1),
                Attribute::Unsaid(4, SET_ID),
                number(5, 0),
            ],
        )
    }

    /// ... to a port over a transport protocol.
    pub(crate) fn to_port(self, protocol: u8, port: u16) -> Self {
        // NFT_META_L4PROTO, NFT_PAYLOAD_TRANSPORT_HEADER
        self.meta(16)
            .compare(true, &[protocol])
            .payload(2, 2, 2)
            .compare(true, &port.to_be_bytes())
    }

    /// ... as long as they are no more than so many a second, and so many at once.
    pub(crate) fn at_most(self, a_second: u32, at_once: u32) -> Self {
        let wide = |kind, value: u32| Attribute::Value(kind, u64::from(value).to_be_bytes().to_vec());
        // NFTA_LIMIT_{RATE, UNIT, BURST, TYPE, FLAGS}
        let limit = vec![
            wide(1, a_second),
            wide(2, 1),
            number(3, at_once),
            number(4, 0),
            number(5, 0),
        ];
        self.expression("limit", limit)
    }

    pub(crate) fn accept(self) -> Self {
        self.verdict(NF_ACCEPT)
    }

    pub(crate) fn drop(self) -> Self {
        self.verdict(NF_DROP)
    }

    fn meta(self, key: u32) -> Self {
        self.expression("meta", vec![number(2, key), number(1, NFT_REG_1)])
    }

    fn conntrack(self, key: u32) -> Self {
        self.expression("ct", vec![number(2, key), number(1, NFT_REG_1)])
    }

    fn address(self, end: End) -> Self {
        // NFT_PAYLOAD_NETWORK_HEADER
        let offset = match end {
            End::Source => 12,
            End::Destination => 16,
        };
        self.payload(1, offset, 4)
    }

    fn payload(self, base: u32, offset: u32, length: u32) -> Self {
        let payload = vec![
            number(1, NFT_REG_1),
            number(2, base),
            number(3, offset),
            number(4, length),
        ];
        self.expression("payload", payload)
    }

    fn mask(self, mask: u32) -> Self {
        // NFTA_BITWISE_{SREG, DREG, LEN, MASK, XOR}
        let bitwise = vec![
            number(1, NFT_REG_1),
            number(2, NFT_REG_1),
            number(3, 4),
            data(4, &mask.to_ne_bytes()),
            data(5, &[0; 4]),
        ];
        self.expression("bitwise", bitwise)
    }

    fn compare(self, equal: bool, with: &[u8]) -> Self {
        // NFT_CMP_EQ, NFT_CMP_NEQ
        let operation = u32::from(!equal);
        self.expression("cmp", vec![number(1, NFT_REG_1), number(2, operation), data(3, with)])
    }

    fn verdict(self, code: u32) -> Self {
        // NFTA_IMMEDIATE_{DREG, DATA}, NFTA_DATA_VERDICT, NFTA_VERDICT_CODE
        let verdict = Attribute::Nest(2, vec![Attribute::Nest(2, vec![number(1, code)])]);
        self.expression("immediate", vec![number(1, NFT_REG_VERDICT), verdict])
    }

    fn expression(mut self, name: &str, of: Vec<Attribute>) -> Self {
        let expression = vec![text(1, name), Attribute::Nest(2, of)];
        self.expressions.push(Attribute::Nest(NFTA_LIST_ELEM, expression));
        self
    }
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Attribute {
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

    fn write(&self, message: &mut Message) {
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

    fn is(&self, told: &[u8]) -> bool {
        match self {
            Self::Value(_, value) => told == value,
            Self::Nest(_, inner) => holds(told, inner),
            Self::Unsaid(..) => true,
        }
    }
}

/// Tells whether all of some attributes are among those that the kernel told, the first of a kind as the first of that kind. The
/// kernel may tell more: counters, handles, and what later ones know.
fn holds(told: &[u8], wanted: &[Attribute]) -> bool {
    wanted.iter().enumerate().all(|(place, attribute)| {
        let kind = attribute.kind();
        let before = wanted[..place].iter().filter(|other| other.kind() == kind).count();
        let counterpart = attributes(told).filter(|(other, _)| *other == kind).nth(before);
        matches!(attribute, Attribute::Unsaid(..)) || counterpart.is_some_and(|(_, value)| attribute.is(value))
    })
}

fn number(kind: u16, value: u32) -> Attribute {
    Attribute::Value(kind, value.to_be_bytes().to_vec())
}

fn text(kind: u16, value: &str) -> Attribute {
    Attribute::Value(kind, [value.as_bytes(), b"\0"].concat())
}

fn data(kind: u16, value: &[u8]) -> Attribute {
    Attribute::Nest(kind, vec![Attribute::Value(NFTA_DATA_VALUE, value.to_vec())])
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
            (NFT_MSG_NEWTABLE, new, self.table()),
            (NFT_MSG_DELTABLE, NLM_F_REQUEST, vec![text(1, TABLE)]),
            (NFT_MSG_NEWTABLE, new, self.table()),
            (NFT_MSG_NEWSET, new, self.set()),
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
            Question::Table => bodies(NFT_MSG_NEWTABLE).any(|told| holds(told, &self.table())),
            Question::Chains => self
                .chains
                .iter()
                .all(|chain| bodies(NFT_MSG_NEWCHAIN).any(|told| holds(told, &chain.attributes()))),
            Question::Set => bodies(NFT_MSG_NEWSET).any(|told| holds(told, &self.set())),
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

    fn table(&self) -> Vec<Attribute> {
        // NFTA_TABLE_{NAME, FLAGS}: the flag that puts it to sleep is not set.
        vec![text(1, TABLE), number(2, 0)]
    }

    fn set(&self) -> Vec<Attribute> {
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

impl Rule {
    fn is(&self, told: &[u8]) -> bool {
        let expressions: Vec<&[u8]> = listed(told, NFTA_RULE_EXPRESSIONS).collect();
        let wanted = &self.expressions;
        expressions.len() == wanted.len() && wanted.iter().zip(expressions).all(|(one, told)| one.is(told))
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

/// The elements of a list that is an attribute of what was told.
fn listed(told: &[u8], list: u16) -> impl Iterator<Item = &[u8]> {
    attributes(told)
        .filter(move |(kind, _)| *kind == list)
        .flat_map(|(_, list)| attributes(list))
        .filter(|(kind, _)| *kind == NFTA_LIST_ELEM)
        .map(|(_, value)| value)
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
