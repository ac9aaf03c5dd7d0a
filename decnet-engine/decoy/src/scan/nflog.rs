//! The messages of `NFLOG`, defined in the kernel's `linux/netfilter/nfnetlink_log.h`.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
};

use rustix::{
    io::Errno,
    net::{Protocol as Subsystem, netlink::NETFILTER},
};

use crate::{
    journal::Dropped,
    kernel::{
        IPPROTO_TCP, IPPROTO_UDP, NFNL_SUBSYS_ULOG, NFULA_CFG_CMD, NFULA_CFG_FLAGS, NFULA_CFG_MODE, NFULA_CFG_TIMEOUT,
        NFULA_PAYLOAD, NFULA_PREFIX, NFULA_SEQ, NFULNL_CFG_CMD_BIND, NFULNL_CFG_F_SEQ, NFULNL_COPY_PACKET,
        NFULNL_MSG_CONFIG, NFULNL_MSG_PACKET, NLM_F_ACK, NLM_F_REQUEST,
    },
    netlink::{MESSAGE_HEADER, Message, attributes, ending, messages, u16_at},
    protocol::Protocol,
};

/// The group for packets of scans. Each network namespace has its own groups.
pub(crate) const GROUP: u16 = 1;
/// The group for packets that the filter drops. The kernel numbers the packets of each group, so those that it could not copy are counted.
pub(crate) const DROPS: u16 = 2;
/// The label of a packet that completes a connection.
pub(crate) const COMPLETES: &str = "completes";
/// The label of a packet that the filter drops on its way out.
pub(crate) const DROPPED: &str = "dropped";
/// The label of all other packets.
pub(crate) const BEGINS: &str = "begins";
pub(super) const SUBSYSTEM: Subsystem = NETFILTER;

/// How many bytes of a packet are copied: its headers.
const COPIED: u32 = 80;
/// How long the kernel collects packets, in hundredths of a second.
const LATENCY: u32 = 10;
/// The header of a message and `struct nfgenmsg`.
const HEADER: usize = MESSAGE_HEADER + 4;
/// The types of the messages.
const PACKET: u16 = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET;
const CONFIG: u16 = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;

/// Flags of TCP (RFC 9293).
const SYN: u8 = 0x2;
const RST: u8 = 0x4;
const ACK: u8 = 0x10;

/// A copied packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) remote: SocketAddrV4,
    pub(super) local_port: u16,
    pub(super) kind: Kind,
}

/// What the filter copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copied {
    /// A packet of a possible scan.
    Incoming(Packet),
    /// A packet that was dropped.
    Outgoing {
        /// Its ends; none for IPv6.
        dropped: Option<Dropped>,
        /// Its number in its group.
        number: Option<u32>,
    },
}

/// The kind of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It opens a connection.
    Syn,
    /// It completes a connection.
    Completion,
    /// It resets an incomplete connection.
    Reset,
    /// It is outside of any connection and does not open one.
    Stray,
    /// It is a datagram.
    Datagram,
}

impl Kind {
    pub(super) fn protocol(self) -> Protocol {
        match self {
            Self::Datagram => Protocol::Udp,
            Self::Syn | Self::Completion | Self::Reset | Self::Stray => Protocol::Tcp,
        }
    }
}

/// Returns the messages that join a group and request the headers and the number of each packet.
pub(super) fn join(group: u16) -> [Vec<u8>; 4] {
    let [a, b, c, d] = COPIED.to_be_bytes();
    [
        configuration(group, 1, NFULA_CFG_CMD, &[NFULNL_CFG_CMD_BIND]),
        // `struct nfulnl_msg_config_mode`
        configuration(group, 2, NFULA_CFG_MODE, &[a, b, c, d, NFULNL_COPY_PACKET, 0]),
        configuration(group, 3, NFULA_CFG_TIMEOUT, &LATENCY.to_be_bytes()),
        configuration(group, 4, NFULA_CFG_FLAGS, &NFULNL_CFG_F_SEQ.to_be_bytes()),
    ]
}

fn configuration(group: u16, sequence: u32, kind: u16, value: &[u8]) -> Vec<u8> {
    let mut message = Message::new(CONFIG, NLM_F_REQUEST | NLM_F_ACK, sequence);
    // `struct nfgenmsg`: AF_UNSPEC, version 0, and the group in network byte order.
    let [high, low] = group.to_be_bytes();
    message.append(&[0, 0, high, low]);
    message.attribute(kind, value);
    message.finish()
}

/// Parses the kernel's answer to one of these messages.
pub(super) fn acknowledge(datagram: &[u8]) -> io::Result<()> {
    match messages(datagram).find_map(ending) {
        Some(0) => Ok(()),
        Some(errno) => Err(Errno::from_raw_os_error(errno).into()),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Parses the packets of a datagram and skips invalid ones.
pub(super) fn packets(datagram: &[u8]) -> impl Iterator<Item = Copied> {
    messages(datagram)
        .filter(|message| u16_at(message, 4) == Some(PACKET))
        .filter_map(|message| {
            let body = message.get(HEADER..)?;
            let attribute = |wanted| attributes(body).find(|(kind, _)| *kind == wanted);
            let (_, word) = attribute(NFULA_PREFIX)?;
            let (_, payload) = attribute(NFULA_PAYLOAD)?;
            let word = word.strip_suffix(b"\0")?;
            if word == DROPPED.as_bytes() {
                let number = attribute(NFULA_SEQ).and_then(|(_, number)| number.try_into().ok());
                return Some(Copied::Outgoing {
                    dropped: dropped(payload),
                    number: number.map(u32::from_be_bytes),
                });
            }
            let packet = packet(payload)?;
            let completes = word == COMPLETES.as_bytes();
            let kind = if completes { Kind::Completion } else { packet.kind };
            Some(Copied::Incoming(Packet { kind, ..packet }))
        })
}

/// Parses the addresses of an IPv4 packet, and its port if it has one. A fragment after the first has none.
fn dropped(bytes: &[u8]) -> Option<Dropped> {
    let first = *bytes.first().filter(|first| **first >> 4 == 4)?;
    let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok()?));
    let protocol = match *bytes.get(9)? {
        IPPROTO_TCP => Some(Protocol::Tcp),
        IPPROTO_UDP => Some(Protocol::Udp),
        _ => None,
    };
    let offset = u16::from_be_bytes(bytes.get(6..8)?.try_into().ok()?) & 0x1fff;
    let at = usize::from(first & 0xf) * 4 + 2;
    let port = bytes.get(at..at + 2).filter(|_| offset == 0);
    let port = port.and_then(|port| Some(u16::from_be_bytes(port.try_into().ok()?)));
    Some(Dropped {
        from: address(12)?,
        to: address(16)?,
        port: protocol.zip(port),
    })
}

/// Parses the headers of an IPv4 packet (RFC 791, RFC 768, RFC 9293).
fn packet(bytes: &[u8]) -> Option<Packet> {
    let first = *bytes.first().filter(|first| **first >> 4 == 4)?;
    let transport = bytes.get(usize::from(first & 0xf) * 4..)?;
    let port = |at: usize| Some(u16::from_be_bytes(transport.get(at..at + 2)?.try_into().ok()?));
    let kind = match *bytes.get(9)? {
        IPPROTO_UDP => Kind::Datagram,
        IPPROTO_TCP => match *transport.get(13)? {
            flags if flags & RST != 0 => Kind::Reset,
            flags if flags & (SYN | ACK) == SYN => Kind::Syn,
            _ => Kind::Stray,
        },
        _ => return None,
    };
    let source: [u8; 4] = bytes.get(12..16)?.try_into().ok()?;
    Some(Packet {
        remote: SocketAddrV4::new(Ipv4Addr::from(source), port(0)?),
        local_port: port(2)?,
        kind,
    })
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    /// Returns an IPv4 packet with a transport header of 20 bytes.
    fn ip(protocol: u8, flags: u8) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 9, 10, 0, 0, 2];
        bytes.extend([0x30, 0x39, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    /// Returns the message in which the kernel copies a packet: a header, the label, and the packet.
    fn copied(packet: &[u8]) -> Vec<u8> {
        copied_as(BEGINS, packet)
    }

    fn copied_as(word: &str, packet: &[u8]) -> Vec<u8> {
        let mut message = Message::new(PACKET, 0, 0);
        message.append(&[2, 0, 0, 1]);
        message.attribute(1, &[8, 0, 1, 0]);
        message.attribute(NFULA_PREFIX, format!("{word}\0").as_bytes());
        message.attribute(NFULA_PAYLOAD, packet);
        message.finish()
    }

    fn incoming(datagram: &[u8]) -> impl Iterator<Item = Packet> {
        packets(datagram).map(|copied| match copied {
            Copied::Incoming(packet) => packet,
            Copied::Outgoing { .. } => panic!("{copied:?}"),
        })
    }

    #[test]
    fn a_dropped_packet_has_its_target() {
        let read = |packet: &[u8]| match packets(&copied_as(DROPPED, packet)).collect::<Vec<_>>()[..] {
            [Copied::Outgoing { dropped, number: None }] => dropped,
            ref other => panic!("{other:?}"),
        };
        let dropped = |port| Dropped {
            from: Ipv4Addr::new(10, 0, 0, 9),
            to: Ipv4Addr::new(10, 0, 0, 2),
            port,
        };
        assert_eq!(read(&ip(IPPROTO_TCP, SYN)), Some(dropped(Some((Protocol::Tcp, 80)))));
        assert_eq!(read(&ip(IPPROTO_UDP, 0)), Some(dropped(Some((Protocol::Udp, 80)))));
        assert_eq!(read(&ip(1, 0)), Some(dropped(None)), "ICMP");
        let mut fragment = ip(IPPROTO_UDP, 0);
        fragment[7] = 1;
        assert_eq!(read(&fragment), Some(dropped(None)));
        for length in 0..20 {
            assert_eq!(read(&ip(IPPROTO_TCP, SYN)[..length]), None);
        }
        let ipv6 = [&[0x60][..], &[0; 39]].concat();
        assert_eq!(read(&ipv6), None);
    }

    #[test]
    fn a_dropped_packet_has_the_number_that_the_kernel_gave_it() {
        let mut message = Message::new(PACKET, 0, 0);
        message.append(&[2, 0, 0, 2]);
        message.attribute(NFULA_PREFIX, format!("{DROPPED}\0").as_bytes());
        message.attribute(NFULA_PAYLOAD, &ip(IPPROTO_TCP, SYN));
        message.attribute(NFULA_SEQ, &[0, 0, 1, 2]);
        let read: Vec<_> = packets(&message.finish()).collect();
        assert!(
            matches!(
                read[..],
                [Copied::Outgoing {
                    number: Some(0x102),
                    ..
                }]
            ),
            "{read:?}"
        );
    }

    #[test]
    fn a_packet_is_read_by_its_protocol_and_flags() {
        let kinds = |protocol, flags| {
            incoming(&copied(&ip(protocol, flags)))
                .map(|packet| packet.kind)
                .collect::<Vec<_>>()
        };
        assert_eq!(kinds(IPPROTO_TCP, SYN), [Kind::Syn]);
        assert_eq!(kinds(IPPROTO_TCP, SYN | 0xc0), [Kind::Syn], "with congestion bits");
        assert_eq!(kinds(IPPROTO_TCP, RST), [Kind::Reset]);
        assert_eq!(kinds(IPPROTO_TCP, RST | ACK), [Kind::Reset]);
        for flags in [0, 1, ACK, SYN | ACK, 0x29] {
            assert_eq!(kinds(IPPROTO_TCP, flags), [Kind::Stray]);
        }
        let completing: Vec<_> = incoming(&copied_as(COMPLETES, &ip(IPPROTO_TCP, ACK))).collect();
        assert_eq!(completing[0].kind, Kind::Completion);
        assert_eq!(kinds(IPPROTO_UDP, 0), [Kind::Datagram]);
        assert_eq!(kinds(1, 0), []);
        let both = [copied(&ip(IPPROTO_TCP, SYN)), copied(&ip(IPPROTO_UDP, 0))].concat();
        let read: Vec<_> = incoming(&both).collect();
        assert_eq!(read.len(), 2);
        assert_eq!(
            (read[0].remote.to_string().as_str(), read[0].local_port),
            ("10.0.0.9:12345", 80)
        );
    }

    #[test]
    fn truncated_messages_are_skipped() {
        let whole = copied(&ip(IPPROTO_TCP, SYN));
        for length in 0..whole.len() {
            assert_eq!(packets(&whole[..length]).count(), 0);
        }
        for length in 0..33 {
            assert_eq!(packets(&copied(&ip(IPPROTO_TCP, SYN)[..length])).count(), 0);
        }
    }

    #[test]
    fn the_group_is_joined_with_the_kernel_s_messages() {
        let [bind, mode, timeout, flags] = join(DROPS);
        assert_eq!(bind[MESSAGE_HEADER..], [0, 0, 0, 2, 5, 0, 1, 0, 1, 0, 0, 0]);
        assert_eq!(
            mode[MESSAGE_HEADER..],
            [0, 0, 0, 2, 10, 0, 2, 0, 0, 0, 0, 80, 2, 0, 0, 0]
        );
        assert_eq!(timeout[MESSAGE_HEADER..], [0, 0, 0, 2, 8, 0, 4, 0, 0, 0, 0, 10]);
        assert_eq!(flags[MESSAGE_HEADER..], [0, 0, 0, 2, 6, 0, 6, 0, 0, 1, 0, 0]);
    }
}
