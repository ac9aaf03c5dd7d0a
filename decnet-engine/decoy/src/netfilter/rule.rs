//! Rules, as the expressions that the kernel evaluates one after the other.

use std::net::Ipv4Addr;

use super::attribute::{Attribute, NFTA_LIST_ELEM, data, listed, number, text};
use super::{ChainName, NF_ACCEPT, NF_DROP, NFT_GOTO, NFTA_RULE_EXPRESSIONS, SetName};

const NFPROTO_IPV4: u8 = 2;
const NFT_REG_VERDICT: u32 = 0;
const NFT_REG_1: u32 = 1;

const IPPROTO_ICMP: u8 = 1;
const IPPROTO_TCP: u8 = 6;

/// Directions of a connection.
const IP_CT_DIR_ORIGINAL: u8 = 0;
const IP_CT_DIR_REPLY: u8 = 1;

/// Bits of a connection's state.
const ESTABLISHED: u32 = 0x2;
const RELATED: u32 = 0x4;
const NEW: u32 = 0x8;
const INVALID: u32 = 0x1;

/// One rule: what has to hold, one thing after the other, and what becomes of the packet then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(super) expressions: Vec<Attribute>,
}

/// Where a packet comes from, or where it goes to: of addresses and of ports.
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
    pub(crate) fn over_loopback(self) -> Self {
        // NFT_META_OIF
        self.meta(5).compare(true, &1_u32.to_ne_bytes())
    }

    /// ... that come in by the loopback interface.
    pub(crate) fn by_loopback(self) -> Self {
        // NFT_META_IIF
        self.meta(4).compare(true, &1_u32.to_ne_bytes())
    }

    /// ... that answer, or belong to, a connection that was begun by the other side.
    pub(crate) fn answering(self) -> Self {
        // NFT_CT_DIRECTION
        self.conntrack(1)
            .compare(true, &[IP_CT_DIR_REPLY])
            .in_state(ESTABLISHED | RELATED)
    }

    /// ... that report an error of a connection that is there.
    pub(crate) fn related(self) -> Self {
        self.in_state(RELATED)
    }

    /// ... with an address.
    pub(crate) fn with(self, end: End, address: Ipv4Addr) -> Self {
        self.address(end).compare(true, &address.octets())
    }

    /// ... with an address that is in a set.
    pub(crate) fn within(self, end: End, set: SetName) -> Self {
        self.look_up(end, set, 0)
    }

    /// ... with an address that is not in a set.
    pub(crate) fn not_within(self, end: End, set: SetName) -> Self {
        const NFT_LOOKUP_F_INV: u32 = 1;
        self.look_up(end, set, NFT_LOOKUP_F_INV)
    }

    /// ... of a transport protocol.
    pub(crate) fn of_protocol(self, protocol: u8) -> Self {
        // NFT_META_L4PROTO
        self.meta(16).compare(true, &[protocol])
    }

    /// ... with a port of a transport protocol.
    pub(crate) fn at_port(self, end: End, protocol: u8, port: u16) -> Self {
        let offset = match end {
            End::Source => 0,
            End::Destination => 2,
        };
        // NFT_PAYLOAD_TRANSPORT_HEADER
        self.of_protocol(protocol)
            .payload(2, offset, 2)
            .compare(true, &port.to_be_bytes())
    }

    /// ... that are ICMP messages of a type.
    pub(crate) fn icmp(self, kind: u8) -> Self {
        // NFT_PAYLOAD_TRANSPORT_HEADER
        self.of_protocol(IPPROTO_ICMP).payload(2, 0, 1).compare(true, &[kind])
    }

    /// ... of TCP that have some of these flags set, or none of them.
    pub(crate) fn tcp_flags(self, flags: u8, set: bool) -> Self {
        // NFT_PAYLOAD_TRANSPORT_HEADER
        self.of_protocol(IPPROTO_TCP)
            .payload(2, 13, 1)
            .mask(&[flags])
            .compare(!set, &[0])
    }

    /// ... of TCP that have exactly these flags set, whatever they say about congestion.
    pub(crate) fn tcp_flags_exactly(self, flags: u8) -> Self {
        const ALL: u8 = 0x3f;
        self.of_protocol(IPPROTO_TCP)
            .payload(2, 13, 1)
            .mask(&[ALL])
            .compare(true, &[flags])
    }

    /// ... that begin a connection.
    pub(crate) fn beginning(self) -> Self {
        self.in_state(NEW)
    }

    /// ... that belong to no connection that is known.
    pub(crate) fn unrelated(self) -> Self {
        self.in_state(NEW | INVALID)
    }

    /// ... of a connection that was begun by the other side, and that both sides have agreed to, or not yet.
    pub(crate) fn completed(self, completed: bool) -> Self {
        const IPS_ASSURED: u32 = 4;
        // NFT_CT_DIRECTION, NFT_CT_STATUS
        self.conntrack(1)
            .compare(true, &[IP_CT_DIR_ORIGINAL])
            .conntrack(2)
            .mask(&IPS_ASSURED.to_ne_bytes())
            .compare(!completed, &0_u32.to_ne_bytes())
    }

    /// ... of a connection for which this rule did not match before.
    pub(crate) fn once(self) -> Self {
        const NFT_CT_MARK: u32 = 3;
        // NFTA_IMMEDIATE_{DREG, DATA}, NFTA_CT_{KEY, SREG}
        self.conntrack(NFT_CT_MARK)
            .compare(true, &0_u32.to_ne_bytes())
            .expression("immediate", vec![number(1, NFT_REG_1), data(2, &1_u32.to_ne_bytes())])
            .expression("ct", vec![number(2, NFT_CT_MARK), number(4, NFT_REG_1)])
    }

    /// ... as long as they are no more than so many packets a second, and so many at once.
    pub(crate) fn at_most_packets(self, a_second: u32, at_once: u32) -> Self {
        // NFT_LIMIT_PKTS
        self.limit(0, a_second, at_once)
    }

    /// ... as long as they are no more than so many bytes a second, and as many at once besides.
    pub(crate) fn at_most_bytes(self, a_second: u32, at_once: u32) -> Self {
        // NFT_LIMIT_PKT_BYTES
        self.limit(1, a_second, at_once)
    }

    /// Copies the packet to a group of `NFLOG` with a word about it, and goes on with the next rule.
    pub(crate) fn copy_to(self, group: u16, word: &str) -> Self {
        // NFTA_LOG_{GROUP, PREFIX}
        let group = Attribute::Value(1, group.to_be_bytes().to_vec());
        self.expression("log", vec![group, text(2, word)])
    }

    pub(crate) fn accept(self) -> Self {
        self.verdict(NF_ACCEPT)
    }

    pub(crate) fn drop(self) -> Self {
        self.verdict(NF_DROP)
    }

    /// Leaves the rest to another chain: what that lets pass passes, and all else meets the policy of this one.
    pub(crate) fn left_to(self, chain: ChainName) -> Self {
        // NFTA_VERDICT_{CODE, CHAIN}
        self.immediate(vec![number(1, NFT_GOTO), text(2, chain.as_str())])
    }

    fn meta(self, key: u32) -> Self {
        self.expression("meta", vec![number(2, key), number(1, NFT_REG_1)])
    }

    fn limit(self, of: u32, a_second: u32, at_once: u32) -> Self {
        let wide = |kind, value: u32| Attribute::Value(kind, u64::from(value).to_be_bytes().to_vec());
        // NFTA_LIMIT_{RATE, UNIT, BURST, TYPE, FLAGS}
        let limit = vec![
            wide(1, a_second),
            wide(2, 1),
            number(3, at_once),
            number(4, of),
            number(5, 0),
        ];
        self.expression("limit", limit)
    }

    fn look_up(self, end: End, set: SetName, flags: u32) -> Self {
        // NFTA_LOOKUP_{SET, SREG, SET_ID, FLAGS}; the kernel does not tell the id, which is for the batch alone.
        self.address(end).expression(
            "lookup",
            vec![
                text(1, set.as_str()),
                number(2, NFT_REG_1),
                Attribute::Unsaid(4, set.id()),
                number(5, flags),
            ],
        )
    }

    /// Some of these states.
    fn in_state(self, states: u32) -> Self {
        // NFT_CT_STATE
        self.conntrack(0)
            .mask(&states.to_ne_bytes())
            .compare(false, &0_u32.to_ne_bytes())
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

    fn mask<const BYTES: usize>(self, mask: &[u8; BYTES]) -> Self {
        // NFTA_BITWISE_{SREG, DREG, LEN, MASK, XOR}
        let bitwise = vec![
            number(1, NFT_REG_1),
            number(2, NFT_REG_1),
            number(3, u32::try_from(BYTES).unwrap_or_default()),
            data(4, mask),
            data(5, &[0; BYTES]),
        ];
        self.expression("bitwise", bitwise)
    }

    fn compare(self, equal: bool, with: &[u8]) -> Self {
        // NFT_CMP_EQ, NFT_CMP_NEQ
        let operation = u32::from(!equal);
        self.expression("cmp", vec![number(1, NFT_REG_1), number(2, operation), data(3, with)])
    }

    fn verdict(self, code: u32) -> Self {
        // NFTA_VERDICT_CODE
        self.immediate(vec![number(1, code)])
    }

    fn immediate(self, verdict: Vec<Attribute>) -> Self {
        // NFTA_IMMEDIATE_{DREG, DATA}, NFTA_DATA_VERDICT
        let verdict = Attribute::Nest(2, vec![Attribute::Nest(2, verdict)]);
        self.expression("immediate", vec![number(1, NFT_REG_VERDICT), verdict])
    }

    fn expression(mut self, name: &str, of: Vec<Attribute>) -> Self {
        let expression = vec![text(1, name), Attribute::Nest(2, of)];
        self.expressions.push(Attribute::Nest(NFTA_LIST_ELEM, expression));
        self
    }

    /// Returns whether a rule that the kernel told is this one.
    pub(super) fn is(&self, told: &[u8]) -> bool {
        let expressions: Vec<&[u8]> = listed(told, NFTA_RULE_EXPRESSIONS).collect();
        let wanted = &self.expressions;
        expressions.len() == wanted.len() && wanted.iter().zip(expressions).all(|(one, told)| one.is(told))
    }
}
