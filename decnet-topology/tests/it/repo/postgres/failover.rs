//! A primary that is lost, and its standby that takes over.

use std::{sync::Arc, time::Duration};

use decnet_topology::{
    LeaseStore as _, MutationFilter, MutationQueue as _, MutationState, NewMutation, PostgresOptions, RepoError,
    TopologyStore as _,
};
use jiff::{SignedDuration, Timestamp};

use super::{server::Server, store_corp};
use crate::repo::processes::holder;

const AT: Timestamp = Timestamp::UNIX_EPOCH;
const LEASE: SignedDuration = SignedDuration::from_secs(3);

fn removal(decky: &str) -> NewMutation {
    let text = format!(r#"{{"op": "remove_decky", "payload": {{"decky": "{decky}"}}}}"#);
    NewMutation::new(serde_json::from_str(&text).expect("a mutation"))
}

/// Returns the address of a database on two servers, of which the one that accepts writes is used.
fn on_both(database: &str, standby: &str) -> String {
    let (place, name) = database.rsplit_once('/').expect("a database");
    let (_, second) = standby.split_once('@').expect("a user");
    let (second, _) = second.split_once('/').expect("a database");
    format!("{place},{second}/{name}?target_session_attrs=read-write")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_store_goes_on_with_the_standby_that_takes_over() {
    let Some(primary) = Server::start(&[]) else { return };
    let standby = primary.standby();
    let database = primary.database();
    let url = on_both(database.url(), standby.url());
    let options = PostgresOptions::default().timeout(Duration::from_mins(1));
    let repo = Arc::new(options.open(&url).await.expect("a store"));
    let id = store_corp(&repo).await;
    database.run("UPDATE topologies SET status = 'active', intent = 'up'");
    let lease = repo.acquire_lease(id, &holder(1), LEASE, None, AT).await;
    let lease = lease.expect("it is free");
    for decky in ["a", "b"] {
        repo.enqueue(id, removal(decky), None, AT).await.expect("queued");
    }
    let claimed = repo.claim_mutation(Some(id), &holder(1), LEASE, None, AT).await;
    let claimed = claimed.expect("the store answers").expect("one is free");
    let claim = claimed.claim.expect("it is claimed");

    primary.down("immediate");
    // A change waits for a server that accepts writes. The standby does not yet.
    let waiting = tokio::spawn({
        let repo = Arc::clone(&repo);
        async move { repo.enqueue(id, removal("c"), None, AT).await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!waiting.is_finished(), "{:?}", waiting.await);
    standby.promote();
    waiting.await.expect("no panic").expect("queued");

    // Nothing that was stored is lost, and nothing is there twice.
    let queued = repo.mutations(&MutationFilter::unfinished(Some(id))).await;
    let states: Vec<_> = queued.expect("the queue").rows.iter().map(|row| row.state).collect();
    let expected = [MutationState::Applying, MutationState::Pending, MutationState::Pending];
    assert_eq!(states.len(), 3);
    assert!(expected.iter().all(|state| states.contains(state)), "{states:?}");

    // The lease ends by the clock of the server that took over, and the next one is newer.
    let next = async {
        loop {
            match repo.acquire_lease(id, &holder(2), LEASE, None, AT).await {
                Ok(lease) => return lease,
                Err(RepoError::LeaseHeld { lease: held, .. }) => assert_eq!(held.token, lease.token),
                Err(other) => panic!("{other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let next = tokio::time::timeout(Duration::from_secs(20), next).await;
    let next = next.expect("the lease ends");
    assert!(next.generation > lease.generation, "{next:?} after {lease:?}");
    for refusal in [
        repo.set_needs_resync(id, true, Some(lease.token), AT)
            .await
            .expect_err("it is old"),
        repo.renew_lease(id, lease.token, LEASE, AT)
            .await
            .map(drop)
            .expect_err("it is old"),
    ] {
        assert!(matches!(refusal, RepoError::LeaseLost { .. }), "{refusal:?}");
    }
    repo.set_needs_resync(id, true, Some(next.token), AT)
        .await
        .expect("it is the newest");

    // The claim of the mutation, which is a little younger than the lease, ends too: the new holder takes it, and the old one cannot go on
    // with it.
    let taken = async {
        loop {
            let free = repo.claim_mutation(Some(id), &holder(2), LEASE, None, AT).await;
            if let Some(taken) = free.expect("the store answers") {
                return taken;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let taken = tokio::time::timeout(Duration::from_secs(20), taken).await;
    let taken = taken.expect("the claim ends");
    assert_eq!(taken.id, claimed.id);
    let refusal = repo
        .renew_claim(claimed.id, claim.token, LEASE, AT)
        .await
        .expect_err("it is old");
    assert!(matches!(refusal, RepoError::ClaimLost { .. }), "{refusal:?}");
}
