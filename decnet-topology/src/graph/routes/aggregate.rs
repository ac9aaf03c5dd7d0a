use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::Route;

/// A route, as plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) network: u32,
    pub(super) prefix: u8,
    pub(super) via: u32,
}

impl Way {
    /// Returns whether the first bits of an address are those of the destination.
    fn holds(&self, address: u32) -> bool {
        // A shift by all bits is undefined: a prefix of 0 contains every address.
        (self.network ^ address)
            .checked_shr(32 - u32::from(self.prefix))
            .unwrap_or(0)
            == 0
    }

    /// Returns the subnet of twice the size that contains this one.
    fn whole(&self) -> Option<Self> {
        let prefix = self.prefix.checked_sub(1)?;
        let low_bit = 1 << (31 - prefix);
        Some(Self {
            network: self.network & !low_bit,
            prefix,
            via: self.via,
        })
    }

    fn route(&self) -> Route {
        Route {
            destination: Ipv4Net::new_assert(Ipv4Addr::from_bits(self.network), self.prefix),
            via: Ipv4Addr::from_bits(self.via),
        }
    }
}

/// Merges routes, given in the order of their destinations, as long as the same addresses use the same router.
pub(super) fn aggregate(ways: impl IntoIterator<Item = Way>) -> Vec<Route> {
    let mut joined: Vec<Way> = Vec::new();
    for way in ways {
        if let Some(last) = joined.last() {
            // Overlapping subnets break a rule, but a topology can have them. A repeated or inner subnet adds nothing.
            let same = (last.network, last.prefix) == (way.network, way.prefix);
            if same || last.via == way.via && last.prefix <= way.prefix && last.holds(way.network) {
                continue;
            }
        }
        joined.push(way);
        while let Some(whole) = joined_halves(&joined) {
            joined.truncate(joined.len() - 2);
            joined.push(whole);
        }
    }
    joined.iter().map(Way::route).collect()
}

/// Merges the last two routes if they are the halves of a subnet without its own route.
fn joined_halves(ways: &[Way]) -> Option<Way> {
    let [before @ .., low, high] = ways else { return None };
    if low.via != high.via || low.prefix != high.prefix {
        return None;
    }
    let whole = low.whole()?;
    let has_own = |own: &Way| (own.network, own.prefix) == (whole.network, whole.prefix);
    (whole.holds(high.network) && !before.last().is_some_and(has_own)).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(routes: &[(&str, u32)]) -> Vec<String> {
        let ways = routes.iter().map(|&(net, via)| {
            let subnet: Ipv4Net = net.parse().expect("a subnet");
            Way {
                network: subnet.network().to_bits(),
                prefix: subnet.prefix_len(),
                via,
            }
        });
        aggregate(ways).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn halves_become_one_and_nothing_undeclared_is_announced() {
        let all = [
            ("10.0.0.0/24", 1),
            ("10.0.1.0/24", 1),
            ("10.0.2.0/25", 1),
            ("10.0.2.128/25", 1),
            ("10.0.3.0/24", 1),
        ];
        assert_eq!(joined(&all), ["10.0.0.0/22 via 0.0.0.1"]);
        let gap = [("10.0.0.0/24", 1), ("10.0.2.0/24", 1), ("10.0.3.0/24", 1)];
        assert_eq!(joined(&gap), ["10.0.0.0/24 via 0.0.0.1", "10.0.2.0/23 via 0.0.0.1"]);
        let no_halves = [("10.0.1.0/24", 1), ("10.0.2.0/24", 1)];
        assert_eq!(joined(&no_halves).len(), 2);
        let two_ways = [("10.0.0.0/24", 1), ("10.0.1.0/24", 2)];
        assert_eq!(joined(&two_ways).len(), 2);
    }

    #[test]
    fn overlapping_subnets_keep_their_routes() {
        assert_eq!(
            joined(&[("10.0.0.0/23", 1), ("10.0.0.0/24", 1), ("10.0.1.0/24", 1)]),
            ["10.0.0.0/23 via 0.0.0.1"]
        );
        assert_eq!(
            joined(&[("10.0.0.0/23", 1), ("10.0.0.0/24", 2), ("10.0.1.0/24", 2)]).len(),
            3
        );
        assert_eq!(
            joined(&[("10.0.0.0/24", 1), ("10.0.0.0/24", 2)]),
            ["10.0.0.0/24 via 0.0.0.1"]
        );
    }
}
