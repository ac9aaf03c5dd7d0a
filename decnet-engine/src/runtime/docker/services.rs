use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, HostConfig};
use decnet_topology::InstanceId;

use super::{Docker, containers, networks};
use crate::{
    desired::ServiceSpec,
    runtime::{Effect, RuntimeError},
};

/// The one folder that a service with a read-only root may write to; in memory.
const SCRATCH: (&str, &str) = ("/tmp", "rw,noexec,nosuid,nodev,size=16m");

impl Docker {
    pub(super) async fn create_service(
        &self,
        instance: InstanceId,
        spec: &ServiceSpec,
    ) -> Result<Effect, RuntimeError> {
        let base = self.find_ours(instance, &spec.base).await?;
        let base = base.id.ok_or_else(|| containers::gone(&spec.base))?;
        let mode = format!("container:{base}");
        match self.create_container(&spec.name, service_body(spec, &mode)).await {
            Ok(id) => self.start(&spec.name, &id).await,
            // It is there already, or something else has its name.
            Err(failure) if failure.is(409) => {
                let Some(found) = self.find_made(instance, &spec.name, &spec.labels).await? else {
                    return Err(failure.into());
                };
                let host = found.host_config.as_ref();
                if host.and_then(|host| host.network_mode.as_deref()) != Some(&mode) {
                    return Err(containers::taken(&spec.name));
                }
                self.start_found(&spec.name, &found).await
            }
            // The base went away meanwhile.
            Err(failure) if failure.is(404) => Err(containers::gone(&spec.base)),
            Err(failure) => Err(failure.into()),
        }
    }
}

fn service_body(spec: &ServiceSpec, mode: &str) -> ContainerCreateBody {
    let (folder, options) = SCRATCH;
    let scratch = (!spec.writable_root).then(|| HashMap::from([(folder.into(), options.into())]));
    let host = HostConfig {
        network_mode: Some(mode.into()),
        readonly_rootfs: Some(!spec.writable_root),
        tmpfs: scratch,
        ..containers::confined(&spec.limits, spec.capabilities.iter().cloned())
    };
    let variables = spec.environment.iter();
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        cmd: spec.command.clone(),
        env: Some(variables.map(|(key, value)| format!("{key}={value}")).collect()),
        user: spec.user.clone(),
        labels: Some(networks::docker_labels(&spec.labels)),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    }
}
