//! Answers of an agent that are lost after it has done what its master asked for.

use std::time::Duration;

use decnet_engine::{
    CancellationToken, DeployOptions, EngineError, Outcome, Replacement, WatchOptions, break_lease, watch,
};
use decnet_topology::{Status, Topology, TopologyId, TopologyStore as _, canonical_hash};
use tokio::{task::JoinHandle, time};

use super::play::{Play, SOON, topology};

/// Long enough for a test to act between the first step of a push and its answer.
const PACE: Duration = Duration::from_millis(50);

type Running = JoinHandle<Result<Outcome, EngineError>>;

fn deploy(play: &Play, id: TopologyId) -> Running {
    let master = play.master.clone();
    tokio::spawn(async move {
        let cancel = CancellationToken::new();
        master.deploy(id, DeployOptions::default(), &cancel).await
    })
}

/// Waits until the agent has done all of a change, whose answer does not pass. Returns nothing of it to the master.
async fn lose_the_answer(play: &Play, wanted: Option<&Topology>) {
    let wanted = wanted.map(|topology| canonical_hash(topology).to_string());
    let agent = play.remote_topologies();
    let done = async {
        while play.simulated.log().is_empty() {
            time::sleep(Duration::from_millis(5)).await;
        }
        play.relay.hold_answers();
        while agent
            .state()
            .await
            .expect("a state")
            .applied
            .map(|applied| applied.version_hash)
            != wanted
        {
            time::sleep(Duration::from_millis(5)).await;
        }
        // The answer is on its way.
        time::sleep(PACE).await;
    };
    time::timeout(SOON, done).await.expect("the agent has done it in time");
    play.relay.reset();
}

async fn end(running: Running) -> Outcome {
    let ended = time::timeout(SOON, running).await.expect("it ends in time");
    let outcome = ended.expect("no panic").expect("no error");
    assert_eq!(outcome.reason, None);
    outcome
}

#[tokio::test]
async fn a_push_whose_answer_is_lost_is_repeated_and_restarts_nothing() {
    let play = Play::new().await;
    play.simulated.pace(PACE);
    let wanted = topology("172.20.0", &["web"]);
    let id = play.store("corp", wanted.clone(), "host-1").await;
    let deploying = deploy(&play, id);
    lose_the_answer(&play, Some(&wanted)).await;
    assert!(!deploying.is_finished() && play.status(id).await == Status::Deploying);
    let before = play.containers();
    play.relay.heal();
    assert_eq!(end(deploying).await.row.status, Status::Active);
    assert_eq!(play.containers(), before);
}

#[tokio::test]
async fn a_deploy_finds_what_the_agent_applied_although_the_first_master_died_before_the_answer() {
    let play = Play::new().await;
    play.simulated.pace(PACE);
    let wanted = topology("172.20.0", &["web"]);
    let id = play.store("corp", wanted.clone(), "host-1").await;
    let deploying = deploy(&play, id);
    lose_the_answer(&play, Some(&wanted)).await;
    deploying.abort();
    deploying.await.expect_err("it was killed");
    let before = play.containers();
    play.relay.heal();
    break_lease(play.repo.as_ref(), id).await.expect("broken");
    let outcome = end(deploy(&play, id)).await;
    assert_eq!((outcome.row.id, outcome.row.status), (id, Status::Active));
    assert_eq!(play.containers(), before);
}

#[tokio::test]
async fn the_loop_finds_a_change_that_the_agent_applied_although_its_master_died_before_the_answer() {
    let play = Play::new().await;
    let id = play.deployed().await;
    play.simulated.pace(PACE);
    play.simulated.clear_log();
    let wanted = topology("172.20.0", &["web", "db"]);
    let (master, replacement) = (play.master.clone(), Replacement::new(wanted.clone()));
    let changing: Running =
        tokio::spawn(async move { master.replace(id, replacement, &CancellationToken::new()).await });
    lose_the_answer(&play, Some(&wanted)).await;
    changing.abort();
    changing.await.expect_err("it was killed");
    let before = play.containers();
    assert_eq!(before.len(), 4);
    play.relay.heal();
    break_lease(play.repo.as_ref(), id).await.expect("broken");

    let (engine, stop) = (play.master.clone(), CancellationToken::new());
    let keeper = tokio::spawn({
        let (stop, options) = (stop.clone(), WatchOptions::default().poll(Duration::from_millis(50)));
        async move { watch(&engine, &options, &stop).await }
    });
    let healed = async {
        loop {
            let row = play.repo.get(id).await.expect("a row");
            let is_queued = play.master.repo().has_unfinished(id).await.expect("asked");
            if row.status == Status::Active && !row.needs_resync && !is_queued {
                break;
            }
            time::sleep(Duration::from_millis(20)).await;
        }
    };
    time::timeout(SOON, healed).await.expect("it is healed in time");
    stop.cancel();
    keeper.await.expect("no panic").expect("no error");
    assert_eq!(play.repo.load(id).await.expect("stored").topology, wanted);
    assert_eq!(play.containers(), before);
}

#[tokio::test]
async fn a_push_that_is_cut_during_a_reconcile_leaves_the_status_alone() {
    let play = Play::new().await;
    let id = play.deployed().await;
    play.simulated.pace(PACE);
    play.simulated.clear_log();
    let gone = play.simulated.world().containers.keys().next().cloned();
    assert!(play.simulated.remove(&gone.expect("a container")));
    let master = play.master.clone();
    let healing: Running = tokio::spawn(async move { master.reconcile(id, false, &CancellationToken::new()).await });
    while play.simulated.log().is_empty() {
        time::sleep(Duration::from_millis(5)).await;
    }
    play.relay.refuse();
    // The pauses between the pushes are long.
    time::pause();
    let error = healing.await.expect("no panic").expect_err("it was cut");
    time::resume();
    assert_eq!(error.code(), "agent_unreachable", "{error}");
    assert_eq!(play.status(id).await, Status::Active);

    // The agent goes on meanwhile.
    play.relay.heal();
    let outcome = play.master.reconcile(id, false, &CancellationToken::new()).await;
    let outcome = outcome.expect("reconciled");
    assert_eq!((outcome.row.status, outcome.reason), (Status::Active, None));
    assert_eq!(play.containers().len(), 2);
}

#[tokio::test]
async fn a_teardown_whose_answer_is_lost_is_repeated() {
    let play = Play::new().await;
    let id = play.deployed().await;
    play.simulated.pace(PACE);
    play.simulated.clear_log();
    let master = play.master.clone();
    let going: Running = tokio::spawn(async move { master.teardown(id, &CancellationToken::new()).await });
    lose_the_answer(&play, None).await;
    assert!(!going.is_finished() && play.containers().is_empty());
    play.relay.heal();
    assert_eq!(end(going).await.row.status, Status::TornDown);
}
