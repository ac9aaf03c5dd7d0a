//! Tests that the types for an agent on another host survive a round trip through JSON.

use std::{collections::BTreeSet, fmt::Debug};

use decnet_topology::{Catalog, DeploySettings, InstallationSecret, RuleSet, Topology, rng};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    api::ApiVersion,
    desired::{Desired, DesiredContext},
    naming::{Role, VolumeName},
    observe::{Observed, Scope},
    plan::{Action, diff},
    runtime::{Effect, Runtime, simulated::Simulated},
};

/// A gateway with a published service, and a decky with a service from a registry and one built from a folder.
fn desired() -> Desired {
    let own = "[services.shop]\nports = [\"8080/tcp\", \"53/udp\"]\nimage = \"shop:1\"\nwritable_root = true\nvolumes = [\"data:/data\"]\n\
               [services.forge]\nports = [\"3000/tcp\"]\nimage = { build = \"/srv/forge\" }\nuser = \"7:7\"\nseccomp = \"engine\"\n";
    let catalog = Catalog::builtin().extend_from_toml(own).expect("a catalogue");
    let topology = Topology::builder()
        .dmz("dmz", "10.98.0.0/24")
        .lan("Office", "10.98.1.0/24")
        .decky("gate", |decky| {
            let decky = decky.on("dmz", "10.98.0.2").on("Office", "10.98.1.2");
            decky.forwards().services(["http", "snmp"])
        })
        .decky("host", |decky| {
            decky.on("Office", "10.98.1.3").services(["shop", "forge"])
        });
    let valid = topology
        .build()
        .expect("a topology")
        .validate(&catalog, RuleSet::deploy());
    let context = DesiredContext {
        instance: rng::instance_id(),
        secret: &InstallationSecret::new([7; 32]),
        topology: rng::topology_id(),
        catalog: &catalog,
        decoy: "decnet-decoy:1",
        api: ApiVersion::v1(48),
        settings: &DeploySettings::default(),
        host_addresses: &[],
        fleet: None,
    };
    Desired::new(&valid.expect("valid"), &context).expect("in the catalogue")
}

/// Returns actions of every kind.
fn actions(desired: &Desired, observed: &Observed) -> Vec<Action> {
    let nothing = Desired::nothing(desired.instance, desired.topology);
    let created = diff(desired, &Observed::default());
    let removed = diff(&nothing, observed);
    let steps = created.steps().iter().chain(removed.steps());
    let mut actions: Vec<_> = steps.map(|step| step.action.clone()).collect();
    let inverses: Vec<_> = actions.iter().filter_map(Action::inverse).collect();
    actions.extend(inverses);
    let base = desired.bases.values().next().expect("a base");
    let connect = Action::Connect {
        container: base.name.clone(),
        interface: base.interfaces[0].clone(),
    };
    actions.push(connect.inverse().expect("it has an inverse"));
    actions.push(connect);
    actions.push(Action::SetState {
        container: base.name.clone(),
        state: base.state.clone(),
    });
    actions.push(Action::Restart {
        container: base.name.clone(),
        role: Role::Base,
    });
    actions.push(Action::RemoveVolume {
        volume: VolumeName::from_docker("left"),
    });
    actions
}

/// Numbers the kinds of actions. A new kind fails to compile until it is listed here.
fn kind(action: &Action) -> u8 {
    match action {
        Action::EnsureImage { .. } => 0,
        Action::CreateNetwork { .. } => 1,
        Action::CreateBase { .. } => 2,
        Action::CreateService { .. } => 3,
        Action::Connect { .. } => 4,
        Action::Disconnect { .. } => 5,
        Action::SetState { .. } => 6,
        Action::Restart { .. } => 7,
        Action::RemoveContainer { .. } => 8,
        Action::RemoveNetwork { .. } => 9,
        Action::RemoveVolume { .. } => 10,
        Action::RemoveImage { .. } => 11,
        Action::CreateVolume { .. } => 12,
        Action::EnsureLink { .. } => 13,
        Action::RemoveLink { .. } => 14,
    }
}

#[track_caller]
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let json = serde_json::to_string(value).expect("JSON");
    let back: T = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert_eq!(back, *value);
}

#[tokio::test]
async fn actions_and_observations_survive_json() {
    let desired = desired();
    let simulated = Simulated::new();
    for step in diff(&desired, &Observed::default()).steps() {
        let effect = simulated.perform(desired.instance, &step.action).await;
        check(&effect.expect("done"));
    }
    check(&Effect::Unchanged);
    let scope = Scope::Topology(desired.instance, desired.topology);
    let mut observed = simulated.inspect(scope).await.expect("it answers");
    for container in &mut observed.containers {
        container.pid = Some(7);
        container.exit_code = Some(137);
        container.deviates = Some("route missing".into());
        container.tampered = Some("its program is missing".into());
    }
    check(&observed);
    check(&simulated.list(scope).await.expect("it answers"));

    let actions = actions(&desired, &observed);
    actions.iter().for_each(check);
    let kinds: BTreeSet<_> = actions.iter().map(kind).collect();
    assert_eq!(kinds, (0..13).collect());
}

/// The steps of two mazes: the other maze is torn down after the image is ensured and before it is used.
#[tokio::test]
async fn a_teardown_between_the_image_and_its_container_does_not_fail_the_deploy() {
    let desired = desired();
    let simulated = Simulated::new();
    let other = Desired::nothing(desired.instance, rng::topology_id());
    let mut removed = 0;
    for step in diff(&desired, &Observed::default()).steps() {
        if let Action::CreateService { service } = &step.action
            && service.build.is_some()
        {
            let scope = Scope::Topology(other.instance, other.topology);
            let observed = simulated.inspect(scope).await.expect("it answers");
            for step in diff(&other, &observed).steps() {
                let effect = simulated.perform(other.instance, &step.action).await.expect("removed");
                removed += usize::from(effect == Effect::Changed);
            }
        }
        simulated.perform(desired.instance, &step.action).await.expect("done");
    }
    assert_eq!(removed, 1, "the built image is removed");
}
