//! Operations on a maze of a known version.

use decnet_engine::{DeployOptions, EngineError, Operation, RestartOptions};
use decnet_topology::{DeckyPart, Edit, RepoError, Status, TopologyStore as _, Version};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Lab, small};

#[track_caller]
fn is_conflict(error: &EngineError) {
    assert!(
        matches!(error, EngineError::Repo(RepoError::VersionConflict { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_operation_on_another_version_changes_nothing() {
    let lab = Lab::new();
    let id = lab.store("corp", small()).await;
    let shown = lab.repo.get(id).await.expect("stored").version;
    let edited = lab.repo.edit(id, Edit::new(small()), Timestamp::now()).await;
    let current = edited.expect("edited").row.version;
    let cancel = CancellationToken::new();
    let operate =
        async |operation: Operation, version: Version| lab.engine.operate(id, operation, Some(version), &cancel).await;
    let deploy = || Operation::Deploy(DeployOptions::default());
    is_conflict(&operate(deploy(), shown).await.expect_err("an old version"));
    is_conflict(
        &operate(Operation::Teardown { force: false }, shown)
            .await
            .expect_err("an old version"),
    );
    is_conflict(&lab.engine.delete(id, Some(shown)).await.expect_err("an old version"));
    assert_eq!(lab.repo.get(id).await.expect("stored").status, Status::Pending);
    assert!(lab.docker.log().is_empty());

    let row = operate(deploy(), current).await.expect("deployed").row;
    assert_eq!((row.status, row.version), (Status::Active, current));
    lab.docker.clear_log();
    let part = lab.repo.load(id).await.expect("stored").topology.deckies()[0]
        .name()
        .clone();
    for operation in [
        deploy(),
        Operation::Reconcile { force: false },
        Operation::Restart(RestartOptions::new(DeckyPart::new(part))),
        Operation::Teardown { force: false },
    ] {
        is_conflict(&operate(operation, shown).await.expect_err("an old version"));
    }
    assert!(lab.docker.log().is_empty());

    operate(Operation::Teardown { force: false }, current)
        .await
        .expect("torn down");
    let copy = operate(deploy(), current).await.expect("a fresh copy is deployed").row;
    assert_ne!(copy.id, id);
    lab.engine.delete(id, Some(current)).await.expect("deleted");
}
