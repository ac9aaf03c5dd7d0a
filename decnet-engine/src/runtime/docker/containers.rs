use std::time::Duration;

use backon::{ConstantBuilder, ExponentialBuilder, Retryable};
use bollard::{
    models::{
        ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum as Status, HostConfig,
        HostConfigLogConfig, RestartPolicy, RestartPolicyNameEnum,
    },
    query_parameters::{CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, RestartContainerOptionsBuilder},
};
use decnet_topology::InstanceId;
use jiff::Timestamp;

use super::{
    Docker, confinement,
    failure::Failure,
    images::{self, Source},
    labels,
    tolerant::tolerant,
};
use crate::{
    desired::{Limits, LogSpec, Seccomp},
    naming::{self, ContainerName, Labels},
    runtime::{Effect, RuntimeError, RuntimeInfo, ownership},
};

/// How often, and with which pauses, the daemon is asked for a container that it is still creating.
const IN_FLIGHT_ATTEMPTS: usize = 40;
const IN_FLIGHT_PAUSE: Duration = Duration::from_millis(250);

/// How often a missing image is loaded or built again for one container.
const RESTORATIONS: usize = 3;

pub(super) fn what(container: &ContainerName) -> String {
    format!("container {container}")
}

pub(super) fn missing(container: &ContainerName) -> RuntimeError {
    RuntimeError::Gone { what: what(container) }
}

/// Parses a time. Returns none for the year 1, Docker's value for never.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok().filter(|time| *time > Timestamp::UNIX_EPOCH)
}

/// Returns whether a container was ever started.
pub(super) fn was_started(container: &ContainerInspectResponse) -> bool {
    let state = container.state.as_ref();
    state.and_then(|state| instant(state.started_at.as_deref()?)).is_some()
}

fn status(container: &ContainerInspectResponse) -> Status {
    let state = container.state.as_ref();
    state.and_then(|state| state.status).unwrap_or(Status::EMPTY)
}

/// Returns whether a container runs. A container that waits for its restart does not.
pub(super) fn is_running(container: &ContainerInspectResponse) -> bool {
    status(container) == Status::RUNNING
}

/// Returns whether a container is being removed, or its removal failed.
pub(super) fn is_leaving(container: &ContainerInspectResponse) -> bool {
    matches!(status(container), Status::REMOVING | Status::DEAD)
}

impl Docker {
    /// Returns the host configuration that all of our containers share: minimal rights and limits, and a restart after a crash.
    pub(super) fn confined(
        &self,
        info: &RuntimeInfo,
        limits: &Limits,
        seccomp: &Seccomp,
        log: &LogSpec,
        capabilities: impl IntoIterator<Item = String>,
    ) -> HostConfig {
        HostConfig {
            cap_drop: Some(vec!["ALL".into()]),
            cap_add: Some(capabilities.into_iter().collect()),
            security_opt: Some(confinement::security(info, seccomp, &self.profile)),
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::ALWAYS),
                maximum_retry_count: None,
            }),
            log_config: Some(HostConfigLogConfig {
                typ: Some(log.driver.clone()),
                config: Some(log.options.clone().into_iter().collect()),
            }),
            ..confinement::bounded(info, limits)
        }
    }

    /// Inspects the container with a name or id, if it exists.
    pub(super) async fn find(&self, name: &str) -> Result<Option<ContainerInspectResponse>, RuntimeError> {
        let request = tolerant(self.client.inspect_container(name, None));
        match self.ask(&format!("inspect container {name}"), request).await {
            Ok(found) => Ok(Some(found)),
            Err(failure) if failure.is(404) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Inspects one of our containers, which must exist.
    pub(super) async fn find_ours(
        &self,
        instance: InstanceId,
        name: &ContainerName,
    ) -> Result<ContainerInspectResponse, RuntimeError> {
        let found = self.find(name.as_str()).await?.ok_or_else(|| missing(name))?;
        ownership::require_ours(what(name), &labels::of_container(&found), instance)?;
        Ok(found)
    }

    /// Inspects the container to create, if it exists with the same spec. Another container with this name is an error.
    pub(super) async fn find_made(
        &self,
        instance: InstanceId,
        name: &ContainerName,
        labels: &Labels,
    ) -> Result<Option<ContainerInspectResponse>, RuntimeError> {
        let Some(found) = self.find(name.as_str()).await? else {
            return Ok(None);
        };
        let holder = labels::of_container(&found);
        ownership::require_ours(what(name), &holder, instance)?;
        if holder.get(naming::SPEC) == labels.get(naming::SPEC) && !is_leaving(&found) {
            Ok(Some(found))
        } else {
            Err(taken(name))
        }
    }

    /// Creates a container without the settings that the daemon refused before, and returns its id.
    ///
    /// The daemon may hold the name for a container that it does not list yet, because a process was killed during the request.
    /// This waits for that container.
    pub(super) async fn create_container(
        &self,
        name: &ContainerName,
        mut body: ContainerCreateBody,
        source: Source<'_>,
    ) -> Result<String, Failure> {
        let mut tries = 0;
        loop {
            if let Some(host) = &mut body.host_config {
                self.refused.remove_from(host);
            }
            match Box::pin(self.try_to_create_container(name, body.clone(), source)).await {
                Err(failure) if self.refused.learn(body.host_config.as_ref(), &failure) => {}
                Err(failure) if failure.is(409) && tries < IN_FLIGHT_ATTEMPTS => {
                    if self.find(name.as_str()).await.map_err(Failure::Plain)?.is_some() {
                        return Err(failure);
                    }
                    tracing::info!(container = %name, "the daemon is still creating the container");
                    tries += 1;
                    tokio::time::sleep(IN_FLIGHT_PAUSE).await;
                }
                other => return other,
            }
        }
    }

    /// Creates a container. If the image is missing since it was ensured, it is loaded or built again.
    async fn try_to_create_container(
        &self,
        name: &ContainerName,
        body: ContainerCreateBody,
        source: Source<'_>,
    ) -> Result<String, Failure> {
        let asked = format!("create container {name}");
        let image = body.image.clone().unwrap_or_default();
        let options = CreateContainerOptionsBuilder::default().name(name.as_str()).build();
        let request = |body| self.client.create_container(Some(options.clone()), body);
        let is_missing = |failure: &Failure| failure.is(404) && failure.mentions("no such image");
        let mut created = self.ask(&asked, request(body.clone())).await;
        // The teardown of another maze may remove it again.
        for _ in 0..RESTORATIONS {
            if !created.as_ref().is_err_and(is_missing) {
                break;
            }
            self.restore_image(&image, source).await.map_err(Failure::Plain)?;
            created = self.ask(&asked, request(body.clone())).await;
        }
        match created {
            Ok(created) => Ok(created.id),
            Err(failure) if is_missing(&failure) => Err(Failure::Plain(images::unavailable(&image, failure.message()))),
            Err(failure) => Err(failure),
        }
    }

    /// Starts an inspected container unless it runs.
    pub(super) async fn start_found(
        &self,
        name: &ContainerName,
        found: &ContainerInspectResponse,
    ) -> Result<Effect, RuntimeError> {
        match status(found) {
            Status::RUNNING => Ok(Effect::Unchanged),
            Status::PAUSED => {
                let request = self.client.unpause_container(name.as_str());
                self.ask(&format!("unpause container {name}"), request).await?;
                Ok(Effect::Changed)
            }
            _ => self.start(name, found.id.as_deref().unwrap_or(name.as_str())).await,
        }
    }

    pub(super) async fn start(&self, name: &ContainerName, id: &str) -> Result<Effect, RuntimeError> {
        let request = self.client.start_container(id, None);
        match self.ask(&format!("start container {name}"), request).await {
            Ok(()) => Ok(Effect::Changed),
            Err(failure) => Err(not_started(name, failure)),
        }
    }

    pub(super) async fn restart(&self, instance: InstanceId, name: &ContainerName) -> Result<Effect, RuntimeError> {
        let found = self.find_ours(instance, name).await?;
        let id = found.id.as_deref().unwrap_or(name.as_str());
        if status(&found) == Status::PAUSED {
            let request = self.client.unpause_container(id);
            self.ask(&format!("unpause container {name}"), request).await?;
        }
        let options = RestartContainerOptionsBuilder::default().t(0).build();
        let request = self.client.restart_container(id, Some(options));
        match self.ask(&format!("restart container {name}"), request).await {
            Ok(()) => Ok(Effect::Changed),
            Err(failure) => Err(not_started(name, failure)),
        }
    }

    pub(super) async fn remove_container(
        &self,
        instance: InstanceId,
        name: &ContainerName,
        id: Option<&str>,
    ) -> Result<Effect, RuntimeError> {
        let Some(found) = self.find(id.unwrap_or(name.as_str())).await? else {
            return Ok(Effect::Unchanged);
        };
        // A container of another owner with our name is left alone.
        let Some(id) = found
            .id
            .as_deref()
            .filter(|_| ownership::is_ours(&labels::of_container(&found), instance))
        else {
            return Ok(Effect::Unchanged);
        };
        let asked = format!("remove container {name}");
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        let attempt = || self.ask(&asked, self.client.remove_container(id, Some(options.clone())));
        // A busy daemon returns 500 if a process died slowly or a mount was still held. A retry helps.
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_times(3);
        match attempt.retry(pauses).when(|failure| failure.is(500)).await {
            Ok(()) => Ok(Effect::Changed),
            Err(failure) if failure.is(404) => Ok(Effect::Unchanged),
            Err(failure) if failure.is(409) && failure.mentions("already in progress") => {
                self.await_removal(name, id).await?;
                Ok(Effect::Changed)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Waits until a container that another process removes no longer exists.
    async fn await_removal(&self, name: &ContainerName, id: &str) -> Result<(), RuntimeError> {
        const PAUSE: Duration = Duration::from_millis(100);
        let pauses = usize::try_from(self.timeout.as_millis() / PAUSE.as_millis()).unwrap_or(usize::MAX);
        let check = || async {
            match self.find(id).await? {
                None => Ok(()),
                Some(_) => Err(RuntimeError::TimedOut {
                    what: format!("remove container {name}"),
                    seconds: self.timeout.as_secs(),
                    answers: true,
                }),
            }
        };
        let builder = ConstantBuilder::default().with_delay(PAUSE).with_max_times(pauses);
        check
            .retry(builder)
            .when(|error| matches!(error, RuntimeError::TimedOut { .. }))
            .await
    }
}

pub(super) fn taken(name: &ContainerName) -> RuntimeError {
    RuntimeError::Conflict {
        reason: format!("container {name} exists with another spec"),
    }
}

/// Returns the error for a container that did not start.
fn not_started(name: &ContainerName, failure: Failure) -> RuntimeError {
    // If none of these words occurs, "address already in use" means an address of a network and not a port.
    let port = failure.mentions("port is already allocated")
        || failure.mentions("address already in use")
            && ["bind", "listen", "port"].iter().any(|word| failure.mentions(word));
    if port {
        RuntimeError::PortTaken {
            container: name.to_string(),
            reason: failure.message(),
        }
    } else if failure.is(404) {
        RuntimeError::Gone {
            what: failure.message(),
        }
    } else {
        failure.into()
    }
}
