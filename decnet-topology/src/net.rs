//! IPv4 subnets and addresses: parsing, and the addresses of a subnet that hosts can use.

pub(crate) mod error;
pub(crate) mod special;

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

pub(crate) use error::SubnetError;
pub(crate) use special::SpecialRange;
pub use special::{doubtful, is_public, unusable};

/// Reads a subnet in CIDR notation: no host bits, no netmask, no leading zeros (RFC 4632, section 3.1).
pub fn parse_subnet(text: &str) -> Result<Ipv4Net, SubnetError> {
    let net = parse_cidr(text).ok_or_else(|| SubnetError::Malformed { text: text.into() })?;
    if net.addr() == net.network() {
        Ok(net)
    } else {
        Err(SubnetError::HostBits {
            text: text.into(),
            network: net.trunc(),
        })
    }
}

/// Parses the pool for subnets: a CIDR, whose host bits are dropped, or the short form `172.20`, which means
/// 172.20.0.0/16.
pub fn parse_base(text: &str) -> Result<Ipv4Net, SubnetError> {
    let net = match text.split_once('.') {
        Some((_, rest)) if !rest.contains(['.', '/']) => parse_cidr(&format!("{text}.0.0/16")),
        _ => parse_cidr(text),
    };
    net.map(|net| net.trunc())
        .ok_or_else(|| SubnetError::Malformed { text: text.into() })
}

fn parse_cidr(text: &str) -> Option<Ipv4Net> {
    let (address, prefix) = text.split_once('/')?;
    let plain = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || prefix.len() > 1 && prefix.starts_with('0') {
        return None;
    }
    Ipv4Net::new(address.parse().ok()?, prefix.parse().ok()?).ok()
}

/// Writes an address like its `Display`. `Display` is so slow that it would double the time of the canonical hash.
pub(crate) fn write_address(text: &mut Vec<u8>, address: Ipv4Addr) {
    let [first, others @ ..] = address.octets();
    write_number(text, first);
    for octet in others {
        text.push(b'.');
        write_number(text, octet);
    }
}

/// Writes a subnet like its `Display`.
pub(crate) fn write_subnet(text: &mut Vec<u8>, subnet: Ipv4Net) {
    write_address(text, subnet.addr());
    text.push(b'/');
    write_number(text, subnet.prefix_len());
}

fn write_number(text: &mut Vec<u8>, number: u8) {
    if number >= 100 {
        text.push(b'0' + number / 100);
    }
    if number >= 10 {
        text.push(b'0' + number / 10 % 10);
    }
    text.push(b'0' + number % 10);
}

/// Returns whether two subnets overlap.
pub fn overlaps(a: Ipv4Net, b: Ipv4Net) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

/// Returns the gateway of a subnet: its first host. Docker gives it to the bridge.
pub fn gateway(subnet: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(subnet.network()).saturating_add(1))
}

/// Returns the role of an address of a subnet if it is reserved.
pub fn reserved(subnet: Ipv4Net, address: Ipv4Addr) -> Option<&'static str> {
    if address == subnet.network() {
        Some("network")
    } else if address == subnet.broadcast() {
        Some("broadcast")
    } else if address == gateway(subnet) {
        Some("gateway")
    } else {
        None
    }
}

/// Returns a limit for the host's neighbour table (`net.ipv4.neigh.default.gc_thresh3`) that a scan of all subnets at once does
/// not reach: at least twice the number of their addresses, as a power of two.
///
/// ```
/// use decnet_topology::net::{neighbours_for, parse_subnet};
///
/// assert_eq!(neighbours_for([parse_subnet("10.0.0.0/20")?]), 8_192);
/// # Ok::<(), decnet_topology::SubnetError>(())
/// ```
pub fn neighbours_for(subnets: impl IntoIterator<Item = Ipv4Net>) -> u64 {
    let addresses: u64 = subnets.into_iter().map(usable).sum();
    (2 * addresses).next_power_of_two().max(2_048)
}

/// Counts the addresses of a subnet that hosts can use: all except network, broadcast and gateway.
pub fn usable(subnet: Ipv4Net) -> u64 {
    (1_u64 << (32 - subnet.prefix_len())).saturating_sub(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_subnets_are_written_like_their_display() {
        for octet in 0..=u8::MAX {
            let subnet = Ipv4Net::new_assert(Ipv4Addr::new(octet, 255 - octet, octet / 7, octet), octet % 33);
            let mut text = Vec::new();
            write_subnet(&mut text, subnet);
            assert_eq!(String::from_utf8(text), Ok(subnet.to_string()));
        }
    }

    #[test]
    fn subnets_are_read_strictly() {
        assert!(parse_subnet("10.0.0.0/24").is_ok());
        for bad in [
            "10.0.1.0/024",
            "10.0.1.0/24 ",
            "10.0.1.0/255.255.255.0",
            "10.0.1.0",
            "",
            "10.0.0.1/24",
            "10.0.0.0/+8",
        ] {
            assert!(parse_subnet(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_base_may_be_short_or_have_host_bits() {
        assert_eq!(
            parse_base("172.20").map(|net| net.to_string()),
            Ok("172.20.0.0/16".into())
        );
        assert_eq!(
            parse_base("10.1.2.3/8").map(|net| net.to_string()),
            Ok("10.0.0.0/8".into())
        );
        for bad in [
            "172.20.",
            "172.20.1",
            "300.1",
            "a.b",
            "",
            ".",
            "172.020",
            "172.20/16",
            " 172.20",
            "fd00::/48",
        ] {
            assert!(parse_base(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_usable_addresses_are_the_unreserved_ones() {
        let net = parse_subnet("10.0.0.0/29").expect("subnet");
        let free = net.network().to_bits()..=net.broadcast().to_bits();
        let free = free
            .filter(|bits| reserved(net, Ipv4Addr::from_bits(*bits)).is_none())
            .count();
        assert_eq!(free as u64, usable(net));
        assert_eq!(usable(parse_subnet("10.0.0.0/32").expect("subnet")), 0);
    }
}
