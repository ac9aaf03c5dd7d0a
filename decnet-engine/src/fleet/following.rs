//! The calls of a runtime, each to the hosts as they are in the store.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use decnet_decoy::protocol::{Probe, ProbeResult};
use decnet_topology::{ImageSource, InstanceId, Member};

use super::StoreFleet;
use crate::{
    desired::BaseSpec,
    fence::Fence,
    host::machine::MachineFacts,
    naming::ContainerName,
    observe::{Observed, Scope},
    plan::Action,
    runtime::{
        ArchivePieces, Capture, CaptureRequest, CommandRequest, CopyRequest, Effect, ForeignNetwork, LogLines,
        LogRequest, NetworkCheck, RunningCommand, Runtime, RuntimeError, RuntimeInfo, passing::passed,
    },
};

#[async_trait]
impl Runtime for StoreFleet {
    async fn info(&self) -> Result<RuntimeInfo, RuntimeError> {
        self.now().await?.info().await
    }

    async fn list(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        self.now().await?.list(scope).await
    }

    async fn inspect(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        self.now().await?.inspect(scope).await
    }

    async fn name_interfaces(&self, observed: &mut Observed) -> Result<(), RuntimeError> {
        self.now().await?.name_interfaces(observed).await
    }

    async fn foreign_networks(&self, instance: InstanceId) -> Result<Vec<ForeignNetwork>, RuntimeError> {
        self.now().await?.foreign_networks(instance).await
    }

    async fn machine(&self) -> Result<Option<MachineFacts>, RuntimeError> {
        self.now().await?.machine().await
    }

    async fn unavailable_images(
        &self,
        images: &BTreeSet<ImageSource>,
    ) -> Result<BTreeMap<ImageSource, String>, RuntimeError> {
        self.now().await?.unavailable_images(images).await
    }

    async fn member(&self, host: Option<&str>) -> Result<Option<Arc<dyn Runtime>>, RuntimeError> {
        self.now().await?.member(host).await
    }

    async fn members(&self) -> Result<BTreeMap<String, Member>, RuntimeError> {
        self.now().await?.members().await
    }

    /// The holder of a lease has the hosts as they were read last: when its operation began.
    fn fenced(&self, fence: Fence) -> Option<Arc<dyn Runtime>> {
        self.last().fenced(fence)
    }

    async fn perform(&self, instance: InstanceId, action: &Action) -> Result<Effect, RuntimeError> {
        self.now().await?.perform(instance, action).await
    }

    async fn check_network(&self, bases: &[&BaseSpec]) -> Result<BTreeMap<ContainerName, NetworkCheck>, RuntimeError> {
        self.now().await?.check_network(bases).await
    }

    async fn probe(
        &self,
        instance: InstanceId,
        base: &ContainerName,
        probe: &Probe,
    ) -> Result<ProbeResult, RuntimeError> {
        self.now().await?.probe(instance, base, probe).await
    }

    fn container_log(&self, request: LogRequest) -> LogLines<'_> {
        passed(self.now(), |runtime| runtime.container_log(request))
    }

    async fn run_command(&self, request: CommandRequest) -> Result<RunningCommand, RuntimeError> {
        self.now().await?.run_command(request).await
    }

    fn copy_out(&self, request: CopyRequest) -> ArchivePieces<'_> {
        passed(self.now(), |runtime| runtime.copy_out(request))
    }

    async fn capture(&self, request: CaptureRequest) -> Result<Capture, RuntimeError> {
        self.now().await?.capture(request).await
    }
}
