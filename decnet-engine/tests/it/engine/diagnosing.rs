//! The checks of the doctor on the simulated runtime.

use decnet_engine::{
    Action, EngineError, Verdict,
    doctor::{check_runtime, check_statuses},
    simulated::Moment,
};
use decnet_topology::Status;

use super::{Lab, lifecycle::refused, small};

#[tokio::test]
async fn a_runtime_that_does_not_answer_is_one_failure_with_its_error() {
    let lab = Lab::new();
    lab.docker.go_away();
    let checks = check_runtime(&lab.docker, Some(lab.repo.as_ref())).await;
    let [check] = &checks[..] else { panic!("{checks:?}") };
    assert_eq!((check.verdict, check.what), (Verdict::Fail, "docker"));
    assert_eq!(check.error.as_ref().map(EngineError::code), Some("docker_unreachable"));
    let value = serde_json::to_value(check).expect("JSON");
    assert_eq!(
        (&value["verdict"], &value["hint"]),
        (&"fail".into(), &serde_json::Value::Null)
    );
}

#[tokio::test]
async fn degraded_mazes_are_listed_with_the_command_that_repairs_them() {
    let lab = Lab::new();
    let id = lab.store("corp", small()).await;
    lab.deploy(id).await.expect("deployed");
    assert!(check_statuses(lab.repo.as_ref()).await.is_empty());

    let world = lab.docker.world();
    let base = world.containers.keys().find(|name| name.as_str().ends_with("_files"));
    let office = world.networks.keys().find(|name| name.as_str().ends_with("_office"));
    assert!(lab.docker.disconnect(base.expect("a base"), office.expect("a network")));
    let sets = |action: &Action| matches!(action, Action::SetState { state, .. } if !state.interfaces.is_empty());
    lab.docker.fail_where(sets, Moment::Before, refused());
    lab.reconcile(id).await.expect("reconciled as far as possible");
    assert_eq!(lab.status(id).await, Status::Degraded);
    let checks = check_statuses(lab.repo.as_ref()).await;
    let [check] = &checks[..] else { panic!("{checks:?}") };
    assert_eq!(check.message, "corp is degraded");
    assert!(
        check
            .hint
            .as_deref()
            .is_some_and(|hint| hint.contains("`decnet reconcile corp`"))
    );
}
