//! Two processes that want the same topology.

use std::{fs, future::pending, pin::pin, sync::Arc, time::Duration};

use decnet_engine::{
    BrokenLease, DecoyImage, DeployOptions, Engine, EngineError, EngineOptions, break_lease, simulated::Moment,
};
use decnet_topology::{
    Holder, Lease, LeaseStore, MemoryRepo, Mutation, MutationQueue, MutationState, NewMutation, RemoveDecky, RepoError,
    Status, TopologyId, TopologyStore,
};
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{CATALOG, Lab, small};

/// A store that never answers when a lease is renewed.
#[derive(Debug)]
struct Silent {
    inner: Arc<MemoryRepo>,
}

impl Silent {
    async fn guard<T>(&self, name: &str, call: impl Future<Output = Result<T, RepoError>>) -> Result<T, RepoError> {
        if name == "renew_lease" {
            pending::<()>().await;
        }
        call.await
    }
}

guarded!(Silent);

async fn lease(lab: &Lab, id: TopologyId) -> Option<Lease> {
    lab.repo.lease(id, Timestamp::now()).await.expect("asked")
}

/// Takes the lease from its holder, like another process when it expired.
async fn take_away(lab: &Lab, id: TopologyId) {
    let holder = elsewhere();
    let held = lease(lab, id).await.expect("a lease");
    let (hour, now) = (SignedDuration::from_hours(1), Timestamp::now());
    let taken = lab.repo.acquire_lease(id, &holder, hour, Some(held.token), now).await;
    taken.expect("taken");
}

/// Takes the lease for a holder and sets the clock back, so that the lease is an hour in the future.
async fn hold_from_the_future(lab: &Lab, id: TopologyId, holder: &Holder) -> Lease {
    let in_an_hour = Timestamp::now() + SignedDuration::from_hours(1);
    let length = SignedDuration::from_secs(15);
    let taken = lab.repo.acquire_lease(id, holder, length, None, in_an_hour).await;
    taken.expect("taken")
}

fn this_process() -> Holder {
    let read = |path: &str| fs::read_to_string(path).expect("files of this process");
    let namespace = fs::read_link("/proc/self/ns/pid").expect("a namespace");
    let stat = read("/proc/self/stat");
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    Holder {
        boot_id: format!(
            "{} {}",
            read("/proc/sys/kernel/random/boot_id").trim(),
            namespace.display()
        ),
        pid: std::process::id(),
        started: fields
            .split_whitespace()
            .nth(19)
            .expect("a start")
            .parse()
            .expect("a number"),
        label: "this process".into(),
    }
}

/// A process on another machine.
pub(super) fn elsewhere() -> Holder {
    Holder {
        boot_id: "another boot".into(),
        pid: 1,
        started: 1,
        label: "another".into(),
    }
}

#[tokio::test]
async fn a_lease_from_the_future_is_ignored() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    hold_from_the_future(&lab, id, &elsewhere()).await;
    lab.deploy(id).await.expect("a lease from the future is not valid");
    assert_eq!(lab.status(id).await, Status::Active);
}

#[tokio::test]
async fn a_lease_that_ends_within_its_duration_is_valid_for_any_duration() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let hour = SignedDuration::from_hours(1);
    let taken = lab
        .repo
        .acquire_lease(id, &elsewhere(), hour, None, Timestamp::now())
        .await;
    let taken = taken.expect("taken");
    let refused = lab.deploy(id).await.expect_err("another process has the lease");
    assert!(
        matches!(&refused, EngineError::Busy { lease, .. } if lease.token == taken.token),
        "{refused:?}"
    );
}

// When all tasks wait, the clock jumps.
#[tokio::test(start_paused = true)]
async fn a_lease_from_the_future_is_valid_while_its_holder_renews_it() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let me = this_process();
    let hangs = hold_from_the_future(&lab, id, &me).await;
    lab.deploy(id)
        .await
        .expect("the holder renewed nothing for two renewals");
    lab.engine.teardown(id, &CancellationToken::new()).await.expect("down");
    let other = lab.store("other", super::twelve_on("10.92")).await;
    let lives = hold_from_the_future(&lab, other, &me).await;
    let renewing = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let length = SignedDuration::from_secs(15);
        let renewed = lab.repo.renew_lease(other, lives.token, length, Timestamp::now()).await;
        renewed.expect("renewed by the current clock")
    };
    let (refused, _) = tokio::join!(lab.deploy(other), renewing);
    assert!(matches!(refused, Err(EngineError::Busy { .. })), "{refused:?}");
    assert_ne!(hangs.token, lives.token);
}

#[tokio::test]
async fn breaking_a_lease_frees_the_topology_and_returns_its_holder() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    assert_eq!(
        break_lease(lab.repo.as_ref(), id).await.expect("nothing to break"),
        BrokenLease::default()
    );
    let hour = SignedDuration::from_hours(1);
    let taken = lab
        .repo
        .acquire_lease(id, &elsewhere(), hour, None, Timestamp::now())
        .await;
    let broken = break_lease(lab.repo.as_ref(), id).await.expect("broken");
    assert_eq!(broken.lease, Some(taken.expect("taken")));
    lab.deploy(id).await.expect("it is free");
    // A claim on a mutation is broken with it, and another process can continue the mutation.
    let removing = Mutation::from(RemoveDecky::new("files".parse().expect("a name")));
    let new = NewMutation::new(removing);
    lab.repo.enqueue(id, new, None, Timestamp::now()).await.expect("queued");
    let claimed = lab
        .repo
        .claim_mutation(Some(id), &elsewhere(), hour, None, Timestamp::now())
        .await;
    let claimed = claimed.expect("asked").expect("claimed");
    let broken = break_lease(lab.repo.as_ref(), id).await.expect("broken");
    assert_eq!((broken.lease, broken.claim), (None, claimed.claim));
    let row = lab.repo.mutation(claimed.id).await.expect("there");
    assert_eq!((row.state, row.claim), (MutationState::Pending, None));
}

// When all tasks wait, the clock jumps to the next renewal of the lease.
#[tokio::test(start_paused = true)]
async fn a_deploy_that_lost_its_lease_undoes_nothing_and_leaves_the_status_to_the_new_holder() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.docker.hang(6, Moment::After);
    let taken = async {
        lab.docker.hung().await;
        take_away(&lab, id).await;
        lab.docker.world()
    };
    let (result, before) = tokio::join!(lab.deploy(id), taken);
    assert!(
        matches!(result, Err(EngineError::Repo(RepoError::LeaseLost { .. }))),
        "{result:?}"
    );
    lab.docker.reconnect();
    assert!(!before.networks.is_empty());
    assert_eq!(lab.docker.world(), before);
    assert_eq!(lab.status(id).await, Status::Deploying);
    assert_eq!(
        lease(&lab, id).await.map(|lease| lease.holder.label),
        Some("another".into())
    );
}

// When all tasks wait, the clock jumps.
#[tokio::test(start_paused = true)]
async fn a_lease_is_lost_when_its_time_is_over_although_the_store_does_not_answer() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let store = Silent {
        inner: lab.repo.clone(),
    };
    let options = EngineOptions::new(CATALOG.clone()).image(Arc::new(DecoyImage::pack(b"a program")));
    let engine = Engine::new(Arc::new(store), Arc::new(lab.docker.clone()), options);
    lab.docker.hang(6, Moment::After);
    let cancel = CancellationToken::new();
    let deploying = engine.deploy(id, DeployOptions::default(), &cancel);
    let result = tokio::time::timeout(Duration::from_secs(16), deploying).await;
    let result = result.expect("a lease ends after 15 seconds");
    assert!(
        matches!(result, Err(EngineError::Repo(RepoError::LeaseLost { .. }))),
        "{result:?}"
    );
}

/// A store that answers late when a lease is taken, and cannot renew one.
#[derive(Debug)]
struct Late {
    inner: Arc<MemoryRepo>,
}

impl Late {
    async fn guard<T>(&self, name: &str, call: impl Future<Output = Result<T, RepoError>>) -> Result<T, RepoError> {
        let answer = call.await;
        match name {
            "acquire_lease" => tokio::time::sleep(Duration::from_secs(6)).await,
            "renew_lease" => return Err(RepoError::Full),
            _ => {}
        }
        answer
    }
}

guarded!(Late);

// When all tasks wait, the clock jumps.
#[tokio::test(start_paused = true)]
async fn a_lease_that_is_taken_late_and_cannot_be_renewed_is_released() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let store = Late {
        inner: lab.repo.clone(),
    };
    let options = EngineOptions::new(CATALOG.clone()).image(Arc::new(DecoyImage::pack(b"a program")));
    let engine = Engine::new(Arc::new(store), Arc::new(lab.docker.clone()), options);
    let refused = engine
        .deploy(id, DeployOptions::default(), &CancellationToken::new())
        .await;
    assert!(
        matches!(refused, Err(EngineError::Repo(RepoError::Full))),
        "{refused:?}"
    );
    assert_eq!(lease(&lab, id).await, None);
}

// When all tasks wait, the clock jumps.
#[tokio::test(start_paused = true)]
async fn without_an_answer_of_the_daemon_no_lease_is_taken_and_nothing_is_written() {
    let other = Lab::new();
    let lab = Lab::sharing(other.docker.clone());
    let others = other.store("maze", small()).await;
    other.docker.hang(1, Moment::Before);
    tokio::select! {
        result = other.deploy(others) => panic!("{result:?}"),
        () = other.docker.hung() => {}
    }
    let id = lab.store("maze", small()).await;
    let before = lab.repo.load(id).await.expect("stored");
    let mut deploy = pin!(lab.deploy(id));
    tokio::select! {
        result = &mut deploy => panic!("{result:?}"),
        () = tokio::time::sleep(Duration::from_secs(1)) => {}
    }
    assert_eq!(lease(&lab, id).await, None);
    assert_eq!(lab.repo.load(id).await.expect("stored"), before);
}

#[tokio::test]
async fn a_continued_deploy_that_is_cancelled_leaves_nothing() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.docker.hang(6, Moment::After);
    tokio::select! {
        result = lab.deploy(id) => panic!("{result:?}"),
        () = lab.docker.hung() => {}
    }
    while lease(&lab, id).await.is_some() {
        tokio::task::yield_now().await;
    }
    lab.docker.reconnect();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let result = lab.engine.deploy(id, DeployOptions::default(), &cancel).await;
    let Err(EngineError::Interrupted { leftovers, .. }) = result else {
        panic!("{result:?}")
    };
    assert_eq!(leftovers, Vec::<String>::new());
    assert_eq!(lab.status(id).await, Status::Failed);
    lab.assert_nothing_left("cancelled");
}
