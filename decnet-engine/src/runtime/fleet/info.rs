use std::collections::BTreeMap;

use decnet_topology::Member;
use serde::{Deserialize, Serialize};

use super::Fleet;
use crate::runtime::{RuntimeError, RuntimeInfo};

/// The description of a member of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberInfo {
    /// The member.
    pub member: Member,
    /// Its runtime; none if it does not answer.
    pub info: Option<Box<RuntimeInfo>>,
    /// Why it does not answer, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent: Option<String>,
}

impl Fleet {
    /// Combines the descriptions: that of this machine, or else what all members can do. If no member answers, it says only that. Without
    /// members, it is the error of this machine.
    pub(super) fn combine(
        &self,
        infos: Vec<(Option<String>, Result<RuntimeInfo, RuntimeError>)>,
    ) -> Result<RuntimeInfo, RuntimeError> {
        let (mut local, mut combined): (Option<RuntimeInfo>, Option<RuntimeInfo>) = (None, None);
        let mut first = None;
        let mut members = BTreeMap::new();
        for (name, info) in infos {
            let Some(name) = name else {
                match info {
                    Ok(info) => local = Some(info),
                    Err(error) => first = Some(error),
                }
                continue;
            };
            let (info, silent) = match info {
                Ok(info) => {
                    combined = Some(match combined {
                        None => info.clone(),
                        Some(combined) => both(combined, &info),
                    });
                    (Some(Box::new(info)), None)
                }
                Err(error) => (None, Some(error.to_string())),
            };
            if let Some(member) = self.members.get(&name) {
                let member = member.member.clone();
                members.insert(name, MemberInfo { member, info, silent });
            }
        }
        if let Some(local) = local {
            return Ok(RuntimeInfo {
                has_local: true,
                members,
                ..local
            });
        }
        let info = match combined {
            Some(info) => info,
            None if !members.is_empty() => RuntimeInfo::of_nothing(),
            None => {
                return Err(first.unwrap_or_else(|| RuntimeError::Unreachable {
                    endpoint: "the fleet".into(),
                    reason: "it has no members; add one".into(),
                }));
            }
        };
        let count = members.len();
        Ok(RuntimeInfo {
            endpoint: format!("{count} hosts"),
            local: false,
            has_local: self.local.is_some(),
            interfaces: BTreeMap::new(),
            members,
            ..info
        })
    }
}

/// Returns what both can do.
fn both(one: RuntimeInfo, other: &RuntimeInfo) -> RuntimeInfo {
    let mut addresses = [one.addresses, other.addresses.clone()].concat();
    addresses.sort_unstable();
    addresses.dedup();
    let mut unlimited = [one.unlimited, other.unlimited.clone()].concat();
    unlimited.sort_unstable();
    unlimited.dedup();
    RuntimeInfo {
        podman: one.podman || other.podman,
        api: one.api.min(other.api),
        cpus: one.cpus + other.cpus,
        live_restore: one.live_restore && other.live_restore,
        rootless: one.rootless || other.rootless,
        seccomp: one.seccomp && other.seccomp,
        limits_roots: one.limits_roots && other.limits_roots,
        addresses,
        unlimited,
        ..one
    }
}
