//! The named volumes of services.

use std::{collections::BTreeMap, sync::Arc};

use decnet_engine::{
    ContainerName, DecoyImage, Engine, EngineError, EngineOptions, Operation, ReapOptions, Verdict, VolumeName,
    doctor::check_runtime, naming, simulated::Moment,
};
use decnet_topology::{Catalog, Mutation, NewMutation, Status, Topology, TopologyId, TopologyStore, short_id};
use tokio_util::sync::CancellationToken;

use super::{Lab, faults::lease_is_released, lifecycle::refused};

const MOMENTS: [Moment; 3] = [Moment::Before, Moment::Half, Moment::After];

fn catalog(volumes: &str) -> Catalog {
    let pot = format!("[services.pot]\nports = [\"22:2222/tcp\"]\nimage = \"pot:1\"\nvolumes = [{volumes}]\n");
    Catalog::builtin().extend_from_toml(pot).expect("a catalogue")
}

fn lab(volumes: &str) -> Lab {
    Lab::with_catalog(catalog(volumes))
}

/// A volume that is removed with its maze, and one that is kept.
fn both() -> Lab {
    lab("\"data:/data\", { name = \"loot\", path = \"/loot\", keep = true }")
}

fn maze() -> Topology {
    Topology::builder()
        .dmz("dmz", "10.90.0.0/24")
        .decky("web", |decky| decky.on("dmz", "10.90.0.10").services(["http", "pot"]))
        .decky("files", |decky| decky.on("dmz", "10.90.0.11").services(["pot"]))
        .build()
        .expect("a topology")
}

fn named(id: TopologyId, name: &str) -> VolumeName {
    VolumeName::from_docker(format!("decnet_t_{}_{name}", short_id(id)))
}

fn pot(id: TopologyId, decky: &str) -> ContainerName {
    ContainerName::from_docker(format!("decnet_t_{}_{decky}.pot", short_id(id)))
}

/// Returns the named volumes, without the prefix of their maze.
fn volumes(lab: &Lab, id: TopologyId) -> Vec<String> {
    let prefix = named(id, "");
    let world = lab.docker.world();
    let named = world.volumes.iter().filter(|(_, volume)| !volume.anonymous);
    named
        .map(|(name, _)| name.as_str().replace(prefix.as_str(), ""))
        .collect()
}

async fn mutate(lab: &Lab, id: TopologyId, json: &str) {
    let mutation = NewMutation::new(Mutation::from_json(json).expect("a mutation"));
    let cancel = CancellationToken::new();
    let prepared = lab
        .engine
        .prepare(id, Operation::Mutate(mutation))
        .await
        .expect("prepared");
    prepared.execute(&cancel).await.expect("mutated");
}

#[tokio::test]
async fn each_decky_has_its_own_volumes_with_labels_and_mounts_them() {
    let lab = both();
    let id = lab.store("maze", maze()).await;
    lab.deploy(id).await.expect("deployed");
    assert_eq!(
        volumes(&lab, id),
        ["files.pot.data", "files.pot.loot", "web.pot.data", "web.pot.loot"]
    );
    let world = lab.docker.world();
    let labels = &world.volumes[&named(id, "web.pot.loot")].labels;
    let mut expected = naming::ownership(lab.repo.instance().await.expect("an instance"), id);
    let more = [
        (naming::DECKY, "web"),
        (naming::SERVICE_NAME, "pot"),
        (naming::VOLUME, "loot"),
        (naming::KEEP, "true"),
    ];
    expected.extend(more.map(|(key, value)| (key.into(), value.into())));
    assert_eq!(*labels, expected);
    assert!(
        !world.volumes[&named(id, "web.pot.data")]
            .labels
            .contains_key(naming::KEEP)
    );
    let mounted = &world.containers[&pot(id, "web")].mounts;
    assert_eq!(*mounted, [named(id, "web.pot.data"), named(id, "web.pot.loot")].into());
}

#[tokio::test]
async fn a_recreated_container_gets_the_same_volumes() {
    let lab = both();
    let id = lab.store("maze", maze()).await;
    lab.deploy(id).await.expect("deployed");
    let base = ContainerName::from_docker(pot(id, "web").as_str().replace(".pot", ""));
    for lost in [pot(id, "web"), base] {
        assert!(lab.docker.remove(&lost), "by hand");
        let plan = crate::planned(&lab.engine, id, None).await.expect("planned");
        let steps: Vec<_> = plan.steps().iter().map(ToString::to_string).collect();
        assert!(steps.iter().any(|step| step.starts_with("create service")), "{steps:?}");
        assert!(
            !steps
                .iter()
                .any(|step| step.contains(" volume ") && step.contains(".pot")),
            "{steps:?}"
        );
        let healed = lab
            .engine
            .reconcile(id, true, &CancellationToken::new())
            .await
            .expect("healed");
        assert_eq!((healed.row.status, healed.reason), (Status::Active, None));
    }
    assert_eq!(volumes(&lab, id).len(), 4);
}

#[tokio::test]
async fn a_removed_service_or_decky_takes_its_volumes_along_unless_they_are_kept() {
    let lab = both();
    let id = lab.store("maze", maze()).await;
    lab.deploy(id).await.expect("deployed");
    mutate(
        &lab,
        id,
        r#"{"op": "update_decky", "payload": {"decky": "web", "services": ["http"]}}"#,
    )
    .await;
    assert_eq!(volumes(&lab, id), ["files.pot.data", "files.pot.loot", "web.pot.loot"]);
    mutate(&lab, id, r#"{"op": "remove_decky", "payload": {"decky": "files"}}"#).await;
    assert_eq!(volumes(&lab, id), ["files.pot.loot", "web.pot.loot"]);
    assert!(
        crate::planned(&lab.engine, id, None).await.expect("planned").is_empty(),
        "kept is no drift"
    );
    // The service gets its kept volume back.
    mutate(
        &lab,
        id,
        r#"{"op": "update_decky", "payload": {"decky": "web", "services": ["http", "pot"]}}"#,
    )
    .await;
    assert_eq!(volumes(&lab, id), ["files.pot.loot", "web.pot.data", "web.pot.loot"]);
}

#[tokio::test]
async fn a_volume_that_the_catalogue_no_longer_names_stays_until_its_service_or_maze_is_removed() {
    let lab = lab("\"data:/data\", \"cache:/cache\"");
    let id = lab.store("maze", maze()).await;
    lab.deploy(id).await.expect("deployed");
    let options = EngineOptions::new(catalog("\"data:/data\"")).image(Arc::new(DecoyImage::pack(b"a program")));
    let other = Engine::new(lab.repo.clone(), Arc::new(lab.docker.clone()), options);
    let cancel = CancellationToken::new();
    let changed = other.reconcile(id, false, &cancel).await.expect("reconciled");
    assert_eq!((changed.row.status, changed.reason), (Status::Active, None));
    let mounted = lab.docker.world().containers[&pot(id, "web")].mounts.clone();
    assert_eq!(mounted, [named(id, "web.pot.data")].into());
    assert_eq!(volumes(&lab, id).len(), 4);
    assert!(
        crate::planned(&other, id, None).await.expect("planned").is_empty(),
        "it is no drift"
    );

    let without = r#"{"op": "update_decky", "payload": {"decky": "web", "services": ["http"]}}"#;
    let without = Mutation::from_json(without).expect("a mutation");
    let prepared = crate::prepared(&other, id, &without).await.expect("prepared");
    prepared.execute(&cancel).await.expect("mutated");
    assert_eq!(volumes(&lab, id), ["files.pot.cache", "files.pot.data"]);
    other.teardown(id, &cancel).await.expect("torn down");
    assert_eq!(volumes(&lab, id), [""; 0]);
}

#[tokio::test]
async fn a_teardown_names_the_kept_volumes_and_nobody_calls_them_leftovers() {
    let lab = both();
    let id = lab.store("maze", maze()).await;
    lab.deploy(id).await.expect("deployed");
    let down = lab.teardown(id).await.expect("torn down");
    assert_eq!(down.row.status, Status::TornDown);
    let kept = [named(id, "files.pot.loot"), named(id, "web.pot.loot")];
    assert_eq!(down.kept_volumes, kept);
    assert_eq!(volumes(&lab, id), ["files.pot.loot", "web.pot.loot"]);

    let report = lab
        .engine
        .reap(ReapOptions::default(), &CancellationToken::new())
        .await
        .expect("reaped");
    assert!(report.orphans.is_empty(), "{report:?}");
    assert_eq!(report.kept_volumes, kept);
    assert!(
        report.lines(true)[0].contains("docker volume rm"),
        "{:?}",
        report.lines(true)
    );
    let checks = check_runtime(&lab.docker, Some(lab.repo.as_ref())).await;
    let find = |what: &str| checks.iter().find(|check| check.what == what).expect(what);
    assert_eq!(
        (find("left behind").verdict, find("left behind").message.as_str()),
        (Verdict::Ok, "nothing")
    );
    assert!(find("kept volumes").message.contains(kept[0].as_str()), "{checks:?}");
    // A second teardown is idempotent, and a new deploy has volumes of its own.
    lab.teardown(id).await.expect("torn down again");
    let again = lab.deploy(id).await.expect("deployed again").row.id;
    assert_ne!(again, id);
    assert_eq!(
        lab.docker
            .world()
            .volumes
            .values()
            .filter(|volume| !volume.anonymous)
            .count(),
        6
    );
}

#[tokio::test]
async fn volumes_of_a_lost_maze_are_found_by_the_doctor_and_reaped() {
    let lab = both();
    let other = Lab::sharing(lab.docker.clone());
    let id = lab.store("maze", maze()).await;
    lab.deploy(id).await.expect("deployed");
    let world = lab.docker.world();
    for container in world.containers.keys() {
        lab.docker.remove(container);
    }
    let instance = lab.repo.instance().await.expect("an instance");
    let checks = check_runtime(&lab.docker, Some(other.repo.as_ref())).await;
    let left = checks
        .iter()
        .find(|check| check.what == "left behind")
        .expect("a check");
    assert!(left.message.contains("4 volumes of another database"), "{left:?}");
    let options = ReapOptions::default().instance(instance);
    let report = other
        .engine
        .reap(options, &CancellationToken::new())
        .await
        .expect("reaped");
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(volumes(&lab, id), ["files.pot.loot", "web.pot.loot"]);
}

#[tokio::test]
async fn a_foreign_volume_with_our_name_is_an_error_and_survives() {
    let lab = both();
    let id = lab.store("maze", maze()).await;
    let mut labels = naming::ownership(lab.repo.instance().await.expect("an instance"), id);
    labels.insert(naming::TOPOLOGY.into(), "aaaaaaaa-0000-4000-8000-000000000000".into());
    for (volume, foreign) in [("web.pot.data", BTreeMap::new()), ("files.pot.data", labels)] {
        let lab = both();
        let id = lab.store("maze", maze()).await;
        lab.docker.add_volume(named(id, volume), foreign.clone());
        let Err(EngineError::DeployFailed { failures, .. }) = lab.deploy(id).await else {
            panic!("it is refused")
        };
        assert!(failures[0].step.contains("create volume"), "{failures:?}");
        lab.teardown(id).await.expect("torn down");
        let world = lab.docker.world();
        assert_eq!(volumes(&lab, id), [volume]);
        assert_eq!(world.volumes[&named(id, volume)].labels, foreign);
        assert!(world.containers.is_empty());
    }
}

async fn steps() -> usize {
    let lab = lab("\"data:/data\"");
    let id = lab.store("maze", maze()).await;
    let plan = crate::planned(&lab.engine, id, None).await.expect("planned");
    assert_eq!(
        plan.steps()
            .iter()
            .filter(|step| step.to_string().starts_with("create volume"))
            .count(),
        2
    );
    plan.steps().len()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_whatever_fails_or_is_killed_at_any_step() {
    for step in 1..=steps().await {
        for moment in MOMENTS {
            let context = format!("fails at step {step}, {moment:?}");
            let failing = lab("\"data:/data\"");
            let id = failing.store("maze", maze()).await;
            failing.docker.fail(step, moment, refused());
            failing.deploy(id).await.expect_err(&context);
            assert_eq!(volumes(&failing, id), [""; 0], "{context}");

            for teardown in [false, true] {
                let context = format!("killed at step {step}, {moment:?}, teardown {teardown}");
                let killed = lab("\"data:/data\"");
                let id = killed.store("maze", maze()).await;
                if teardown {
                    killed.deploy(id).await.expect("deployed");
                }
                killed.docker.hang(step, moment);
                let run = async {
                    if teardown {
                        killed.teardown(id).await
                    } else {
                        killed.deploy(id).await
                    }
                };
                tokio::select! {
                    result = run => assert!(teardown, "{context}: {result:?}"),
                    () = killed.docker.hung() => {}
                }
                lease_is_released(&killed, id).await;
                killed.docker.reconnect();
                killed
                    .teardown(id)
                    .await
                    .unwrap_or_else(|error| panic!("{context}: {error:?}"));
                assert_eq!(volumes(&killed, id), [""; 0], "{context}");
                killed.assert_nothing_left_but_images(&context);
            }
        }
    }
}
