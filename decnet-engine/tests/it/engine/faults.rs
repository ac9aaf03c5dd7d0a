//! Every step of a deploy and of a teardown fails in turn: with an error, with an unreachable daemon, and with a killed
//! process.

use std::convert::Infallible;

use decnet_engine::{EngineError, Event, Received, StepState, Subscription, simulated::Moment};
use decnet_topology::{Status, TopologyId};
use tokio_util::sync::CancellationToken;

use super::{Lab, lifecycle::refused, twelve};

const MOMENTS: [Moment; 3] = [Moment::Before, Moment::Half, Moment::After];

/// Counts the steps of a deploy of the maze.
async fn steps() -> usize {
    let lab = Lab::new();
    let id = lab.store("maze", twelve()).await;
    crate::planned(&lab.engine, id, None)
        .await
        .expect("planned")
        .steps()
        .len()
}

/// Deploys the maze from any state, checks it, and tears it down again.
async fn check_recovers(lab: &Lab, id: TopologyId, context: &str) {
    let up = lab
        .deploy(id)
        .await
        .unwrap_or_else(|error| panic!("{context}: deploy: {error:?}"));
    assert_eq!(up.row.status, Status::Active, "{context}");
    assert!(
        crate::planned(&lab.engine, up.row.id, None)
            .await
            .expect("planned")
            .is_empty(),
        "{context}: no drift"
    );
    let down = lab
        .teardown(up.row.id)
        .await
        .unwrap_or_else(|error| panic!("{context}: teardown: {error:?}"));
    assert_eq!(down.row.status, Status::TornDown, "{context}");
    lab.assert_nothing_left(context);
}

/// Checks that any next command cleans up.
async fn check_next_command(lab: &Lab, id: TopologyId, teardown: bool, context: &str) {
    if teardown {
        lab.teardown(id)
            .await
            .unwrap_or_else(|error| panic!("{context}: {error:?}"));
        lab.assert_nothing_left(context);
    } else {
        check_recovers(lab, id, context).await;
    }
}

/// Cancels when this many steps have started.
pub(super) async fn cancel_at_step(mut events: Subscription, begun: usize, cancel: &CancellationToken) -> Infallible {
    let mut left = begun;
    while left > 0 {
        let Some(Received::Event(envelope)) = events.recv().await else {
            panic!("the engine publishes");
        };
        if let Event::Step { progress, .. } = envelope.event {
            left -= usize::from(matches!(progress.state, StepState::Started));
        }
    }
    cancel.cancel();
    std::future::pending().await
}

/// Waits until a dropped operation has released its lease, which happens in the background.
pub(super) async fn lease_is_released(lab: &Lab, id: TopologyId) {
    let lease = async || {
        lab.engine
            .repo()
            .lease(id, jiff::Timestamp::now())
            .await
            .expect("asked")
    };
    while lease().await.is_some() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_deploy_that_fails_at_any_step_leaves_nothing() {
    for step in 1..=steps().await {
        for moment in MOMENTS {
            let context = format!("deploy fails at step {step}, {moment:?}");
            let lab = Lab::new();
            let id = lab.store("maze", twelve()).await;
            lab.docker.fail(step, moment, refused());
            let result = lab.deploy(id).await;
            let Err(EngineError::DeployFailed {
                failures,
                undo_failures,
                leftovers,
                ..
            }) = result
            else {
                panic!("{context}: {result:?}")
            };
            assert!(
                !failures.is_empty() && undo_failures.is_empty() && leftovers.is_empty(),
                "{context}"
            );
            assert_eq!(lab.status(id).await, Status::Failed, "{context}");
            lab.assert_nothing_left(&context);
            check_recovers(&lab, id, &context).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deploy_whose_daemon_dies_at_any_step_is_cleared_by_the_next_command() {
    for step in 1..=steps().await {
        let moment = MOMENTS[step % 3];
        let context = format!("daemon dies at step {step}, {moment:?}");
        for teardown_next in [true, false] {
            let lab = Lab::new();
            let id = lab.store("maze", twelve()).await;
            lab.docker.cut_off(step, moment);
            lab.deploy(id).await.expect_err(&context);
            assert_eq!(lab.status(id).await, Status::Failed, "{context}");
            lab.docker.reconnect();
            check_next_command(&lab, id, teardown_next, &context).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deploy_whose_process_is_killed_at_any_step_is_continued_by_the_next_command() {
    for step in 1..=steps().await {
        let moment = MOMENTS[step % 3];
        let context = format!("killed at step {step}, {moment:?}");
        for teardown_next in [true, false] {
            let lab = Lab::new();
            let id = lab.store("maze", twelve()).await;
            lab.docker.hang(step, moment);
            tokio::select! {
                result = lab.deploy(id) => panic!("{context}: {result:?}"),
                () = lab.docker.hung() => {}
            }
            lease_is_released(&lab, id).await;
            assert_eq!(lab.status(id).await, Status::Deploying, "{context}");
            lab.docker.reconnect();
            check_next_command(&lab, id, teardown_next, &context).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_teardown_that_fails_at_any_step_continues_and_reports_leftovers() {
    for step in 1..=steps().await {
        for moment in [Moment::Before, Moment::Half] {
            let context = format!("teardown fails at step {step}, {moment:?}");
            let lab = Lab::new();
            let id = lab.store("maze", twelve()).await;
            lab.deploy(id).await.expect("deployed");
            lab.docker.fail(step, moment, refused());
            match lab.teardown(id).await {
                // The image is not a resource of this topology only.
                Ok(outcome) => assert_eq!(outcome.row.status, Status::TornDown, "{context}"),
                Err(EngineError::TeardownIncomplete {
                    failures, leftovers, ..
                }) => {
                    assert!(!failures.is_empty() && !leftovers.is_empty(), "{context}");
                    assert_eq!(lab.status(id).await, Status::Degraded, "{context}");
                    assert!(lab.docker.world().containers.len() <= 3, "{context}: it continued");
                }
                Err(error) => panic!("{context}: {error:?}"),
            }
            lab.teardown(id)
                .await
                .unwrap_or_else(|error| panic!("{context}: {error:?}"));
            assert_eq!(lab.status(id).await, Status::TornDown, "{context}");
            lab.assert_nothing_left(&context);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_teardown_whose_daemon_dies_or_process_is_killed_at_any_step_is_finished_by_the_next() {
    for step in 1..=steps().await {
        let moment = MOMENTS[step % 3];
        for kill in [true, false] {
            let context = format!("teardown {} at step {step}", if kill { "killed" } else { "cut off" });
            let lab = Lab::new();
            let id = lab.store("maze", twelve()).await;
            lab.deploy(id).await.expect("deployed");
            if kill {
                lab.docker.hang(step, moment);
                tokio::select! {
                    result = lab.teardown(id) => panic!("{context}: {result:?}"),
                    () = lab.docker.hung() => {}
                }
                lease_is_released(&lab, id).await;
                assert_eq!(lab.status(id).await, Status::TearingDown, "{context}");
            } else {
                lab.docker.cut_off(step, moment);
                lab.teardown(id).await.expect_err(&context);
                assert_eq!(lab.status(id).await, Status::Degraded, "{context}");
            }
            lab.docker.reconnect();
            lab.teardown(id)
                .await
                .unwrap_or_else(|error| panic!("{context}: {error:?}"));
            lab.assert_nothing_left(&context);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn resources_that_appear_after_a_killed_process_are_removed_too() {
    let lab = Lab::new();
    let id = lab.store("maze", twelve()).await;
    lab.docker.hang(9, Moment::Before);
    tokio::select! {
        result = lab.deploy(id) => panic!("{result:?}"),
        () = lab.docker.hung() => {}
    }
    lease_is_released(&lab, id).await;
    lab.docker.reconnect();
    // The daemon still works on requests of the killed process: a network and an image appear during the teardown.
    let world = lab.docker.world();
    let labels = world.networks.values().next().expect("a network").labels.clone();
    let late = decnet_engine::NetworkName::from_docker("decnet_t_late");
    let docker = lab.docker.clone();
    let appears = async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        docker.add_labelled_network(late, "10.94.0.0/24".parse().expect("a subnet"), labels);
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        docker.add_loaded_image("decnet/late:1");
    };
    let (torn_down, ()) = tokio::join!(lab.teardown(id), appears);
    assert_eq!(torn_down.expect("torn down").row.status, Status::TornDown);
    lab.assert_nothing_left("after the late resources");
}
