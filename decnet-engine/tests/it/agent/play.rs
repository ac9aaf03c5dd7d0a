//! One master, and one agent whose host has one maze of mode `agent`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use decnet_engine::{
    AgentOptions, CancellationToken, DecoyImage, DeployOptions, Engine, EngineError, EngineOptions, Fleet, HostReport,
    RemoteOptions, RemoteRuntime, RemoteTopologies, simulated::Simulated,
};
use decnet_topology::{
    Catalog, HostProfile, HostStore as _, Member, MemoryRepo, Mode, NewTopology, Repo, Status, Topology, TopologyId,
    TopologyStore as _,
};
use jiff::Timestamp;
use tokio::time;

use super::{
    relay::Relay,
    stage::{RunningAgent, Stage, name},
};

/// How long something that happens may take.
pub(super) const SOON: Duration = Duration::from_secs(20);

/// One master, and one agent on `host-1`.
pub(super) struct Play {
    pub(super) stage: Stage,
    pub(super) simulated: Simulated,
    pub(super) agent: RunningAgent,
    pub(super) repo: Arc<MemoryRepo>,
    pub(super) master: Engine,
    /// What is between the master and the agent.
    pub(super) relay: Relay,
}

pub(super) fn options() -> EngineOptions {
    EngineOptions::new(Catalog::builtin()).image(Arc::new(DecoyImage::pack(b"program")))
}

pub(super) fn topology(subnet: &str, deckies: &[&str]) -> Topology {
    let mut builder = Topology::builder().dmz("dmz", &format!("{subnet}.0/24"));
    for (at, decky) in deckies.iter().enumerate() {
        builder = builder.decky(decky, |decky| {
            decky.on("dmz", &format!("{subnet}.{}", at + 10)).services(["http"])
        });
    }
    builder.build().expect("a topology")
}

/// Returns an engine of a master. It reaches the agent of `host-1`.
pub(super) fn master(stage: &Stage, repo: Arc<dyn Repo>, remote: RemoteOptions) -> Engine {
    let remote = RemoteRuntime::new(&stage.master, remote).expect("an address");
    let member = Member::new(name("host-1"), 100, "127.0.0.1".parse().expect("an address"), 1500);
    let fleet = Fleet::new()
        .with(member, Arc::new(remote))
        .with_local(Arc::new(Simulated::new()));
    Engine::new(repo, Arc::new(fleet), options())
}

impl Play {
    pub(super) async fn new() -> Self {
        Self::over(async |agent| Relay::to(agent).await).await
    }

    /// Starts both on a network that the caller makes.
    pub(super) async fn over(network: impl AsyncFnOnce(SocketAddr) -> Relay) -> Self {
        let (stage, simulated) = (Stage::new(), Simulated::new());
        let engine = Engine::new(Arc::new(MemoryRepo::new()), Arc::new(simulated.clone()), options());
        let agent = stage
            .start_engine(engine, AgentOptions::default(), stage.agent_credentials())
            .await;
        let relay = network(agent.address).await;
        let repo = Arc::new(MemoryRepo::new());
        let remote = stage.options(relay.address);
        Self {
            master: master(&stage, repo.clone(), remote),
            stage,
            simulated,
            agent,
            repo,
            relay,
        }
    }

    /// Returns a master that has the host with other properties.
    pub(super) fn master_with(&self, member: Member) -> Engine {
        let remote = RemoteRuntime::new(&self.stage.master, self.stage.options(self.agent.address));
        let fleet = Fleet::new()
            .with(member, Arc::new(remote.expect("an address")))
            .with_local(Arc::new(Simulated::new()));
        Engine::new(self.repo.clone(), Arc::new(fleet), options())
    }

    /// Stops the agent.
    pub(super) async fn stop_agent(&self) {
        self.agent.stop.cancel();
        // It may still answer what it had begun.
        time::sleep(Duration::from_millis(200)).await;
    }

    pub(super) async fn store(&self, maze: &str, topology: Topology, host: &str) -> TopologyId {
        let new = NewTopology::new(maze.parse().expect("a name"), topology)
            .mode(Mode::Agent)
            .host(host.to_owned());
        self.repo.create(new, Timestamp::now()).await.expect("stored").row.id
    }

    pub(super) async fn deployed(&self) -> TopologyId {
        let id = self.store("corp", topology("172.20.0", &["web"]), "host-1").await;
        assert_eq!(self.deploy(id).await.expect("deployed"), Status::Active);
        id
    }

    pub(super) async fn deploy(&self, id: TopologyId) -> Result<Status, EngineError> {
        let cancel = CancellationToken::new();
        let outcome = self.master.deploy(id, DeployOptions::default(), &cancel).await?;
        assert_eq!(outcome.reason, None);
        Ok(outcome.row.status)
    }

    pub(super) async fn status(&self, id: TopologyId) -> Status {
        self.repo.get(id).await.expect("a row").status
    }

    /// Returns the containers of the host, with the times of their starts.
    pub(super) fn containers(&self) -> Vec<(String, Option<Timestamp>)> {
        containers_of(&self.simulated)
    }

    pub(super) fn remote_topologies(&self) -> RemoteTopologies {
        RemoteTopologies::new(&self.stage.remote(self.agent.address))
    }

    /// Has the host of the store send a heartbeat with what its agent has.
    pub(super) async fn heartbeat(&self) {
        let state = self.remote_topologies().state().await.expect("a state");
        let mut report = HostReport::default();
        report.health.answers = true;
        if let Some(applied) = state.applied {
            report.topology = Some(applied.topology);
            report.version_hash = applied.version_hash;
            report.settings_digest = applied.settings_digest;
        }
        let text = serde_json::to_string(&report).expect("JSON");
        let address = self.agent.address.to_string();
        self.repo
            .host_heard(self.stage.host, &address, &text, Timestamp::now())
            .await
            .expect("heard");
    }

    /// Enrols the host of the stage in the store.
    pub(super) async fn enrol(&self) {
        let id = decnet_topology::rng::enrolment_id();
        let expires_at = Timestamp::now() + jiff::SignedDuration::from_mins(1);
        let enrolment = decnet_topology::Enrolment::new(
            id,
            (self.stage.host, name("host-1")),
            HostProfile::default(),
            "digest".to_owned(),
            expires_at,
        );
        self.repo
            .add_enrolment(enrolment, Timestamp::now())
            .await
            .expect("added");
        let address = self.agent.address.to_string();
        self.repo
            .enroll_host(id, &address, Timestamp::now())
            .await
            .expect("enrolled");
    }
}

/// Returns the containers of a host, with the times of their starts.
pub(super) fn containers_of(simulated: &Simulated) -> Vec<(String, Option<Timestamp>)> {
    let world = simulated.world();
    let containers = world.containers.iter();
    containers
        .map(|(name, one)| (name.to_string(), one.started_at))
        .collect()
}
