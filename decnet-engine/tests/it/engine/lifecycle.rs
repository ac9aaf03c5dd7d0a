use std::sync::Arc;

use decnet_engine::{
    Action, Activity, DecoyImage, DeployOptions, Engine, EngineError, EngineOptions, Event, Lane, Received,
    RuntimeError,
};
use decnet_topology::{Catalog, Intent, Status, Topology, TopologyStore};
use tokio_util::sync::CancellationToken;

use super::{Lab, small, twelve};

#[tokio::test]
async fn a_maze_is_deployed_and_torn_down_completely() {
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
async fn a_maze_without_deckies_and_one_with_deckies_work_on_one_daemon() {
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
async fn a_custom_service_runs_its_command_within_its_limits() {
    let catalog = Catalog::builtin().extend_from_toml(
        "[services.forge]
         ports = [\"3000/tcp\"]
         image = \"forge:1\"
         command = [\"serve\", \"--quiet\"]
         limits = { memory_mib = 256, pids = 32, cpus = 0.25 }",
    );
    let lab = Lab::new();
    let options = EngineOptions::new(catalog.expect("a catalogue")).image(Arc::new(DecoyImage::pack(b"a program")));
    let engine = Engine::new(lab.repo.clone(), Arc::new(lab.docker.clone()), options);
    let topology = Topology::builder()
        .dmz("dmz", "10.90.0.0/24")
        .decky("web", |decky| decky.on("dmz", "10.90.0.10").services(["forge"]))
        .build()
        .expect("a topology");
    let id = lab.store("maze", topology).await;
    let plan = crate::planned(&engine, id, None).await.expect("planned");
    let made = plan.steps().iter().find_map(|step| match &step.action {
        Action::CreateService { service } => Some(service),
        _ => None,
    });
    let made = made.expect("a service is created");
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
async fn a_topology_that_breaks_rules_is_refused_before_anything_changes() {
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
async fn one_of_two_deploys_at_once_is_busy_and_the_other_succeeds() {
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
async fn a_cancelled_deploy_undoes_its_changes() {
    let lab = Lab::new();
    let id = lab.store("maze", twelve()).await;
    let cancel = CancellationToken::new();
    let mut events = lab.engine.events();
    let stop = cancel.clone();
    let interrupt = async move {
        let mut done = 0;
        while let Some(Received::Event(envelope)) = events.recv().await {
            if let Event::Step { .. } = envelope.event {
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
async fn a_failed_topology_is_deployed_as_a_copy_with_the_same_name() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.docker.fail(3, decnet_engine::simulated::Moment::Before, refused());
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
    let name = decnet_engine::NetworkName::from_docker("lab-of-another");
    lab.docker
        .add_network(name.clone(), "10.90.1.0/26".parse().expect("a subnet"));
    let error = lab.deploy(id).await.expect_err("refused");
    assert!(format!("{error:?}").contains("lab-of-another"), "{error:?}");
    lab.teardown(id).await.expect("torn down");
    assert_eq!(lab.docker.world().networks.keys().collect::<Vec<_>>(), [&name]);
}

#[tokio::test]
async fn containers_start_in_parallel_and_networks_one_by_one() {
    let lab = Lab::new();
    let id = lab.store("maze", twelve()).await;
    lab.deploy(id).await.expect("deployed");
    assert_eq!(lab.docker.peak(Lane::Network), 1);
    assert!(lab.docker.peak(Lane::Container) <= 8);
}

pub(super) fn refused() -> RuntimeError {
    RuntimeError::Refused {
        reason: "injected fault".into(),
    }
}
