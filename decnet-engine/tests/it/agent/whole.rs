//! Topologies of mode `agent`: a master owns their rows, and the agent of their host deploys them.

use std::time::Duration;

use decnet_engine::{
    Action, AppliedTopology, CancellationToken, Fence, LogItem, LogOptions, Replacement, WatchOptions, naming,
    simulated::Moment, watch,
};
use decnet_topology::{
    Catalog, Mutation, MutationFilter, MutationQueue as _, MutationState, NewMutation, Status, Topology,
    TopologyStore as _,
};
use jiff::Timestamp;
use tokio::time;

use super::play::{Play, SOON, topology};

#[tokio::test]
async fn a_maze_is_pushed_checked_changed_and_torn_down_by_its_agent() {
    let play = Play::new().await;
    let id = play.deployed().await;
    let state = play.remote_topologies().state().await.expect("a state");
    assert_eq!(state.applied.expect("it is applied").topology, id);
    let first = play.containers();
    assert_eq!(first.len(), 2);

    // The master sees the same as in its own runtime.
    let inspection = play.master.inspect(id).await.expect("inspected");
    assert!(inspection.deckies.iter().all(|decky| decky.base.is_some()));
    let cancel = CancellationToken::new();
    let outcome = play.master.reconcile(id, false, &cancel).await.expect("reconciled");
    assert_eq!((outcome.changed, outcome.reason), (0, None));

    let add =
        Mutation::from_json(r#"{"op": "add_decky", "payload": {"name": "db", "lan": "dmz", "services": ["ssh"]}}"#)
            .expect("a mutation");
    play.master
        .submit(id, NewMutation::new(add), None)
        .await
        .expect("queued");
    let finished = play.master.drain(id, &cancel).await.expect("drained");
    assert_eq!(finished[0].state, MutationState::Applied, "{finished:?}");
    let now = play.containers();
    assert_eq!(now.len(), 4);
    assert!(
        first.iter().all(|one| now.contains(one)),
        "what did not change was not touched"
    );

    let wanted = topology("172.20.0", &["web", "db", "mail"]);
    let replaced = play
        .master
        .replace(id, Replacement::new(wanted), &cancel)
        .await
        .expect("replaced");
    assert_eq!((replaced.row.status, replaced.reason), (Status::Active, None));
    assert_eq!(play.containers().len(), 6);

    let outcome = play.master.teardown(id, &cancel).await.expect("torn down");
    assert_eq!(outcome.row.status, Status::TornDown);
    let world = play.simulated.world();
    assert!(world.containers.is_empty() && world.networks.is_empty());
    let state = play.remote_topologies().state().await.expect("a state");
    assert_eq!(state.applied, None);
}

#[tokio::test]
async fn a_host_that_is_not_in_the_fleet_is_refused_and_nothing_changes() {
    let play = Play::new().await;
    let id = play.store("corp", topology("172.20.0", &["web"]), "far").await;
    let error = play.deploy(id).await.expect_err("refused");
    assert_eq!(error.code(), "agent_mode");
    assert!(
        error.to_string().contains("host far, which is not in the fleet"),
        "{error}"
    );
    assert_eq!(play.status(id).await, Status::Pending);
}

#[tokio::test]
async fn a_second_maze_for_the_same_agent_is_refused_until_the_first_is_gone() {
    let play = Play::new().await;
    let first = play.deployed().await;
    let second = play.store("lab", topology("172.20.1", &["web"]), "host-1").await;
    let before = play.containers();
    let error = play.deploy(second).await.expect_err("refused");
    assert_eq!(error.code(), "host_taken");
    assert_eq!(
        (play.status(second).await, play.containers()),
        (Status::Pending, before)
    );
    let cancel = CancellationToken::new();
    play.master.teardown(first, &cancel).await.expect("torn down");
    assert_eq!(play.deploy(second).await.expect("deployed"), Status::Active);
    // The teardown of a maze that the agent does not have leaves the other one alone.
    play.master.teardown(first, &cancel).await.expect("torn down");
    assert_eq!(play.containers().len(), 2);
}

#[tokio::test]
async fn a_refused_push_fails_the_deploy_and_leaves_nothing() {
    let play = Play::new().await;
    let id = play.store("corp", topology("172.20.0", &["web"]), "host-1").await;
    let refused = decnet_engine::RuntimeError::Refused { reason: "no".into() };
    play.simulated.fail(3, Moment::Before, refused);
    let error = play.deploy(id).await.expect_err("failed");
    assert_eq!(error.code(), "deploy_failed", "{error:?}");
    assert_eq!(play.status(id).await, Status::Failed);
    let world = play.simulated.world();
    assert!(world.containers.is_empty() && world.networks.is_empty());
}

#[tokio::test]
async fn the_loop_pushes_again_what_the_agent_has_lost() {
    let play = Play::new().await;
    let id = play.deployed().await;
    play.enrol().await;
    let stop = CancellationToken::new();
    let options = WatchOptions::default().poll(Duration::from_millis(50));
    let keeper = tokio::spawn({
        let (engine, stop) = (play.master.clone(), stop.clone());
        async move { watch(&engine, &options, &stop).await }
    });
    // Another master's hand, or a wiped store: the agent has nothing any more.
    let fence = Fence {
        store: play.repo.instance().await.expect("an id"),
        topology: id,
        generation: 1_000_000,
    };
    let remote = play.remote_topologies().with_fence(fence);
    remote.teardown().await.expect("torn down").expect("it had one");
    play.heartbeat().await;
    time::timeout(SOON, async {
        while play.containers().len() != 2 || play.repo.get(id).await.expect("a row").needs_resync {
            time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("it is pushed again");
    stop.cancel();
    keeper.await.expect("no panic").expect("no error");
    assert_eq!(play.status(id).await, Status::Active);
}

#[tokio::test]
async fn the_logs_of_a_pushed_maze_are_read_by_its_agent() {
    let play = Play::new().await;
    let id = play.deployed().await;
    let world = play.simulated.world();
    let service = world.containers.iter().find_map(|(name, one)| {
        let role = one.labels.get(naming::ROLE)?;
        (role == "service").then(|| name.clone())
    });
    play.simulated.print(&service.expect("a service"), "a visitor");
    let one = LogOptions::default().topology(Some(id));
    for options in [LogOptions::default(), one.clone()] {
        let mut logs = play.master.logs(options).await.expect("logs");
        let item = logs.next().await.expect("an item").expect("a line");
        let LogItem::Entry(entry) = item else {
            panic!("{item:?}")
        };
        assert_eq!((entry.topology, entry.decky.as_str()), (id, "web"));
        assert_eq!(entry.maze.as_ref().map(ToString::to_string), Some("corp".into()));
        assert!(logs.next().await.is_none());
    }

    // A silent agent is an error only for those who ask for its maze.
    let mut followed = play
        .master
        .logs(LogOptions::default().follow(true))
        .await
        .expect("logs");
    let first = followed.next().await.expect("an item").expect("a line");
    assert!(matches!(first, LogItem::Entry(_)), "{first:?}");
    play.agent.stop.cancel();
    time::sleep(Duration::from_millis(200)).await;
    let mut others = play.master.logs(LogOptions::default()).await.expect("logs");
    assert!(others.next().await.is_none());
    let error = play.master.logs(one).await.expect_err("silent");
    assert_eq!(error.code(), "agent_unreachable");
    // Its containers are not forgotten, so nothing is read again when it is back.
    let silent = time::timeout(Duration::from_secs(3), followed.next()).await;
    assert!(silent.is_err(), "{silent:?}");
}

#[tokio::test]
async fn a_push_that_succeeds_in_part_leaves_the_maze_degraded_with_the_reason_of_the_agent() {
    let play = Play::new().await;
    let id = play.deployed().await;
    let full = decnet_engine::RuntimeError::Refused {
        reason: "no space left on device".into(),
    };
    play.simulated.fail_where(
        |action| matches!(action, Action::CreateBase { .. }),
        Moment::Before,
        full,
    );
    let cancel = CancellationToken::new();
    let wanted = Replacement::new(topology("172.20.0", &["web", "db"]));
    let outcome = play.master.replace(id, wanted, &cancel).await.expect("stored");
    assert_eq!(outcome.row.status, Status::Degraded);
    let reason = outcome.reason.expect("a reason");
    assert!(
        reason.contains("push the maze to its agent") && reason.contains("no space left"),
        "{reason}"
    );

    play.simulated.reconnect();
    let outcome = play.master.reconcile(id, false, &cancel).await.expect("repaired");
    assert_eq!((outcome.row.status, outcome.reason), (Status::Active, None));
    assert_eq!(play.containers().len(), 4);
}

#[tokio::test]
async fn a_version_that_another_master_pushed_meanwhile_is_replaced() {
    let play = Play::new().await;
    let id = play.deployed().await;
    let before = play.containers();
    // The master has stored something that changes no container.
    let own = Catalog::builtin()
        .extend_from_toml("[services.till]\nports = [\"9100/tcp\"]\nbanner = \"till\"\n")
        .expect("a catalogue");
    let shop = Topology::builder()
        .dmz("dmz", "172.20.9.0/24")
        .decky("shop", |decky| decky.on("dmz", "172.20.9.10").services(["till"]))
        .build()
        .expect("a topology");
    let excerpt = shop.catalog_excerpt(&own);
    let extended = play.repo.extend_catalog(id, excerpt, None, Timestamp::now()).await;
    let row = extended.expect("stored");
    let cancel = CancellationToken::new();
    let outcome = play.master.reconcile(id, false, &cancel).await.expect("pushed");
    assert_eq!((outcome.row.status, outcome.reason), (Status::Active, None));
    let state = play.remote_topologies().state().await.expect("a state");
    let digest = AppliedTopology::digest(&row.catalog, &row.settings);
    assert_eq!(state.applied.expect("it is there").settings_digest, digest);
    assert_eq!(play.containers(), before, "no container was touched");
}

#[tokio::test]
async fn a_silent_agent_leaves_the_status_and_the_queue_alone() {
    let play = Play::new().await;
    let id = play.deployed().await;
    play.agent.stop.cancel();
    let cancel = CancellationToken::new();
    let add =
        Mutation::from_json(r#"{"op": "add_decky", "payload": {"name": "db", "lan": "dmz"}}"#).expect("a mutation");
    play.master
        .submit(id, NewMutation::new(add), None)
        .await
        .expect("queued");
    // It may still answer what it had begun.
    time::sleep(Duration::from_millis(200)).await;
    for error in [
        play.master.drain(id, &cancel).await.expect_err("silent"),
        play.master.reconcile(id, false, &cancel).await.expect_err("silent"),
        play.master.teardown(id, &cancel).await.expect_err("silent"),
    ] {
        assert_eq!(error.code(), "agent_unreachable", "{error:?}");
    }
    let row = play.repo.get(id).await.expect("a row");
    assert_eq!((row.status, row.needs_resync), (Status::Active, false));
    let queued = play
        .repo
        .mutations(&MutationFilter::unfinished(Some(id)))
        .await
        .expect("rows");
    assert_eq!(queued.rows.len(), 1);
}
