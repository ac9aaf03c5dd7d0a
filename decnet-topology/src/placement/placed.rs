use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Vni;
use crate::{
    id::{DeckyId, LanId},
    name::Name,
};

/// A LAN that is on several members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct StretchedLan {
    /// The identifier of its VXLAN. No other stretched LAN of the fleet has it.
    pub vni: Vni,
    /// The members that have a decky on it, and the member that it is placed on; at least two.
    pub members: BTreeSet<Name>,
}

/// The members that have the LANs and deckies of a maze.
///
/// It is not a part of the maze and of its canonical hash.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Placement {
    /// The member of each LAN, and of the deckies that are at home in it.
    pub lans: BTreeMap<LanId, Name>,
    /// The member of each decky.
    pub deckies: BTreeMap<DeckyId, Name>,
    /// The MTU of all its LANs in bytes: that of the smallest underlay, less the 50 bytes of VXLAN. Any LAN may be stretched later, and
    /// a network keeps its MTU. None if no underlay is large enough for VXLAN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
    /// The LANs that are on several members.
    pub stretched: BTreeMap<LanId, StretchedLan>,
    /// The members that had a part of the maze, and may still have it: they did not answer since. [`place`](fn@crate::place) leaves it
    /// empty.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub former: BTreeSet<Name>,
}

impl Placement {
    /// Returns the members with at least one LAN or decky.
    pub fn members(&self) -> BTreeSet<&Name> {
        self.lans.values().chain(self.deckies.values()).collect()
    }

    /// Returns how many deckies a member has.
    pub fn deckies_on(&self, member: &Name) -> u32 {
        let here = self.deckies.values().filter(|host| *host == member).count();
        u32::try_from(here).unwrap_or(u32::MAX)
    }

    /// Returns the VNIs that it uses.
    pub fn vnis(&self) -> impl Iterator<Item = Vni> {
        self.stretched.values().map(|stretched| stretched.vni)
    }

    /// Returns the JSON Schema (draft 2020-12) of a placement.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }
}
