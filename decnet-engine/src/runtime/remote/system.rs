use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use decnet_decoy::protocol::{Probe, ProbeResult};
use decnet_topology::{HostId, ImageSource, InstanceId, Name, TopologyId};
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    RemoteOptions, command, faults,
    messages::{self, ObserveRequest, PerformRequest, ProbeRequest},
    streams,
};
use crate::{
    desired::BaseSpec,
    fence::Fence,
    host::machine::MachineFacts,
    naming::ContainerName,
    observe::{Observed, Scope},
    peer::{PeerClient, PeerError, PeerOptions},
    pki::{Credentials, Peers, client_config},
    plan::Action,
    pushed::{AppliedTopology, PushedStore, TopologyPush},
    runtime::{
        ArchivePieces, Capture, CaptureRequest, CommandRequest, CopyRequest, Effect, ForeignNetwork, LogLines,
        LogRequest, NetworkCheck, RunningCommand, Runtime, RuntimeError, RuntimeInfo, TopologyHost,
    },
};

/// The runtime of another host, by its agent. Clones share its connections.
#[derive(Debug, Clone)]
pub struct RemoteRuntime {
    client: PeerClient,
    host: HostId,
    name: Name,
}

impl RemoteRuntime {
    /// Creates it with the credentials of this master. Nothing is sent yet.
    pub fn new(credentials: &Credentials, options: RemoteOptions) -> Result<Self, PeerError> {
        let RemoteOptions {
            host,
            name,
            address,
            timeout,
        } = options;
        let servers = Peers::Agent(host);
        let tls = client_config(credentials, servers).map_err(|error| PeerError::Untrusted {
            address: address.clone(),
            reason: error.to_string(),
        })?;
        let client = PeerClient::new(PeerOptions {
            address,
            tls,
            name: servers.server_name(),
            timeout,
        })?;
        Ok(Self { client, host, name })
    }

    /// Returns a runtime with the same connections that says which lease this master holds. The agent performs actions only for the
    /// holder of the newest lease of a topology that it has seen.
    #[must_use]
    pub fn with_fence(&self, fence: Fence) -> Self {
        Self {
            client: self.client.fenced(fence),
            ..self.clone()
        }
    }

    /// Returns the host.
    pub const fn host(&self) -> HostId {
        self.host
    }

    /// Returns the name of the host.
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// Returns the address of the agent.
    pub fn address(&self) -> &str {
        self.client.address()
    }

    pub(crate) const fn client(&self) -> &PeerClient {
        &self.client
    }

    fn fault(&self, error: PeerError) -> RuntimeError {
        faults::of(&self.name, self.client.generation(), error)
    }

    async fn ask<A: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<A, RuntimeError> {
        self.client.post(path, body).await.map_err(|error| self.fault(error))
    }

    async fn observe<A: DeserializeOwned>(&self, request: &ObserveRequest) -> Result<A, RuntimeError> {
        self.ask(messages::OBSERVE, request).await
    }
}

#[async_trait]
impl Runtime for RemoteRuntime {
    fn fenced(&self, fence: Fence) -> Option<Arc<dyn Runtime>> {
        Some(Arc::new(self.with_fence(fence)))
    }

    fn topologies(&self) -> Option<&dyn TopologyHost> {
        Some(self)
    }

    async fn info(&self) -> Result<RuntimeInfo, RuntimeError> {
        let info: RuntimeInfo = self.observe(&ObserveRequest::Info).await?;
        Ok(RuntimeInfo {
            endpoint: format!("{} ({}, by its agent)", self.client.address(), info.endpoint),
            // The routes and ports of this machine are not those of the daemon.
            local: false,
            ..info
        })
    }

    async fn list(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        self.observe(&ObserveRequest::List { scope }).await
    }

    async fn inspect(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        self.observe(&ObserveRequest::Inspect { scope }).await
    }

    async fn name_interfaces(&self, observed: &mut Observed) -> Result<(), RuntimeError> {
        let request = ObserveRequest::NameInterfaces {
            observed: Box::new(observed.clone()),
        };
        *observed = self.observe(&request).await?;
        Ok(())
    }

    async fn foreign_networks(&self, instance: InstanceId) -> Result<Vec<ForeignNetwork>, RuntimeError> {
        self.observe(&ObserveRequest::ForeignNetworks { instance }).await
    }

    async fn machine(&self) -> Result<Option<MachineFacts>, RuntimeError> {
        self.observe(&ObserveRequest::Machine).await
    }

    async fn unavailable_images(
        &self,
        images: &BTreeSet<ImageSource>,
    ) -> Result<BTreeMap<ImageSource, String>, RuntimeError> {
        let images = images.clone();
        let found: Vec<(ImageSource, String)> = self.observe(&ObserveRequest::UnavailableImages { images }).await?;
        Ok(found.into_iter().collect())
    }

    async fn perform(&self, instance: InstanceId, action: &Action) -> Result<Effect, RuntimeError> {
        let action = action.clone();
        self.ask(messages::PERFORM, &PerformRequest { instance, action }).await
    }

    async fn check_network(&self, bases: &[&BaseSpec]) -> Result<BTreeMap<ContainerName, NetworkCheck>, RuntimeError> {
        let bases = bases.iter().map(|base| (*base).clone()).collect();
        self.observe(&ObserveRequest::CheckNetwork { bases }).await
    }

    async fn probe(
        &self,
        instance: InstanceId,
        base: &ContainerName,
        probe: &Probe,
    ) -> Result<ProbeResult, RuntimeError> {
        let request = ProbeRequest {
            instance,
            base: base.clone(),
            probe: probe.clone(),
        };
        self.ask(messages::PROBE, &request).await
    }

    fn container_log(&self, request: LogRequest) -> LogLines<'_> {
        let items = streams::items(self.client.clone(), messages::LOG, request);
        items
            .and_then(async |item| {
                let line = serde_json::from_slice(&item);
                line.map_err(|error| self.client.unexpected(error.to_string()))
            })
            .map_err(|error| self.fault(error))
            .boxed()
    }

    async fn run_command(&self, request: CommandRequest) -> Result<RunningCommand, RuntimeError> {
        let path = messages::COMMAND;
        let upgraded = self.client.upgrade(path, messages::COMMAND_PROTOCOL, &request).await;
        let upgraded = upgraded.map_err(|error| self.fault(error))?;
        Ok(command::over(upgraded, self.client.clone(), self.name.clone()))
    }

    fn copy_out(&self, request: CopyRequest) -> ArchivePieces<'_> {
        let items = streams::items(self.client.clone(), messages::COPY, request);
        items.map_ok(Vec::from).map_err(|error| self.fault(error)).boxed()
    }

    async fn capture(&self, request: CaptureRequest) -> Result<Capture, RuntimeError> {
        let mut items = streams::items(self.client.clone(), messages::CAPTURE, request).boxed();
        let first = items.try_next().await.map_err(|error| self.fault(error))?;
        let interface = String::from_utf8_lossy(&first.unwrap_or_default()).into_owned();
        let this = self.clone();
        let packets = items.map(move |item| {
            let packet = item.and_then(|item| {
                let packet = messages::read_packet(&item);
                packet.ok_or_else(|| this.client.unexpected("a packet is cut"))
            });
            packet.map_err(|error| this.fault(error))
        });
        Ok(Capture {
            interface,
            packets: packets.boxed(),
        })
    }
}

#[async_trait]
impl TopologyHost for RemoteRuntime {
    async fn pushed(&self) -> Result<PushedStore, RuntimeError> {
        let answer = self.client.get(messages::PUSHED).await;
        answer.map_err(|error| self.fault(error))
    }

    async fn push(&self, push: &TopologyPush) -> Result<AppliedTopology, RuntimeError> {
        self.ask(messages::APPLY, push).await
    }

    async fn take_down(&self, topology: TopologyId) -> Result<Option<AppliedTopology>, RuntimeError> {
        self.ask(messages::TEARDOWN, &messages::TeardownRequest { topology })
            .await
    }
}
