//! Running containers: starts, restarts, interfaces, state.

use crate::{naming::Role, observe::Activity, plan::Action, runtime::RuntimeError};

use super::stage::{Lab, create_base, create_network, create_service, restart, state, undo};

pub(super) async fn a_service_is_tied_to_its_base_by_the_volume_and_survives_a_restart_of_the_base(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    let service = lab.service("web", "telnet");
    lab.change(&create_service(&service)).await;
    lab.keep(&create_service(&service)).await;
    let before = lab.find(&service.name).await;
    assert_eq!((&before.shares, before.networks.len()), (&None, 0));
    assert_eq!(before.volumes, lab.find(&base.name).await.volumes);
    assert_eq!(before.volumes.len(), 1);
    lab.change(&restart(&base.name, Role::Base)).await;
    assert_eq!(lab.find(&service.name).await, before);

    // It starts although its base is stopped.
    lab.outside.stop(&base.name);
    lab.change(&restart(&service.name, Role::Service)).await;
    assert_eq!(lab.find(&service.name).await.activity, Activity::Running);
    // Removing it removes nothing of its base; removing the base removes the rest.
    lab.change(&undo(&create_service(&service))).await;
    assert_eq!(lab.find(&base.name).await.volumes, before.volumes);
    lab.change(&undo(&create_base(&base))).await;
    assert_eq!(lab.observe().await.volumes, []);
}

pub(super) async fn a_service_of_a_recreated_base_must_be_recreated_too(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    let service = lab.service("web", "telnet");
    lab.change(&create_service(&service)).await;
    let before = lab.find(&service.name).await;
    lab.change(&undo(&create_base(&base))).await;
    lab.change(&create_base(&base)).await;
    assert!(before.volumes.is_disjoint(&lab.find(&base.name).await.volumes));
    let error = lab.refuse(&create_service(&service)).await;
    assert!(matches!(error, RuntimeError::Conflict { .. }), "{error}");
    // It was the last user of the first base's volume.
    lab.change(&undo(&create_service(&service))).await;
    assert_eq!(lab.observe().await.volumes.len(), 1);
}

pub(super) async fn a_restart_of_a_base_makes_services_that_share_its_namespace_stale(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    let service = lab.sharing("web", "telnet");
    lab.change(&create_service(&service)).await;
    let (base_before, service_before) = (lab.find(&base.name).await, lab.find(&service.name).await);
    assert_eq!(service_before.shares.as_ref(), Some(&base_before.id));
    assert!(base_before.started_at < service_before.started_at);

    lab.change(&restart(&base.name, Role::Base)).await;
    let (base_after, stale) = (lab.find(&base.name).await, lab.find(&service.name).await);
    assert_eq!(base_after.id, base_before.id);
    assert_eq!(stale.shares.as_ref(), Some(&base_after.id));
    assert!(stale.started_at < base_after.started_at, "{stale:?} {base_after:?}");

    lab.change(&restart(&service.name, Role::Service)).await;
    let fresh = lab.find(&service.name).await;
    assert_eq!((fresh.activity, &fresh.id), (Activity::Running, &service_before.id));
    assert!(fresh.started_at > base_after.started_at);
}

pub(super) async fn creating_a_stopped_base_again_starts_it(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    let before = lab.find(&base.name).await;
    lab.outside.stop(&base.name);
    assert_eq!(lab.find(&base.name).await.activity, Activity::Exited);
    let error = lab.refuse(&create_service(&lab.sharing("web", "telnet"))).await;
    assert!(matches!(error, RuntimeError::Conflict { .. }), "{error}");
    lab.change(&create_base(&base)).await;
    let after = lab.find(&base.name).await;
    assert_eq!(
        (after.activity, &after.id, &after.networks),
        (Activity::Running, &before.id, &before.networks)
    );
    assert!(after.started_at > before.started_at);
}

pub(super) async fn an_interface_is_connected_and_disconnected(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    lab.change(&create_network(&lab.network("far", 1))).await;
    let before = lab.find(&base.name).await;
    let connect = |host| Action::Connect {
        container: base.name.clone(),
        interface: lab.interface("far", 1, host),
    };
    lab.change(&connect(9)).await;
    lab.keep(&connect(9)).await;
    let error = lab.refuse(&connect(10)).await;
    assert!(matches!(error, RuntimeError::Refused { .. }), "{error}");
    let there = lab.find(&base.name).await;
    assert_eq!(there.networks.get(&lab.network_name("far")), Some(&Some(lab.ip(1, 9))));
    assert_eq!(there.started_at, before.started_at);

    lab.change(&undo(&connect(9))).await;
    lab.keep(&undo(&connect(9))).await;
    assert_eq!(lab.find(&base.name).await, before);

    lab.change(&connect(10)).await;
    let taken = lab.base("db", &[lab.interface("near", 0, 3), lab.interface("far", 1, 10)]);
    lab.refuse(&create_base(&taken)).await;
    lab.perform(&undo(&create_base(&taken)))
        .await
        .expect("a half-created container can be removed");
    assert!(!lab.outside.has_container(&taken.name));
}

pub(super) async fn a_state_can_be_set_in_a_running_base_only(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    let set = Action::SetState {
        container: base.name.clone(),
        state: state(&base.interfaces),
    };
    lab.change(&set).await;
    lab.change(&set).await;
    lab.outside.stop(&base.name);
    let error = lab.refuse(&set).await;
    assert!(matches!(error, RuntimeError::Conflict { .. }), "{error}");
    lab.change(&undo(&create_base(&base))).await;
    let error = lab.refuse(&set).await;
    assert!(matches!(error, RuntimeError::Gone { .. }), "{error}");
}

pub(super) async fn an_untouched_container_keeps_its_id_and_start(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    let before = lab.find(&base.name).await;
    let sibling = lab.base("db", &[lab.interface("near", 0, 3)]);
    let service = lab.service("web", "telnet");
    for action in [create_base(&sibling), create_service(&service)] {
        lab.change(&action).await;
    }
    lab.change(&restart(&service.name, Role::Service)).await;
    for action in [create_service(&service), create_base(&sibling)] {
        lab.change(&undo(&action)).await;
    }
    assert_eq!(lab.find(&base.name).await, before);
}
