use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// The addresses that deckies have on each LAN, to find repeated ones.
pub(crate) struct UsedAddresses {
    /// For each LAN, one bit for every address that shares the first three bytes with the subnet: usually all.
    near: Vec<[u64; 4]>,
    /// The other addresses, each with the position of its LAN.
    other: Vec<(usize, Ipv4Addr)>,
    repeated: bool,
}

impl UsedAddresses {
    pub(crate) fn new(lan_count: usize) -> Self {
        Self {
            near: vec![[0; 4]; lan_count],
            other: Vec::new(),
            repeated: false,
        }
    }

    /// Records an address on the LAN at a position.
    pub(crate) fn add(&mut self, at: usize, subnet: Option<Ipv4Net>, ip: Ipv4Addr) {
        let is_near = |subnet: Ipv4Net| (subnet.addr().to_bits() ^ ip.to_bits()) < 256;
        if subnet.is_some_and(is_near) {
            let [.., last] = ip.octets();
            let word = &mut self.near[at][usize::from(last / 64)];
            let bit = 1 << (last % 64);
            self.repeated |= *word & bit != 0;
            *word |= bit;
        } else {
            self.other.push((at, ip));
        }
    }

    /// Returns whether an address of a LAN is used more than once.
    pub(crate) fn has_repeated(mut self) -> bool {
        self.other.sort_unstable();
        self.repeated || self.other.array_windows().any(|[one, other]| one == other)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// The plain form: a set of all addresses of each LAN.
    fn has_repeated(addresses: &[(usize, Ipv4Addr)]) -> bool {
        let distinct: BTreeSet<_> = addresses.iter().collect();
        distinct.len() < addresses.len()
    }

    proptest! {
        #[test]
        fn a_repeated_address_is_found_as_in_the_plain_form(
            prefixes in vec(prop_oneof![Just(None), (8..=30_u8).prop_map(Some)], 3),
            addresses in vec((0..3_usize, prop_oneof![0x0a00_0000..=0x0a00_0110_u32, any::<u32>()]), 0..40),
        ) {
            let addresses: Vec<_> = addresses.into_iter().map(|(at, ip)| (at, Ipv4Addr::from_bits(ip))).collect();
            let base = Ipv4Addr::new(10, 0, 0, 0);
            let mut used = UsedAddresses::new(prefixes.len());
            for (at, ip) in &addresses {
                let subnet = prefixes[*at].map(|prefix| Ipv4Net::new_assert(base, prefix));
                used.add(*at, subnet, *ip);
            }
            prop_assert_eq!(used.has_repeated(), has_repeated(&addresses));
        }
    }
}
