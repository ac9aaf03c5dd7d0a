use ipnet::Ipv4Net;

use crate::{repo::RepoError, repo::SubnetClaim};

/// Refuses subnets if one of them overlaps a claim.
pub(super) fn refuse_claimed(
    claims: &[SubnetClaim],
    subnets: impl IntoIterator<Item = Ipv4Net>,
) -> Result<(), RepoError> {
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
/// Two subnets are disjoint or nested. So the claims that overlap a subnet are those inside it, which are contiguous, and those
/// that begin at one of its supernets.
struct ClaimIndex<'a>(Vec<&'a SubnetClaim>);

impl<'a> ClaimIndex<'a> {
    fn new(claims: &'a [SubnetClaim]) -> Self {
        let mut sorted: Vec<&SubnetClaim> = claims.iter().collect();
        sorted.sort_by_key(|claim| place(claim.subnet));
        Self(sorted)
    }

    fn overlapping(&self, subnet: Ipv4Net) -> impl Iterator<Item = &'a SubnetClaim> {
        let around = (0..subnet.prefix_len()).filter_map(move |prefix| Ipv4Net::new(subnet.network(), prefix).ok());
        let around = around.flat_map(|supernet| {
            let supernet = place(supernet.trunc());
            self.between(supernet, supernet)
        });
        let inside = self.between(place(subnet), (subnet.broadcast().to_bits(), u8::MAX));
        around.chain(inside).copied()
    }

    fn between(&self, first: (u32, u8), last: (u32, u8)) -> &[&'a SubnetClaim] {
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
        fn subnets_are_refused_if_a_pair_shares_an_address(claimed in subnets(), wanted in subnets()) {
            let claims: Vec<SubnetClaim> = claimed.iter().map(|subnet| SubnetClaim {
                topology: crate::TopologyId::nil(),
                name: "corp".parse().expect("name"),
                lan: "lan".parse().expect("name"),
                subnet: *subnet,
            }).collect();
            let shares = |subnet: &Ipv4Net| claimed.iter().any(|claim| crate::net::overlaps(*subnet, *claim));
            let expected = wanted.iter().copied().find(shares);
            match refuse_claimed(&claims, wanted) {
                Ok(()) => prop_assert_eq!(expected, None),
                Err(RepoError::SubnetClaimed { subnet, claimed, .. }) => {
                    prop_assert_eq!(expected, Some(subnet));
                    prop_assert!(crate::net::overlaps(subnet, claimed));
                }
                Err(other) => prop_assert!(false, "{other:?}"),
            }
        }
    }
}
