//! The runtime for a Docker daemon, 20.10 (API 1.41) or later.

mod bases;
mod check;
mod commands;
mod confinement;
mod connect;
mod containers;
mod context;
mod copying;
mod endpoints;
mod exec;
mod failure;
mod host;
mod images;
#[cfg(target_os = "linux")]
mod inside;
mod interfaces;
mod labels;
mod lazy;
mod links;
mod logs;
mod networks;
mod observe;
#[cfg(target_os = "linux")]
mod packets;
mod probe;
mod refused;
mod requests;
mod services;
mod storage;
mod tolerant;
mod volumes;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use decnet_decoy::protocol::{Probe, ProbeResult};
use decnet_topology::{ImageSource, InstanceId};

use super::{
    ApiVersion, ArchivePieces, Capture, CaptureRequest, CommandRequest, CopyRequest, Effect, ForeignNetwork, LogLines,
    LogRequest, NetworkCheck, RunningCommand, Runtime, RuntimeError, RuntimeInfo,
};
use crate::{
    decoy::DecoyImage,
    desired::BaseSpec,
    host::machine::MachineFacts,
    naming::ContainerName,
    observe::{Observed, Scope},
    plan::Action,
};

pub use connect::DockerOptions;
pub use host::DockerHost;
pub use lazy::LazyDocker;

/// Since this API, a container can be created with several endpoints.
const ENDPOINTS_AT_CREATE: ApiVersion = ApiVersion::v1(44);

/// Since this API, each endpoint can have a hardware address.
const MAC_OF_ENDPOINT: ApiVersion = ApiVersion::v1(44);

/// Since this API, an endpoint can be marked for the default route.
const GATEWAY_PRIORITY: ApiVersion = ApiVersion::v1(48);

/// A Docker daemon.
///
/// Only this module uses Docker's API. Every request has a timeout. Every resource is looked up by its exact name, and its
/// label is checked before it is changed. Every error of the daemon becomes a [`RuntimeError`].
///
/// ```no_run
/// use decnet_engine::{Docker, DockerHost, DockerOptions, Runtime};
///
/// # async fn example() -> Result<(), decnet_engine::RuntimeError> {
/// let host = DockerHost::find(|name| std::env::var(name).ok(), |path| std::fs::read_to_string(path).ok())?;
/// let docker = Docker::connect(DockerOptions::default().host(host)).await?;
/// println!("{}", docker.info().await?.version);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Docker {
    client: bollard::Docker,
    host: DockerHost,
    api: ApiVersion,
    podman: bool,
    timeout: Duration,
    decoy: Option<Arc<DecoyImage>>,
    /// Whether it is a member of a fleet.
    member: bool,
    /// Whether its network may not be that of this process.
    elsewhere: bool,
    /// The last description of the daemon, and its time.
    described: Arc<Mutex<Option<(Instant, RuntimeInfo)>>>,
    refused: Arc<refused::Refused>,
    /// The seccomp profile of deckies.
    profile: Arc<str>,
}

#[async_trait]
impl Runtime for Docker {
    async fn info(&self) -> Result<RuntimeInfo, RuntimeError> {
        self.describe().await
    }

    async fn list(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        self.list_resources(scope).await
    }

    async fn inspect(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        self.inspect_resources(scope).await
    }

    async fn name_interfaces(&self, observed: &mut Observed) -> Result<(), RuntimeError> {
        if self.host.is_local() {
            observed.containers.iter_mut().for_each(interfaces::name);
        }
        Ok(())
    }

    async fn foreign_networks(&self, instance: InstanceId) -> Result<Vec<ForeignNetwork>, RuntimeError> {
        self.list_foreign_networks(instance).await
    }

    async fn machine(&self) -> Result<Option<MachineFacts>, RuntimeError> {
        Ok(self.is_here().then(MachineFacts::read))
    }

    async fn unavailable_images(
        &self,
        images: &BTreeSet<ImageSource>,
    ) -> Result<BTreeMap<ImageSource, String>, RuntimeError> {
        self.missing_images(images).await
    }

    async fn perform(&self, instance: InstanceId, action: &Action) -> Result<Effect, RuntimeError> {
        match action {
            Action::EnsureImage { image, .. } => self.ensure_image(instance, image).await,
            Action::CreateNetwork { network } => self.create_network(instance, network).await,
            Action::CreateVolume { volume } => self.create_volume(instance, volume).await,
            Action::CreateBase { base } => Box::pin(self.create_base(instance, base)).await,
            Action::CreateService { service } => Box::pin(self.create_service(instance, service)).await,
            Action::Connect { container, interface } => self.connect_interface(instance, container, interface).await,
            Action::Disconnect { container, network, .. } => self.disconnect(instance, container, network).await,
            Action::SetState { container, state } => self.set_state(instance, container, state).await,
            Action::Restart { container, .. } => self.restart(instance, container).await,
            Action::RemoveContainer { container, id, .. } => {
                self.remove_container(instance, container, id.as_deref()).await
            }
            Action::RemoveNetwork { network, id } => self.remove_network(instance, network, id.as_deref()).await,
            Action::RemoveVolume { volume } => self.remove_volume(instance, volume).await,
            Action::RemoveImage { reference, .. } => self.remove_image(instance, reference).await,
            Action::EnsureLink { link } => self.ensure_link(instance, link).await,
            Action::RemoveLink { link, labels } => self.remove_link(instance, link, labels).await,
        }
    }

    async fn check_network(&self, bases: &[&BaseSpec]) -> Result<BTreeMap<ContainerName, NetworkCheck>, RuntimeError> {
        self.check_bases(bases).await
    }

    async fn probe(
        &self,
        instance: InstanceId,
        base: &ContainerName,
        probe: &Probe,
    ) -> Result<ProbeResult, RuntimeError> {
        self.probe_from(instance, base, probe).await
    }

    fn container_log(&self, request: LogRequest) -> LogLines<'_> {
        self.read_log(request)
    }

    async fn run_command(&self, request: CommandRequest) -> Result<RunningCommand, RuntimeError> {
        self.start_command(request).await
    }

    fn copy_out(&self, request: CopyRequest) -> ArchivePieces<'_> {
        self.read_archive(request)
    }

    async fn capture(&self, request: CaptureRequest) -> Result<Capture, RuntimeError> {
        #[cfg(target_os = "linux")]
        return self.capture_packets(request).await;
        #[cfg(not(target_os = "linux"))]
        Err(RuntimeError::NotCapturable {
            reason: format!("this system is not Linux: {:?}", request.place),
            instead: String::new(),
        })
    }
}
