//! A host that joined a master, with a relay in each direction: one for its heartbeats, one for the requests of its master.

use std::{sync::Arc, time::Duration};

use decnet_engine::{
    AgentMaster, AgentOptions, AgentPlace, CancellationToken, Credentials, DecoyImage, DeployOptions, Engine,
    EngineOptions, HostState, StoreFleet, agent, simulated::Simulated,
};
use decnet_topology::{
    Catalog, DeploySettings, HostRow, HostStore as _, MemoryRepo, Mode, NewTopology, Status, TopologyId,
    TopologyStore as _,
};
use jiff::{SignedDuration, Timestamp};
use tokio::{net::TcpListener, time};

use super::{
    joining::Master,
    play::{SOON, containers_of, topology},
    relay::Relay,
    stage::{RunningAgent, name},
};

/// The period of heartbeats.
pub(super) const EVERY: Duration = Duration::from_millis(50);

pub(super) struct Wired {
    pub(super) master: Master,
    /// The engine of the master.
    pub(super) engine: Engine,
    pub(super) simulated: Simulated,
    pub(super) joined: Credentials,
    pub(super) agent: RunningAgent,
    pub(super) heartbeats: Relay,
    pub(super) requests: Relay,
}

fn options() -> EngineOptions {
    EngineOptions::new(Catalog::builtin()).image(Arc::new(DecoyImage::pack(b"program")))
}

impl Wired {
    pub(super) async fn new() -> Self {
        Self::over(async |target| Relay::to(target).await).await
    }

    /// Starts both on a network that the caller makes.
    pub(super) async fn over(network: impl AsyncFn(std::net::SocketAddr) -> Relay) -> Self {
        let master = Master::start(SignedDuration::ZERO).await;
        let joined = master.joined().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (heartbeats, requests) = (network(master.address).await, network(address).await);
        let simulated = Simulated::new().with_links();
        let store = Engine::new(Arc::new(MemoryRepo::new()), Arc::new(simulated.clone()), options());
        let place = AgentPlace::new(heartbeats.address.to_string(), requests.address.to_string());
        let fleet = StoreFleet::new(master.repo.clone(), name("first")).fresh(Duration::ZERO);
        let fleet = fleet.with_local(Arc::new(Simulated::new()));
        Self {
            engine: Engine::new(master.repo.clone(), Arc::new(fleet), options()),
            agent: start(store, &joined, place, listener),
            master,
            simulated,
            joined,
            heartbeats,
            requests,
        }
    }

    /// Starts another agent of the host, as after a restart. It has an address of its own, reaches the master without the relay, and
    /// reports an address that nobody has.
    pub(super) async fn restarted(&self, reported: &str) -> RunningAgent {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let store = Engine::new(Arc::new(MemoryRepo::new()), Arc::new(self.simulated.clone()), options());
        let place = AgentPlace::new(self.master.address.to_string(), reported);
        start(store, &self.joined, place, listener)
    }

    /// Deploys a maze of one decky over the hosts, or by the agent of the host, and returns its id.
    pub(super) async fn deploy(&self, mode: Mode) -> TopologyId {
        self.heard_after(Timestamp::UNIX_EPOCH).await;
        let new = NewTopology::new("corp".parse().expect("a name"), topology("172.20.0", &["web"])).mode(mode);
        let new = match mode {
            Mode::Agent => new.host("host-1".to_owned()),
            _ => new.settings(DeploySettings::default().hosts([name("host-1")])),
        };
        let id = self
            .master
            .repo
            .create(new, Timestamp::now())
            .await
            .expect("stored")
            .row
            .id;
        let cancel = CancellationToken::new();
        let deployed = self.engine.deploy(id, DeployOptions::default(), &cancel).await;
        assert_eq!(deployed.expect("deployed").row.status, Status::Active);
        id
    }

    /// Returns the containers of the host, with the times of their starts.
    pub(super) fn containers(&self) -> Vec<(String, Option<Timestamp>)> {
        containers_of(&self.simulated)
    }

    pub(super) async fn host(&self) -> HostRow {
        self.master.repo.hosts().await.expect("hosts").pop().expect("a host")
    }

    /// Waits for a heartbeat after a time, and returns its time.
    pub(super) async fn heard_after(&self, at: Timestamp) -> Timestamp {
        let heard = async {
            loop {
                match self.host().await.last_heartbeat() {
                    Some(heard) if heard > at => return heard,
                    _ => time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        time::timeout(SOON, heard).await.expect("a heartbeat in time")
    }

    /// Returns the state of the host, as a list of hosts shows it some seconds after its last heartbeat.
    pub(super) async fn state_after(&self, seconds: i64) -> HostState {
        let host = self.host().await;
        let heard = host.heard_at.expect("it was heard");
        HostState::of(&host, heard + SignedDuration::from_secs(seconds))
    }
}

fn start(engine: Engine, joined: &Credentials, place: AgentPlace, listener: TcpListener) -> RunningAgent {
    let options = AgentOptions::default().master(AgentMaster::new(place).every(EVERY));
    let address = listener.local_addr().expect("an address");
    RunningAgent {
        address,
        credentials: joined.clone(),
        stop: options.stop.clone(),
        task: tokio::spawn(agent::serve(engine, joined.clone(), options, listener)),
    }
}
