//! Rules: lists of expressions that the kernel evaluates in order.

use std::net::Ipv4Addr;

use super::{
    ChainName, SetName,
    attribute::{Attribute, data, listed, number, text},
    attributes::{
        NFTA_BITWISE_DREG, NFTA_BITWISE_LEN, NFTA_BITWISE_MASK, NFTA_BITWISE_SREG, NFTA_BITWISE_XOR, NFTA_CMP_DATA,
        NFTA_CMP_OP, NFTA_CMP_SREG, NFTA_CT_DREG, NFTA_CT_KEY, NFTA_CT_SREG, NFTA_DATA_VERDICT, NFTA_EXPR_DATA,
        NFTA_EXPR_NAME, NFTA_IMMEDIATE_DATA, NFTA_IMMEDIATE_DREG, NFTA_LIMIT_BURST, NFTA_LIMIT_FLAGS, NFTA_LIMIT_RATE,
        NFTA_LIMIT_TYPE, NFTA_LIMIT_UNIT, NFTA_LIST_ELEM, NFTA_LOG_GROUP, NFTA_LOG_PREFIX, NFTA_LOOKUP_FLAGS,
        NFTA_LOOKUP_SET, NFTA_LOOKUP_SET_ID, NFTA_LOOKUP_SREG, NFTA_META_DREG, NFTA_META_KEY, NFTA_NAT_FAMILY,
        NFTA_NAT_REG_PROTO_MIN, NFTA_NAT_TYPE, NFTA_PAYLOAD_BASE, NFTA_PAYLOAD_DREG, NFTA_PAYLOAD_LEN,
        NFTA_PAYLOAD_OFFSET, NFTA_REJECT_ICMP_CODE, NFTA_REJECT_TYPE, NFTA_RULE_EXPRESSIONS, NFTA_VERDICT_CHAIN,
        NFTA_VERDICT_CODE,
    },
};
use crate::kernel::{
    IPPROTO_ICMP, IPPROTO_TCP, NF_ACCEPT, NF_DROP, NFPROTO_IPV4, NFT_CMP_EQ, NFT_CMP_NEQ, NFT_CT_DIRECTION,
    NFT_CT_MARK, NFT_CT_STATE, NFT_CT_STATUS, NFT_GOTO, NFT_LIMIT_PKT_BYTES, NFT_LIMIT_PKTS, NFT_LOOKUP_F_INV,
    NFT_META_IIF, NFT_META_L4PROTO, NFT_META_NFPROTO, NFT_META_OIF, NFT_PAYLOAD_NETWORK_HEADER,
    NFT_PAYLOAD_TRANSPORT_HEADER, NFT_REG_1, NFT_REG_VERDICT,
};

/// The directions of a connection (`linux/netfilter/nf_conntrack_tuple_common.h`).
const IP_CT_DIR_ORIGINAL: u8 = 0;
const IP_CT_DIR_REPLY: u8 = 1;

/// A bit of a connection's status: packets were seen in both directions (`linux/netfilter/nf_conntrack_common.h`).
const IPS_ASSURED: u32 = 4;

/// A bit of a connection's status: its destination was changed.
const IPS_DST_NAT: u32 = 1 << 5;

/// Ways to change or to refuse packets (`linux/netfilter/nf_tables.h`), and an ICMP code (RFC 792).
const NFT_NAT_DNAT: u32 = 1;
const NFT_REJECT_ICMP_UNREACH: u32 = 0;
const NFT_REJECT_TCP_RST: u32 = 1;
const PORT_UNREACHABLE: u8 = 3;

/// The bits of a connection's state (`linux/netfilter/nf_conntrack_common.h`).
const INVALID: u32 = 0x1;
const ESTABLISHED: u32 = 0x2;
const RELATED: u32 = 0x4;
const NEW: u32 = 0x8;

/// A rule: conditions that must all hold, and then a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(super) expressions: Vec<Attribute>,
}

/// The source or the destination of addresses and ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Source,
    Destination,
}

impl Rule {
    /// Creates a rule for all packets.
    pub(crate) fn all() -> Self {
        Self {
            expressions: Vec::new(),
        }
    }

    /// Creates a rule for IPv4 packets.
    pub(crate) fn ipv4() -> Self {
        Self::all().meta(NFT_META_NFPROTO).compare(true, &[NFPROTO_IPV4])
    }

    /// Creates a rule for all packets that are not IPv4.
    pub(crate) fn not_ipv4() -> Self {
        Self::all().meta(NFT_META_NFPROTO).compare(false, &[NFPROTO_IPV4])
    }

    /// ... of IPv6 to an address of a group (RFC 4291, section 2.7).
    pub(crate) fn for_ipv6_groups(self) -> Self {
        self.payload(NFT_PAYLOAD_NETWORK_HEADER, 24, 1).compare(true, &[0xff])
    }

    /// ... that leave by the loopback interface, which has the index 1 in every namespace.
    pub(crate) fn over_loopback(self) -> Self {
        self.meta(NFT_META_OIF).compare(true, &1_u32.to_ne_bytes())
    }

    /// ... that arrive by the loopback interface.
    pub(crate) fn by_loopback(self) -> Self {
        self.meta(NFT_META_IIF).compare(true, &1_u32.to_ne_bytes())
    }

    /// ... that answer a connection opened by the other side, or belong to it.
    pub(crate) fn answering(self) -> Self {
        self.conntrack(NFT_CT_DIRECTION)
            .compare(true, &[IP_CT_DIR_REPLY])
            .in_state(ESTABLISHED | RELATED)
    }

    /// ... that report an error of an existing connection.
    pub(crate) fn related(self) -> Self {
        self.in_state(RELATED)
    }

    /// ... with an address.
    pub(crate) fn with(self, end: End, address: Ipv4Addr) -> Self {
        self.address(end).compare(true, &address.octets())
    }

    /// ... with another address than this one.
    pub(crate) fn without(self, end: End, address: Ipv4Addr) -> Self {
        self.address(end).compare(false, &address.octets())
    }

    /// ... with an address in a set.
    pub(crate) fn within(self, end: End, set: SetName) -> Self {
        self.look_up(end, set, 0)
    }

    /// ... with an address that is not in a set.
    pub(crate) fn not_within(self, end: End, set: SetName) -> Self {
        self.look_up(end, set, NFT_LOOKUP_F_INV)
    }

    /// ... of a transport protocol.
    pub(crate) fn of_protocol(self, protocol: u8) -> Self {
        self.meta(NFT_META_L4PROTO).compare(true, &[protocol])
    }

    /// ... with a port of a transport protocol.
    pub(crate) fn at_port(self, end: End, protocol: u8, port: u16) -> Self {
        let offset = match end {
            End::Source => 0,
            End::Destination => 2,
        };
        self.of_protocol(protocol)
            .payload(NFT_PAYLOAD_TRANSPORT_HEADER, offset, 2)
            .compare(true, &port.to_be_bytes())
    }

    /// ... of VXLAN with this number of a virtual network (RFC 7348, section 5), which follows the UDP header and four bytes.
    pub(crate) fn of_vni(self, vni: u32) -> Self {
        let [_, number @ ..] = vni.to_be_bytes();
        self.payload(NFT_PAYLOAD_TRANSPORT_HEADER, 12, 3).compare(true, &number)
    }

    /// ... that are ICMP messages of a type.
    pub(crate) fn icmp(self, kind: u8) -> Self {
        self.of_protocol(IPPROTO_ICMP)
            .payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1)
            .compare(true, &[kind])
    }

    /// ... of TCP with some of these flags, or with none of them.
    pub(crate) fn tcp_flags(self, flags: u8, set: bool) -> Self {
        self.of_protocol(IPPROTO_TCP)
            .payload(NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1)
            .mask(&[flags])
            .compare(!set, &[0])
    }

    /// ... of TCP with exactly these flags, ignoring those for congestion.
    pub(crate) fn tcp_flags_exactly(self, flags: u8) -> Self {
        const ALL: u8 = 0x3f;
        self.of_protocol(IPPROTO_TCP)
            .payload(NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1)
            .mask(&[ALL])
            .compare(true, &[flags])
    }

    /// ... that open a connection.
    pub(crate) fn beginning(self) -> Self {
        self.in_state(NEW)
    }

    /// ... that belong to no known connection.
    pub(crate) fn unrelated(self) -> Self {
        self.in_state(NEW | INVALID)
    }

    /// ... of a connection opened by the other side that both sides have confirmed, or not.
    pub(crate) fn completed(self, completed: bool) -> Self {
        self.conntrack(NFT_CT_DIRECTION)
            .compare(true, &[IP_CT_DIR_ORIGINAL])
            .conntrack(NFT_CT_STATUS)
            .mask(&IPS_ASSURED.to_ne_bytes())
            .compare(!completed, &0_u32.to_ne_bytes())
    }

    /// ... of a connection whose port was redirected, or not.
    pub(crate) fn redirected(self, redirected: bool) -> Self {
        self.conntrack(NFT_CT_STATUS)
            .mask(&IPS_DST_NAT.to_ne_bytes())
            .compare(!redirected, &0_u32.to_ne_bytes())
    }

    /// ... of a connection for which this rule did not match before.
    pub(crate) fn once(self) -> Self {
        self.conntrack(NFT_CT_MARK)
            .compare(true, &0_u32.to_ne_bytes())
            .expression(
                "immediate",
                vec![
                    number(NFTA_IMMEDIATE_DREG, NFT_REG_1),
                    data(NFTA_IMMEDIATE_DATA, &1_u32.to_ne_bytes()),
                ],
            )
            .expression(
                "ct",
                vec![number(NFTA_CT_KEY, NFT_CT_MARK), number(NFTA_CT_SREG, NFT_REG_1)],
            )
    }

    /// ... up to this many packets per second, with this burst.
    pub(crate) fn at_most_packets(self, a_second: u32, at_once: u32) -> Self {
        self.limit(NFT_LIMIT_PKTS, a_second, at_once)
    }

    /// ... up to this many bytes per second, with this burst.
    pub(crate) fn at_most_bytes(self, a_second: u32, at_once: u32) -> Self {
        self.limit(NFT_LIMIT_PKT_BYTES, a_second, at_once)
    }

    /// Copies the packet with a label to a group of `NFLOG`, and continues with the next rule.
    pub(crate) fn copy_to(self, group: u16, word: &str) -> Self {
        let group = Attribute::Value(NFTA_LOG_GROUP, group.to_be_bytes().to_vec());
        self.expression("log", vec![group, text(NFTA_LOG_PREFIX, word)])
    }

    pub(crate) fn accept(self) -> Self {
        self.verdict(NF_ACCEPT)
    }

    pub(crate) fn drop(self) -> Self {
        self.verdict(NF_DROP)
    }

    /// Changes the destination port of a connection, whose packets must be of a transport protocol. Its addresses stay.
    pub(crate) fn redirect_to(self, port: u16) -> Self {
        let port = vec![
            number(NFTA_IMMEDIATE_DREG, NFT_REG_1),
            data(NFTA_IMMEDIATE_DATA, &port.to_be_bytes()),
        ];
        self.expression("immediate", port).expression(
            "nat",
            vec![
                number(NFTA_NAT_TYPE, NFT_NAT_DNAT),
                number(NFTA_NAT_FAMILY, u32::from(NFPROTO_IPV4)),
                number(NFTA_NAT_REG_PROTO_MIN, NFT_REG_1),
            ],
        )
    }

    /// Answers IPv4 packets of a transport protocol as if nothing listened on their port.
    pub(crate) fn refuse(self, protocol: u8) -> Self {
        let answer = if protocol == IPPROTO_TCP {
            vec![number(NFTA_REJECT_TYPE, NFT_REJECT_TCP_RST)]
        } else {
            vec![
                number(NFTA_REJECT_TYPE, NFT_REJECT_ICMP_UNREACH),
                Attribute::Value(NFTA_REJECT_ICMP_CODE, vec![PORT_UNREACHABLE]),
            ]
        };
        self.expression("reject", answer)
    }

    /// Continues in another chain. Packets that it does not accept get the policy of this chain.
    pub(crate) fn go_to(self, chain: ChainName) -> Self {
        self.immediate(vec![
            number(NFTA_VERDICT_CODE, NFT_GOTO),
            text(NFTA_VERDICT_CHAIN, chain.as_str()),
        ])
    }

    fn meta(self, key: u32) -> Self {
        self.expression(
            "meta",
            vec![number(NFTA_META_KEY, key), number(NFTA_META_DREG, NFT_REG_1)],
        )
    }

    fn limit(self, of: u32, a_second: u32, at_once: u32) -> Self {
        let wide = |kind, value: u32| Attribute::Value(kind, u64::from(value).to_be_bytes().to_vec());
        let limit = vec![
            wide(NFTA_LIMIT_RATE, a_second),
            wide(NFTA_LIMIT_UNIT, 1),
            number(NFTA_LIMIT_BURST, at_once),
            number(NFTA_LIMIT_TYPE, of),
            number(NFTA_LIMIT_FLAGS, 0),
        ];
        self.expression("limit", limit)
    }

    fn look_up(self, end: End, set: SetName, flags: u32) -> Self {
        // The kernel does not return the id, which is only for the batch.
        self.address(end).expression(
            "lookup",
            vec![
                text(NFTA_LOOKUP_SET, set.as_str()),
                number(NFTA_LOOKUP_SREG, NFT_REG_1),
                Attribute::WriteOnly(NFTA_LOOKUP_SET_ID, set.id()),
                number(NFTA_LOOKUP_FLAGS, flags),
            ],
        )
    }

    /// Matches any of these states.
    fn in_state(self, states: u32) -> Self {
        self.conntrack(NFT_CT_STATE)
            .mask(&states.to_ne_bytes())
            .compare(false, &0_u32.to_ne_bytes())
    }

    fn conntrack(self, key: u32) -> Self {
        self.expression("ct", vec![number(NFTA_CT_KEY, key), number(NFTA_CT_DREG, NFT_REG_1)])
    }

    fn address(self, end: End) -> Self {
        let offset = match end {
            End::Source => 12,
            End::Destination => 16,
        };
        self.payload(NFT_PAYLOAD_NETWORK_HEADER, offset, 4)
    }

    fn payload(self, base: u32, offset: u32, length: u32) -> Self {
        let payload = vec![
            number(NFTA_PAYLOAD_DREG, NFT_REG_1),
            number(NFTA_PAYLOAD_BASE, base),
            number(NFTA_PAYLOAD_OFFSET, offset),
            number(NFTA_PAYLOAD_LEN, length),
        ];
        self.expression("payload", payload)
    }

    fn mask<const BYTES: usize>(self, mask: &[u8; BYTES]) -> Self {
        let bitwise = vec![
            number(NFTA_BITWISE_SREG, NFT_REG_1),
            number(NFTA_BITWISE_DREG, NFT_REG_1),
            number(NFTA_BITWISE_LEN, u32::try_from(BYTES).unwrap_or_default()),
            data(NFTA_BITWISE_MASK, mask),
            data(NFTA_BITWISE_XOR, &[0; BYTES]),
        ];
        self.expression("bitwise", bitwise)
    }

    fn compare(self, equal: bool, with: &[u8]) -> Self {
        let operation = if equal { NFT_CMP_EQ } else { NFT_CMP_NEQ };
        self.expression(
            "cmp",
            vec![
                number(NFTA_CMP_SREG, NFT_REG_1),
                number(NFTA_CMP_OP, operation),
                data(NFTA_CMP_DATA, with),
            ],
        )
    }

    fn verdict(self, code: u32) -> Self {
        self.immediate(vec![number(NFTA_VERDICT_CODE, code)])
    }

    fn immediate(self, verdict: Vec<Attribute>) -> Self {
        let verdict = Attribute::Nest(NFTA_IMMEDIATE_DATA, vec![Attribute::Nest(NFTA_DATA_VERDICT, verdict)]);
        self.expression("immediate", vec![number(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT), verdict])
    }

    fn expression(mut self, name: &str, of: Vec<Attribute>) -> Self {
        let expression = vec![text(NFTA_EXPR_NAME, name), Attribute::Nest(NFTA_EXPR_DATA, of)];
        self.expressions.push(Attribute::Nest(NFTA_LIST_ELEM, expression));
        self
    }

    /// Returns whether a rule of the kernel is this one.
    pub(super) fn is(&self, received: &[u8]) -> bool {
        let expressions: Vec<&[u8]> = listed(received, NFTA_RULE_EXPRESSIONS).collect();
        let wanted = &self.expressions;
        expressions.len() == wanted.len() && wanted.iter().zip(expressions).all(|(one, received)| one.is(received))
    }
}
