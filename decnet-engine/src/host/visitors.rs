//! Source addresses of connections to published ports, and the reasons why they are replaced.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddrV4},
};

use decnet_topology::HostRoute;

use super::{
    address,
    cause::{Cause, RESTART_DOCKER},
    filter::Filter,
};
use crate::desired::PortMapping;

/// Prefixes of interfaces that bridge containers and virtual machines. Packets that leave such a subnet are masqueraded, so a
/// connection from there says nothing about connections from outside.
const BRIDGES: [&str; 6] = ["docker", "br-", "virbr", "lxcbr", "cni", "podman"];

/// Returns the addresses of this machine that visitors use: not those of loopback and bridges.
pub(crate) fn own_addresses() -> Vec<Ipv4Addr> {
    let own = fs::read_to_string("/proc/net/fib_trie").map(|trie| read_own(&trie));
    let routes = super::routes();
    let mut own = own.unwrap_or_default();
    own.retain(|address| !is_of_a_bridge(*address, &routes));
    own
}

/// Returns whether an address is in the subnet of a bridge.
fn is_of_a_bridge(address: Ipv4Addr, routes: &[HostRoute]) -> bool {
    let nearest = routes
        .iter()
        .filter(|route| route.subnet.contains(&address))
        .max_by_key(|route| route.subnet.prefix_len());
    let interface = nearest.and_then(|route| route.owner.strip_prefix("interface "));
    interface.is_some_and(|interface| BRIDGES.iter().any(|begin| interface.starts_with(begin)))
}

/// How the packet filter of this machine handles connections to a published port.
pub(crate) struct Forwarding {
    /// Whether a rule forwards them to the gateway.
    pub(crate) is_forwarded: bool,
    /// Whether this machine's own connections are masqueraded on that path. Then they say nothing about others.
    pub(crate) masquerades_own: bool,
}

/// Reads how the packet filter handles connections to a published port. Returns none if no filter can be read.
pub(crate) fn forwarding(port: &PortMapping, to: Ipv4Addr) -> Option<Forwarding> {
    let filters = Filter::read_all();
    let read: Vec<_> = filters.iter().filter_map(|filter| filter.rules.as_ref().ok()).collect();
    (!read.is_empty()).then(|| Forwarding {
        is_forwarded: read
            .iter()
            .any(|rules| rules.forwards_port(port.host_port, to, port.port)),
        masquerades_own: read.iter().any(|rules| rules.masquerades_own()),
    })
}

/// Reads the local addresses from a routing trie: a leaf is followed by its type.
fn read_own(trie: &str) -> Vec<Ipv4Addr> {
    let mut own = Vec::new();
    let mut leaf = None;
    for line in trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse::<Ipv4Addr>().ok();
        } else if line.starts_with("/32 host LOCAL")
            && let Some(address) = leaf
            && !address.is_loopback()
            && !own.contains(&address)
        {
            own.push(address);
        }
    }
    own
}

/// Returns the remote addresses of the connections to a port in the network namespace of a process.
pub(crate) fn peers(pid: u32, port: u16) -> io::Result<Vec<SocketAddrV4>> {
    let mut peers = read_peers(&fs::read_to_string(format!("/proc/{pid}/net/tcp"))?, port);
    // A dual-stack socket has its IPv4 connections in the IPv6 table.
    if let Ok(table) = fs::read_to_string(format!("/proc/{pid}/net/tcp6")) {
        peers.extend(read_peers(&table, port));
    }
    Ok(peers)
}

fn read_peers(table: &str, port: u16) -> Vec<SocketAddrV4> {
    let peer = |line: &str| {
        let mut fields = line.split_whitespace();
        let (_, local) = fields.nth(1)?.split_once(':')?;
        let (remote, remote_port) = fields.next()?.split_once(':')?;
        let remote_port = u16::from_str_radix(remote_port, 16).ok()?;
        let remote = match remote.len() {
            8 => address(remote)?,
            _ if remote.starts_with("0000000000000000FFFF0000") => address(&remote[24..])?,
            _ => return None,
        };
        (u16::from_str_radix(local, 16).ok()? == port && remote_port > 0)
            .then(|| SocketAddrV4::new(remote, remote_port))
    };
    table.lines().skip(1).filter_map(peer).collect()
}

/// Returns the reasons why the real source addresses on published ports are replaced. Reading the packet filter requires root.
pub(crate) fn anonymous(ports: &[(PortMapping, Ipv4Addr)], rootless: bool) -> Vec<Cause> {
    if rootless {
        return vec![Cause::new(
            "SOURCE_ROOTLESS",
            "the daemon runs rootless, and forwards published ports with its own proxy",
            "set DOCKERD_ROOTLESS_ROOTLESSKIT_PORT_DRIVER=slirp4netns for the daemon, or publish from a rootful daemon",
        )];
    }
    explain(&Filter::read_all(), ports)
}

fn explain(filters: &[Filter], ports: &[(PortMapping, Ipv4Addr)]) -> Vec<Cause> {
    let read: Vec<_> = filters.iter().filter_map(|filter| filter.rules.as_ref().ok()).collect();
    if read.is_empty() {
        return filters.iter().filter_map(Filter::unread).collect();
    }
    let led = ports.iter().all(|(port, to)| {
        let mut read = read.iter();
        read.any(|rules| rules.forwards_port(port.host_port, *to, port.port))
    });
    let cause = if led {
        Cause::new(
            "SOURCE_PROXY",
            "Docker's NAT rules exist, but its userland proxy takes the connections, or another rule masquerades them",
            format!("{RESTART_DOCKER}; use `iptables -t nat -S` to look for rules before those of the chain DOCKER"),
        )
    } else if read.iter().any(|rules| rules.has_chain("nat", "DOCKER")) {
        Cause::new(
            "SOURCE_NAT_GONE",
            "Docker's NAT rules for the published ports are missing, probably after a firewall reload; its userland proxy takes the \
             connections",
            RESTART_DOCKER,
        )
    } else {
        Cause::new(
            "SOURCE_NO_IPTABLES",
            "Docker has no chain in the nat table: the daemon runs with `iptables: false`, or a firewall removed its chains; \
             its userland proxy takes the connections",
            format!(
                "remove `\"iptables\": false` from /etc/docker/daemon.json and `--iptables=false` from its options; {RESTART_DOCKER}"
            ),
        )
    };
    vec![cause]
}

#[cfg(test)]
mod tests {
    use decnet_topology::Protocol;

    use super::*;

    #[test]
    fn own_addresses_are_the_local_ones_without_loopback() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n\
            Local:\n     |-- 10.247.0.1\n        /32 host LOCAL\n     |-- 10.247.0.255\n        /32 link BROADCAST\n\
                 |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 10.247.0.1\n        /32 host LOCAL\n";
        assert_eq!(read_own(trie), [Ipv4Addr::new(10, 247, 0, 1)]);
    }

    #[test]
    fn an_address_on_a_bridge_is_ignored() {
        let route = |subnet: &str, interface: &str| HostRoute {
            subnet: subnet.parse().expect("a subnet"),
            owner: format!("interface {interface}"),
            host: None,
        };
        let routes = [
            route("172.17.0.0/16", "docker0"),
            route("10.0.0.0/8", "eth0"),
            route("10.9.0.0/24", "br-1"),
        ];
        let on_bridge = |ip: [u8; 4]| is_of_a_bridge(ip.into(), &routes);
        assert!(on_bridge([172, 17, 0, 1]) && on_bridge([10, 9, 0, 1]));
        assert!(!on_bridge([10, 8, 0, 1]) && !on_bridge([192, 0, 2, 1]));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_peers_of_a_port_include_both_address_families() {
        let four = "  sl  local_address rem_address   st\n   0: 00000000:0016 00000000:0000 0A\n\
               1: 0A00F00A:0016 0100F00A:C350 01\n   2: 0A00F00A:0050 0100F00A:C351 01\n";
        assert_eq!(read_peers(four, 22), ["10.240.0.1:50000".parse().expect("an address")]);
        let six = "  sl  local_address remote_address st\n\
               0: 0000000000000000FFFF00000A00F00A:0016 0000000000000000FFFF00000100F70A:C350 01\n";
        assert_eq!(read_peers(six, 22), ["10.247.0.1:50000".parse().expect("an address")]);
    }

    #[track_caller]
    fn check(nat: &str, code: &str) {
        let port = PortMapping {
            host_ip: Ipv4Addr::UNSPECIFIED.into(),
            host_port: 42022,
            port: 22,
            protocol: Protocol::Tcp,
        };
        let filter = Filter::new("iptables-save", Ok(nat.into()));
        let causes = explain(&[filter], &[(port, Ipv4Addr::new(10, 0, 0, 10))]);
        let codes: Vec<_> = causes.iter().map(|cause| cause.code).collect();
        assert_eq!(codes, [code]);
    }

    #[test]
    fn the_cause_is_found_in_the_nat_rules() {
        check("*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n", "SOURCE_NO_IPTABLES");
        check(
            "*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\nCOMMIT\n",
            "SOURCE_NAT_GONE",
        );
        check(
            "*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n-A PREROUTING -j DOCKER\n\
             -A DOCKER -p tcp --dport 42022 -j DNAT --to-destination 10.0.0.10:22\nCOMMIT\n",
            "SOURCE_PROXY",
        );
        let rootless = anonymous(&[], true);
        assert_eq!(rootless[0].code, "SOURCE_ROOTLESS");
    }
}
