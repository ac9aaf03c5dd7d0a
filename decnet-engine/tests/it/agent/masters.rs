//! Two masters with one store and one agent.

use std::{sync::Arc, time::Duration};

use decnet_engine::{
    CancellationToken, DecoyImage, DeployOptions, Engine, EngineError, EngineOptions, Fence, RemoteTopologies,
    break_lease, simulated::Simulated,
};
use decnet_topology::{
    Catalog, Holder, LeaseStore as _, MemoryRepo, NewTopology, RepoError, Status, Topology, TopologyId,
    TopologyStore as _,
};
use jiff::{SignedDuration, Timestamp};
use tokio::time;

use super::stage::{RunningAgent, Stage};

/// How long something that happens may take.
const SOON: Duration = Duration::from_secs(20);

/// One agent, and a store for the masters.
struct Play {
    stage: Stage,
    simulated: Simulated,
    agent: RunningAgent,
    repo: Arc<MemoryRepo>,
}

impl Play {
    async fn new() -> Self {
        let (stage, simulated) = (Stage::new(), Simulated::new());
        Self {
            agent: stage.start(Arc::new(simulated.clone())).await,
            stage,
            simulated,
            repo: Arc::new(MemoryRepo::new()),
        }
    }

    /// Returns a master that runs mazes on the agent.
    fn master(&self) -> Engine {
        let options = EngineOptions::new(Catalog::builtin()).image(Arc::new(DecoyImage::pack(b"program")));
        let remote = self.stage.remote(self.agent.address);
        Engine::new(self.repo.clone(), Arc::new(remote), options)
    }

    async fn store(&self, name: &str, subnet: &str) -> TopologyId {
        let topology = Topology::builder().dmz("dmz", &format!("{subnet}.0/24"));
        let topology = topology.decky("web", |decky| {
            decky.on("dmz", &format!("{subnet}.10")).services(["http"])
        });
        let new = NewTopology::new(name.parse().expect("a name"), topology.build().expect("a topology"));
        self.repo.create(new, Timestamp::now()).await.expect("stored").row.id
    }

    async fn fence(&self, topology: TopologyId, generation: u64) -> Fence {
        let store = self.repo.instance().await.expect("an id");
        Fence {
            store,
            topology,
            generation,
        }
    }

    /// Lets the agent see a lease.
    async fn show(&self, fence: Fence) {
        let remote = self.stage.remote(self.agent.address);
        let topologies = RemoteTopologies::new(&remote).with_fence(fence);
        assert_eq!(topologies.teardown().await.expect("it is obeyed"), None);
    }
}

async fn deploy(master: &Engine, id: TopologyId) -> Result<Status, EngineError> {
    let deployed = master
        .deploy(id, DeployOptions::default(), &CancellationToken::new())
        .await;
    deployed.map(|outcome| outcome.row.status)
}

#[tokio::test]
async fn two_masters_work_on_different_mazes_of_one_agent_in_turn() {
    let play = Play::new().await;
    let (first, second) = (play.master(), play.master());
    let one = play.store("one", "172.20.0").await;
    let two = play.store("two", "172.20.1").await;
    assert_eq!(deploy(&first, one).await.expect("deployed"), Status::Active);
    assert_eq!(deploy(&second, two).await.expect("deployed"), Status::Active);
    let cancel = CancellationToken::new();
    for (master, id) in [(&first, one), (&second, two), (&second, one), (&first, two)] {
        let outcome = master.reconcile(id, false, &cancel).await.expect("reconciled");
        assert_eq!(outcome.row.status, Status::Active);
    }
    for (master, id) in [(&first, two), (&second, one)] {
        let outcome = master.teardown(id, &cancel).await.expect("torn down");
        assert_eq!(outcome.row.status, Status::TornDown);
    }
}

#[tokio::test]
async fn a_master_that_was_superseded_stops_and_undoes_nothing() {
    let play = Play::new().await;
    let master = play.master();
    let id = play.store("corp", "172.20.0").await;
    play.simulated.pace(Duration::from_millis(100));
    let takes_over = async {
        while play.simulated.log().is_empty() {
            time::sleep(Duration::from_millis(5)).await;
        }
        break_lease(play.repo.as_ref(), id).await.expect("broken");
        let holder = Holder {
            boot_id: "another host".into(),
            pid: 1,
            started: 1,
            label: "another".into(),
        };
        let hour = SignedDuration::from_hours(1);
        let lease = play.repo.acquire_lease(id, &holder, hour, None, Timestamp::now()).await;
        let fence = play.fence(id, lease.expect("acquired").generation).await;
        play.show(fence).await;
    };
    let (deployed, ()) = time::timeout(SOON, async { tokio::join!(deploy(&master, id), takes_over) })
        .await
        .expect("in time");
    assert!(
        matches!(deployed, Err(EngineError::Repo(RepoError::LeaseLost { .. }))),
        "{deployed:?}"
    );
    let row = play.repo.get(id).await.expect("stored");
    assert_eq!(row.status, Status::Deploying, "the status is that of the new holder");
    let before = play.simulated.world();
    assert!(!before.networks.is_empty(), "what was begun is not undone");
    assert!(before.containers.len() < 2, "nothing began afterwards");
}

#[tokio::test]
async fn a_store_that_was_restored_from_an_older_copy_works_again_after_one_refusal() {
    let play = Play::new().await;
    let master = play.master();
    let id = play.store("corp", "172.20.0").await;
    play.show(play.fence(id, 1_000).await).await;
    let refused = deploy(&master, id).await.expect_err("the agent has seen a newer lease");
    assert_eq!(refused.code(), "busy", "{refused:?}");
    assert_eq!(deploy(&master, id).await.expect("deployed"), Status::Active);
}

#[tokio::test]
async fn remains_on_an_agent_are_removed_although_there_is_no_lease() {
    let play = Play::new().await;
    let id = play.store("corp", "172.20.0").await;
    let master = play.master();
    deploy(&master, id).await.expect("deployed");
    // The store lost the row: another one with the same id has never heard of the maze.
    let options = decnet_engine::ReapOptions::default().instance(play.repo.instance().await.expect("an id"));
    let stranger = Engine::new(
        Arc::new(MemoryRepo::new()),
        Arc::new(play.stage.remote(play.agent.address)),
        EngineOptions::new(Catalog::builtin()),
    );
    let report = stranger.reap(options, &CancellationToken::new()).await.expect("reaped");
    let [reaped] = &report.orphans[..] else {
        panic!("{report:?}");
    };
    assert_eq!((&reaped.left[..], &reaped.errors[..]), (&[][..], &[][..]));
    assert!(play.simulated.world().containers.is_empty());
}
