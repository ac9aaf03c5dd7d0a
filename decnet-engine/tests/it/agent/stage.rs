//! An authority, a master and an agent.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use decnet_engine::{
    AgentError, AgentOptions, Authority, CancellationToken, CertificateSubject, Credentials, DecoyImage, Engine,
    EngineOptions, Fence, RemoteOptions, RemoteRuntime, Runtime, TopologyPush, Trust, agent,
};
use decnet_topology::{Catalog, HostId, MemoryRepo, Name, rng};
use jiff::Timestamp;
use tokio::{net::TcpListener, task::JoinHandle};

/// A fleet with one host.
pub(crate) struct Stage {
    pub(crate) authority: Authority,
    pub(crate) host: HostId,
    pub(crate) master: Credentials,
}

/// An agent that runs.
pub(crate) struct RunningAgent {
    pub(crate) address: SocketAddr,
    pub(crate) credentials: Credentials,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<Result<(), AgentError>>,
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

pub(crate) fn master_subject() -> CertificateSubject {
    CertificateSubject::Master { name: name("first") }
}

impl Stage {
    pub(crate) fn new() -> Self {
        let authority = Authority::create(Timestamp::now()).expect("an authority");
        Self {
            master: credentials(&authority, &master_subject(), Timestamp::now()),
            host: rng::host_id(),
            authority,
        }
    }

    pub(crate) fn agent_subject(&self) -> CertificateSubject {
        CertificateSubject::Agent {
            host: self.host,
            name: name("host-1"),
        }
    }

    pub(crate) fn agent_credentials(&self) -> Credentials {
        credentials(&self.authority, &self.agent_subject(), Timestamp::now())
    }

    /// Starts an agent of a runtime.
    pub(crate) async fn start(&self, runtime: Arc<dyn Runtime>) -> RunningAgent {
        let options = EngineOptions::new(Catalog::builtin()).image(None::<Arc<DecoyImage>>);
        let engine = Engine::new(Arc::new(MemoryRepo::new()), runtime, options);
        self.start_engine(engine, AgentOptions::default(), self.agent_credentials())
            .await
    }

    /// Starts an agent.
    pub(crate) async fn start_engine(
        &self,
        engine: Engine,
        options: AgentOptions,
        credentials: Credentials,
    ) -> RunningAgent {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = options.stop.clone();
        let task = tokio::spawn(agent::serve(engine, credentials.clone(), options, listener));
        RunningAgent {
            address,
            credentials,
            stop,
            task,
        }
    }

    pub(crate) fn options(&self, address: SocketAddr) -> RemoteOptions {
        RemoteOptions::new(self.host, name("host-1"), address.to_string()).timeout(Duration::from_millis(500))
    }

    /// Returns the runtime of the agent at an address, for the holder of the first lease.
    pub(crate) fn remote(&self, address: SocketAddr) -> RemoteRuntime {
        self.fenced(address, 1)
    }

    /// Returns the runtime of the agent at an address, for the holder of a lease.
    pub(crate) fn fenced(&self, address: SocketAddr, generation: u64) -> RemoteRuntime {
        let remote = RemoteRuntime::new(&self.master, self.options(address)).expect("an address");
        remote.with_fence(fence(generation))
    }
}

/// Returns the lease of the topology that all tests here are about.
pub(crate) fn fence(generation: u64) -> Fence {
    Fence {
        store: "01234567-89ab-4cde-8f01-23456789abcd".parse().expect("an id"),
        topology: "11234567-89ab-4cde-8f01-23456789abcd".parse().expect("an id"),
        generation,
    }
}

/// Returns the lease of the topology of a push.
pub(crate) fn fence_of(push: &TopologyPush) -> Fence {
    let document: serde_json::Value = serde_json::from_str(&push.document).unwrap_or_default();
    let id = document["id"].as_str().and_then(|id| id.parse().ok());
    Fence {
        topology: id.unwrap_or(fence(1).topology),
        ..fence(1)
    }
}

pub(crate) fn credentials(authority: &Authority, subject: &CertificateSubject, at: Timestamp) -> Credentials {
    let identity = authority.identity(subject, at).expect("an identity");
    Credentials::new(identity, Trust::of(authority)).expect("credentials")
}
