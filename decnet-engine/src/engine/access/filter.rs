use std::net::Ipv4Addr;

/// Which packets of a capture are kept. Everything that is set must hold; the default keeps all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct PacketFilter {
    /// Only packets from or to this address; for ARP, about it.
    pub host: Option<Ipv4Addr>,
    /// Only TCP and UDP packets from or to this port.
    pub port: Option<u16>,
    /// Only packets of this protocol.
    pub protocol: Option<PacketProtocol>,
}

/// A protocol of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::EnumString)]
#[strum(serialize_all = "lowercase")]
#[non_exhaustive]
pub enum PacketProtocol {
    /// TCP over IPv4.
    Tcp,
    /// UDP over IPv4.
    Udp,
    /// ICMP over IPv4.
    Icmp,
    /// ARP.
    Arp,
}

impl PacketFilter {
    /// Keeps only packets from or to an address.
    pub fn host(mut self, host: impl Into<Option<Ipv4Addr>>) -> Self {
        self.host = host.into();
        self
    }

    /// Keeps only TCP and UDP packets from or to a port.
    pub fn port(mut self, port: impl Into<Option<u16>>) -> Self {
        self.port = port.into();
        self
    }

    /// Keeps only packets of a protocol.
    pub fn protocol(mut self, protocol: impl Into<Option<PacketProtocol>>) -> Self {
        self.protocol = protocol.into();
        self
    }

    /// Returns whether an Ethernet frame is kept.
    pub(super) fn keeps(&self, frame: &[u8]) -> bool {
        if *self == Self::default() {
            return true;
        }
        let Some(seen) = Seen::of(frame) else { return false };
        self.host.is_none_or(|host| seen.hosts.contains(&host))
            && self
                .port
                .is_none_or(|port| seen.ports.is_some_and(|ports| ports.contains(&port)))
            && self.protocol.is_none_or(|protocol| seen.protocol == Some(protocol))
    }
}

/// What a filter looks at.
struct Seen {
    protocol: Option<PacketProtocol>,
    hosts: [Ipv4Addr; 2],
    ports: Option<[u16; 2]>,
}

impl Seen {
    /// Reads a frame of ARP or IPv4; none for any other, and for one that is cut off.
    fn of(frame: &[u8]) -> Option<Self> {
        const VLAN: u16 = 0x8100;
        let kind = number(frame, 12)?;
        let (kind, packet) = if kind == VLAN {
            (number(frame, 16)?, frame.get(18..)?)
        } else {
            (kind, frame.get(14..)?)
        };
        match kind {
            0x0806 => Some(Self {
                protocol: Some(PacketProtocol::Arp),
                hosts: [address(packet, 14)?, address(packet, 24)?],
                ports: None,
            }),
            0x0800 => {
                let protocol = match packet.get(9)? {
                    1 => Some(PacketProtocol::Icmp),
                    6 => Some(PacketProtocol::Tcp),
                    17 => Some(PacketProtocol::Udp),
                    _ => None,
                };
                let has_ports = matches!(protocol, Some(PacketProtocol::Tcp | PacketProtocol::Udp));
                let offset = number(packet, 6)? & 0x1fff;
                let is_first = offset == 0;
                let start = usize::from(packet.first()? & 0x0f) * 4;
                let ports = || Some([number(packet, start)?, number(packet, start + 2)?]);
                Some(Self {
                    protocol,
                    hosts: [address(packet, 12)?, address(packet, 16)?],
                    ports: ports().filter(|_| has_ports && is_first),
                })
            }
            _ => None,
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

fn address(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    let bytes: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a frame of IPv4 with a header of 24 bytes.
    fn frame(protocol: u8, fragment: u16, vlan: bool) -> Vec<u8> {
        let mut frame = vec![0; 12];
        if vlan {
            frame.extend([0x81, 0, 0, 7]);
        }
        frame.extend([0x08, 0, 0x46, 0, 0, 40, 0, 0]);
        frame.extend(fragment.to_be_bytes());
        frame.extend([64, protocol, 0, 0, 10, 0, 0, 2, 10, 0, 0, 3, 0, 0, 0, 0]);
        frame.extend([0x9c, 0x40, 0, 22]);
        frame
    }

    #[test]
    fn everything_that_is_set_must_hold() {
        let tcp = frame(6, 0x4000, false);
        let all = PacketFilter::default();
        let (one, other): (Ipv4Addr, Ipv4Addr) = ([10, 0, 0, 2].into(), [10, 0, 0, 9].into());
        for (filter, keeps) in [
            (all, true),
            (all.host(one), true),
            (all.host(other), false),
            (all.port(22), true),
            (all.port(40_000), true),
            (all.port(80), false),
            (all.protocol(PacketProtocol::Tcp).port(22).host(one), true),
            (all.protocol(PacketProtocol::Udp).port(22), false),
        ] {
            assert_eq!(filter.keeps(&tcp), keeps, "{filter:?}");
            assert_eq!(filter.keeps(&frame(6, 0x4000, true)), keeps, "{filter:?} with a VLAN");
        }
        assert!(
            !all.port(22).keeps(&frame(6, 100, false)),
            "a later fragment has no ports"
        );
        assert!(!all.port(22).keeps(&frame(1, 0, false)), "ICMP has no ports");
        assert!(all.protocol(PacketProtocol::Icmp).keeps(&frame(1, 0, false)));
        let mut arp = vec![0; 12];
        arp.extend([
            8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 10, 0, 0, 3,
        ]);
        assert!(all.protocol(PacketProtocol::Arp).host(one).keeps(&arp));
    }

    #[test]
    fn a_frame_that_is_cut_off_anywhere_is_no_fault() {
        let tcp = frame(6, 0, true);
        for length in 0..tcp.len() {
            let filter = PacketFilter::default().port(22);
            assert!(!filter.keeps(&tcp[..length]), "{length}");
        }
        assert!(PacketFilter::default().keeps(&[]));
    }
}
