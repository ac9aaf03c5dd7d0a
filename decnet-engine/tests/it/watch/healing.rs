//! Damage is repaired, even without an event.

use decnet_engine::{NetworkName, simulated::Moment};
use decnet_topology::TopologyId;

use super::{Keeper, Lab, SECOND, by_polls, enqueue, settle, until};

/// A change of a lab's daemon without the engine.
type Break<'a> = &'a dyn Fn(&Lab, TopologyId);

fn office(lab: &Lab) -> NetworkName {
    let networks = lab.docker().world().networks;
    let mut names = networks.into_keys();
    names
        .find(|name| name.as_str().ends_with("_office"))
        .expect("a network")
}

#[tokio::test(start_paused = true)]
async fn manual_damage_is_repaired_by_the_next_poll() {
    let breaks: [(&str, Break<'_>); 6] = [
        ("a service is removed", &|lab, id| {
            assert!(lab.docker().remove(&lab.container(id, "_files.smb")));
        }),
        ("a service is stopped", &|lab, id| {
            assert!(lab.docker().stop(&lab.container(id, "_files.smb")));
        }),
        ("a base is removed", &|lab, id| {
            assert!(lab.docker().remove(&lab.container(id, "_files")));
        }),
        ("a base is stopped", &|lab, id| {
            assert!(lab.docker().stop(&lab.container(id, "_web")));
        }),
        ("a base is paused", &|lab, id| {
            assert!(lab.docker().pause(&lab.container(id, "_web")));
        }),
        ("a network is disconnected", &|lab, id| {
            assert!(lab.docker().disconnect(&lab.container(id, "_web"), &office(lab)));
        }),
    ];
    for (what, break_it) in breaks {
        let lab = Lab::new();
        let id = lab.deploy(0).await;
        let keeper = Keeper::start(&lab.engine, by_polls(10 * SECOND));
        settle().await;
        break_it(&lab, id);
        assert!(!lab.matches_the_store(id).await, "{what}");
        let took = until!(lab.matches_the_store(id).await);
        assert!(took < 11 * SECOND, "{what}: {took:?}");
        keeper.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_dies_in_the_middle_of_a_mutation_leaves_nothing_undone() {
    for step in 1..=3 {
        for moment in [Moment::Before, Moment::Half, Moment::After] {
            let lab = Lab::new();
            let id = lab.deploy(0).await;
            let keeper = Keeper::start(&lab.engine, by_polls(10 * SECOND));
            settle().await;
            lab.docker().cut_off(step, moment);
            enqueue(&lab.engine, id, "extra").await;
            tokio::time::sleep(30 * SECOND).await;
            lab.docker().reconnect();
            until!(lab.unfinished().await == 0 && lab.matches_the_store(id).await);
            assert!(
                lab.docker()
                    .world()
                    .containers
                    .contains_key(&lab.container(id, "_extra"))
            );
            keeper.end().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn tampered_routes_are_repaired_after_the_bases_are_checked() {
    let lab = Lab::new();
    let id = lab.deploy(0).await;
    let keeper = Keeper::start(&lab.engine, by_polls(10 * SECOND));
    settle().await;
    let files = lab.container(id, "_files");
    assert!(lab.docker().tamper_state(&files, |state| state.routes.clear()));
    let took = until!(lab.docker().world().containers[&files].state_holds);
    assert!(
        took > 30 * SECOND && took < 90 * SECOND,
        "a list does not show it: {took:?}"
    );
    until!(lab.matches_the_store(id).await);
    keeper.end().await;
}
