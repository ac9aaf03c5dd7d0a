//! Ownership is the instance label: resources without it are never touched.

use std::collections::BTreeSet;

use crate::{
    naming::{ContainerName, NetworkName, Role},
    observe::{Observed, Scope},
    plan::Action,
    runtime::{Effect, RuntimeError},
};
use decnet_decoy::protocol::Probe;
use decnet_topology::rng;

use super::stage::{Lab, create_base, create_network, create_service, restart, state, undo};

pub(super) async fn a_foreign_network_with_our_name_is_an_error_and_survives(lab: &Lab) {
    lab.ensure_decoy().await;
    let network = lab.network("near", 0);
    lab.outside.add_network(&network.name, &lab.subnet(1));
    let error = lab.refuse(&create_network(&network)).await;
    assert!(
        matches!(&error, RuntimeError::Foreign { what, .. } if what.contains(network.name.as_str())),
        "{error}"
    );
    let base = lab.base("web", &[lab.interface("near", 1, 2)]);
    let error = lab.refuse(&create_base(&base)).await;
    assert!(matches!(error, RuntimeError::Foreign { .. }), "{error}");
    lab.keep(&undo(&create_network(&network))).await;
    assert!(lab.outside.has_network(&network.name));
    assert!(!lab.outside.has_container(&base.name));
}

pub(super) async fn a_foreign_container_with_our_name_is_an_error_and_survives(lab: &Lab) {
    lab.ensure_decoy().await;
    lab.change(&create_network(&lab.network("near", 0))).await;
    let base = lab.base("web", &[lab.interface("near", 0, 2)]);
    lab.outside.add_container(&base.name);
    let refused = [
        create_base(&base),
        create_service(&lab.service("web", "telnet")),
        restart(&base.name, Role::Base),
        Action::Connect {
            container: base.name.clone(),
            interface: lab.interface("near", 0, 2),
        },
        Action::SetState {
            container: base.name.clone(),
            state: state(&base.interfaces),
        },
    ];
    for action in refused {
        let error = lab.refuse(&action).await;
        assert!(
            matches!(&error, RuntimeError::Foreign { what, .. } if what.contains(base.name.as_str())),
            "{action}: {error}"
        );
    }
    let probe = Probe {
        targets: Vec::new(),
        timeout_ms: 1,
        attempts: 1,
    };
    let probed = lab.runtime.probe(lab.instance, &base.name, &probe).await;
    let error = probed.expect_err("it is foreign");
    assert!(matches!(error, RuntimeError::Foreign { .. }), "{error}");
    lab.keep(&undo(&create_base(&base))).await;
    assert!(lab.outside.has_container(&base.name));
}

pub(super) async fn a_foreign_network_on_our_subnet_survives(lab: &Lab) {
    let (foreign, network) = (lab.network_name("foreign"), lab.network("near", 0));
    lab.outside.add_network(&foreign, &lab.subnet(0));
    let error = lab.refuse(&create_network(&network)).await;
    assert!(
        matches!(&error, RuntimeError::SubnetTaken { subnet, .. } if *subnet == lab.subnet(0)),
        "{error}"
    );
    lab.keep(&undo(&create_network(&network))).await;
    assert!(lab.outside.has_network(&foreign));
    assert!(!lab.outside.has_network(&network.name));
}

pub(super) async fn another_repo_cannot_touch_our_resources(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    let before = lab.observe().await;
    let stranger = rng::instance_id();
    let removals = [
        undo(&create_network(&lab.network("near", 0))),
        undo(&create_base(&base)),
        Action::RemoveContainer {
            container: base.name.clone(),
            id: Some(before.containers[0].id.clone()),
            role: Role::Base,
            networks: BTreeSet::new(),
            deletes_log: true,
        },
        Action::RemoveNetwork {
            network: before.networks[0].name.clone(),
            id: Some(before.networks[0].id.clone()),
        },
    ];
    for action in removals {
        let effect = lab
            .runtime
            .perform(stranger, &action)
            .await
            .expect("nothing of theirs is there");
        assert_eq!(effect, Effect::Unchanged, "{action}");
    }
    let changes = [
        create_network(&lab.network("near", 0)),
        create_base(&base),
        restart(&base.name, Role::Base),
        Action::Disconnect {
            container: base.name.clone(),
            network: lab.network_name("near"),
            interface: None,
        },
    ];
    for action in changes {
        let error = lab
            .runtime
            .perform(stranger, &action)
            .await
            .expect_err("it is not theirs");
        assert!(
            matches!(&error, RuntimeError::Foreign { owner, .. } if owner.contains(&lab.instance.to_string())),
            "{action}: {error}"
        );
    }
    assert_eq!(lab.observe().await, before);
}

fn names(observed: &Observed) -> (BTreeSet<NetworkName>, BTreeSet<ContainerName>) {
    let networks = observed.networks.iter().map(|network| network.name.clone());
    let containers = observed.containers.iter().map(|container| container.name.clone());
    (networks.collect(), containers.collect())
}

pub(super) async fn a_scope_contains_exactly_its_resources(lab: &Lab) {
    lab.create_base("LAN-10", "web").await;
    lab.change(&create_network(&lab.network("LAN-100", 1))).await;
    let shorter = lab.network_name("LAN-10");
    let longer = lab.network_name("LAN-100");
    let base = lab.base_name("web");
    let both = (BTreeSet::from([shorter, longer.clone()]), BTreeSet::from([base]));
    let scopes = [
        (Scope::Instance(lab.instance), true),
        (Scope::Topology(lab.instance, lab.topology), true),
        (Scope::Topology(lab.instance, rng::topology_id()), false),
        (Scope::Topology(rng::instance_id(), lab.topology), false),
        (Scope::Instance(rng::instance_id()), false),
    ];
    for (scope, ours) in scopes {
        let observed = lab.runtime.inspect(scope).await.expect("observe");
        let expected = if ours { both.clone() } else { Default::default() };
        assert_eq!(names(&observed), expected, "{scope:?}");
    }
    let (networks, _) = names(&lab.runtime.inspect(Scope::Everyone).await.expect("observe"));
    assert!(networks.is_superset(&both.0));

    // A name that is the prefix of another does not match the other.
    lab.perform(&undo(&create_base(&lab.base("web", &[]))))
        .await
        .expect("remove");
    lab.change(&undo(&create_network(&lab.network("LAN-10", 0)))).await;
    assert_eq!(names(&lab.observe().await).0, BTreeSet::from([longer]));
}

pub(super) async fn foreign_networks_belong_to_others(lab: &Lab) {
    let foreign = lab.network_name("foreign");
    lab.outside.add_network(&foreign, &lab.subnet(0));
    let ours = lab.network("near", 1);
    lab.change(&create_network(&ours)).await;
    let seen = |found: Vec<crate::runtime::ForeignNetwork>| -> Vec<_> {
        let mine = found
            .into_iter()
            .filter(|network| network.name.starts_with(&lab.network_name("").to_string()));
        mine.map(|network| (network.name, network.subnet.to_string(), network.instance))
            .collect()
    };
    let listed = seen(lab.runtime.foreign_networks(lab.instance).await.expect("list"));
    assert_eq!(listed, [(foreign.to_string(), lab.subnet(0), None)]);
    let listed = seen(lab.runtime.foreign_networks(rng::instance_id()).await.expect("list"));
    let theirs = (ours.name.to_string(), lab.subnet(1), Some(lab.instance));
    assert!(listed.contains(&theirs) && listed.len() == 2, "{listed:?}");
}
