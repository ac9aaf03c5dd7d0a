use std::{collections::BTreeMap, sync::Arc};

use decnet_engine::{ContainerName, Engine, EngineError, EngineOptions, ReapOptions, VolumeName, naming};
use decnet_topology::{MemoryRepo, RepoError, Status, TopologyId, TopologyStore};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Lab, small};

#[tokio::test]
async fn leftover_volumes_are_removed_unless_they_are_in_use_or_not_ours() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    let ours = naming::ownership(lab.repo.instance().await.expect("an instance"), id);
    let [named, borrowed, theirs] = ["named", "borrowed", "theirs"].map(VolumeName::from_docker);
    lab.docker.add_volume(named.clone(), ours.clone());
    lab.docker.add_volume(borrowed.clone(), ours);
    lab.docker.add_volume(theirs.clone(), BTreeMap::new());
    let other = ContainerName::from_docker("other");
    lab.docker.add_container(other.clone(), "image");
    assert!(lab.docker.use_volume(&other, &borrowed));
    let world = lab.docker.world();
    let (base, container) = world
        .containers
        .iter()
        .find(|(name, container)| **name != other && container.volume.is_some())
        .expect("a base");
    let left = container.volume.clone().expect("its volume");
    assert!(lab.docker.remove(base), "by hand");

    let plan = crate::planned(&lab.engine, id, None).await.expect("planned");
    let steps: Vec<_> = plan.steps().iter().map(ToString::to_string).collect();
    for (volume, removed) in [(&left, true), (&named, true), (&borrowed, false), (&theirs, false)] {
        assert_eq!(
            steps.contains(&format!("remove volume {volume} (unused)")),
            removed,
            "{volume}: {steps:?}"
        );
    }
    let torn_down = lab.engine.teardown(id, &CancellationToken::new()).await;
    let Err(EngineError::TeardownIncomplete { leftovers, .. }) = torn_down else {
        panic!("{torn_down:?}")
    };
    assert_eq!(leftovers, ["volume borrowed"]);
    assert_eq!(lab.status(id).await, Status::Degraded);
    assert!(lab.docker.remove(&other));
    lab.engine
        .teardown(id, &CancellationToken::new())
        .await
        .expect("torn down");
    assert_eq!(lab.status(id).await, Status::TornDown);
    assert_eq!(lab.docker.world().volumes.into_keys().collect::<Vec<_>>(), [theirs]);
}

#[tokio::test]
async fn reap_removes_the_remains_of_a_deleted_row_and_nothing_else() {
    let lab = Lab::new();
    let other = Lab::sharing(lab.docker.clone());
    let lost = lab.store("lost", small()).await;
    lab.docker
        .fail(6, decnet_engine::simulated::Moment::After, super::lifecycle::refused());
    lab.docker.fail_where(
        |action| action.to_string().starts_with("remove"),
        decnet_engine::simulated::Moment::Before,
        super::lifecycle::refused(),
    );
    lab.deploy(lost).await.expect_err("the deploy fails and its undo fails");
    lab.docker.reconnect();
    assert_eq!(lab.status(lost).await, Status::Failed);
    lab.repo.delete(lost, None, Timestamp::now()).await.expect("deleted");
    assert!(!lab.docker.world().containers.is_empty(), "something was left");

    let report = other
        .engine
        .reap(ReapOptions::default(), &CancellationToken::new())
        .await
        .expect("reaped");
    assert!(
        report.orphans.is_empty(),
        "another installation finds no resources of its own"
    );
    assert!(!lab.docker.world().containers.is_empty());

    let dry = lab.engine.prepare_reap(ReapOptions::default()).await.expect("looked");
    assert_eq!(dry.report().orphans.len(), 1);
    assert!(!lab.docker.world().containers.is_empty(), "a dry run changes nothing");

    let named = ReapOptions::default().running([lost.to_string()]);
    let report = lab.engine.reap(named, &CancellationToken::new()).await.expect("reaped");
    assert!(report.is_clean(), "{report:?}");
    lab.assert_nothing_left("after reap");
}

#[tokio::test]
async fn running_containers_are_kept_unless_their_topology_is_named() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    let before = lab.docker.world();
    // An older copy of the database has the same instance, but not the maze.
    let older = Engine::new(
        Arc::new(OlderCopy {
            inner: lab.repo.clone(),
        }),
        Arc::new(lab.docker.clone()),
        EngineOptions::new(super::CATALOG.clone()),
    );
    let cancel = CancellationToken::new();
    let kept = older.reap(ReapOptions::default(), &cancel).await.expect("looked");
    let orphan = &kept.orphans[0];
    assert!(
        orphan.kept && !orphan.running.is_empty() && !kept.is_clean(),
        "{kept:?}"
    );
    assert_eq!(lab.docker.world(), before, "nothing was changed");
    let other = ReapOptions::default().running(["00000000".into()]);
    older.reap(other, &cancel).await.expect("looked");
    assert_eq!(lab.docker.world(), before, "another topology was named");
    let named = ReapOptions::default().running([orphan.prefix.to_uppercase()]);
    let reaped = older.reap(named, &cancel).await.expect("reaped");
    assert!(reaped.is_clean(), "{reaped:?}");
    lab.assert_nothing_left("after it was named");
}

#[tokio::test]
async fn a_reap_is_refused_if_a_stopped_container_runs_again() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    let names: Vec<_> = lab.docker.world().containers.into_keys().collect();
    for name in &names {
        assert!(lab.docker.stop(name));
    }
    let older = Engine::new(
        Arc::new(OlderCopy {
            inner: lab.repo.clone(),
        }),
        Arc::new(lab.docker.clone()),
        EngineOptions::new(super::CATALOG.clone()),
    );
    let prepared = older.prepare_reap(ReapOptions::default()).await.expect("prepared");
    assert!(!prepared.report().orphans[0].kept);
    assert!(lab.docker.crash(&names[0]), "it restarts");
    let before = lab.docker.world();
    let refused = prepared.execute(&CancellationToken::new()).await;
    let Err(EngineError::PlanChanged { shown, now }) = refused else {
        panic!("{refused:?}")
    };
    let texts = [shown, now].map(Option::unwrap_or_default);
    assert!(
        texts[0].starts_with("remove") && texts[1].starts_with("keep"),
        "{texts:?}"
    );
    assert_eq!(lab.docker.world(), before);
}

#[tokio::test]
async fn reap_leaves_live_topologies_alone_and_can_clear_a_lost_database() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    let report = lab
        .engine
        .reap(ReapOptions::default(), &CancellationToken::new())
        .await
        .expect("reaped");
    assert_eq!((report.live.len(), report.orphans.len()), (1, 0));

    let heir = Lab::sharing(lab.docker.clone());
    let instance = lab.repo.instance().await.expect("an instance");
    let report = heir
        .engine
        .reap(ReapOptions::default().instance(instance), &CancellationToken::new())
        .await
        .expect("reaped");
    assert_eq!(report.orphans.len(), 1);
    lab.assert_nothing_left("after reap of the lost instance");
}

/// A copy of the database from before the maze was stored.
#[derive(Debug)]
struct OlderCopy {
    inner: Arc<MemoryRepo>,
}

impl OlderCopy {
    async fn guard<T>(&self, name: &str, call: impl Future<Output = Result<T, RepoError>>) -> Result<T, RepoError> {
        if name == "get" {
            return Err(RepoError::NotFound { id: TopologyId::nil() });
        }
        call.await
    }
}

guarded!(OlderCopy);
