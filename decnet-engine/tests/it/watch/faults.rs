//! Faults that must not stop the loop, and faults that must.

use std::sync::Arc;

use decnet_engine::EngineError;
use decnet_topology::{Mode, NewTopology, RepoError, Status, StatusChange, Topology, TopologyStore as _};
use jiff::Timestamp;

use super::{Keeper, Lab, SECOND, by_polls, enqueue, failing_store::FailingStore, settle, until};

#[tokio::test(start_paused = true)]
async fn a_temporarily_unreadable_store_is_read_again() {
    let repo = FailingStore::default();
    let lab = Lab::on(Arc::new(repo.clone()));
    let id = lab.deploy(0).await;
    let keeper = Keeper::start(&lab.engine, by_polls(10 * SECOND));
    settle().await;
    let mutation = enqueue(&lab.elsewhere(), id, "extra").await;
    repo.fail(Some(|_| Some(RepoError::Locked)));
    tokio::time::sleep(100 * SECOND).await;
    assert!(repo.failures() >= 9, "{}", repo.failures());
    repo.fail(None);
    assert!(until!(lab.is_applied(mutation).await) < 65 * SECOND);
    keeper.end().await;
}

#[tokio::test(start_paused = true)]
async fn hosts_that_cannot_be_read_do_not_end_the_loop() {
    let repo = FailingStore::default();
    let lab = Lab::on(Arc::new(repo.clone()));
    let id = lab.deploy(0).await;
    let new = NewTopology::new("far".parse().expect("a name"), Topology::default())
        .mode(Mode::Agent)
        .host("east".to_owned());
    let far = repo.create(new, Timestamp::now()).await.expect("stored").row.id;
    for (from, to) in [
        (Status::Pending, Status::Deploying),
        (Status::Deploying, Status::Active),
    ] {
        let changed = repo
            .set_status(far, StatusChange::new(from, to), Timestamp::now())
            .await;
        changed.expect("changed");
    }
    let keeper = Keeper::start(&lab.engine, by_polls(10 * SECOND));
    settle().await;
    repo.fail(Some(|call| (call == "hosts").then_some(RepoError::Locked)));
    tokio::time::sleep(100 * SECOND).await;
    assert!(repo.failures() >= 9, "{}", repo.failures());
    let mutation = enqueue(&lab.elsewhere(), id, "extra").await;
    assert!(until!(lab.is_applied(mutation).await) < 65 * SECOND);
    keeper.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_failure_during_a_mutation_does_not_lose_the_mutation() {
    let repo = FailingStore::default();
    let lab = Lab::on(Arc::new(repo.clone()));
    let id = lab.deploy(0).await;
    let keeper = Keeper::start(&lab.engine, by_polls(10 * SECOND));
    settle().await;
    lab.stage.open(false);
    let mutation = enqueue(&lab.engine, id, "extra").await;
    lab.stage.wait_until_blocked().await;
    // A lease that cannot be released expires by a clock that cannot be paused.
    repo.fail(Some(|call| (call != "release_lease").then_some(RepoError::Full)));
    lab.stage.open(true);
    tokio::time::sleep(30 * SECOND).await;
    repo.fail(None);
    until!(lab.unfinished().await == 0 && lab.matches_the_store(id).await);
    assert!(lab.is_applied(mutation).await);
    keeper.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_store_ends_the_loop() {
    let repo = FailingStore::default();
    let lab = Lab::on(Arc::new(repo.clone()));
    lab.deploy(0).await;
    let keeper = Keeper::start(&lab.engine, by_polls(10 * SECOND));
    settle().await;
    repo.fail(Some(|_| Some(RepoError::Corrupt { what: "a page".into() })));
    let ended = keeper.task.await.expect("no panic");
    assert!(
        matches!(&ended, Err(EngineError::Repo(RepoError::Corrupt { .. }))),
        "{ended:?}"
    );
}
