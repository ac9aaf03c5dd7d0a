use decnet_topology::{Repo, Status};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Lab, small};

#[tokio::test]
async fn reap_removes_what_a_deleted_row_left_and_nothing_else() {
    let lab = Lab::new();
    let other = Lab::sharing(lab.docker.clone());
    let lost = lab.store("lost", small()).await;
    lab.docker.fail(
        6,
        decnet_engine::runtime::simulated::Moment::After,
        super::lifecycle::refused(),
    );
    lab.docker.fail_where(
        |action| action.to_string().starts_with("remove"),
        decnet_engine::runtime::simulated::Moment::Before,
        super::lifecycle::refused(),
    );
    lab.deploy(lost).await.expect_err("fails, and cannot be undone");
    lab.docker.reconnect();
    assert_eq!(lab.status(lost).await, Status::Failed);
    lab.repo.delete(lost, Timestamp::now()).await.expect("deleted");
    assert!(!lab.docker.world().containers.is_empty(), "something was left");

    let report = other
        .engine
        .reap(None, false, &CancellationToken::new())
        .await
        .expect("reaped");
    assert!(
        report.orphans.is_empty(),
        "another installation sees nothing of its own"
    );
    assert!(!lab.docker.world().containers.is_empty());

    let dry = lab
        .engine
        .reap(None, true, &CancellationToken::new())
        .await
        .expect("looked");
    assert_eq!(dry.orphans.len(), 1);
    assert!(!lab.docker.world().containers.is_empty(), "a dry run touches nothing");

    let report = lab
        .engine
        .reap(None, false, &CancellationToken::new())
        .await
        .expect("reaped");
    assert!(report.is_clean(), "{report:?}");
    lab.assert_nothing_left("after reap");
}

#[tokio::test]
async fn reap_leaves_live_topologies_alone_and_can_clear_a_lost_database() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    let report = lab
        .engine
        .reap(None, false, &CancellationToken::new())
        .await
        .expect("reaped");
    assert_eq!((report.live.len(), report.orphans.len()), (1, 0));

    let heir = Lab::sharing(lab.docker.clone());
    let instance = lab.repo.instance().await.expect("an instance");
    let report = heir
        .engine
        .reap(Some(instance), false, &CancellationToken::new())
        .await
        .expect("reaped");
    assert_eq!(report.orphans.len(), 1);
    lab.assert_nothing_left("after reap of the lost instance");
}
