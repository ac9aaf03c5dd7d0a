//! The members of a fleet, for the desired state.

use std::collections::BTreeMap;

use decnet_topology::TopologyRow;

use crate::{
    desired::{DesiredFleet, DesiredMember},
    runtime::RuntimeInfo,
};

/// Returns what the desired state depends on of the members.
pub(in crate::engine) fn desired_fleet<'a>(row: &'a TopologyRow, info: &'a RuntimeInfo) -> Option<DesiredFleet<'a>> {
    let placement = row.placement.as_ref().filter(|_| !info.members.is_empty())?;
    let members: BTreeMap<&str, DesiredMember<'a>> = info
        .members
        .iter()
        .map(|(name, member)| {
            let desired = DesiredMember {
                underlay: member.member.underlay,
                api: member.info.as_ref().map(|info| info.api),
                addresses: member.info.as_ref().map_or(&[], |info| &info.addresses),
            };
            (name.as_str(), desired)
        })
        .collect();
    Some(DesiredFleet { placement, members })
}
