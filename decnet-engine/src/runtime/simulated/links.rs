use std::collections::BTreeMap;

use decnet_topology::InstanceId;

use super::{networks, world::World};
use crate::{
    desired::LinkSpec,
    naming::LinkName,
    observe::{ObservedLink, Scope},
    runtime::{Effect, RuntimeError, ownership},
};

fn what(link: &LinkName) -> String {
    format!("link {link}")
}

impl World {
    /// Observes the links. A link whose network was removed is connected to none.
    pub(super) fn observe_links(&self, scope: Scope) -> Option<Vec<ObservedLink>> {
        let links = self.links.as_ref()?.values().filter(|link| scope.holds(&link.labels));
        let observed = links.map(|link| ObservedLink {
            network: link
                .network
                .clone()
                .filter(|network| self.networks.contains_key(network)),
            ..link.clone()
        });
        Some(observed.collect())
    }

    fn links(&mut self) -> Result<&mut BTreeMap<LinkName, ObservedLink>, RuntimeError> {
        self.links.as_mut().ok_or_else(|| RuntimeError::Refused {
            reason: "it is not a member of a fleet".into(),
        })
    }

    pub(super) fn ensure_link(&mut self, instance: InstanceId, spec: &LinkSpec) -> Result<Effect, RuntimeError> {
        let network = self.networks.get(&spec.network).ok_or_else(|| RuntimeError::Gone {
            what: networks::what(&spec.network),
        })?;
        ownership::require_ours(networks::what(&spec.network), &network.labels, instance)?;
        let wanted = ObservedLink {
            name: spec.name.clone(),
            labels: spec.labels.clone(),
            network: Some(spec.network.clone()),
            vni: spec.vni.get(),
            local: spec.local,
            peers: spec.peers.clone(),
            mtu: spec.mtu,
            is_sound: true,
        };
        let links = self.links()?;
        if let Some(found) = links.get(&spec.name) {
            ownership::require_ours(what(&spec.name), &found.labels, instance)?;
            if *found == wanted {
                return Ok(Effect::Unchanged);
            }
        }
        links.insert(spec.name.clone(), wanted);
        Ok(Effect::Changed)
    }

    pub(super) fn remove_link(&mut self, instance: InstanceId, name: &LinkName) -> Result<Effect, RuntimeError> {
        let links = self.links()?;
        let Some(found) = links.get(name) else {
            return Ok(Effect::Unchanged);
        };
        if !ownership::is_ours(&found.labels, instance) {
            return Ok(Effect::Unchanged);
        }
        links.remove(name);
        Ok(Effect::Changed)
    }
}
