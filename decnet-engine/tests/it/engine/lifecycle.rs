use std::sync::Arc;

use decnet_engine::{
    decoy::DecoyImage,
    engine::{DeployOptions, Engine, EngineError, EngineOptions},
    event::Event,
    naming::ContainerName,
    observe::Activity,
    plan::{Action, Lane},
    runtime::{RuntimeError, simulated::Moment},
};
use decnet_topology::{Catalog, DeploySettings, Intent, Repo, Status, Topology};
use tokio_util::sync::CancellationToken;

use super::{Lab, small, twelve};

#[tokio::test]
async fn a_maze_comes_up_and_goes_down_without_a_trace() {
    let lab = Lab::new();
    let id = lab.store("maze", twelve()).await;

    let up = lab.deploy(id).await.expect("deployed");
    assert_eq!(
        (up.row.status, up.row.intent, up.reason),
        (Status::Active, Some(Intent::Up), None)
    );
    let world = lab.docker.world();
    assert_eq!((world.networks.len(), world.containers.len()), (12, 23 + 34));
    assert!(
        world
            .containers
            .values()
            .all(|container| container.activity == Activity::Running)
    );

    let down = lab.teardown(id).await.expect("torn down");
    assert_eq!(
        (down.row.status, down.row.intent),
        (Status::TornDown, Some(Intent::Down))
    );
    lab.assert_nothing_left("after teardown");

    let events = lab.repo.status_events(id).await.expect("events");
    let path: Vec<_> = events.iter().map(|event| event.to).collect();
    assert_eq!(
        path,
        [
            Status::Pending,
            Status::Deploying,
            Status::Active,
            Status::TearingDown,
            Status::TornDown
        ]
    );
}

#[tokio::test]
async fn only_gateways_publish_ports() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    let world = lab.docker.world();
    let publishing: Vec<_> = world
        .containers
        .iter()
        .filter(|(_, container)| !container.publish.is_empty())
        .map(|(name, _)| name)
        .collect();
    assert_eq!(publishing.len(), 1);
    assert!(publishing[0].as_str().ends_with("_web"));
}

#[tokio::test]
async fn a_second_deploy_of_what_runs_does_nothing() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    let before = lab.docker.world();
    let again = lab.deploy(id).await.expect("deployed again");
    assert_eq!(again.changed, 0);
    assert_eq!(lab.docker.world(), before);
    assert!(lab.engine.plan(id, None).await.expect("planned").is_empty());
}

#[tokio::test]
async fn a_maze_without_deckies_is_whole_beside_one_that_has_some() {
    let lab = Lab::new();
    let full = lab.store("full", small()).await;
    lab.deploy(full).await.expect("deployed");
    let empty = Topology::builder()
        .dmz("dmz", "10.92.0.0/24")
        .build()
        .expect("a topology");
    let empty = lab.store("empty", empty).await;
    let up = lab.deploy(empty).await.expect("deployed");
    assert_eq!((up.row.status, up.reason), (Status::Active, None));
    lab.teardown(full).await.expect("torn down");
    lab.teardown(empty).await.expect("torn down");
    lab.assert_nothing_left("after both teardowns");
}

#[tokio::test]
async fn a_service_of_ones_own_runs_its_command_within_its_limits() {
    let catalog = Catalog::builtin().extend_from_toml(
        "[services.forge]
         ports = [\"3000/tcp\"]
         image = \"forge:1\"
         command = [\"serve\", \"--quiet\"]
         limits = { memory_mib = 256, pids = 32, cpus = 0.25 }",
    );
    let lab = Lab::new();
    let options = EngineOptions {
        catalog: catalog.expect("a catalogue"),
        image: Some(Arc::new(DecoyImage::pack(b"a program"))),
        ..EngineOptions::new(Catalog::builtin())
    };
    let engine = Engine::new(lab.repo.clone(), Arc::new(lab.docker.clone()), options);
    let topology = Topology::builder()
        .dmz("dmz", "10.90.0.0/24")
        .decky("web", |decky| decky.on("dmz", "10.90.0.10").services(["forge"]))
        .build()
        .expect("a topology");
    let id = lab.store("maze", topology).await;
    let plan = engine.plan(id, None).await.expect("planned");
    let made = plan.steps().iter().find_map(|step| match &step.action {
        Action::CreateService { service } => Some(service),
        _ => None,
    });
    let made = made.expect("a service is made");
    assert_eq!(
        made.command.as_deref(),
        Some(["serve".to_owned(), "--quiet".to_owned()].as_slice())
    );
    assert_eq!(
        (made.limits.memory, made.limits.pids, made.limits.nano_cpus),
        (256 << 20, 32, 250_000_000)
    );
}

#[tokio::test]
async fn a_plan_touches_nothing_and_prints_what_deploy_does() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let plan = lab.engine.plan(id, None).await.expect("planned");
    assert_eq!(lab.docker.log().len(), 0);
    assert_eq!(lab.status(id).await, Status::Pending);
    lab.deploy(id).await.expect("deployed");
    let mut done: Vec<_> = lab
        .docker
        .log()
        .iter()
        .map(|performed| performed.action.to_string())
        .collect();
    let mut planned: Vec<_> = plan.steps().iter().map(ToString::to_string).collect();
    done.sort();
    planned.sort();
    assert_eq!(done, planned);
}

/// What somebody does to a lab's daemon behind the engine's back.
type Break<'a> = &'a dyn Fn(&Lab);

#[tokio::test]
async fn reconcile_brings_back_what_was_broken_and_nothing_else() {
    let name = |suffix: &str, world: &decnet_engine::runtime::simulated::World| -> ContainerName {
        world
            .containers
            .keys()
            .find(|name| name.as_str().ends_with(suffix))
            .expect("a container")
            .clone()
    };
    let breaks: [(&str, Break<'_>); 7] = [
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
        ("a base crashed", &|lab| {
            assert!(lab.docker.crash(&name("_files", &lab.docker.world())));
        }),
        ("a base paused", &|lab| {
            assert!(lab.docker.pause(&name("_files", &lab.docker.world())));
        }),
        ("a network disconnected", &|lab| {
            let world = lab.docker.world();
            let network = world
                .networks
                .keys()
                .find(|network| network.as_str().ends_with("_office"))
                .expect("office");
            assert!(lab.docker.disconnect(&name("_files", &world), network));
        }),
    ];
    for (what, break_it) in breaks {
        let lab = Lab::new();
        let id = lab.store("maze", small()).await;
        lab.deploy(id).await.expect("deployed");
        let before = lab.docker.world();
        break_it(&lab);
        assert!(
            !lab.engine.plan(id, None).await.expect("planned").is_empty(),
            "{what}: drift shows in the plan"
        );
        let mended = lab
            .reconcile(id)
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((mended.row.status, mended.reason), (Status::Active, None), "{what}");
        assert!(
            lab.engine.plan(id, None).await.expect("planned").is_empty(),
            "{what}: nothing left to do"
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
async fn a_daemon_that_restarted_is_mended_by_starting_services_again() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    let before = lab.docker.world();
    lab.docker.restart_daemon();
    lab.reconcile(id).await.expect("reconciled");
    let after = lab.docker.world();
    for (name, container) in &before.containers {
        assert_eq!(after.containers[name].id, container.id, "{name} was not made anew");
    }
    assert!(lab.engine.plan(id, None).await.expect("planned").is_empty());
}

#[tokio::test]
async fn a_topology_that_breaks_rules_is_refused_before_anything_is_touched() {
    let lab = Lab::new();
    let cut_off = Topology::builder()
        .dmz("dmz", "10.92.0.0/24")
        .lan("island", "10.92.1.0/24")
        .decky("web", |decky| decky.on("dmz", "10.92.0.2").services(["http"]))
        .build()
        .expect("a topology");
    let id = lab.store("maze", cut_off).await;
    let Err(EngineError::Invalid(invalid)) = lab.deploy(id).await else {
        panic!("refused")
    };
    assert!(
        invalid
            .report
            .errors()
            .any(|finding| finding.code.as_str() == "DMZ_ORPHAN")
    );
    assert_eq!(lab.status(id).await, Status::Pending);
    assert_eq!(lab.docker.log().len(), 0);
}

#[tokio::test]
async fn without_a_daemon_nothing_changes() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.docker.go_away();
    for result in [lab.deploy(id).await, lab.teardown(id).await] {
        let Err(EngineError::Runtime(error)) = result else {
            panic!("refused")
        };
        assert!(error.is_unreachable());
    }
    assert_eq!(lab.status(id).await, Status::Pending);
}

#[tokio::test]
async fn of_two_deploys_at_once_one_is_busy_and_the_other_is_whole() {
    let lab = Lab::new();
    let id = lab.store("maze", twelve()).await;
    let (first, second) = tokio::join!(lab.deploy(id), lab.deploy(id));
    let (won, lost) = if first.is_ok() {
        (first, second)
    } else {
        (second, first)
    };
    assert_eq!(won.expect("one wins").row.status, Status::Active);
    assert!(
        matches!(lost, Err(EngineError::Busy { .. } | EngineError::WrongStatus { .. })),
        "{lost:?}"
    );
    assert_eq!(lab.docker.world().networks.len(), 12);
}

#[tokio::test]
async fn a_cancelled_deploy_undoes_what_it_did() {
    let lab = Lab::new();
    let id = lab.store("maze", twelve()).await;
    let cancel = CancellationToken::new();
    let mut events = lab.engine.events();
    let stop = cancel.clone();
    let interrupt = async move {
        let mut done = 0;
        while let Ok(event) = events.recv().await {
            if let Event::Step { .. } = event {
                done += 1;
                if done == 20 {
                    stop.cancel();
                    return;
                }
            }
        }
    };
    let (result, ()) = tokio::join!(lab.engine.deploy(id, DeployOptions::default(), &cancel), interrupt);
    let Err(EngineError::Interrupted {
        undo_failures,
        leftovers,
        ..
    }) = result
    else {
        panic!("{result:?}")
    };
    assert!(undo_failures.is_empty() && leftovers.is_empty());
    assert_eq!(lab.status(id).await, Status::Failed);
    lab.assert_nothing_left("after the undo");
}

#[tokio::test]
async fn a_failed_topology_is_deployed_as_a_fresh_copy_of_the_same_name() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.docker
        .fail(3, decnet_engine::runtime::simulated::Moment::Before, refused());
    lab.deploy(id).await.expect_err("fails");
    assert_eq!(lab.status(id).await, Status::Failed);
    let again = lab.deploy(id).await.expect("deployed");
    assert_ne!(again.row.id, id);
    assert_eq!((again.row.name.as_str(), again.row.status), ("maze", Status::Active));
    assert_eq!(lab.status(id).await, Status::TornDown);
}

#[tokio::test]
async fn a_foreign_network_in_the_way_is_named_and_survives() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let name = decnet_engine::naming::NetworkName::from_docker("lab-of-another");
    lab.docker
        .add_network(name.clone(), "10.90.1.0/26".parse().expect("a subnet"));
    let error = lab.deploy(id).await.expect_err("refused");
    assert!(format!("{error:?}").contains("lab-of-another"), "{error:?}");
    lab.teardown(id).await.expect("torn down");
    assert_eq!(lab.docker.world().networks.keys().collect::<Vec<_>>(), [&name]);
}

#[tokio::test]
async fn containers_start_side_by_side_and_networks_one_by_one() {
    let lab = Lab::new();
    let id = lab.store("maze", twelve()).await;
    lab.deploy(id).await.expect("deployed");
    assert_eq!(lab.docker.peak(Lane::Network), 1);
    assert!(lab.docker.peak(Lane::Container) <= 8);
}

pub(super) fn refused() -> RuntimeError {
    RuntimeError::Refused {
        status: 500,
        message: "the fault that was ordered".into(),
    }
}

#[tokio::test]
async fn a_plan_is_refused_for_what_a_deploy_is_refused_for() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let name = decnet_engine::naming::NetworkName::from_docker("lab-of-another");
    lab.docker
        .add_network(name.clone(), "10.90.1.0/26".parse().expect("a subnet"));
    for refused in [lab.engine.plan(id, None).await.err(), lab.deploy(id).await.err()] {
        let Some(EngineError::Invalid(invalid)) = refused else {
            panic!("{refused:?}")
        };
        let codes: Vec<_> = invalid.report.errors().map(|finding| finding.code.as_str()).collect();
        assert_eq!(codes, ["SUBNET_HOST_OVERLAP"]);
    }
}

#[tokio::test]
async fn a_plan_and_a_deploy_follow_the_settings_that_they_are_given_and_a_deploy_keeps_them() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let settings = DeploySettings {
        publish: ["ssh=2222".parse().expect("a rule")].into_iter().collect(),
        ..DeploySettings::default()
    };
    let plan = lab.engine.plan(id, Some(settings.clone())).await.expect("planned");
    assert!(
        plan.steps()
            .iter()
            .any(|step| step.to_string().contains("publish 2222:22"))
    );
    assert_eq!(
        lab.repo.get(id).await.expect("a row").settings,
        DeploySettings::default()
    );
    let options = DeployOptions {
        settings: Some(settings.clone()),
        ..DeployOptions::default()
    };
    lab.engine
        .deploy(id, options, &CancellationToken::new())
        .await
        .expect("deployed");
    assert_eq!(lab.repo.get(id).await.expect("a row").settings, settings);
    assert!(lab.engine.plan(id, None).await.expect("planned").is_empty());
    // To publish elsewhere, a base that runs is made anew: not without being told.
    let options = DeployOptions {
        settings: Some(DeploySettings::default()),
        ..DeployOptions::default()
    };
    let refused = lab.engine.deploy(id, options.clone(), &CancellationToken::new()).await;
    assert!(matches!(refused, Err(EngineError::Plan(_))), "{refused:?}");
    assert_eq!(
        lab.repo.get(id).await.expect("a row").settings,
        settings,
        "a refused change changes nothing"
    );
    let options = DeployOptions { force: true, ..options };
    lab.engine
        .deploy(id, options, &CancellationToken::new())
        .await
        .expect("deployed");
    assert!(lab.engine.plan(id, None).await.expect("planned").is_empty());
}

#[tokio::test]
async fn routes_that_could_not_be_set_are_seen_by_the_next_reconcile() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    let world = lab.docker.world();
    let base = world.containers.keys().find(|name| name.as_str().ends_with("_files"));
    let office = world.networks.keys().find(|name| name.as_str().ends_with("_office"));
    assert!(lab.docker.disconnect(base.expect("a base"), office.expect("a network")));
    let sets = |action: &Action| matches!(action, Action::SetState { .. });
    lab.docker.fail_where(sets, Moment::Before, refused());
    let first = lab.reconcile(id).await.expect("reconciled as far as it goes");
    assert_eq!(first.row.status, Status::Degraded);
    lab.docker.reconnect();
    let plan = lab.engine.plan(id, None).await.expect("planned");
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
