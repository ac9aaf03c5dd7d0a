//! What the desired state depends on of the members of a fleet.

use std::{collections::BTreeMap, net::Ipv4Addr};

use decnet_topology::Placement;

use crate::api::ApiVersion;

/// Where a topology runs on a fleet.
#[derive(Debug, Clone)]
pub struct DesiredFleet<'a> {
    /// The placement of the topology.
    pub placement: &'a Placement,
    /// The members that it is placed on, by name.
    pub members: BTreeMap<&'a str, DesiredMember<'a>>,
}

/// What the desired state depends on of a member of a fleet.
#[derive(Debug, Clone, Copy)]
pub struct DesiredMember<'a> {
    /// Its address on the network that connects the members.
    pub underlay: Ipv4Addr,
    /// The API of its runtime; none if it does not answer.
    pub api: Option<ApiVersion>,
    /// Its known addresses. With some kinds of egress, deckies must not open connections to them.
    pub addresses: &'a [Ipv4Addr],
}
