//! Facts about this machine: its name, routes and listening sockets. A deploy must not conflict with these.

pub(crate) mod cause;
mod filter;
pub(crate) mod machine;
mod packets;
mod podman;
mod rules;
mod visitors;

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use decnet_topology::{HostRoute, Listener, Port, Protocol};
use ipnet::Ipv4Net;

pub(crate) use cause::{Bridge, Cause};
pub use packets::{causes, elsewhere, unexplained};
pub use podman::podman_lacks;
pub(crate) use podman::podman_masquerades;
pub(crate) use visitors::{anonymous, forwarding, own_addresses, peers};

/// Returns the host name of this machine.
pub fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Returns whether this machine's kernel has `nf_tables`, loaded or built in. Requires root.
#[cfg(target_os = "linux")]
pub fn has_nf_tables() -> std::io::Result<bool> {
    decnet_decoy::has_nf_tables()
}

/// Returns what is below the links between hosts that this machine has.
#[cfg(target_os = "linux")]
pub fn link_underlays() -> std::io::Result<Vec<decnet_decoy::LinkUnderlay>> {
    decnet_decoy::link_underlays()
}

/// Returns this machine's routes without the default ones. Returns none if the kernel does not provide them.
pub fn routes() -> Vec<HostRoute> {
    fs::read_to_string("/proc/net/route")
        .map(|table| read_routes(&table))
        .unwrap_or_default()
}

/// Returns this machine's addresses without loopback. Returns none if the kernel does not provide them.
pub fn addresses() -> Vec<Ipv4Addr> {
    fs::read_to_string("/proc/net/fib_trie")
        .map(|tries| read_addresses(&tries))
        .unwrap_or_default()
}

/// Returns the listening sockets of this machine. Returns none if the kernel does not provide them.
pub fn listeners() -> Vec<Listener> {
    let tables = [
        ("/proc/net/tcp", Protocol::Tcp),
        ("/proc/net/tcp6", Protocol::Tcp),
        ("/proc/net/udp", Protocol::Udp),
        ("/proc/net/udp6", Protocol::Udp),
    ];
    let read = |(path, protocol)| {
        fs::read_to_string(path)
            .map(|table| read_listeners(&table, protocol))
            .unwrap_or_default()
    };
    tables.into_iter().flat_map(read).collect()
}

/// The default of the kernel's limit of neighbours (arp(7)).
pub const DEFAULT_NEIGHBOURS: u64 = 1_024;

/// Returns the kernel's limit of neighbours for all network namespaces together. Returns none if it is not readable: only the
/// initial namespace has the file.
pub fn neighbours() -> Option<u64> {
    let limit = fs::read_to_string("/proc/sys/net/ipv4/neigh/default/gc_thresh3").ok()?;
    limit.trim().parse().ok()
}

/// Parses `/proc/net/fib_trie`: each address is followed by the type of its route.
fn read_addresses(tries: &str) -> Vec<Ipv4Addr> {
    let (mut addresses, mut address) = (Vec::new(), None);
    for line in tries.lines() {
        if let Some((_, leaf)) = line.split_once("|-- ") {
            address = leaf.trim().parse().ok();
        } else if line.trim() == "/32 host LOCAL" {
            addresses.extend(address.filter(|address: &Ipv4Addr| !address.is_loopback()));
        }
    }
    // An address is in the trie of its table, and again in that of the main table if both are one.
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// Parses `/proc/net/route`: interface, destination and mask in hexadecimal host order.
fn read_routes(table: &str) -> Vec<HostRoute> {
    let route = |line: &str| {
        let mut fields = line.split_whitespace();
        let interface = fields.next()?;
        let destination = address(fields.next()?)?;
        let mask = address(fields.nth(5)?)?;
        let subnet = Ipv4Net::with_netmask(destination, mask).ok()?;
        (subnet.prefix_len() > 0).then(|| HostRoute {
            subnet: subnet.trunc(),
            owner: format!("interface {interface}"),
            host: None,
        })
    };
    table.lines().skip(1).filter_map(route).collect()
}

/// Parses `/proc/net/{tcp,udp}{,6}`: local address and port, remote address and port, state.
fn read_listeners(table: &str, protocol: Protocol) -> Vec<Listener> {
    // TCP_LISTEN, or a UDP socket without a peer (include/net/tcp_states.h).
    let listening = if protocol == Protocol::Tcp { "0A" } else { "07" };
    let listener = |line: &str| {
        let mut fields = line.split_whitespace();
        let (local, port) = fields.nth(1)?.split_once(':')?;
        (fields.nth(1)? == listening).then_some(())?;
        let address = match local.len() {
            8 => IpAddr::V4(address(local)?),
            // A socket on the unspecified IPv6 address usually accepts IPv4 too; one on a mapped address accepts nothing else.
            _ => long_address(local)?.to_canonical(),
        };
        let number = u16::from_str_radix(port, 16).ok()?;
        let address = (address != IpAddr::V4(Ipv4Addr::UNSPECIFIED)).then_some(address);
        Some(Listener {
            address,
            port: Port { number, protocol },
            owner: None,
            host: None,
        })
    };
    table.lines().skip(1).filter_map(listener).collect()
}

/// Parses an address as the kernel prints it, in the byte order of this machine.
fn address(hex: &str) -> Option<Ipv4Addr> {
    u32::from_str_radix(hex, 16)
        .ok()
        .map(|bits| Ipv4Addr::from(bits.to_ne_bytes()))
}

/// Parses an IPv6 address as the kernel prints it: four words, each in the byte order of this machine.
fn long_address(hex: &str) -> Option<IpAddr> {
    let mut bytes = [0; 16];
    for (at, word) in bytes.chunks_exact_mut(4).enumerate() {
        let bits = u32::from_str_radix(hex.get(at * 8..at * 8 + 8)?, 16).ok()?;
        word.copy_from_slice(&bits.to_ne_bytes());
    }
    Some(Ipv6Addr::from(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn routes_are_read_without_the_default_route() {
        let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n\
                     eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\n\
                     br-1\t005A0A0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\n";
        let read = read_routes(table);
        assert_eq!(read.len(), 1);
        assert_eq!(
            (read[0].subnet.to_string().as_str(), read[0].owner.as_str()),
            ("10.10.90.0/24", "interface br-1")
        );
    }

    #[test]
    fn own_addresses_are_unique_and_without_loopback() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n\
                    \x20    |-- 10.0.0.0\n        /24 link UNICAST\n     |-- 10.0.0.7\n        /32 host LOCAL\n\
                    \x20    |-- 10.0.0.255\n        /32 link BROADCAST\n     |-- 127.0.0.1\n        /32 host LOCAL\n\
                    Local:\n     |-- 10.0.0.7\n        /32 host LOCAL\n     |-- 192.0.2.1\n        /32 host LOCAL\n";
        let read = read_addresses(trie);
        assert_eq!(read, [Ipv4Addr::new(10, 0, 0, 7), Ipv4Addr::new(192, 0, 2, 1)]);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn only_listening_sockets_are_returned() {
        let table = "  sl  local_address rem_address   st\n\
                     0: 0100007F:0016 00000000:0000 0A 0\n\
                     1: 00000000:0050 00000000:0000 0A 0\n\
                     2: 0100007F:9999 0100007F:0016 01 0\n";
        let read = read_listeners(table, Protocol::Tcp);
        let read: Vec<_> = read
            .iter()
            .map(|listener| (listener.address, listener.port.number))
            .collect();
        assert_eq!(read, [(Some(Ipv4Addr::LOCALHOST.into()), 22), (None, 80)]);
        let six = "  sl  local_address rem_address   st\n\
                   0: 00000000000000000000000000000000:0050 0:0 0A 0\n\
                   1: 0000000000000000FFFF00000100007F:0051 0:0 0A 0\n\
                   2: 00000000000000000000000001000000:0052 0:0 0A 0\n";
        let read = read_listeners(six, Protocol::Tcp);
        let read: Vec<_> = read
            .iter()
            .map(|listener| (listener.address, listener.port.number))
            .collect();
        let expected = [
            (Some(Ipv6Addr::UNSPECIFIED.into()), 80),
            (Some(Ipv4Addr::LOCALHOST.into()), 81),
            (Some(Ipv6Addr::LOCALHOST.into()), 82),
        ];
        assert_eq!(read, expected);
    }
}
