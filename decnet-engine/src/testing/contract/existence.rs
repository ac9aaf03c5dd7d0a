//! Create and remove are idempotent.

use std::collections::BTreeSet;

use crate::{
    desired::{ImageSpec, NetworkReach, PortMapping, ServiceSpec, VolumeSpec},
    naming,
    plan::Action,
    runtime::RuntimeError,
};
use decnet_topology::Protocol;

use super::stage::{Lab, create_base, create_network, create_service, restart, undo};

pub(super) async fn creating_twice_creates_once(lab: &Lab) {
    let image = Action::EnsureImage {
        image: ImageSpec::Decoy {
            reference: lab.decoy.clone(),
        },
        host: None,
    };
    let (near, far) = (lab.network("near", 0), lab.network("far", 1));
    let base = lab.base("web", &[lab.interface("near", 0, 2), lab.interface("far", 1, 3)]);
    let actions = [
        image,
        create_network(&near),
        create_network(&far),
        create_base(&base),
        create_service(&lab.service("web", "telnet")),
    ];
    for action in &actions {
        lab.change(action).await;
    }
    let made = lab.observe().await;
    for action in &actions {
        lab.keep(action).await;
    }
    assert_eq!(lab.observe().await, made);
    assert_eq!((made.networks.len(), made.containers.len()), (2, 2));
    let web = lab.find(&base.name).await;
    let addresses: Vec<_> = web.networks.values().copied().collect();
    assert_eq!(addresses, [Some(lab.ip(1, 3)), Some(lab.ip(0, 2))], "far, near");
    assert_eq!(web.image.as_deref(), Some(lab.decoy.as_str()));
    assert!(made.has_image(&lab.decoy));
}

pub(super) async fn an_existing_base_is_not_recreated_if_its_network_was_removed(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    lab.change(&Action::Disconnect {
        container: base.name.clone(),
        network: lab.network_name("near"),
        interface: None,
    })
    .await;
    lab.change(&undo(&create_network(&lab.network("near", 0)))).await;
    let before = lab.observe().await;
    lab.keep(&create_base(&base)).await;
    assert_eq!(lab.observe().await, before);
}

pub(super) async fn removing_twice_removes_once(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    let service = lab.service("web", "telnet");
    lab.change(&create_service(&service)).await;
    let observed = lab.observe().await;
    let mut removals = vec![undo(&create_service(&service)), undo(&create_base(&base))];
    removals.push(Action::RemoveNetwork {
        network: observed.networks[0].name.clone(),
        id: Some(observed.networks[0].id.clone()),
    });
    for removal in &removals {
        lab.change(removal).await;
    }
    for removal in &removals {
        lab.keep(removal).await;
    }
    assert!(lab.observe().await.is_empty());
}

pub(super) async fn each_action_is_undone_by_its_inverse(lab: &Lab) {
    lab.create_base("near", "web").await;
    lab.change(&create_network(&lab.network("far", 1))).await;
    let connect = Action::Connect {
        container: lab.base_name("web"),
        interface: lab.interface("far", 1, 9),
    };
    let actions = [
        create_network(&lab.network("other", 2)),
        create_base(&lab.base("db", &[lab.interface("near", 0, 7)])),
        create_service(&lab.service("web", "telnet")),
        connect.clone(),
    ];
    for action in &actions {
        let before = lab.observe().await;
        lab.change(action).await;
        assert_ne!(lab.observe().await, before, "{action}");
        lab.change(&undo(action)).await;
        assert_eq!(lab.observe().await, before, "{action}");
    }
    lab.change(&connect).await;
    let before = lab.observe().await;
    lab.change(&undo(&connect)).await;
    lab.change(&undo(&undo(&connect))).await;
    assert_eq!(lab.observe().await, before);
}

pub(super) async fn a_name_with_another_spec_is_refused(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    let before = lab.observe().await;
    let mut network = lab.network("near", 1);
    network.name = lab.network_name("near");
    let elsewhere = lab.base("web", &[lab.interface("near", 0, 99)]);
    assert_eq!(elsewhere.name, base.name);
    for action in [create_network(&network), create_base(&elsewhere)] {
        let error = lab.refuse(&action).await;
        assert!(matches!(error, RuntimeError::Conflict { .. }), "{error}");
    }
    assert_eq!(lab.observe().await, before);
}

pub(super) async fn a_missing_dependency_of_an_action_is_named(lab: &Lab) {
    lab.create_base("near", "web").await;
    let mut service = lab.service("web", "telnet");
    service.image = "decnet-decoy:never".into();
    let error = lab.refuse(&create_service(&service)).await;
    assert!(
        matches!(&error, RuntimeError::ImageUnavailable { reference, .. } if *reference == service.image),
        "{error}"
    );

    let orphan = lab.service("nobody", "telnet");
    let nowhere = lab.base("lost", &[lab.interface("nowhere", 3, 2)]);
    let unplugged = Action::Connect {
        container: lab.base_name("web"),
        interface: lab.interface("nowhere", 3, 2),
    };
    let missing = [
        (create_service(&orphan), orphan.base.to_string()),
        (create_base(&nowhere), lab.network_name("nowhere").to_string()),
        (unplugged, lab.network_name("nowhere").to_string()),
        (
            restart(&orphan.name, crate::naming::Role::Service),
            orphan.name.to_string(),
        ),
    ];
    for (action, name) in missing {
        let error = lab.refuse(&action).await;
        assert!(
            matches!(&error, RuntimeError::Gone { what } if what.contains(&name)),
            "{action}: {error}"
        );
    }
}

pub(super) async fn a_network_with_containers_is_busy(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    let remove = undo(&create_network(&lab.network("near", 0)));
    let error = lab.refuse(&remove).await;
    assert!(
        matches!(&error, RuntimeError::NetworkBusy { network, .. } if *network == lab.network_name("near").to_string()),
        "{error}"
    );
    assert!(error.to_string().contains(base.name.as_str()), "{error}");
    lab.change(&undo(&create_base(&base))).await;
    lab.change(&remove).await;
}

pub(super) async fn an_image_in_use_is_kept(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    let remove = Action::RemoveImage {
        reference: lab.decoy.clone(),
        host: None,
    };
    lab.keep(&remove).await;
    assert!(lab.observe().await.has_image(&lab.decoy));
    lab.change(&undo(&create_base(&base))).await;
    lab.change(&remove).await;
    assert!(!lab.observe().await.has_image(&lab.decoy));
    lab.keep(&remove).await;
}

pub(super) async fn a_built_image_that_another_maze_removed_is_built_again(lab: &Lab) {
    lab.create_base("near", "web").await;
    let (reference, context) = (format!("decnet-built:{}", lab.instance), lab.outside.build_context());
    let ensure = Action::EnsureImage {
        image: ImageSpec::Built {
            reference: reference.clone(),
            context: context.clone(),
        },
        host: None,
    };
    lab.change(&ensure).await;
    // The teardown of another maze finds no container with the image.
    lab.change(&undo(&ensure)).await;
    let service = ServiceSpec {
        image: reference.clone(),
        build: Some(context),
        ..lab.service("web", "telnet")
    };
    lab.change(&create_service(&service)).await;
    assert!(lab.observe().await.has_image(&reference));
    lab.keep(&undo(&ensure)).await;
    lab.change(&undo(&create_service(&service))).await;
    lab.change(&undo(&ensure)).await;
}

pub(super) async fn a_host_port_is_published_only_once(lab: &Lab) {
    lab.ensure_decoy().await;
    let mut network = lab.network("dmz", 0);
    network.reach = NetworkReach::Outside;
    lab.change(&create_network(&network)).await;
    let publish = BTreeSet::from([PortMapping {
        host_ip: [127, 0, 0, 1].into(),
        host_port: 42_031,
        port: 2323,
        protocol: Protocol::Tcp,
    }]);
    let mut first = lab.base("first", &[lab.interface("dmz", 0, 2)]);
    let mut second = lab.base("second", &[lab.interface("dmz", 0, 3)]);
    first.publish.clone_from(&publish);
    second.publish = publish;
    lab.change(&create_base(&first)).await;
    let error = lab.refuse(&create_base(&second)).await;
    assert!(
        matches!(&error, RuntimeError::PortTaken { container, .. } if *container == second.name.to_string()),
        "{error}"
    );
    lab.change(&undo(&create_base(&second))).await;
    lab.change(&undo(&create_base(&first))).await;
    lab.change(&create_base(&second)).await;
}

pub(super) async fn a_volume_survives_its_container_and_is_removed_by_its_own_action(lab: &Lab) {
    lab.create_base("near", "web").await;
    let mut service = lab.service("web", "telnet");
    let name = naming::service_volume(&service.name, "data");
    let spec = VolumeSpec {
        labels: naming::service_volume_labels(&service.labels, "data", true),
        path: "/data".into(),
        name: name.clone(),
    };
    service.volumes = vec![spec.clone()];
    let volume = async || {
        let observed = lab.observe().await;
        observed.volumes.into_iter().find(|volume| volume.name == name)
    };
    let create = Action::CreateVolume { volume: Box::new(spec) };
    lab.change(&create).await;
    lab.keep(&create).await;
    let made = volume().await.expect("it is found by its labels");
    assert!(!made.anonymous && made.is_kept() && !made.used_elsewhere);
    lab.change(&create_service(&service)).await;
    assert!(lab.find(&service.name).await.volumes.contains(&name));
    let remove = undo(&create);
    assert!(lab.perform(&remove).await.is_err(), "it is in use");
    lab.change(&undo(&create_service(&service))).await;
    assert_eq!(
        volume().await.as_ref(),
        Some(&made),
        "it is not removed with its container"
    );
    lab.change(&remove).await;
    lab.keep(&remove).await;
    assert_eq!(volume().await, None);
    // A service creates a volume that is missing, with its labels.
    lab.change(&create_service(&service)).await;
    assert_eq!(volume().await.as_ref(), Some(&made));
    lab.change(&undo(&create_service(&service))).await;
    lab.change(&remove).await;
}
