use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Topology;
use crate::{
    name::Name,
    placement::{Placement, StretchedLan},
};

/// A placement by the names of the LANs and deckies, for programs. What the maze does not have any more is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlacementNames<'a> {
    /// The member of each LAN.
    pub lans: BTreeMap<&'a Name, &'a Name>,
    /// The member of each decky.
    pub deckies: BTreeMap<&'a Name, &'a Name>,
    /// The MTU of all LANs, in bytes. None if no underlay is large enough for VXLAN.
    pub mtu: Option<u16>,
    /// The LANs that are on several members.
    pub stretched: BTreeMap<&'a Name, &'a StretchedLan>,
    /// The members that may still have a part of the maze, although it is not placed there any more.
    pub former: &'a BTreeSet<Name>,
}

impl Topology {
    /// Returns the placement of the whole maze on one member.
    pub fn placed_on(&self, member: &Name) -> Placement {
        Placement {
            lans: self.lans().iter().map(|lan| (lan.id(), member.clone())).collect(),
            deckies: self
                .deckies()
                .iter()
                .map(|decky| (decky.id(), member.clone()))
                .collect(),
            ..Placement::default()
        }
    }
}

impl<'a> PlacementNames<'a> {
    /// Names the LANs and deckies of a placement.
    pub fn new(topology: &'a Topology, placement: &'a Placement) -> Self {
        let lans = topology.lans().iter();
        let deckies = topology.deckies().iter();
        let stretched = topology.lans().iter();
        Self {
            lans: lans
                .filter_map(|lan| Some((lan.name(), placement.lans.get(&lan.id())?)))
                .collect(),
            deckies: deckies
                .filter_map(|decky| Some((decky.name(), placement.deckies.get(&decky.id())?)))
                .collect(),
            mtu: placement.mtu,
            stretched: stretched
                .filter_map(|lan| Some((lan.name(), placement.stretched.get(&lan.id())?)))
                .collect(),
            former: &placement.former,
        }
    }
}
