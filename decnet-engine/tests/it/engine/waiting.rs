//! Waiting for a mutation on which another process works.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use decnet_engine::{DecoyImage, Engine, EngineError, EngineOptions};
use decnet_topology::{
    LeaseStore, LeaseToken, MemoryRepo, Mutation, MutationQueue, MutationState, NewMutation, RemoveDecky, RepoError,
    TopologyId,
};
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{CATALOG, Lab, leases::elsewhere, small};

/// More reads than a wait of a second needs. Further reads fail, so that a wait without pauses ends.
const TOO_MANY_READS: usize = 100;

/// A store that counts how often the state of a mutation is read.
#[derive(Debug)]
struct CountingStore {
    inner: Arc<MemoryRepo>,
    reads: AtomicUsize,
}

impl CountingStore {
    async fn guard<T>(&self, name: &str, call: impl Future<Output = Result<T, RepoError>>) -> Result<T, RepoError> {
        if name == "mutation" && self.reads.fetch_add(1, Ordering::Relaxed) >= TOO_MANY_READS {
            return Err(RepoError::Full);
        }
        call.await
    }
}

guarded!(CountingStore);

/// Lets another process hold the lease for an hour.
async fn hold_elsewhere(lab: &Lab, id: TopologyId) -> LeaseToken {
    let (holder, hour) = (elsewhere(), SignedDuration::from_hours(1));
    let held = lab.repo.acquire_lease(id, &holder, hour, None, Timestamp::now()).await;
    held.expect("taken").token
}

#[tokio::test(start_paused = true)]
async fn a_wait_reads_the_mutation_ten_times_in_a_second_while_another_process_works_on_it() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    let new = NewMutation::new(Mutation::from(RemoveDecky::new("files".parse().expect("a name"))));
    let queued = lab.repo.enqueue(id, new, None, Timestamp::now()).await;
    let mutation = queued.expect("queued").id;
    hold_elsewhere(&lab, id).await;

    let store = Arc::new(CountingStore {
        inner: lab.repo.clone(),
        reads: AtomicUsize::new(0),
    });
    let options = EngineOptions::new(CATALOG.clone()).image(Arc::new(DecoyImage::pack(b"a program")));
    let engine = Engine::new(store.clone(), Arc::new(lab.docker.clone()), options);
    let cancel = CancellationToken::new();
    // The clock of the test is paused: it jumps to the next timer when all tasks wait.
    let waited = tokio::time::timeout(Duration::from_millis(950), engine.wait_for(mutation, None, &cancel)).await;
    assert!(waited.is_err(), "{waited:?}");
    assert_eq!(store.reads.load(Ordering::Relaxed), 10);
}

#[tokio::test(start_paused = true)]
async fn after_the_timeout_a_mutation_stays_queued_and_the_reason_is_the_timeout() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    let token = hold_elsewhere(&lab, id).await;

    let new = NewMutation::new(Mutation::from(RemoveDecky::new("files".parse().expect("a name"))));
    let (limit, cancel) = (Duration::from_secs(3), CancellationToken::new());
    let waited = lab.engine.submit_and_wait(id, new, None, Some(limit), &cancel).await;
    let Err(EngineError::MutationQueued {
        mutation,
        state,
        source,
    }) = waited
    else {
        panic!("{waited:?}");
    };
    assert_eq!(state, MutationState::Pending);
    assert!(
        matches!(*source, EngineError::TimedOut { limit: passed } if passed == limit),
        "{source:?}"
    );
    assert!(!cancel.is_cancelled(), "the token of the caller is not used");

    // A cancellation before the timeout is not called a timeout.
    cancel.cancel();
    let waited = lab.engine.wait_for(mutation, Some(limit), &cancel).await;
    let Err(EngineError::MutationQueued { source, .. }) = waited else {
        panic!("{waited:?}");
    };
    assert_eq!(source.code(), "interrupted");

    lab.repo.release_lease(id, token).await.expect("released");
    let row = lab
        .engine
        .wait_for(mutation, Some(limit), &CancellationToken::new())
        .await;
    assert_eq!(row.expect("finished").state, MutationState::Applied);
}
