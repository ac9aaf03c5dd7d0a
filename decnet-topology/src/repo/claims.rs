use ipnet::Ipv4Net;

use crate::{repo::Claim, repo::RepoError};

/// Finds the claims that overlap one of the subnets, with that subnet: subnet by subnet, each in order of address.
///
/// Costs O((n + m) log n) for n claims and m subnets, and what is found.
pub fn conflicts(claims: &[Claim], subnets: &[Ipv4Net]) -> Vec<(Ipv4Net, Claim)> {
    let index = ClaimIndex::new(claims);
    let found = |subnet: Ipv4Net| index.overlapping(subnet).map(move |claim| (subnet, claim.clone()));
    subnets.iter().copied().flat_map(found).collect()
}

/// Refuses subnets of which one overlaps a claim.
pub(super) fn refuse_claimed(claims: &[Claim], subnets: impl IntoIterator<Item = Ipv4Net>) -> Result<(), RepoError> {
    let index = ClaimIndex::new(claims);
    for subnet in subnets {
        if let Some(claim) = index.overlapping(subnet).next() {
            return Err(RepoError::SubnetClaimed {
                subnet,
                claimed: claim.subnet,
                lan: claim.lan.clone(),
                by: claim.name.clone(),
            });
        }
    }
    Ok(())
}

/// Claims in order of address.
///
/// Two subnets are disjoint or one lies in the other, so those that overlap a subnet are those inside it, which stand in a
/// row, and those that begin where one of its supernets does.
struct ClaimIndex<'a>(Vec<&'a Claim>);

impl<'a> ClaimIndex<'a> {
    fn new(claims: &'a [Claim]) -> Self {
        let mut sorted: Vec<&Claim> = claims.iter().collect();
        sorted.sort_by_key(|claim| place(claim.subnet));
        Self(sorted)
    }

    fn overlapping(&self, subnet: Ipv4Net) -> impl Iterator<Item = &'a Claim> {
        let around = (0..subnet.prefix_len()).filter_map(move |prefix| Ipv4Net::new(subnet.network(), prefix).ok());
        let around = around.flat_map(|supernet| {
            let supernet = place(supernet.trunc());
            self.between(supernet, supernet)
        });
        let inside = self.between(place(subnet), (subnet.broadcast().to_bits(), u8::MAX));
        around.chain(inside).copied()
    }

    fn between(&self, first: (u32, u8), last: (u32, u8)) -> &[&'a Claim] {
        let start = self.0.partition_point(|claim| place(claim.subnet) < first);
        let end = self.0.partition_point(|claim| place(claim.subnet) <= last);
        &self.0[start..end]
    }
}

fn place(subnet: Ipv4Net) -> (u32, u8) {
    (subnet.network().to_bits(), subnet.prefix_len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn subnets() -> impl Strategy<Value = Vec<Ipv4Net>> {
        let subnet = (any::<u16>(), 8_u8..=32).prop_map(|(bits, prefix)| {
            Ipv4Net::new((0x0a00_0000 | u32::from(bits) << 4).into(), prefix)
                .expect("prefix")
                .trunc()
        });
        proptest::collection::vec(subnet, 0..12)
    }

    proptest! {
        #[test]
        fn conflicts_are_all_pairs_that_share_an_address(claimed in subnets(), wanted in subnets()) {
            let claims: Vec<Claim> = claimed.iter().map(|subnet| Claim {
                topology: crate::TopologyId::nil(),
                name: "corp".parse().expect("name"),
                lan: "lan".parse().expect("name"),
                subnet: *subnet,
            }).collect();
            let mut found: Vec<_> = conflicts(&claims, &wanted).into_iter().map(|(subnet, claim)| (subnet, claim.subnet)).collect();
            let mut shared: Vec<_> = wanted.iter().flat_map(|subnet| claimed.iter().map(|claim| (*subnet, *claim))).collect();
            shared.retain(|(subnet, claim)| crate::net::overlaps(*subnet, *claim));
            found.sort();
            shared.sort();
            prop_assert_eq!(found, shared);
        }
    }
}
