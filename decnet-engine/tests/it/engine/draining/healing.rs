//! Failed mutations, and mutations after them.

use std::sync::Arc;

use decnet_engine::{Action, DecoyImage, Engine, EngineError, EngineOptions, simulated::Moment};
use decnet_topology::{Catalog, MemoryRepo, MutationState, Status, TopologyId, TopologyStore};
use tokio_util::sync::CancellationToken;

use super::{super::lifecycle::refused, CASES, Case, Lab, mutation, yard};

/// Recreates the gateway's base.
const FORCED: &Case = &CASES[11];
const GENTLE: &str = r#"{"op": "add_lan", "payload": {"name": "cellar"}}"#;

/// A maze where a forced mutation failed to remove the gateway's base.
async fn half_forced() -> (Lab, TopologyId) {
    let (lab, id) = Lab::running(yard()).await;
    let removes_base = |action: &Action| matches!(action, Action::RemoveContainer { container, .. } if container.as_str().ends_with("_web"));
    lab.docker.fail_where(removes_base, Moment::Before, refused());
    lab.enqueue(id, FORCED.json).await;
    assert_eq!(lab.drain(id).await[0].state, MutationState::Failed);
    (lab, id)
}

#[tokio::test]
async fn a_failed_forced_mutation_is_healed_with_its_own_force_as_soon_as_possible() {
    let (lab, id) = half_forced().await;
    for _ in 0..2 {
        let healed = lab.reconcile(id).await.expect("tried");
        assert_eq!(healed.row.status, Status::Degraded);
        assert!(
            healed
                .reason
                .is_some_and(|reason| reason.contains("could not remove container"))
        );
    }
    lab.docker.reconnect();
    let healed = lab.reconcile(id).await.expect("healed");
    assert_eq!((healed.row.status, healed.reason), (Status::Active, None));
    lab.assert_matches(id, "healed").await;
}

#[tokio::test]
async fn a_mutation_after_a_failed_forced_one_heals_that_too() {
    let (lab, id) = half_forced().await;
    lab.docker.reconnect();
    let preview = crate::prepared(&lab.engine, id, &mutation(GENTLE))
        .await
        .expect("previewed");
    assert_eq!(preview.refusal(), None);
    lab.enqueue(id, GENTLE).await;
    assert_eq!(lab.drain(id).await[0].state, MutationState::Applied);
    assert_eq!(lab.status(id).await, Status::Active);
    lab.assert_matches(id, "healed").await;
}

#[tokio::test]
async fn the_force_of_a_mutation_is_for_its_decky_only_and_ends_when_the_maze_is_healed() {
    let (lab, id) = half_forced().await;
    lab.docker.reconnect();
    let repo: Arc<MemoryRepo> = lab.repo.clone();
    let options = EngineOptions::new(Catalog::builtin()).image(Arc::new(DecoyImage::pack(b"another program")));
    let upgraded = Engine::new(repo, Arc::new(lab.docker.clone()), options);
    let destructive = async || {
        let refused = upgraded.reconcile(id, false, &CancellationToken::new()).await;
        let Err(EngineError::Plan(error)) = refused else {
            panic!("{refused:?}")
        };
        error.to_string()
    };
    let all_but_one = destructive().await;
    assert!(
        !all_but_one.contains("_web") && all_but_one.contains("removes 4 running"),
        "{all_but_one}"
    );
    lab.reconcile(id).await.expect("healed");
    let all = destructive().await;
    assert!(all.contains("removes 5 running"), "{all}");
}

#[tokio::test]
async fn a_stored_unfinished_mutation_is_repaired_with_its_force() {
    let (lab, id) = Lab::running(yard()).await;
    lab.enqueue(id, FORCED.json).await;
    lab.docker.cut_off(1, Moment::Before);
    lab.engine
        .drain(id, &CancellationToken::new())
        .await
        .expect_err("cut off");
    lab.docker.reconnect();
    lab.reconcile(id).await.expect("healed");
    lab.assert_matches(id, "healed").await;
    lab.docker.clear_log();
    assert_eq!(lab.drain(id).await[0].state, MutationState::Applied);
    assert_eq!(lab.docker.log().len(), 0, "nothing was left to do");
}

#[tokio::test]
async fn mutations_after_a_failed_one_are_applied_as_far_as_possible() {
    let (lab, id) = Lab::running(yard()).await;
    let makes_smb = |action: &Action| matches!(action, Action::CreateService { service } if service.name.as_str().ends_with("files.smb"));
    lab.docker.fail_where(makes_smb, Moment::Before, refused());
    for json in [
        CASES[9].json,
        GENTLE,
        r#"{"op": "remove_decky", "payload": {"decky": "fils"}}"#,
    ] {
        lab.enqueue(id, json).await;
    }
    let finished = lab.drain(id).await;
    let states: Vec<_> = finished.iter().map(|row| row.state).collect();
    // The second is in the maze and its network exists, but there is drift.
    assert_eq!(
        states,
        [MutationState::Failed, MutationState::Failed, MutationState::Rejected]
    );
    assert_eq!(lab.status(id).await, Status::Degraded);
    assert!(
        lab.docker
            .world()
            .networks
            .keys()
            .any(|name| name.as_str().ends_with("_cellar"))
    );
    lab.enqueue(id, r#"{"op": "remove_decky", "payload": {"decky": "files"}}"#)
        .await;
    assert_eq!(
        lab.drain(id).await[0].state,
        MutationState::Applied,
        "the drift is repaired"
    );
    assert_eq!(lab.status(id).await, Status::Active);
    lab.assert_matches(id, "after all").await;
    let events = lab.repo.status_events(id).await.expect("the events");
    assert_eq!(events.iter().filter(|event| event.to == Status::Degraded).count(), 1);
}
