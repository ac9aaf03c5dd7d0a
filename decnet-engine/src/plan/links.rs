use std::collections::{BTreeMap, BTreeSet};

use super::diff::PlanBuilder;
use crate::{
    desired::LinkSpec,
    naming::LinkName,
    observe::ObservedLink,
    plan::{Action, Reason},
};

/// Steps for the links between members of a fleet.
impl PlanBuilder<'_> {
    /// Removes links that are not desired, before their networks.
    pub(super) fn remove_links(&mut self) {
        for link in self.observed.links.iter().flatten() {
            if self.desired.links.contains_key(&link.name) {
                continue;
            }
            let action = Action::RemoveLink {
                link: link.name.clone(),
                labels: link.labels.clone(),
            };
            let id = self.plan.push(action, self.pairs.unwanted.clone(), BTreeSet::new());
            // A container of the decoy's image removes it.
            self.removals.insert(id);
            if let Some(network) = &link.network {
                self.leaving.entry(network.clone()).or_default().insert(id);
            }
        }
    }

    /// Ensures links that are missing, that differ, or whose network is created. If links were not looked for, the others are left alone.
    pub(super) fn ensure_links(&mut self) {
        let observed = self.observed.links.as_ref();
        let there: Option<BTreeMap<&LinkName, &ObservedLink>> =
            observed.map(|links| links.iter().map(|link| (&link.name, link)).collect());
        for (name, link) in &self.desired.links {
            let made = self.made.get(&link.network).copied();
            let reason = match &there {
                _ if made.is_some() => Some(Reason::Missing),
                None => None,
                Some(there) => match there.get(name) {
                    None => Some(Reason::Missing),
                    Some(found) => difference(found, link).map(|what| Reason::StateDiffers { what: what.into() }),
                },
            };
            if let Some(reason) = reason {
                let action = Action::EnsureLink {
                    link: Box::new(link.clone()),
                };
                self.plan.push(action, reason, made.into_iter().collect());
            }
        }
    }
}

/// Returns how a link differs from its spec, if it does.
fn difference(found: &ObservedLink, spec: &LinkSpec) -> Option<&'static str> {
    let checks = [
        (
            found.network.as_ref() == Some(&spec.network),
            "not connected to its network",
        ),
        (found.vni == spec.vni.get(), "another VNI"),
        (found.local == spec.local, "another address"),
        (found.peers == spec.peers, "other peers"),
        (found.mtu == spec.mtu, "another MTU"),
        (found.is_sound, "down, or open to strangers"),
    ];
    checks.into_iter().find(|(is_met, _)| !is_met).map(|(_, what)| what)
}
