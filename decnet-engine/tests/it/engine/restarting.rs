//! Restarts of a decky or a service.

use std::time::Duration;

use decnet_engine::{
    Action, ContainerName, EngineError, Operation, Outcome, RestartOptions,
    simulated::{Container, Moment},
};
use decnet_topology::{Catalog, DeckyPart, Status, Topology, TopologyId};
use tokio_util::sync::CancellationToken;

use super::{Lab, faults::lease_is_released, lifecycle::refused, small};

fn part(text: &str) -> DeckyPart {
    text.parse().expect("a part")
}

async fn restart(lab: &Lab, id: TopologyId, text: &str) -> Result<Outcome, EngineError> {
    let options = RestartOptions::new(part(text)).wait(Duration::from_secs(5));
    lab.engine.restart(id, options, &CancellationToken::new()).await
}

fn container(lab: &Lab, suffix: &str) -> (ContainerName, Container) {
    let containers = lab.docker.world().containers;
    let mut found = containers
        .into_iter()
        .filter(|(name, _)| name.as_str().ends_with(suffix));
    found.next().expect("a container")
}

/// Returns the ends of the names of containers whose start times differ.
fn restarted(lab: &Lab, before: &decnet_engine::simulated::World) -> Vec<String> {
    let world = lab.docker.world();
    assert!(
        before.containers.keys().eq(world.containers.keys()),
        "no container was created or removed"
    );
    let changed = world.containers.iter().filter(|(name, now)| {
        let then = &before.containers[*name];
        assert_eq!(
            (&then.id, &then.networks),
            (&now.id, &now.networks),
            "{name} is the same container"
        );
        then.started_at != now.started_at
    });
    changed
        .map(|(name, _)| name.as_str().rsplit('_').next().expect("a name").to_owned())
        .collect()
}

async fn deployed() -> (Lab, TopologyId) {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    (lab, id)
}

#[tokio::test(start_paused = true)]
async fn a_decky_restarts_with_its_services_and_a_service_alone_and_nothing_else() {
    let (lab, id) = deployed().await;
    for (what, expected) in [
        ("web", &["web", "web.http", "web.ssh"][..]),
        ("web.ssh", &["web.ssh"]),
        ("files", &["files", "files.smb"]),
    ] {
        let before = lab.docker.world();
        let outcome = restart(&lab, id, what).await.expect("restarted");
        assert_eq!((outcome.row.status, outcome.reason), (Status::Active, None));
        assert_eq!(restarted(&lab, &before), expected, "{what}");
        let steps = crate::planned(&lab.engine, id, None).await.expect("planned");
        assert!(steps.is_empty(), "{what}: {steps:?}");
    }
    let base = container(&lab, "_web").1.started_at;
    let service = container(&lab, "_web.http").1.started_at;
    assert!(service > base, "a service restarts after its base");
}

#[tokio::test(start_paused = true)]
async fn a_service_in_the_namespace_of_its_base_restarts_after_it() {
    let catalog = Catalog::builtin()
        .extend_from_toml("[services.pot]\nports = [\"2222/tcp\"]\nimage = \"pot:1\"\n")
        .expect("a catalogue");
    let lab = Lab::with_catalog(catalog);
    let topology = Topology::builder()
        .dmz("dmz", "10.90.0.0/24")
        .decky("web", |decky| decky.on("dmz", "10.90.0.10").services(["pot", "ssh"]))
        .build()
        .expect("a topology");
    let id = lab.store("maze", topology).await;
    lab.deploy(id).await.expect("deployed");
    let options = RestartOptions::new(part("web"));
    let prepared = lab
        .engine
        .prepare(id, Operation::Restart(options))
        .await
        .expect("planned");
    let steps: Vec<String> = prepared
        .plan()
        .steps()
        .iter()
        .map(|step| step.to_string().replace(&prefix(id), ""))
        .collect();
    assert_eq!(
        steps,
        [
            "restart web (restart requested)",
            "set routes of web: 0 routes, forwarding off (base restarted)",
            "restart web.pot (restart requested)",
            "restart web.ssh (restart requested)",
        ]
    );
    let before = lab.docker.world();
    prepared.execute(&CancellationToken::new()).await.expect("restarted");
    assert_eq!(restarted(&lab, &before), ["web", "web.pot", "web.ssh"]);
    assert!(container(&lab, "_web.pot").1.started_at > container(&lab, "_web").1.started_at);
}

fn prefix(id: TopologyId) -> String {
    format!("decnet_t_{}_", decnet_topology::short_id(id))
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_of_the_decky_is_created_and_damage_elsewhere_is_reported_and_left() {
    let (lab, id) = deployed().await;
    let (missing, elsewhere) = (container(&lab, "_web.ssh").0, container(&lab, "_files.smb").0);
    assert!(lab.docker.remove(&missing) && lab.docker.stop(&elsewhere));
    let outcome = restart(&lab, id, "web").await.expect("restarted");
    assert!(lab.docker.world().containers.contains_key(&missing));
    assert_ne!(
        container(&lab, "_files.smb").1.activity,
        decnet_engine::Activity::Running
    );
    assert_eq!(outcome.row.status, Status::Degraded);
    let reason = outcome.reason.expect("a reason");
    assert!(reason.contains("files.smb"), "{reason}");
    assert_eq!(lab.reconcile(id).await.expect("reconciled").row.status, Status::Active);
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_not_well_in_time_is_named_with_the_reason() {
    let (lab, id) = deployed().await;
    let (silent, _) = container(&lab, "_web.ssh");
    assert!(lab.docker.stop_answering(&silent));
    let error = restart(&lab, id, "web").await.expect_err("silent");
    assert_eq!(error.code(), "not_well");
    assert_eq!(
        error.to_string(),
        "web is unhealthy after its restart: web.ssh tcp/22: nothing listens there (after 5 s)"
    );
    lease_is_released(&lab, id).await;

    let fails = |action: &Action| matches!(action, Action::Restart { container, .. } if container.as_str().ends_with("_files.smb"));
    lab.docker.fail_where(fails, Moment::Before, refused());
    let error = restart(&lab, id, "files.smb").await.expect_err("refused");
    assert!(error.to_string().contains("injected fault"), "{error}");
    assert_eq!(lab.status(id).await, Status::Active, "nothing was restarted");
    lab.docker.reconnect();
    restart(&lab, id, "files.smb").await.expect("restarted");
    assert_eq!(lab.status(id).await, Status::Active);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_part_and_a_maze_that_does_not_run_are_refused_before_anything_changes() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let error = restart(&lab, id, "web").await.expect_err("pending");
    assert!(
        matches!(error, EngineError::WrongStatus { verb: "restarted", .. }),
        "{error}"
    );
    lab.deploy(id).await.expect("deployed");
    let before = lab.docker.world();
    for (what, code, text) in [
        (
            "weeb",
            "unknown_decky",
            "the maze has no decky named `weeb` (did you mean `web`?)",
        ),
        (
            "web.smb",
            "unknown_service",
            "decky `web` has no service named `smb`; it has http, ssh",
        ),
    ] {
        let error = restart(&lab, id, what).await.expect_err("unknown");
        assert_eq!((error.code(), error.to_string().as_str()), (code, text));
    }
    assert_eq!(restarted(&lab, &before), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_restart_is_well_again_after_a_reconcile() {
    for steps in 0..5 {
        let (lab, id) = deployed().await;
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let mut events = lab.engine.events();
        tokio::spawn(async move {
            let mut done = 0;
            while done < steps {
                let event = events.recv().await;
                done += usize::from(format!("{event:?}").contains("Done {"));
            }
            stop.cancel();
        });
        let result = lab.engine.restart(id, RestartOptions::new(part("web")), &cancel).await;
        let error = result.expect_err("interrupted");
        assert_eq!(error.code(), "interrupted", "after {steps} steps: {error}");
        lease_is_released(&lab, id).await;
        let outcome = lab.reconcile(id).await.expect("reconciled");
        assert_eq!(
            (outcome.row.status, outcome.reason),
            (Status::Active, None),
            "after {steps} steps"
        );
    }
}
