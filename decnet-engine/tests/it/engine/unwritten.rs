//! Teardowns while the store cannot be written.

use std::sync::Arc;

use decnet_engine::{Engine, EngineError, EngineOptions, simulated::Moment};
use decnet_topology::{LeaseStore, MemoryRepo, RepoError, Status, TopologyId, TopologyStore};
use tokio_util::sync::CancellationToken;

use super::{Lab, lifecycle::refused, small};

/// A store whose disk is full while a condition holds.
struct FullDisk {
    inner: Arc<MemoryRepo>,
    is_full: Box<dyn Fn() -> bool + Send + Sync>,
}

impl std::fmt::Debug for FullDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FullDisk")
    }
}

impl FullDisk {
    async fn guard<T>(&self, name: &str, call: impl Future<Output = Result<T, RepoError>>) -> Result<T, RepoError> {
        let writes = [
            "acquire_lease",
            "renew_lease",
            "release_lease",
            "set_status",
            "set_needs_resync",
        ];
        if writes.contains(&name) && (self.is_full)() {
            return Err(RepoError::Full);
        }
        call.await
    }
}

guarded!(FullDisk);

/// Deploys a maze, and creates an engine for its daemon whose store has a full disk.
async fn deployed(is_full: impl FnOnce(&Lab) -> Box<dyn Fn() -> bool + Send + Sync>) -> (Lab, TopologyId, Engine) {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    let store = FullDisk {
        inner: lab.repo.clone(),
        is_full: is_full(&lab),
    };
    let options = EngineOptions::new(super::CATALOG.clone());
    let engine = Engine::new(Arc::new(store), Arc::new(lab.docker.clone()), options);
    (lab, id, engine)
}

async fn statuses(lab: &Lab, id: TopologyId) -> Vec<Status> {
    let events = lab.repo.status_events(id).await.expect("the events");
    events.iter().map(|event| event.to).collect()
}

const UP: [Status; 3] = [Status::Pending, Status::Deploying, Status::Active];

// When all tasks wait, the clock jumps.
#[tokio::test(start_paused = true)]
async fn a_teardown_on_a_full_disk_removes_everything_and_reports_that_it_is_unrecorded() {
    let (lab, id, engine) = deployed(|_| Box::new(|| true)).await;
    let refused = engine
        .teardown(id, &CancellationToken::new())
        .await
        .expect_err("not recorded");
    let EngineError::TeardownUnrecorded {
        status,
        leftovers,
        source,
        ..
    } = &refused
    else {
        panic!("{refused:?}")
    };
    assert_eq!((*status, leftovers.len()), (Status::Active, 0));
    assert!(matches!(source, RepoError::Full), "{source:?}");
    lab.assert_nothing_left("a full disk does not prevent the teardown");
    assert_eq!(statuses(&lab, id).await, UP, "nothing was written");
    // There is space again: the next teardown is recorded.
    lab.teardown(id).await.expect("recorded");
    assert_eq!(
        statuses(&lab, id).await,
        [&UP[..], &[Status::TearingDown, Status::TornDown]].concat()
    );
}

#[tokio::test(start_paused = true)]
async fn a_teardown_that_frees_space_is_recorded() {
    let (lab, id, engine) = deployed(|lab| {
        let (docker, before) = (lab.docker.clone(), lab.docker.world().containers.len());
        Box::new(move || docker.world().containers.len() == before)
    })
    .await;
    let outcome = engine.teardown(id, &CancellationToken::new()).await.expect("recorded");
    assert_eq!(outcome.row.status, Status::TornDown);
    assert_eq!(
        statuses(&lab, id).await,
        [&UP[..], &[Status::TearingDown, Status::TornDown]].concat()
    );
    lab.assert_nothing_left("torn down");
}

#[tokio::test(start_paused = true)]
async fn a_teardown_that_fails_on_a_full_disk_is_not_recorded_as_torn_down() {
    for frees in [false, true] {
        let (lab, id, engine) = deployed(|lab| {
            let (docker, before) = (lab.docker.clone(), lab.docker.world().containers.len());
            Box::new(move || !frees || docker.world().containers.len() == before)
        })
        .await;
        lab.docker.fail_where(
            |action| action.to_string().contains("remove network"),
            Moment::Before,
            refused(),
        );
        let failed = engine
            .teardown(id, &CancellationToken::new())
            .await
            .expect_err("a network cannot be removed");
        let left = match &failed {
            EngineError::TeardownUnrecorded { leftovers, .. } if !frees => leftovers,
            EngineError::TeardownIncomplete { leftovers, .. } if frees => leftovers,
            other => panic!("{other:?}"),
        };
        assert!(!left.is_empty(), "{failed}");
        let expected = if frees { Status::Degraded } else { Status::Active };
        assert_eq!(lab.status(id).await, expected);
        lab.docker.reconnect();
        lab.teardown(id).await.expect("the next teardown continues");
        assert_eq!(lab.status(id).await, Status::TornDown);
        lab.assert_nothing_left("torn down");
    }
}

#[tokio::test(start_paused = true)]
async fn a_maze_with_an_operation_in_progress_is_not_torn_down() {
    let (lab, id, engine) = deployed(|_| Box::new(|| true)).await;
    let holder = decnet_topology::Holder {
        boot_id: "another machine".into(),
        pid: 1,
        started: 1,
        label: "another".into(),
    };
    let (length, now) = (jiff::SignedDuration::from_secs(60), jiff::Timestamp::now());
    lab.repo
        .acquire_lease(id, &holder, length, None, now)
        .await
        .expect("taken");
    let before = lab.docker.world();
    let refused = engine
        .teardown(id, &CancellationToken::new())
        .await
        .expect_err("an operation is in progress");
    assert!(matches!(refused, EngineError::Busy { .. }), "{refused:?}");
    assert_eq!(lab.docker.world(), before);
}
