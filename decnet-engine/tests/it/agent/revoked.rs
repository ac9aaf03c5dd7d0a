//! A maze of mode `agent` whose host was revoked: nobody can confirm any more that it is gone.

use std::sync::Arc;

use decnet_engine::{CancellationToken, Engine, EngineError, Fleet, Operation, simulated::Simulated};
use decnet_topology::{HostChange, HostStore as _, Mode, Status, TopologyStore as _};
use jiff::Timestamp;

use super::{
    play::{Play, options, topology},
    wired::Wired,
};

/// Returns a master of the same store whose fleet does not have the host any more.
fn without_host(play: &Play) -> Engine {
    let fleet = Fleet::new().with_local(Arc::new(Simulated::new()));
    Engine::new(play.repo.clone(), Arc::new(fleet), options())
}

async fn revoked(play: &Play) -> Engine {
    play.enrol().await;
    let revoked = play
        .repo
        .change_host(play.stage.host, HostChange::Revoke, Timestamp::now());
    revoked.await.expect("revoked");
    without_host(play)
}

#[tokio::test]
async fn its_teardown_is_refused_and_with_force_it_is_given_up_and_deleted() {
    let play = Play::new().await;
    let id = play.deployed().await;
    let master = revoked(&play).await;
    let cancel = CancellationToken::new();
    let said = "parts of `corp` may be left, and the master cannot remove them: host host-1 was revoked, and 1 decky may still run there";
    for error in [
        master.teardown(id, &cancel).await.expect_err("refused"),
        master
            .prepare(id, Operation::Teardown { force: false })
            .await
            .expect_err("refused"),
    ] {
        assert_eq!((error.code(), error.to_string()), ("host_lost", said.to_owned()));
    }
    assert_eq!(play.status(id).await, Status::Active);

    let force = Operation::Teardown { force: true };
    let prepared = master.prepare(id, force.clone()).await.expect("planned");
    assert!(prepared.plan().is_empty());
    assert_eq!(prepared.given_up().len(), 1);
    let before = play.containers();
    let outcome = master
        .operate(id, force.clone(), None, &cancel)
        .await
        .expect("given up");
    assert_eq!((outcome.row.status, outcome.reason), (Status::TornDown, None));
    let given_up = outcome.given_up.first().expect("a host");
    assert_eq!(
        (given_up.host.as_str(), given_up.revoked, given_up.deckies),
        ("host-1", true, 1)
    );
    let events = play.repo.status_events(id).await.expect("events");
    let reason = events.last().and_then(|event| event.reason.clone());
    assert!(reason.is_some_and(|reason| reason.starts_with("given up: host host-1 was revoked")));

    let again = master.operate(id, force, None, &cancel).await.expect("it is torn down");
    assert!(again.given_up.is_empty());
    master.delete(id, None).await.expect("deleted");
    assert_eq!(play.containers(), before, "nothing was asked of the host");
}

#[tokio::test]
async fn one_that_was_never_deployed_needs_no_force_and_a_failed_one_is_not_deleted() {
    let play = Play::new().await;
    let pending = play.store("corp", topology("172.20.0", &["web"]), "host-1").await;
    let failed = play.store("lab", topology("172.20.1", &["web"]), "host-1").await;
    let refused = decnet_engine::RuntimeError::Refused { reason: "no".into() };
    play.simulated
        .fail(3, decnet_engine::simulated::Moment::Before, refused);
    play.deploy(failed).await.expect_err("failed");
    let master = revoked(&play).await;
    let cancel = CancellationToken::new();
    let outcome = master.teardown(pending, &cancel).await.expect("nothing is there");
    assert_eq!((outcome.row.status, outcome.given_up.len()), (Status::TornDown, 0));
    let error = master.delete(failed, None).await.expect_err("refused");
    assert!(matches!(error, EngineError::HostLost { .. }), "{error:?}");
}

#[tokio::test]
async fn force_gives_up_no_maze_whose_host_is_only_silent() {
    let play = Play::new().await;
    let id = play.deployed().await;
    play.stop_agent().await;
    let force = Operation::Teardown { force: true };
    let error = play.master.operate(id, force, None, &CancellationToken::new()).await;
    assert_eq!(error.expect_err("silent").code(), "agent_unreachable");
    assert_eq!(play.status(id).await, Status::Active);
}

#[tokio::test]
async fn a_prepared_teardown_is_refused_once_the_host_was_revoked() {
    let wired = Wired::new().await;
    let id = wired.deploy(Mode::Unihost).await;
    let cancel = CancellationToken::new();
    let force = Operation::Teardown { force: true };
    let prepared = wired.engine.prepare(id, force.clone()).await.expect("planned");
    assert!(!prepared.plan().is_empty() && prepared.given_up().is_empty());
    let host = wired.host().await.id;
    let revoked = wired
        .master
        .repo
        .change_host(host, HostChange::Revoke, Timestamp::now());
    revoked.await.expect("revoked");
    assert_eq!(
        prepared.execute(&cancel).await.expect_err("refused").code(),
        "plan_changed"
    );
    let refused = wired.engine.teardown(id, &cancel).await.expect_err("refused");
    assert_eq!(refused.code(), "host_lost");
    let down = wired.engine.operate(id, force, None, &cancel).await.expect("given up");
    assert_eq!((down.row.status, down.given_up.len()), (Status::TornDown, 1));
}
