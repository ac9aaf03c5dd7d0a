//! An agent that no master answers any more removes what masters made on its host.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use decnet_engine::{
    AgentFolder, AgentMaster, AgentOptions, Credentials, DecoyImage, DeployOptions, Engine, EngineOptions, Observed,
    RemoteOptions, RemoteRuntime, RemoteTopologies, Runtime, RuntimeError, Scope, TopologyPush, agent,
    simulated::{Moment, Simulated},
};
use decnet_topology::{Catalog, MemoryRepo, NewTopology, SqliteRepo, Status, Topology, TopologyStore, rng};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use tokio::{net::TcpListener, time};
use tokio_util::sync::CancellationToken;

use super::{
    joining::Master,
    stage::{RunningAgent, fence, fence_of, name},
};

/// How long masters may be silent, and the period of heartbeats.
const LIMIT: Duration = Duration::from_millis(600);
const EVERY: Duration = Duration::from_millis(50);

/// How long something that happens may take: the pauses after failed heartbeats grow from a second.
const SOON: Duration = Duration::from_secs(40);

/// A host that has joined, with a runtime.
struct Host {
    master: Master,
    joined: Credentials,
    folder: TempDir,
    runtime: Arc<dyn Runtime>,
    image: DecoyImage,
    /// The store of a master that uses the runtime of the host.
    repo: Arc<MemoryRepo>,
}

impl Host {
    async fn new(runtime: Arc<dyn Runtime>, image: DecoyImage, repo: Arc<MemoryRepo>) -> Self {
        let master = Master::start(SignedDuration::ZERO).await;
        let joined = master.joined().await;
        Self {
            master,
            joined,
            folder: tempfile::tempdir().expect("a folder"),
            runtime,
            image,
            repo,
        }
    }

    async fn simulated() -> (Self, Simulated) {
        let simulated = Simulated::new().with_links();
        let image = DecoyImage::pack(b"program");
        let host = Self::new(Arc::new(simulated.clone()), image, Arc::new(MemoryRepo::new())).await;
        (host, simulated)
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("agent")
    }

    fn options(&self) -> EngineOptions {
        EngineOptions::new(Catalog::builtin()).image(Arc::new(self.image.clone()))
    }

    async fn agent(&self, orphan_after: Option<Duration>) -> RunningAgent {
        let state = AgentFolder::open(self.state()).expect("a folder");
        let repo = SqliteRepo::open(state.store()).expect("a store");
        let engine = Engine::new(Arc::new(repo), Arc::clone(&self.runtime), self.options());
        let options = AgentOptions::default()
            .master(AgentMaster::new(self.master.place()).every(EVERY))
            .folder(state)
            .orphan_after(orphan_after);
        self.master
            .stage
            .start_engine(engine, options, self.joined.clone())
            .await
    }

    /// Returns the runtime of the host, as a master sees it.
    fn remote(&self, agent: &RunningAgent) -> RemoteRuntime {
        let host = self.joined.identity().subject().host().expect("a host");
        let address = agent.address.to_string();
        let options = RemoteOptions::new(host, name("host-1"), address).timeout(SOON);
        RemoteRuntime::new(&self.master.stage.master, options).expect("an address")
    }

    /// Deploys a maze by the runtime of the host.
    async fn deploy(&self, agent: &RunningAgent, subnet: &str, web: &str) {
        let engine = Engine::new(self.repo.clone(), Arc::new(self.remote(agent)), self.options());
        let builder = Topology::builder().dmz("dmz", subnet);
        let maze = builder.decky("web", |decky| decky.on("dmz", web).services(["http"]));
        let new = NewTopology::new("corp".parse().expect("a name"), maze.build().expect("a maze"));
        let id = self.repo.create(new, Timestamp::now()).await.expect("stored").row.id;
        let deployed = engine
            .deploy(id, DeployOptions::default(), &CancellationToken::new())
            .await;
        assert_eq!(deployed.expect("deployed").row.status, Status::Active);
    }

    /// Pushes a topology.
    async fn push(&self, agent: &RunningAgent) {
        let builder = Topology::builder().dmz("dmz", "172.20.0.0/24");
        let maze = builder.decky("db", |decky| decky.on("dmz", "172.20.0.2").services(["ssh"]));
        let mut new = NewTopology::new("pushed".parse().expect("a name"), maze.build().expect("a maze"));
        new.id = Some(rng::topology_id());
        let push = TopologyPush::new(&new.as_stored(Timestamp::now()));
        let topologies = RemoteTopologies::new(&self.remote(agent)).with_fence(fence(1));
        let topologies = topologies.with_fence(fence_of(&push));
        assert_eq!(topologies.apply(&push).await.expect("applied").status, Status::Active);
    }

    /// Observes what a master made.
    async fn observe(&self) -> Observed {
        let instance = self.repo.instance().await.expect("an instance");
        let observed = self.runtime.inspect(Scope::Instance(instance)).await;
        observed.expect("it answers")
    }

    /// Waits until nothing of a master is there, and the agent has forgotten its store.
    async fn is_cleared(&self) {
        let cleared = async {
            while !self.observe().await.is_empty() || !self.instances().is_empty() {
                time::sleep(Duration::from_millis(50)).await;
            }
        };
        time::timeout(SOON, cleared).await.expect("removed in time");
    }

    fn instances(&self) -> String {
        fs::read_to_string(self.state().join("instances")).unwrap_or_default()
    }
}

async fn stop(agent: RunningAgent) {
    agent.stop.cancel();
    agent.task.await.expect("no panic").expect("no error");
}

#[tokio::test]
async fn everything_is_removed_when_no_master_answers_and_not_before() {
    let (host, simulated) = Host::simulated().await;
    let agent = host.agent(Some(LIMIT)).await;
    host.deploy(&agent, "172.21.0.0/24", "172.21.0.2").await;
    host.push(&agent).await;
    let instance = host.repo.instance().await.expect("an instance");
    assert_eq!(host.instances(), format!("{instance}\n"));
    let made = simulated.world().containers.len();
    time::sleep(3 * LIMIT).await;
    assert_eq!((simulated.world().containers.len(), made), (4, 4), "the master answers");

    host.master.stop();
    host.is_cleared().await;
    let pushed = async {
        while !simulated.world().containers.is_empty() {
            time::sleep(Duration::from_millis(20)).await;
        }
    };
    time::timeout(SOON, pushed).await.expect("the pushed topology too");
    let world = simulated.world();
    assert!(
        world.networks.is_empty() && world.volumes.is_empty(),
        "{:?}",
        world.networks
    );

    // A master that comes back deploys again.
    let engine = Engine::new(host.repo.clone(), Arc::new(host.remote(&agent)), host.options());
    let id = engine.find("corp").await.expect("stored").id;
    let healed = engine.reconcile(id, false, &CancellationToken::new()).await;
    assert_eq!(healed.expect("healed").row.status, Status::Active);
    assert_eq!(host.observe().await.containers.len(), 2);
    assert_eq!(host.instances(), format!("{instance}\n"));
    stop(agent).await;
}

#[tokio::test]
async fn without_the_option_nothing_is_removed() {
    let (host, simulated) = Host::simulated().await;
    let agent = host.agent(None).await;
    host.deploy(&agent, "172.21.0.0/24", "172.21.0.2").await;
    host.master.stop();
    time::sleep(Duration::from_secs(4)).await;
    assert_eq!(simulated.world().containers.len(), 2);
    stop(agent).await;
}

#[tokio::test]
async fn a_restart_forgets_neither_the_silence_nor_what_masters_made() {
    let (host, simulated) = Host::simulated().await;
    // The option comes later.
    let first = host.agent(None).await;
    host.deploy(&first, "172.21.0.0/24", "172.21.0.2").await;
    stop(first).await;
    host.master.stop();
    // The last answer was two days ago.
    let answered = Timestamp::now() - SignedDuration::from_hours(48);
    fs::write(host.state().join("answered"), format!("{answered}\n")).expect("written");
    let second = host.agent(Some(Duration::from_hours(24))).await;
    assert_eq!(
        simulated.world().containers.len(),
        2,
        "heartbeats must fail for a period first"
    );
    host.is_cleared().await;
    stop(second).await;
}

#[tokio::test]
async fn what_could_not_be_removed_is_tried_again() {
    let (host, simulated) = Host::simulated().await;
    let agent = host.agent(Some(LIMIT)).await;
    host.deploy(&agent, "172.21.0.0/24", "172.21.0.2").await;
    let reason = "busy".into();
    simulated.fail(1, Moment::Before, RuntimeError::Refused { reason });
    host.master.stop();
    host.is_cleared().await;
    stop(agent).await;
}

#[tokio::test]
async fn a_revoked_agent_removes_everything_when_the_time_is_over_and_ends_then() {
    let (host, simulated) = Host::simulated().await;
    let limit = Duration::from_secs(2);
    let agent = host.agent(Some(limit)).await;
    host.deploy(&agent, "172.21.0.0/24", "172.21.0.2").await;
    host.push(&agent).await;
    let id = host.joined.identity().subject().host().expect("a host");
    host.master.revoke(id).await;
    time::sleep(limit / 2).await;
    assert!(!agent.task.is_finished(), "the host may join again until then");
    assert_eq!(simulated.world().containers.len(), 4);
    let ended = time::timeout(SOON, agent.task)
        .await
        .expect("it ends")
        .expect("no panic");
    let error = ended.expect_err("revoked");
    assert_eq!(error.code(), "host_revoked");
    let said = error.to_string();
    assert!(said.ends_with("; nothing of its mazes is left here"), "{said}");
    assert!(simulated.world().containers.is_empty());
}

#[tokio::test]
async fn a_revoked_agent_without_the_option_says_what_it_leaves() {
    let (host, simulated) = Host::simulated().await;
    let agent = host.agent(None).await;
    host.deploy(&agent, "172.21.0.0/24", "172.21.0.2").await;
    let id = host.joined.identity().subject().host().expect("a host");
    host.master.revoke(id).await;
    let ended = time::timeout(SOON, agent.task)
        .await
        .expect("it ends")
        .expect("no panic");
    let said = ended.expect_err("revoked").to_string();
    assert!(said.ends_with("; 2 containers of its mazes are still here"), "{said}");
    assert_eq!(simulated.world().containers.len(), 2);
}

#[tokio::test]
async fn the_option_needs_a_master() {
    let (host, _) = Host::simulated().await;
    let engine = Engine::new(Arc::new(MemoryRepo::new()), Arc::clone(&host.runtime), host.options());
    let options = AgentOptions::default().orphan_after(LIMIT);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let error = agent::serve(engine, host.joined.clone(), options, listener).await;
    let error = error.expect_err("refused").to_string();
    assert!(error.contains("needs a master"), "{error}");
}

#[cfg(feature = "docker")]
#[tokio::test]
#[ignore = "needs Docker"]
async fn everything_is_removed_from_docker_when_no_master_answers() {
    let repo = Arc::new(MemoryRepo::new());
    let image = crate::docker::lab::own_decoy(repo.instance().await.expect("an instance"));
    let docker = crate::docker::lab::connect(&image).await;
    let host = Host::new(Arc::new(docker), image, repo).await;
    // A deploy has no heartbeat to wait for, but it must not take longer than the limit.
    let agent = host.agent(Some(Duration::from_secs(3))).await;
    host.deploy(&agent, "10.213.77.0/24", "10.213.77.2").await;
    let made = host.observe().await;
    assert_eq!((made.containers.len(), made.networks.len()), (2, 1));
    host.master.stop();
    host.is_cleared().await;
    stop(agent).await;
}
