use bollard::models::{ContainerCreateBody, HostConfig};
use decnet_topology::InstanceId;

use super::{
    Docker, confinement, containers,
    images::{Source, Wishes},
    labels, observe,
};
use crate::{
    desired::{ServiceNetwork, ServiceSpec},
    plan::belongs,
    runtime::{Effect, RuntimeError, RuntimeInfo},
};

impl Docker {
    pub(super) async fn create_service(
        &self,
        instance: InstanceId,
        spec: &ServiceSpec,
    ) -> Result<Effect, RuntimeError> {
        let base = self.find_ours(instance, &spec.base).await?;
        let id = base.id.clone().ok_or_else(|| containers::missing(&spec.base))?;
        let source = match &spec.build {
            Some(folder) => Source::Folder(instance, folder),
            None => Source::Nothing,
        };
        let wishes = self.wishes_of_service(spec, source).await?;
        let body = self.service_body(&self.description().await?, spec, &wishes, &id);
        match self.create_container(&spec.name, body, source).await {
            Ok(id) => self.start(&spec.name, &id).await,
            // The container exists, or another one has its name.
            Err(failure) if failure.is(409) => {
                let Some(found) = self.find_made(instance, &spec.name, &spec.labels).await? else {
                    return Err(failure.into());
                };
                if !belongs(spec, &observe::observed(found.clone()), &observe::observed(base)) {
                    return Err(containers::taken(&spec.name));
                }
                self.start_found(&spec.name, &found).await
            }
            // The base was removed meanwhile.
            Err(failure) if failure.is(404) => Err(containers::missing(&spec.base)),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Reads the settings of a service's image. The decoy's image has none.
    async fn wishes_of_service(&self, spec: &ServiceSpec, source: Source<'_>) -> Result<Wishes, RuntimeError> {
        if self.decoy.as_ref().is_some_and(|decoy| decoy.reference == spec.image) {
            return Ok(Wishes::default());
        }
        let mut wishes = self.wishes_of(&spec.image).await?;
        if wishes.is_none() && matches!(source, Source::Folder(..)) {
            self.restore_image(&spec.image, source).await?;
            wishes = self.wishes_of(&spec.image).await?;
        }
        Ok(wishes.unwrap_or_default())
    }

    fn service_body(&self, info: &RuntimeInfo, spec: &ServiceSpec, wishes: &Wishes, base: &str) -> ContainerCreateBody {
        let handed = spec.network == ServiceNetwork::HandedSockets;
        let mut host = HostConfig {
            network_mode: Some(if handed {
                "none".into()
            } else {
                format!("container:{base}")
            }),
            // The folder with the base's socket.
            volumes_from: handed.then(|| vec![format!("{base}:ro")]),
            readonly_rootfs: Some(spec.writable_root.is_none()),
            ..self.confined(
                info,
                &spec.limits,
                &spec.seccomp,
                &spec.log,
                spec.capabilities.iter().cloned(),
            )
        };
        confinement::add_folders(&mut host, spec, wishes, info.podman);
        if let Some(bytes) = spec.writable_root {
            confinement::limit_root(&mut host, bytes);
        }
        let variables = spec.environment.iter();
        ContainerCreateBody {
            image: Some(spec.image.clone()),
            cmd: spec.command.clone(),
            env: Some(variables.map(|(key, value)| format!("{key}={value}")).collect()),
            user: Some(confinement::user(&spec.user, wishes)),
            labels: Some(labels::write(&spec.labels)),
            // The mode alone would put the container on the network `none`. This saves that cost, half of the start time.
            network_disabled: handed.then_some(true),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        }
    }
}
