//! Ranges of addresses that no LAN can use, or should not use (RFC 6890 and IANA's registry of special-purpose addresses).

use std::fmt;

use ipnet::Ipv4Net;

use super::overlaps;

/// A range of addresses with a special purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialRange {
    /// The range.
    pub range: Ipv4Net,
    /// Its purpose, in a few words.
    pub purpose: &'static str,
}

impl SpecialRange {
    const fn new(octets: [u8; 4], prefix: u8, purpose: &'static str) -> Self {
        let [a, b, c, d] = octets;
        Self {
            range: Ipv4Net::new_assert(std::net::Ipv4Addr::new(a, b, c, d), prefix),
            purpose,
        }
    }
}

impl fmt::Display for SpecialRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.range, self.purpose)
    }
}

/// No host of a LAN can be reached at these.
const UNUSABLE: [SpecialRange; 4] = [
    SpecialRange::new([0, 0, 0, 0], 8, "this network"),
    SpecialRange::new([127, 0, 0, 0], 8, "loopback"),
    SpecialRange::new([224, 0, 0, 0], 4, "multicast"),
    SpecialRange::new([255, 255, 255, 255], 32, "limited broadcast"),
];

/// Hosts of a LAN can be reached at these, but not on every system.
const DOUBTFUL: [SpecialRange; 2] = [
    SpecialRange::new([169, 254, 0, 0], 16, "link-local"),
    SpecialRange::new([240, 0, 0, 0], 4, "reserved"),
];

/// These belong to nobody on the internet: private, shared (RFC 6598), protocol assignments, documentation (RFC 5737) and
/// benchmarks (RFC 2544).
const NOT_PUBLIC: [Ipv4Net; 9] = [
    SpecialRange::new([10, 0, 0, 0], 8, "").range,
    SpecialRange::new([100, 64, 0, 0], 10, "").range,
    SpecialRange::new([172, 16, 0, 0], 12, "").range,
    SpecialRange::new([192, 0, 0, 0], 24, "").range,
    SpecialRange::new([192, 0, 2, 0], 24, "").range,
    SpecialRange::new([192, 168, 0, 0], 16, "").range,
    SpecialRange::new([198, 18, 0, 0], 15, "").range,
    SpecialRange::new([198, 51, 100, 0], 24, "").range,
    SpecialRange::new([203, 0, 113, 0], 24, "").range,
];

/// Returns a range that no LAN can use if the subnet overlaps one: 0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/4 or
/// 255.255.255.255.
pub fn unusable(subnet: Ipv4Net) -> Option<SpecialRange> {
    first_shared(&UNUSABLE, subnet)
}

/// Returns a range that a LAN should not use if the subnet overlaps one: 169.254.0.0/16 or 240.0.0.0/4.
pub fn doubtful(subnet: Ipv4Net) -> Option<SpecialRange> {
    first_shared(&DOUBTFUL, subnet)
}

/// Returns whether a subnet has addresses that may belong to someone on the internet.
pub fn is_public(subnet: Ipv4Net) -> bool {
    let lies_in = |range: Ipv4Net| range.contains(&subnet);
    let has_a_meaning = UNUSABLE.iter().chain(&DOUBTFUL).any(|special| lies_in(special.range));
    !has_a_meaning && !NOT_PUBLIC.into_iter().any(lies_in)
}

fn first_shared(ranges: &[SpecialRange], subnet: Ipv4Net) -> Option<SpecialRange> {
    ranges.iter().find(|special| overlaps(special.range, subnet)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().expect("a subnet")
    }

    #[test]
    fn a_subnet_that_overlaps_an_unusable_range_is_unusable() {
        for bad in [
            "0.0.0.0/8",
            "0.1.2.0/24",
            "127.0.0.0/24",
            "127.255.255.0/29",
            "224.0.0.0/4",
            "239.255.255.248/29",
            "255.255.255.255/32",
            "255.255.255.248/29",
            // Wider than the range, and contains it.
            "0.0.0.0/0",
            "0.0.0.0/1",
            "126.0.0.0/7",
            "128.0.0.0/1",
            "240.0.0.0/4",
        ] {
            assert!(unusable(net(bad)).is_some(), "{bad}");
        }
        for good in [
            "1.0.0.0/8",
            "126.0.0.0/8",
            "128.0.0.0/8",
            "223.255.255.0/24",
            "240.0.0.0/24",
            "10.0.0.0/8",
        ] {
            assert_eq!(unusable(net(good)), None, "{good}");
        }
    }

    #[test]
    fn link_local_and_reserved_ranges_are_doubtful() {
        for bad in [
            "169.254.0.0/16",
            "169.254.7.0/24",
            "168.0.0.0/7",
            "240.0.0.0/24",
            "255.0.0.0/24",
        ] {
            assert!(doubtful(net(bad)).is_some(), "{bad}");
        }
        for good in ["169.253.0.0/16", "169.255.0.0/16", "172.16.0.0/12"] {
            assert_eq!(doubtful(net(good)), None, "{good}");
        }
    }

    #[test]
    fn addresses_outside_the_registry_are_public() {
        for public in [
            "8.8.8.0/24",
            "1.0.0.0/8",
            "172.32.0.0/24",
            "172.15.255.0/24",
            "192.169.0.0/24",
            "100.128.0.0/24",
            "203.0.112.0/24",
            // Half of it is private.
            "10.0.0.0/7",
            "172.0.0.0/8",
        ] {
            assert!(is_public(net(public)), "{public}");
        }
        for other in [
            "10.0.0.0/8",
            "172.16.0.0/12",
            "172.31.255.0/24",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "192.0.2.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "127.0.0.0/24",
            "169.254.0.0/24",
            "240.0.0.0/24",
        ] {
            assert!(!is_public(net(other)), "{other}");
        }
    }
}
