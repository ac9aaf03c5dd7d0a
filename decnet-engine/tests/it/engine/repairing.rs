//! Reconcile: broken resources are repaired, and nothing else is touched.

use decnet_engine::{Action, ContainerName, Runtime, ServiceNetwork, simulated::Moment};
use decnet_engine::{DeployOptions, EngineError};
use decnet_topology::{Catalog, DeploySettings, DmzEgress, Status, Topology, TopologyStore};
use tokio_util::sync::CancellationToken;

use super::{Lab, faults::lease_is_released, lifecycle::refused, small};

/// A change of a lab's daemon without the engine.
type Break<'a> = &'a dyn Fn(&Lab);

#[tokio::test]
async fn reconcile_repairs_broken_resources_and_nothing_else() {
    let name = |suffix: &str, world: &decnet_engine::simulated::World| -> ContainerName {
        world
            .containers
            .keys()
            .find(|name| name.as_str().ends_with(suffix))
            .expect("a container")
            .clone()
    };
    let office = |world: &decnet_engine::simulated::World| {
        let mut networks = world.networks.keys();
        networks
            .find(|network| network.as_str().ends_with("_office"))
            .expect("office")
            .clone()
    };
    let breaks: [(&str, Break<'_>); 11] = [
        ("a service stopped", &|lab| {
            assert!(lab.docker.stop(&name("_files.smb", &lab.docker.world())));
        }),
        ("a service removed", &|lab| {
            assert!(lab.docker.remove(&name("_files.smb", &lab.docker.world())));
        }),
        ("a base stopped", &|lab| {
            assert!(lab.docker.stop(&name("_files", &lab.docker.world())));
        }),
        ("a base removed", &|lab| {
            assert!(lab.docker.remove(&name("_files", &lab.docker.world())));
        }),
        ("a base paused", &|lab| {
            assert!(lab.docker.pause(&name("_files", &lab.docker.world())));
        }),
        ("a service paused", &|lab| {
            assert!(lab.docker.pause(&name("_files.smb", &lab.docker.world())));
        }),
        ("a network disconnected", &|lab| {
            let world = lab.docker.world();
            assert!(lab.docker.disconnect(&name("_files", &world), &office(&world)));
        }),
        ("a router disconnected from one network", &|lab| {
            let world = lab.docker.world();
            assert!(lab.docker.disconnect(&name("_web", &world), &office(&world)));
        }),
        ("a network removed without containers on it", &|lab| {
            assert!(lab.docker.remove_network(&office(&lab.docker.world())));
        }),
        ("forwarding switched", &|lab| {
            assert!(lab.docker.tamper_inside(&name("_web", &lab.docker.world())));
        }),
        ("all at once", &|lab| {
            let world = lab.docker.world();
            assert!(lab.docker.remove_network(&office(&world)));
            assert!(lab.docker.remove(&name("_files.smb", &world)));
            assert!(lab.docker.stop(&name("_files", &world)));
            assert!(lab.docker.tamper_inside(&name("_web", &world)));
        }),
    ];
    for (what, break_it) in breaks {
        let lab = Lab::new();
        let id = lab.store("maze", small()).await;
        lab.deploy(id).await.expect("deployed");
        let before = lab.docker.world();
        break_it(&lab);
        assert!(
            !crate::planned(&lab.engine, id, None).await.expect("planned").is_empty(),
            "{what}: the plan shows drift"
        );
        let healed = lab
            .reconcile(id)
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((healed.row.status, healed.reason), (Status::Active, None), "{what}");
        assert!(
            crate::planned(&lab.engine, id, None).await.expect("planned").is_empty(),
            "{what}: nothing is left to do"
        );
        let after = lab.docker.world();
        for (name, container) in &before.containers {
            if !name.as_str().contains("_files") {
                let there = &after.containers[name];
                assert_eq!(
                    (&there.id, there.started_at),
                    (&container.id, container.started_at),
                    "{what}: {name}"
                );
            }
        }
        assert!(
            after
                .containers
                .values()
                .all(|container| container.state.is_none() || container.state_holds),
            "{what}"
        );
    }
}

#[tokio::test]
async fn after_a_restart_built_in_services_need_no_step_and_services_with_their_own_image_need_a_start() {
    let catalog = Catalog::builtin().extend_from_toml(
        "[services.forge]
         ports = [\"3000/tcp\"]
         image = \"forge:1\"",
    );
    let lab = Lab::with_catalog(catalog.expect("a catalogue"));
    lab.docker.add_image("forge:1");
    let topology = Topology::builder()
        .dmz("dmz", "10.90.0.0/24")
        .decky("web", |decky| decky.on("dmz", "10.90.0.10").services(["http", "forge"]))
        .build()
        .expect("a topology");
    let id = lab.store("maze", topology).await;
    lab.deploy(id).await.expect("deployed");
    let before = lab.docker.world();
    let base = before.containers.keys().find(|name| name.as_str().ends_with("_web"));
    let base = base.expect("a base");
    let restarts: [(&dyn Fn(), &str); 2] = [
        (&|| lab.docker.restart_daemon(), "not running"),
        (&|| assert!(lab.docker.crash(base)), "base restarted"),
    ];
    for (restart, reason) in restarts {
        restart();
        let plan = crate::planned(&lab.engine, id, None).await.expect("planned");
        let steps: Vec<_> = plan.steps().iter().map(ToString::to_string).collect();
        assert_eq!(steps, [format!("restart {base}.forge ({reason})")]);
        lab.reconcile(id).await.expect("reconciled");
        let after = lab.docker.world();
        for (name, container) in &before.containers {
            assert_eq!(after.containers[name].id, container.id, "{name} was not recreated");
        }
        assert!(crate::planned(&lab.engine, id, None).await.expect("planned").is_empty());
    }
}

#[tokio::test]
async fn a_service_of_an_earlier_release_that_shares_its_bases_namespace_is_recreated() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    let world = lab.docker.world();
    let name = world
        .containers
        .keys()
        .find(|name| name.as_str().ends_with("_files.smb"));
    let name = name.expect("a service");
    let made = lab.docker.log().into_iter().find_map(|done| match done.action {
        Action::CreateService { service } if service.name == *name => Some(service),
        _ => None,
    });
    let mut old = made.expect("it was created");
    old.network = ServiceNetwork::OfBase;
    let before = &world.containers[name];
    assert!(lab.docker.remove(name));
    let instance = lab.repo.instance().await.expect("an instance");
    let create = Action::CreateService { service: old };
    lab.docker.perform(instance, &create).await.expect("created");
    let plan = crate::planned(&lab.engine, id, None).await.expect("planned");
    let steps: Vec<_> = plan.steps().iter().map(ToString::to_string).collect();
    assert_eq!(
        steps,
        [
            format!("remove container {name} (base recreated)"),
            format!("ensure image {} (needed by a new container)", before.image),
            format!("create service {name} (base recreated)")
        ]
    );
    lab.reconcile(id).await.expect("reconciled");
    let after = lab.docker.world();
    assert_eq!(
        (&after.containers[name].shares, &after.containers[name].volume),
        (&None, &before.volume)
    );
    assert!(crate::planned(&lab.engine, id, None).await.expect("planned").is_empty());
}

#[tokio::test]
async fn routes_that_could_not_be_set_are_set_by_the_next_reconcile() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    let world = lab.docker.world();
    let base = world.containers.keys().find(|name| name.as_str().ends_with("_files"));
    let office = world.networks.keys().find(|name| name.as_str().ends_with("_office"));
    assert!(lab.docker.disconnect(base.expect("a base"), office.expect("a network")));
    // The steps from before the base was connected again succeed.
    let sets = |action: &Action| matches!(action, Action::SetState { state, .. } if !state.interfaces.is_empty());
    lab.docker.fail_where(sets, Moment::Before, refused());
    let first = lab.reconcile(id).await.expect("reconciled as far as possible");
    assert_eq!(first.row.status, Status::Degraded);
    lab.docker.reconnect();
    let plan = crate::planned(&lab.engine, id, None).await.expect("planned");
    let steps: Vec<_> = plan.steps().iter().map(|step| sets(&step.action)).collect();
    assert_eq!(steps, [true], "the routes, and nothing else");
    let second = lab.reconcile(id).await.expect("reconciled");
    assert_eq!((second.row.status, second.reason), (Status::Active, None));
    assert!(
        lab.docker
            .world()
            .containers
            .values()
            .all(|base| base.state.is_none() || base.state_holds)
    );
}

#[tokio::test]
async fn a_cancelled_reconcile_leaves_the_status_unchanged() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    let world = lab.docker.world();
    let base = world.containers.keys().find(|name| name.as_str().ends_with("_files"));
    assert!(
        lab.docker
            .tamper_state(base.expect("a base"), |state| state.routes.clear())
    );
    let sets = |action: &Action| matches!(action, Action::SetState { .. });
    lab.docker.fail_where(sets, Moment::Before, refused());
    let first = lab.reconcile(id).await.expect("reconciled as far as possible");
    assert_eq!(first.row.status, Status::Degraded);
    lab.docker.reconnect();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let result = lab.engine.reconcile(id, false, &cancel).await;
    assert!(matches!(result, Err(EngineError::Interrupted { .. })), "{result:?}");
    assert_eq!(lab.status(id).await, Status::Degraded);
}

#[tokio::test]
async fn stored_settings_of_a_killed_process_are_applied_to_the_bases() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let letting = |dmz_egress| DeployOptions::default().settings(DeploySettings::default().dmz_egress(dmz_egress));
    let cancel = CancellationToken::new();
    let deployed = lab.engine.deploy(id, letting(DmzEgress::Open), &cancel).await;
    deployed.expect("deployed");
    lab.docker.hang(1, Moment::Before);
    tokio::select! {
        result = lab.engine.deploy(id, letting(DmzEgress::DnsOnly), &cancel) => panic!("{result:?}"),
        () = lab.docker.hung() => {}
    }
    lease_is_released(&lab, id).await;
    lab.docker.reconnect();
    let row = lab.repo.get(id).await.expect("a row");
    assert_eq!((row.status, row.needs_resync), (Status::Active, true));
    let healed = lab.reconcile(id).await.expect("reconciled");
    assert!(healed.changed > 0 && !healed.row.needs_resync);
    assert!(!lab.repo.get(id).await.expect("a row").needs_resync);
    assert!(crate::planned(&lab.engine, id, None).await.expect("planned").is_empty());
}
