//! The guard of a link: a table of the packet filter that drops packets for its device from strangers.

use std::io;

use super::error::LinkError;
use crate::{
    kernel::IPPROTO_UDP,
    namespace::{commit, has_table_as, tables},
    netfilter::{self, Chain, ChainName, End, Label, Rule, Set, SetName, Table, ranges},
    protocol::{VXLAN_PORT, Vxlan},
};

/// The beginning of the name of each guard's table. The name of the device follows.
const PREFIX: &str = "decnet-";

/// The guard of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Guard {
    name: String,
    owner: String,
    table: Table,
}

impl Guard {
    /// Returns the guard of a device.
    pub(super) fn of(vxlan: &Vxlan) -> Self {
        let peers = ranges(vxlan.peers.iter().map(|peer| (*peer, *peer)));
        let frames = |rule: Rule| {
            rule.at_port(End::Destination, IPPROTO_UDP, VXLAN_PORT)
                .of_vni(vxlan.vni)
        };
        let rules = vec![
            frames(Rule::ipv4()).not_within(End::Source, SetName::Peers).drop(),
            frames(Rule::ipv4()).without(End::Destination, vxlan.local).drop(),
            frames(Rule::not_ipv4()).drop(),
        ];
        Self {
            name: table_name(&vxlan.device),
            owner: vxlan.owner.clone(),
            table: Table {
                sets: vec![Set {
                    name: SetName::Peers,
                    ranges: peers,
                }],
                chains: vec![Chain {
                    name: ChainName::Tunnel,
                    rules,
                }],
            },
        }
    }

    fn label(&self) -> Label<'_> {
        Label {
            name: &self.name,
            comment: &self.owner,
        }
    }

    /// Returns whether the kernel has exactly this guard.
    pub(super) fn is_set(&self) -> io::Result<bool> {
        has_table_as(self.label(), &self.table)
    }

    /// Sets the guard unless it is set, and returns whether it was not. Every packet meets the earlier guard or this one.
    pub(super) fn set(&self) -> Result<bool, LinkError> {
        let is_set = || self.is_set().map_err(LinkError::at(READ));
        if is_set()? {
            return Ok(false);
        }
        commit(self.table.replace_as(self.label()))
            .map_err(LinkError::at(format!("set the packet filter's table `{}`", self.name)))?;
        // Otherwise nobody would know later whose guard it is, and whether it is the right one.
        if is_set()? {
            Ok(true)
        } else {
            Err(LinkError::Unguarded(self.name.clone()))
        }
    }
}

/// The step that fails if the tables cannot be read.
const READ: &str = "read the packet filter's tables";

/// A guard that the kernel has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoundGuard {
    pub(super) device: String,
    /// Empty if it has none.
    pub(super) owner: String,
}

/// Reads all guards.
pub(super) fn found() -> Result<Vec<FoundGuard>, LinkError> {
    let guards = tables().map_err(LinkError::at(READ))?.into_iter();
    let guards = guards.filter_map(|table| {
        let device = table.name.strip_prefix(PREFIX)?.to_owned();
        let owner = table.comment;
        Some(FoundGuard { device, owner })
    });
    Ok(guards.collect())
}

/// Removes the guard of a device.
pub(super) fn remove(device: &str) -> Result<(), LinkError> {
    let name = table_name(device);
    commit(netfilter::remove(&name)).map_err(LinkError::at(format!("remove the packet filter's table `{name}`")))
}

/// Returns how the guard of a device is called in messages.
pub(super) fn described(device: &str) -> String {
    format!("the packet filter's table `{}`", table_name(device))
}

fn table_name(device: &str) -> String {
    format!("{PREFIX}{device}")
}
