//! The volumes with the state of bases, and the named volumes of services. The former are created and removed with their bases. A
//! leftover volume is found by its labels.

use std::collections::{BTreeSet, HashMap};

use bollard::{
    models::{Mount, MountType, MountVolumeOptions, Volume, VolumeCreateRequest},
    query_parameters::{ListVolumesOptionsBuilder, RemoveVolumeOptions},
};
use decnet_decoy::protocol::STATE_FOLDER;
use decnet_topology::InstanceId;

use super::{Docker, labels, observe, tolerant::tolerant};
use crate::{
    desired::VolumeSpec,
    naming::{self, Labels, VolumeName},
    observe::{ObservedContainer, ObservedVolume, Scope},
    runtime::{Effect, RuntimeError, ownership},
};

/// Returns the mount of a base's state: a separate anonymous volume.
pub(super) fn state_folder(base: &Labels) -> Mount {
    Mount {
        target: Some(STATE_FOLDER.into()),
        typ: Some(MountType::VOLUME),
        volume_options: Some(MountVolumeOptions {
            labels: Some(labels::write(&naming::volume_labels(base))),
            ..MountVolumeOptions::default()
        }),
        ..Mount::default()
    }
}

/// Returns whether the engine generated a name: 64 hex digits.
fn is_anonymous(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Requires that a volume belongs to the service of the spec.
fn require_same(instance: InstanceId, spec: &VolumeSpec, found: &Labels) -> Result<(), RuntimeError> {
    let what = format!("volume {}", spec.name);
    ownership::require_ours(what.clone(), found, instance)?;
    if found.get(naming::TOPOLOGY) == spec.labels.get(naming::TOPOLOGY) {
        return Ok(());
    }
    Err(RuntimeError::Conflict {
        reason: format!("{what} belongs to another maze"),
    })
}

fn labels_of(volume: &Volume) -> Labels {
    labels::read(Some(volume.labels.clone()))
}

impl Docker {
    pub(super) async fn list_volumes(&self, scope: Scope) -> Result<Vec<Volume>, RuntimeError> {
        self.volumes_with(HashMap::from([("label", observe::filters(scope))]))
            .await
    }

    async fn volumes_with(&self, filters: HashMap<&str, Vec<String>>) -> Result<Vec<Volume>, RuntimeError> {
        let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
        let request = tolerant(self.client.list_volumes(Some(options)));
        let listed = self.ask("list volumes", request);
        Ok(listed.await?.volumes.unwrap_or_default())
    }

    /// Returns the volumes in a scope and their users, given the containers in the scope.
    pub(super) async fn observed_volumes(
        &self,
        scope: Scope,
        volumes: Vec<Volume>,
        containers: &[ObservedContainer],
    ) -> Result<Vec<ObservedVolume>, RuntimeError> {
        let used: BTreeSet<_> = containers.iter().flat_map(|container| &container.volumes).collect();
        let mut observed: Vec<_> = volumes
            .into_iter()
            .map(|volume| ObservedVolume {
                labels: labels_of(&volume),
                anonymous: is_anonymous(&volume.name),
                used_elsewhere: false,
                name: VolumeName::from_docker(volume.name),
            })
            .filter(|volume| scope.holds(&volume.labels))
            .collect();
        observed.sort_by(|a, b| a.name.cmp(&b.name));
        // An unused volume is rare; only then is the engine asked for other users.
        if observed.iter().any(|volume| !used.contains(&volume.name)) {
            let filters = HashMap::from([("label", observe::filters(scope)), ("dangling", vec!["true".into()])]);
            let idle = self.volumes_with(filters).await?;
            let idle: BTreeSet<_> = idle.iter().map(|volume| volume.name.as_str()).collect();
            for volume in &mut observed {
                volume.used_elsewhere = !used.contains(&volume.name) && !idle.contains(volume.name.as_str());
            }
        }
        Ok(observed)
    }

    /// Creates a service's volume. The engine would return an existing one of another owner, so this looks first, and again afterwards.
    pub(super) async fn create_volume(&self, instance: InstanceId, spec: &VolumeSpec) -> Result<Effect, RuntimeError> {
        let asked = format!("create volume {}", spec.name);
        let request = tolerant(self.client.inspect_volume(spec.name.as_str()));
        match self.ask(&asked, request).await {
            Ok(found) => {
                require_same(instance, spec, &labels_of(&found))?;
                return Ok(Effect::Unchanged);
            }
            Err(failure) if failure.is(404) => {}
            Err(failure) => return Err(failure.into()),
        }
        let request = self.client.create_volume(VolumeCreateRequest {
            name: Some(spec.name.as_str().into()),
            labels: Some(labels::write(&spec.labels)),
            ..VolumeCreateRequest::default()
        });
        let made = self.ask(&asked, tolerant(request)).await?;
        require_same(instance, spec, &labels_of(&made))?;
        Ok(Effect::Changed)
    }

    /// Removes one of our volumes. The engine refuses this while a container uses it.
    pub(super) async fn remove_volume(&self, instance: InstanceId, name: &VolumeName) -> Result<Effect, RuntimeError> {
        let asked = format!("remove volume {name}");
        let request = tolerant(self.client.inspect_volume(name.as_str()));
        match self.ask(&asked, request).await {
            Ok(found) if ownership::is_ours(&labels_of(&found), instance) => {}
            // A volume of another owner is left alone.
            Ok(_) => return Ok(Effect::Unchanged),
            Err(failure) if failure.is(404) => return Ok(Effect::Unchanged),
            Err(failure) => return Err(failure.into()),
        }
        let request = self.client.remove_volume(name.as_str(), None::<RemoveVolumeOptions>);
        match self.ask(&asked, request).await {
            Ok(()) => Ok(Effect::Changed),
            Err(failure) if failure.is(404) => Ok(Effect::Unchanged),
            Err(failure) => Err(failure.into()),
        }
    }
}
