use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use decnet_decoy::protocol::{Probe, ProbeResult};
use decnet_topology::{ImageSource, InstanceId};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::OnceCell;

use super::{Docker, DockerOptions};
use crate::{
    desired::BaseSpec,
    host::machine::MachineFacts,
    naming::ContainerName,
    observe::{Observed, Scope},
    plan::Action,
    runtime::{
        ArchivePieces, Capture, CaptureRequest, CommandRequest, CopyRequest, Effect, ForeignNetwork, LogLines,
        LogRequest, NetworkCheck, RunningCommand, Runtime, RuntimeError, RuntimeInfo,
    },
};

/// A Docker daemon that is connected at its first use.
#[derive(Debug)]
pub struct LazyDocker {
    options: Result<DockerOptions, RuntimeError>,
    docker: OnceCell<Docker>,
}

impl LazyDocker {
    /// Creates the connection without using it. If the options could not be found, every call returns that error.
    pub fn new(options: Result<DockerOptions, RuntimeError>) -> Self {
        Self {
            options,
            docker: OnceCell::new(),
        }
    }

    /// Returns the daemon. After a failed connection, the next call tries again.
    async fn docker(&self) -> Result<&Docker, RuntimeError> {
        let connect = async || Docker::connect(self.options.clone()?).await;
        self.docker.get_or_try_init(connect).await
    }
}

#[async_trait]
impl Runtime for LazyDocker {
    async fn info(&self) -> Result<RuntimeInfo, RuntimeError> {
        self.docker().await?.info().await
    }

    async fn list(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        self.docker().await?.list(scope).await
    }

    async fn inspect(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        self.docker().await?.inspect(scope).await
    }

    async fn name_interfaces(&self, observed: &mut Observed) -> Result<(), RuntimeError> {
        self.docker().await?.name_interfaces(observed).await
    }

    async fn foreign_networks(&self, instance: InstanceId) -> Result<Vec<ForeignNetwork>, RuntimeError> {
        self.docker().await?.foreign_networks(instance).await
    }

    async fn machine(&self) -> Result<Option<MachineFacts>, RuntimeError> {
        self.docker().await?.machine().await
    }

    async fn unavailable_images(
        &self,
        images: &BTreeSet<ImageSource>,
    ) -> Result<BTreeMap<ImageSource, String>, RuntimeError> {
        self.docker().await?.unavailable_images(images).await
    }

    async fn perform(&self, instance: InstanceId, action: &Action) -> Result<Effect, RuntimeError> {
        self.docker().await?.perform(instance, action).await
    }

    async fn check_network(&self, bases: &[&BaseSpec]) -> Result<BTreeMap<ContainerName, NetworkCheck>, RuntimeError> {
        self.docker().await?.check_network(bases).await
    }

    async fn probe(
        &self,
        instance: InstanceId,
        base: &ContainerName,
        probe: &Probe,
    ) -> Result<ProbeResult, RuntimeError> {
        self.docker().await?.probe(instance, base, probe).await
    }

    fn container_log(&self, request: LogRequest) -> LogLines<'_> {
        let opened = async move { Ok::<_, RuntimeError>(self.docker().await?.container_log(request)) };
        stream::once(opened).try_flatten().boxed()
    }

    async fn run_command(&self, request: CommandRequest) -> Result<RunningCommand, RuntimeError> {
        self.docker().await?.run_command(request).await
    }

    fn copy_out(&self, request: CopyRequest) -> ArchivePieces<'_> {
        let opened = async move { Ok::<_, RuntimeError>(self.docker().await?.copy_out(request)) };
        stream::once(opened).try_flatten().boxed()
    }

    async fn capture(&self, request: CaptureRequest) -> Result<Capture, RuntimeError> {
        self.docker().await?.capture(request).await
    }
}
