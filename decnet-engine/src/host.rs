//! Facts of this machine, as data: its name, and what a deploy must not run into, routes and sockets that listen.

mod cause;
mod filter;
mod packets;
mod podman;
mod rules;
mod visitors;

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use decnet_topology::{
    catalog::{Port, Protocol},
    validate::{HostRoute, Listener},
};
use ipnet::Ipv4Net;

pub use cause::{Bridge, Cause};
pub use packets::{causes, elsewhere, unexplained};
pub use podman::podman_lacks;
pub(crate) use podman::podman_masquerades;
pub(crate) use visitors::{anonymous, led, own_addresses, peers};

/// Returns what this machine calls itself.
pub fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Asks the kernel of this machine whether it has `nf_tables`, loaded or built in. Takes root.
#[cfg(target_os = "linux")]
pub fn has_nf_tables() -> std::io::Result<bool> {
    decnet_decoy::has_nf_tables()
}

/// Reads this machine's routes, the default ones left out; none where the kernel does not tell.
pub fn routes() -> Vec<HostRoute> {
    fs::read_to_string("/proc/net/route")
        .map(|table| read_routes(&table))
        .unwrap_or_default()
}

/// Reads this machine's own addresses, those of loopback left out; none where the kernel does not tell.
pub fn addresses() -> Vec<Ipv4Addr> {
    fs::read_to_string("/proc/net/fib_trie")
        .map(|tries| read_addresses(&tries))
        .unwrap_or_default()
}

/// Reads the sockets of this machine that listen; none where the kernel does not tell.
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

/// How many neighbours a kernel keeps unless it is told otherwise (arp(7)).
pub const USUAL_NEIGHBOURS: u64 = 1_024;

/// Reads how many neighbours this machine's kernel keeps for all network namespaces together; none where it does not say: only
/// the first namespace has the file.
pub fn neighbours() -> Option<u64> {
    let limit = fs::read_to_string("/proc/sys/net/ipv4/neigh/default/gc_thresh3").ok()?;
    limit.trim().parse().ok()
}

/// Reads the tries of routes as `/proc/net/fib_trie` has them: each address, and below it what kind of route leads there.
fn read_addresses(tries: &str) -> Vec<Ipv4Addr> {
    let (mut addresses, mut address) = (Vec::new(), None);
    for line in tries.lines() {
        if let Some((_, leaf)) = line.split_once("|-- ") {
            address = leaf.trim().parse().ok();
        } else if line.trim() == "/32 host LOCAL" {
            addresses.extend(address.filter(|address: &Ipv4Addr| !address.is_loopback()));
        }
    }
    // Each is in the trie of its table, and again in the main one's where both are one.
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// Reads a routing table as `/proc/net/route` has it: interface, destination and mask in hexadecimal host order.
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
        })
    };
    table.lines().skip(1).filter_map(route).collect()
}

/// Reads a table of sockets as `/proc/net/{tcp,udp}{,6}` have it: local address and port, remote ones, state.
fn read_listeners(table: &str, protocol: Protocol) -> Vec<Listener> {
    // TCP_LISTEN, and for UDP a socket without a peer (include/net/tcp_states.h).
    let listening = if protocol == Protocol::Tcp { "0A" } else { "07" };
    let listener = |line: &str| {
        let mut fields = line.split_whitespace();
        let (local, port) = fields.nth(1)?.split_once(':')?;
        (fields.nth(1)? == listening).then_some(())?;
        let address = match local.len() {
            8 => IpAddr::V4(address(local)?),
            // The sockets of all of IPv6 mostly take IPv4 as well; those of mapped addresses take nothing else.
            _ => long_address(local)?.to_canonical(),
        };
        let number = u16::from_str_radix(port, 16).ok()?;
        let address = (address != IpAddr::V4(Ipv4Addr::UNSPECIFIED)).then_some(address);
        Some(Listener {
            address,
            port: Port { number, protocol },
            owner: None,
        })
    };
    table.lines().skip(1).filter_map(listener).collect()
}

/// Reads an address as the kernel prints it: the bytes in the order of this machine's memory.
fn address(hex: &str) -> Option<Ipv4Addr> {
    u32::from_str_radix(hex, 16)
        .ok()
        .map(|bits| Ipv4Addr::from(bits.to_ne_bytes()))
}

/// Reads an IPv6 address as the kernel prints it: four words, each in the order of this machine's memory.
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
    fn routes_are_read_and_the_default_one_is_left_out() {
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
    fn own_addresses_are_read_once_and_loopback_is_left_out() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n\
                    \x20    |-- 10.0.0.0\n        /24 link UNICAST\n     |-- 10.0.0.7\n        /32 host LOCAL\n\
                    \x20    |-- 10.0.0.255\n        /32 link BROADCAST\n     |-- 127.0.0.1\n        /32 host LOCAL\n\
                    Local:\n     |-- 10.0.0.7\n        /32 host LOCAL\n     |-- 192.0.2.1\n        /32 host LOCAL\n";
        let read = read_addresses(trie);
        assert_eq!(read, [Ipv4Addr::new(10, 0, 0, 7), Ipv4Addr::new(192, 0, 2, 1)]);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn only_sockets_that_listen_count() {
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
