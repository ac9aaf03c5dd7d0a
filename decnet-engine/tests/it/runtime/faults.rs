//! The fault injection of the simulation.

use std::{future::Future, time::Duration};

use decnet_engine::{
    Action, Activity, Role, RuntimeError,
    simulated::{Moment, Simulated},
};
use tokio::time::Instant;

use super::simulate;
use decnet_engine::testing::{
    contract,
    contract::{Lab, create_base, create_network, create_service, restart, undo},
};

fn full() -> RuntimeError {
    RuntimeError::Refused {
        reason: "no space left on device".into(),
    }
}

async fn lab() -> (Lab, Simulated) {
    let simulated = Simulated::new();
    let lab = Lab {
        runtime: Box::new(simulated.clone()),
        ..simulate(0).await
    };
    lab.create_base("near", "web").await;
    simulated.clear_log();
    (lab, simulated)
}

#[tokio::test(start_paused = true)]
async fn an_action_takes_the_set_time_and_an_observation_takes_none() {
    let (lab, simulated) = lab().await;
    simulated.pace(Duration::from_secs(7));
    let begun = Instant::now();
    let network = lab.network("lan-1", 1);
    lab.perform(&create_network(&network))
        .await
        .expect("the network is created");
    assert_eq!(begun.elapsed(), Duration::from_secs(7));
    lab.runtime.info().await.expect("it answers");
    assert_eq!(begun.elapsed(), Duration::from_secs(7));
}

#[tokio::test]
async fn a_fault_affects_the_named_action_only() {
    for nth in 1..=3 {
        let (lab, simulated) = lab().await;
        simulated.fail(nth, Moment::Before, full());
        let mut failed = Vec::new();
        for number in 1..=3 {
            let network = lab.network(&format!("lan-{number}"), number);
            if lab.perform(&create_network(&network)).await.is_err() {
                failed.push(usize::from(number));
            }
        }
        assert_eq!(failed, [nth]);
        assert_eq!(simulated.world().networks.len(), 3);
        assert_eq!(simulated.log().len(), 3);
    }
}

#[tokio::test]
async fn a_half_creation_leaves_a_stopped_container_and_a_repetition_starts_it() {
    let (lab, simulated) = lab().await;
    let base = lab.base("db", &[lab.interface("near", 0, 3)]);
    simulated.fail(1, Moment::Half, full());
    lab.refuse(&create_base(&base)).await;
    assert_eq!(simulated.world().containers[&base.name].activity, Activity::Created);
    lab.change(&create_base(&base)).await;
    assert_eq!(simulated.world().containers[&base.name].activity, Activity::Running);
}

#[tokio::test]
async fn an_action_without_a_result_is_done_and_can_be_undone() {
    let (lab, simulated) = lab().await;
    let before = simulated.world().networks;
    let action = create_network(&lab.network("far", 1));
    simulated.fail(1, Moment::After, full());
    lab.refuse(&action).await;
    assert_eq!(simulated.world().networks.len(), 2);
    lab.change(&undo(&action)).await;
    assert_eq!(simulated.world().networks, before);
}

#[tokio::test]
async fn a_predicate_fails_every_matching_action() {
    let (lab, simulated) = lab().await;
    simulated.fail_where(
        |action| matches!(action, Action::CreateService { .. }),
        Moment::Before,
        full(),
    );
    lab.refuse(&create_service(&lab.service("web", "telnet"))).await;
    lab.refuse(&create_service(&lab.service("web", "ftp"))).await;
    lab.change(&create_network(&lab.network("far", 1))).await;
    simulated.reconnect();
    lab.change(&create_service(&lab.service("web", "ftp"))).await;
}

#[tokio::test]
async fn a_daemon_that_is_cut_off_answers_nothing_until_it_is_back() {
    let (lab, simulated) = lab().await;
    simulated.cut_off(2, Moment::After);
    lab.change(&create_network(&lab.network("lan-1", 1))).await;
    let error = lab.refuse(&create_network(&lab.network("lan-2", 2))).await;
    assert!(error.is_unreachable());
    let error = lab.refuse(&create_network(&lab.network("lan-3", 3))).await;
    assert!(error.is_unreachable());
    assert!(lab.runtime.info().await.is_err_and(|error| error.is_unreachable()));
    simulated.reconnect();
    assert_eq!(
        lab.observe().await.networks.len(),
        3,
        "the second exists, the third does not"
    );
}

#[tokio::test]
async fn a_hanging_call_is_dropped_like_a_killed_process() {
    let (lab, simulated) = lab().await;
    simulated.hang(1, Moment::Half);
    let remove = undo(&create_base(&lab.base("web", &[])));
    let killed = async {
        tokio::select! {
            biased;
            outcome = lab.perform(&remove) => panic!("{outcome:?}"),
            () = simulated.hung() => {}
        }
    };
    killed.await;
    let (answered, observe) = (std::task::Poll::Pending, lab.runtime.info());
    tokio::pin!(observe);
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    assert_eq!(observe.as_mut().poll(&mut context).map(drop), answered);
    simulated.reconnect();
    // The base is removed, but its volume is not; no container uses it.
    let left = lab.observe().await;
    assert_eq!((left.containers.len(), left.volumes.len()), (0, 1));
    lab.keep(&remove).await;
    let volume = left.volumes[0].name.clone();
    lab.change(&Action::RemoveVolume { volume }).await;
    assert!(lab.observe().await.volumes.is_empty());
}

#[tokio::test]
async fn a_daemon_restart_leaves_only_services_with_a_shared_namespace_exited() {
    let (lab, simulated) = lab().await;
    let (sharing, service) = (lab.sharing("web", "telnet"), lab.service("web", "ssh"));
    for service in [&sharing, &service] {
        lab.change(&create_service(service)).await;
    }
    simulated.restart_daemon();
    assert_eq!(lab.find(&lab.base_name("web")).await.activity, Activity::Running);
    assert_eq!(lab.find(&service.name).await.activity, Activity::Running);
    assert_eq!(lab.find(&sharing.name).await.activity, Activity::Exited);
    lab.change(&restart(&sharing.name, Role::Service)).await;
    assert_eq!(lab.find(&sharing.name).await.activity, Activity::Running);
}

#[tokio::test]
async fn a_live_connect_invalidates_the_state_until_it_is_set_again() {
    let (lab, simulated) = lab().await;
    let name = lab.base_name("web");
    assert!(simulated.world().containers[&name].state_holds);
    lab.change(&create_network(&lab.network("far", 1))).await;
    let interfaces = [lab.interface("near", 0, 2), lab.interface("far", 1, 2)];
    lab.change(&Action::Connect {
        container: name.clone(),
        interface: interfaces[1].clone(),
    })
    .await;
    assert!(!simulated.world().containers[&name].state_holds);
    let state = contract::state(&interfaces);
    lab.change(&Action::SetState {
        container: name.clone(),
        state: state.clone(),
    })
    .await;
    let world = simulated.world();
    assert_eq!(
        (
            world.containers[&name].state.as_ref(),
            world.containers[&name].state_holds
        ),
        (Some(&state), true)
    );
}
