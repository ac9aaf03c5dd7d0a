use std::{collections::BTreeSet, fmt};

use newtype_uuid::GenericUuid as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::{LanId, TopologyId};

/// The VXLAN network identifier of a stretched LAN: 1 to 16 777 215.
///
/// It has 24 bits (RFC 7348, section 5). The value 0 is not used.
///
/// ```
/// use decnet_topology::Vni;
///
/// assert_eq!(Vni::new(7).map(Vni::get), Some(7));
/// assert_eq!((Vni::new(0), Vni::new(1 << 24)), (None, None));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u32", into = "u32")]
pub struct Vni(#[schemars(range(min = 1, max = 16_777_215))] u32);

impl Vni {
    /// The largest VNI.
    pub const MAX: Self = Self((1 << 24) - 1);

    /// Creates it from its number, if that is from 1 to 16 777 215.
    pub const fn new(number: u32) -> Option<Self> {
        match number {
            1..=0x00ff_ffff => Some(Self(number)),
            _ => None,
        }
    }

    /// Returns the number.
    pub const fn get(self) -> u32 {
        self.0
    }

    fn next(self) -> Self {
        Self(self.0 % Self::MAX.0 + 1)
    }
}

impl fmt::Display for Vni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Vni> for u32 {
    fn from(vni: Vni) -> Self {
        vni.0
    }
}

impl TryFrom<u32> for Vni {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        Self::new(number).ok_or_else(|| format!("a VNI is a number from 1 to {}, not {number}", Self::MAX))
    }
}

/// Returns the first VNI where the search for one begins: a digest of the maze and the LAN, so that mazes that do not know each
/// other's VNIs rarely choose the same.
fn preferred(topology: TopologyId, lan: LanId) -> Vni {
    let digest = Sha256::new()
        .chain_update(b"decnet vni/1\0")
        .chain_update(topology.as_untyped_uuid().as_bytes())
        .chain_update(lan.ordinal().to_be_bytes())
        .finalize();
    let number = u32::from_be_bytes([0, digest[0], digest[1], digest[2]]);
    Vni(number.max(1))
}

/// Returns the preferred VNI of a LAN or, if that is in use, the next free one; none if all are in use.
pub(crate) fn free(topology: TopologyId, lan: LanId, used: &BTreeSet<Vni>) -> Option<Vni> {
    let first = preferred(topology, lan);
    let mut vni = first;
    while used.contains(&vni) {
        vni = vni.next();
        if vni == first {
            return None;
        }
    }
    Some(vni)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology() -> TopologyId {
        "01234567-89ab-4cde-8f01-23456789abcd".parse().expect("an id")
    }

    #[test]
    fn the_preferred_vni_is_stable_and_differs_between_mazes_and_lans() {
        let other = "01234567-89ab-4cde-8f01-23456789abce".parse().expect("an id");
        let of = |topology, lan| preferred(topology, LanId::new(lan)).get();
        assert_eq!(of(topology(), 0), 5_003_980);
        assert_ne!(of(topology(), 0), of(topology(), 1));
        assert_ne!(of(topology(), 0), of(other, 0));
    }

    #[test]
    fn the_next_free_one_is_taken_and_the_last_is_followed_by_the_first() {
        let lan = LanId::new(3);
        let first = preferred(topology(), lan);
        let used = BTreeSet::from([first, first.next()]);
        assert_eq!(free(topology(), lan, &used), Some(first.next().next()));
        assert_eq!(Vni::MAX.next(), Vni(1));
    }

    #[test]
    fn numbers_out_of_range_are_refused_with_the_range() {
        let error = serde_json::from_str::<Vni>("16777216").unwrap_err().to_string();
        assert_eq!(error, "a VNI is a number from 1 to 16777215, not 16777216");
        assert!(serde_json::from_str::<Vni>("0").is_err());
        assert_eq!(serde_json::from_str::<Vni>("16777215").expect("a VNI"), Vni::MAX);
    }
}
