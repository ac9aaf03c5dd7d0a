//! Topologies that a master pushes to an agent.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use decnet_engine::{
    Action, AgentLogs, AgentOptions, AppliedTopology, CancellationToken, ContainerName, DecoyImage, DeployOptions,
    Engine, EngineOptions, Fence, LogTarget, PeerError, RemoteTopologies, Runtime as _, RuntimeError, TopologyPush,
    naming,
    simulated::{Moment, Simulated},
};
use decnet_topology::{
    Catalog, DeploySettings, NewTopology, SqliteRepo, Status, StoredTopology, Topology, TopologyId, TopologyStore as _,
    rng,
};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::time;

use super::{
    play::topology,
    stage::{RunningAgent, Stage, fence, fence_of},
};

/// An agent with a store in a file.
struct Play {
    stage: Stage,
    simulated: Simulated,
    agent: RunningAgent,
    topologies: RemoteTopologies,
    folder: TempDir,
}

impl Play {
    /// Returns the start times of the containers.
    fn starts(&self) -> Vec<Option<Timestamp>> {
        let world = self.simulated.world();
        world.containers.values().map(|one| one.started_at).collect()
    }

    async fn new() -> Self {
        Self::on(Stage::new(), Simulated::new(), tempfile::tempdir().expect("a folder")).await
    }

    async fn on(stage: Stage, simulated: Simulated, folder: TempDir) -> Self {
        let repo = SqliteRepo::open(folder.path().join("topology.db"));
        let image = DecoyImage::pack(b"program");
        let options = EngineOptions::new(Catalog::builtin()).image(Arc::new(image));
        let engine = Engine::new(Arc::new(repo.expect("a store")), Arc::new(simulated.clone()), options);
        let logs = AgentLogs::new(LogTarget::file(folder.path().join("visits"))).cursor(folder.path().join("cursor"));
        let options = AgentOptions::default().logs(logs);
        let agent = stage.start_engine(engine, options, stage.agent_credentials()).await;
        Self {
            topologies: RemoteTopologies::new(&stage.remote(agent.address)),
            stage,
            simulated,
            agent,
            folder,
        }
    }

    /// Stops the agent and starts another one with its store.
    async fn restart(self) -> Self {
        self.agent.stop.cancel();
        self.agent.task.await.expect("no panic").expect("no error");
        Self::on(self.stage, self.simulated, self.folder).await
    }

    /// Returns the agent, for the holder of the lease of a push.
    fn holder(&self, push: &TopologyPush) -> RemoteTopologies {
        self.topologies.with_fence(fence_of(push))
    }

    async fn apply(&self, push: &TopologyPush) -> AppliedTopology {
        self.holder(push).apply(push).await.expect("applied")
    }

    async fn refused(&self, push: &TopologyPush) -> String {
        let error = self.holder(push).apply(push).await.expect_err("refused");
        assert!(matches!(error, PeerError::Refused { .. }), "{error:?}");
        error.code().to_owned()
    }

    /// Returns the path of the collected logs.
    fn visits(&self) -> PathBuf {
        self.folder.path().join("visits")
    }

    /// Waits until a line is among the collected logs.
    async fn read(&self, line: &str) {
        let read = async {
            while !fs::read_to_string(self.visits()).is_ok_and(|text| text.contains(line)) {
                time::sleep(Duration::from_millis(10)).await;
            }
        };
        time::timeout(Duration::from_secs(20), read)
            .await
            .expect("the line in time");
    }

    /// Returns the name of a container of a service.
    fn service(&self) -> ContainerName {
        let world = self.simulated.world();
        let service = world.containers.iter().find_map(|(name, container)| {
            let role = container.labels.get(naming::ROLE)?;
            (role == "service").then(|| name.clone())
        });
        service.expect("a service")
    }

    /// Returns the names of the containers.
    fn containers(&self) -> Vec<String> {
        self.simulated
            .world()
            .containers
            .keys()
            .map(ToString::to_string)
            .collect()
    }
}

fn stored(name: &str, id: TopologyId, deckies: &[&str]) -> StoredTopology {
    let mut builder = Topology::builder().dmz("dmz", "172.20.0.0/24");
    for (at, decky) in deckies.iter().enumerate() {
        builder = builder.decky(decky, |decky| {
            decky.on("dmz", &format!("172.20.0.{}", at + 10)).services(["http"])
        });
    }
    let topology = builder.build().expect("a topology");
    let mut new = NewTopology::new(name.parse().expect("a name"), topology);
    new.id = Some(id);
    new.as_stored(Timestamp::now())
}

fn push(name: &str, id: TopologyId, deckies: &[&str]) -> TopologyPush {
    TopologyPush::new(&stored(name, id, deckies))
}

#[tokio::test]
async fn a_push_is_deployed_changed_and_torn_down() {
    let play = Play::new().await;
    let state = play.topologies.state().await.expect("a state");
    assert_eq!((state.applied, state.observed.is_empty()), (None, true));
    assert_eq!(play.topologies.teardown().await.expect("nothing to do"), None);

    let id = rng::topology_id();
    let first = push("corp", id, &["web"]);
    let applied = play.apply(&first).await;
    assert_eq!((applied.topology, applied.status), (id, Status::Active));
    assert_eq!(applied.version_hash, first.version_hash);
    assert!(applied.changed > 0);
    let starts = play.starts();

    // A push whose answer was lost is repeated.
    assert_eq!(play.apply(&first).await.changed, 0);

    let second = push("corp", id, &["web", "db"]);
    let applied = play.apply(&second).await;
    assert_eq!((applied.topology, &applied.version_hash), (id, &second.version_hash));
    let state = play.topologies.state().await.expect("a state");
    assert_eq!(state.observed.containers.len(), 4);
    assert_eq!(state.applied.expect("it is applied").version_hash, second.version_hash);
    let now = play.starts();
    assert!(
        starts.iter().all(|start| now.contains(start)),
        "what did not change was not touched"
    );

    let gone = play
        .topologies
        .teardown()
        .await
        .expect("torn down")
        .expect("it was applied");
    assert_eq!((gone.status, gone.version_hash.as_str()), (Status::TornDown, ""));
    assert_eq!(play.containers(), [""; 0]);
    let state = play.topologies.state().await.expect("a state");
    assert_eq!((state.applied, state.observed.is_empty()), (None, true));
}

#[tokio::test]
async fn another_topology_tears_down_its_predecessor_first() {
    let play = Play::new().await;
    play.apply(&push("corp", rng::topology_id(), &["web"])).await;
    // It has the same subnet, so it needs the teardown.
    let id = rng::topology_id();
    let applied = play.apply(&push("lab", id, &["db"])).await;
    assert_eq!((applied.topology, applied.status), (id, Status::Active));
    let names = play.containers();
    assert!(
        names.len() == 2 && names.iter().all(|name| name.contains("_db")),
        "{names:?}"
    );
    // Without an id, the name decides.
    let mut without_id = push("LAB", rng::topology_id(), &["db"]);
    let start = without_id.document.find("\"id\"").expect("an id");
    let end = start + without_id.document[start..].find(',').expect("more") + 1;
    without_id.document.replace_range(start..end, "");
    without_id.document = without_id.document.replace("LAB", "lab");
    let applied = play.apply(&without_id).await;
    assert_eq!((applied.topology, applied.changed), (id, 0));
}

#[tokio::test]
async fn a_push_whose_hash_or_document_is_wrong_is_refused_and_changes_nothing() {
    let play = Play::new().await;
    let good = push("corp", rng::topology_id(), &["web"]);
    play.apply(&good).await;
    let with = |change: &dyn Fn(&mut TopologyPush)| {
        let mut push = push("other", rng::topology_id(), &["db"]);
        change(&mut push);
        push
    };
    let other_hash = with(&|push| push.version_hash = "0".repeat(64));
    assert_eq!(play.refused(&other_hash).await, "hash_mismatch");
    let changed = with(&|push| push.document = push.document.replace("172.20.0.10", "172.20.0.11"));
    assert_eq!(play.refused(&changed).await, "hash_mismatch");
    let open = with(&|push| push.document = push.document.replace("\"subnet\": \"172.20.0.0/24\",", ""));
    assert!(["hash_mismatch", "invalid"].contains(&play.refused(&open).await.as_str()));
    let no_maze = with(&|push| push.document = "text".into());
    assert_eq!(play.refused(&no_maze).await, "invalid");
    let applied = play
        .topologies
        .state()
        .await
        .expect("a state")
        .applied
        .expect("it is applied");
    assert_eq!(
        (applied.name.as_str(), applied.version_hash),
        ("corp", good.version_hash)
    );
    assert_eq!(play.containers().len(), 2);
}

#[tokio::test]
async fn a_failed_push_keeps_its_document_reports_no_hash_and_can_be_repeated() {
    let play = Play::new().await;
    let id = rng::topology_id();
    let first = push("corp", id, &["web"]);
    let full = RuntimeError::Refused {
        reason: "no space left on device".into(),
    };
    play.simulated.fail_where(
        |action| matches!(action, Action::CreateBase { .. }),
        Moment::Before,
        full.clone(),
    );
    assert_eq!(play.refused(&first).await, "deploy_failed");
    let applied = play
        .topologies
        .state()
        .await
        .expect("a state")
        .applied
        .expect("it is kept");
    assert_eq!((applied.topology, applied.status), (id, Status::Failed));
    assert_eq!(applied.version_hash, "");
    play.simulated.reconnect();
    let applied = play.apply(&first).await;
    assert_eq!((applied.topology, applied.version_hash), (id, first.version_hash));

    // A change of what runs that fails.
    play.simulated.fail_where(
        |action| matches!(action, Action::CreateBase { .. }),
        Moment::Before,
        full,
    );
    let second = push("corp", id, &["web", "db"]);
    let _ = play.holder(&second).apply(&second).await;
    let applied = play
        .topologies
        .state()
        .await
        .expect("a state")
        .applied
        .expect("it is kept");
    assert_eq!((applied.status, applied.version_hash.as_str()), (Status::Degraded, ""));
    play.simulated.reconnect();
    let applied = play.apply(&second).await;
    assert_eq!((applied.topology, applied.version_hash), (id, second.version_hash));
}

#[tokio::test]
async fn the_lease_of_another_topology_is_refused() {
    let play = Play::new().await;
    let id = rng::topology_id();
    let other = Fence {
        topology: rng::topology_id(),
        ..fence(7)
    };
    let remote = RemoteTopologies::new(&play.stage.remote(play.agent.address)).with_fence(other);
    let refused = remote.apply(&push("corp", id, &["web"])).await.expect_err("refused");
    assert_eq!(refused.code(), "other_topology");
    assert_eq!(play.containers(), [""; 0]);
}

#[tokio::test]
async fn a_change_that_was_interrupted_is_reported_and_finished_by_the_next_push() {
    let play = Play::new().await;
    let id = rng::topology_id();
    play.apply(&push("corp", id, &["web"])).await;
    play.simulated.cut_off(3, Moment::Before);
    let second = push("corp", id, &["web", "db"]);
    assert_eq!(play.refused(&second).await, "mutation_queued");
    play.simulated.reconnect();
    let play = play.restart().await;
    let applied = async |play: &Play| play.topologies.state().await.expect("a state").applied;
    let interrupted = applied(&play).await.expect("it is kept");
    assert_eq!((interrupted.topology, &*interrupted.version_hash), (id, ""));
    // The master may push the same again, or what it has stored since.
    for deckies in [&["web", "db"][..], &["web", "mail"], &["web"]] {
        let wanted = push("corp", id, deckies);
        let pushed = play.apply(&wanted).await;
        assert_eq!((pushed.status, &pushed.reason), (Status::Active, &None));
        assert_eq!(
            applied(&play).await.expect("it is there").version_hash,
            wanted.version_hash
        );
        assert_eq!(play.containers().len(), 2 * deckies.len());
    }
}

#[tokio::test]
async fn a_restart_keeps_what_was_applied_and_does_not_touch_the_runtime() {
    let play = Play::new().await;
    let id = rng::topology_id();
    let pushed = push("corp", id, &["web"]);
    play.apply(&pushed).await;
    play.simulated.cut_off(1, Moment::Before);
    let last = Action::RemoveImage {
        reference: "x".into(),
        host: None,
    };
    let cut = play.simulated.perform(rng::instance_id(), &last).await;
    cut.expect_err("the daemon is cut off");
    play.simulated.clear_log();
    // The daemon does not answer, and nobody asks it.
    let play = play.restart().await;
    assert!(play.simulated.log().is_empty());
    let error = play.topologies.state().await.expect_err("the daemon is gone");
    assert_eq!(error.code(), "docker_unreachable");
    play.simulated.reconnect();
    let applied = play
        .topologies
        .state()
        .await
        .expect("a state")
        .applied
        .expect("it is applied");
    assert_eq!((applied.topology, &applied.version_hash), (id, &pushed.version_hash));
    assert_eq!(play.apply(&pushed).await.changed, 0);
}

#[tokio::test]
async fn two_pushes_at_the_same_time_wait_for_each_other() {
    let play = Play::new().await;
    let pushed = push("corp", rng::topology_id(), &["web", "db"]);
    let (one, other) = tokio::join!(play.apply(&pushed), play.apply(&pushed));
    let changed = [one, other].map(|applied| applied.changed);
    assert!(
        changed.contains(&0) && changed.iter().any(|changed| *changed > 0),
        "{changed:?}"
    );
}

#[tokio::test]
async fn settings_and_a_catalogue_are_pushed_too() {
    let play = Play::new().await;
    let own = Catalog::builtin()
        .extend_from_toml("[services.till]\nports = [\"9100/tcp\"]\nbanner = \"till\"\n")
        .expect("a catalogue");
    let topology = Topology::builder()
        .dmz("dmz", "172.20.0.0/24")
        .decky("shop", |decky| decky.on("dmz", "172.20.0.10").services(["till"]))
        .build()
        .expect("a topology");
    let new =
        NewTopology::new("shop".parse().expect("a name"), topology.clone()).catalog(topology.catalog_excerpt(&own));
    let stored = new.as_stored(Timestamp::now());
    let pushed = TopologyPush::new(&stored);
    let applied = play.apply(&pushed).await;
    assert_eq!(applied.version_hash, pushed.version_hash);
    let digest = AppliedTopology::digest(&stored.row.catalog, &DeploySettings::default());
    assert_eq!(applied.settings_digest, digest);
}

#[tokio::test]
async fn logs_are_collected_from_the_first_push_on() {
    let play = Play::new().await;
    assert!(!play.visits().exists(), "nobody has pushed anything");
    play.apply(&push("corp", rng::topology_id(), &["web"])).await;
    let service = play.service();
    play.simulated.print(&service, "a visitor");
    play.read("a visitor").await;
    // After a restart they are collected without another push, as soon as the runtime answers.
    play.simulated.go_away();
    let play = play.restart().await;
    play.simulated.reconnect();
    play.simulated.print(&service, "a second visitor");
    play.read("a second visitor").await;
    // The agent ends although the logs are followed.
    play.agent.stop.cancel();
    let ended = time::timeout(Duration::from_secs(20), play.agent.task).await;
    ended.expect("it ends").expect("no panic").expect("no error");
}

#[tokio::test]
async fn logs_are_collected_again_after_the_cursor_could_not_be_written() {
    let play = Play::new().await;
    play.apply(&push("corp", rng::topology_id(), &["web"])).await;
    let (service, cursor) = (play.service(), play.folder.path().join("cursor"));
    play.simulated.print(&service, "a visitor");
    play.read("a visitor").await;
    while !cursor.exists() {
        time::sleep(Duration::from_millis(10)).await;
    }
    // A file cannot replace a folder, also not for root.
    fs::remove_file(&cursor).expect("removed");
    fs::create_dir(&cursor).expect("created");
    play.simulated.print(&service, "a second visitor");
    play.read("a second visitor").await;
    fs::remove_dir(&cursor).expect("removed");
    play.simulated.print(&service, "a third visitor");
    play.read("a third visitor").await;
}

#[tokio::test]
async fn a_teardown_of_everything_goes_on_after_a_failure_and_reports_all() {
    let play = Play::new().await;
    play.apply(&push("corp", rng::topology_id(), &["web"])).await;
    // A program of an earlier version may have left another one.
    let repo = Arc::new(SqliteRepo::open(play.folder.path().join("topology.db")).expect("the store"));
    let new = NewTopology::new("lab".parse().expect("a name"), topology("172.20.1", &["db"]));
    let lab = repo.create(new, Timestamp::now()).await.expect("stored").row.id;
    let engine = Engine::new(repo, Arc::new(play.simulated.clone()), super::play::options());
    let deployed = engine
        .deploy(lab, DeployOptions::default(), &CancellationToken::new())
        .await;
    assert_eq!(deployed.expect("deployed").row.status, Status::Active);

    play.simulated.fail_where(
        |action| matches!(action, Action::RemoveNetwork { .. }),
        Moment::Before,
        RuntimeError::Refused { reason: "busy".into() },
    );
    let error = play.topologies.teardown().await.expect_err("refused");
    assert_eq!(error.code(), "teardown_incomplete");
    let said = error.to_string();
    assert!(said.contains("`corp`") && said.contains("`lab`"), "{said}");
    assert_eq!(play.containers(), [""; 0]);
    play.simulated.reconnect();
    play.topologies.teardown().await.expect("torn down");
    assert!(play.simulated.world().networks.is_empty());
}
