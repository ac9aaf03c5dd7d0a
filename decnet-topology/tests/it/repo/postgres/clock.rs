//! Leases and claims by the clock of the server, whatever the clocks of the hosts say.

use decnet_topology::{
    Enrolment, HostProfile, HostStore as _, LeaseStore as _, MutationQueue as _, NewMutation, RepoError, TopologyStore,
    rng,
};
use jiff::{SignedDuration, Timestamp};

use super::{database, open, store_corp};
use crate::repo::processes::holder;

const TIME: SignedDuration = SignedDuration::from_secs(15);

/// The clocks of hosts: a day late, right, and a day early.
fn clocks() -> [Timestamp; 3] {
    let now = Timestamp::now();
    [-24, 0, 24].map(|hours| now + SignedDuration::from_hours(hours))
}

fn is_soon(until: Timestamp) -> bool {
    let left = until.duration_since(Timestamp::now());
    (SignedDuration::from_secs(1)..=SignedDuration::from_secs(16)).contains(&left)
}

#[tokio::test]
async fn a_lease_is_held_for_its_time_whatever_the_clocks_of_the_hosts_say() {
    let Some(database) = database() else { return };
    let repo = open(&database).await;
    let id = store_corp(&repo).await;
    for at in clocks() {
        let lease = repo
            .acquire_lease(id, &holder(1), TIME, None, at)
            .await
            .expect("it is free");
        assert!(is_soon(lease.until), "{lease:?}");
        for at in clocks() {
            let refusal = repo.acquire_lease(id, &holder(2), TIME, None, at).await;
            let refusal = refusal.expect_err("it is held");
            assert!(
                matches!(&refusal, RepoError::LeaseHeld { lease: held, .. } if **held == lease),
                "{refusal:?}"
            );
            assert_eq!(repo.lease(id, at).await.expect("the lease").as_ref(), Some(&lease));
            let now = repo.now(at).await.expect("the time");
            assert!(!lease.is_overlong(now), "{lease:?} at {now}");
            let refusal = repo.delete(id, None, at).await.expect_err("it is held");
            assert!(matches!(refusal, RepoError::LeaseHeld { .. }), "{refusal:?}");
        }
        let renewed = repo
            .renew_lease(id, lease.token, TIME, at)
            .await
            .expect("it is its own");
        assert!(is_soon(renewed.until) && renewed.until >= lease.until, "{renewed:?}");
        repo.release_lease(id, lease.token).await.expect("released");
    }
}

#[tokio::test]
async fn an_expired_lease_is_free_whatever_the_clocks_of_the_hosts_say() {
    let Some(database) = database() else { return };
    let repo = open(&database).await;
    let id = store_corp(&repo).await;
    let short = SignedDuration::from_millis(1);
    for at in clocks() {
        repo.acquire_lease(id, &holder(1), short, None, at)
            .await
            .expect("it is free");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        for at in clocks() {
            assert_eq!(repo.lease(id, at).await.expect("the lease"), None);
        }
    }
}

#[tokio::test]
async fn a_claim_is_held_for_its_time_whatever_the_clocks_of_the_hosts_say() {
    let Some(database) = database() else { return };
    let repo = open(&database).await;
    let id = store_corp(&repo).await;
    database.run("UPDATE topologies SET status = 'active', intent = 'up'");
    let removal = serde_json::from_str(r#"{"op": "remove_decky", "payload": {"decky": "web"}}"#).expect("a mutation");
    let enqueued = repo
        .enqueue(id, NewMutation::new(removal), None, Timestamp::UNIX_EPOCH)
        .await;
    let number = enqueued.expect("it runs").id;
    for at in clocks() {
        let claimed = repo
            .claim_mutation(None, &holder(1), TIME, None, at)
            .await
            .expect("the store answers");
        let claim = claimed.expect("it is free").claim.expect("it is claimed");
        assert!(is_soon(claim.until), "{claim:?}");
        for at in clocks() {
            let other = repo.claim_mutation(None, &holder(2), TIME, None, at).await;
            assert_eq!(other.expect("the store answers"), None);
        }
        let renewed = repo
            .renew_claim(number, claim.token, TIME, at)
            .await
            .expect("it is its own");
        assert!(is_soon(renewed.until), "{renewed:?}");
        repo.release_claim(number, claim.token, at).await.expect("released");
    }
}

#[tokio::test]
async fn a_token_that_has_not_expired_is_kept_whatever_the_clocks_of_the_hosts_say() {
    let Some(database) = database() else { return };
    let repo = open(&database).await;
    let token = |expires_at| {
        let host = (rng::host_id(), "east".parse().expect("a name"));
        Enrolment::new(rng::enrolment_id(), host, HostProfile::default(), "digest", expires_at)
    };
    let now = repo.now(Timestamp::UNIX_EPOCH).await.expect("the time");
    for at in clocks() {
        let (works, expired) = (token(now + TIME * 60), token(now - TIME));
        repo.add_enrolment(expired.clone(), at).await.expect("stored");
        repo.add_enrolment(works.clone(), at).await.expect("stored");
        assert_eq!(repo.enrolment(works.id).await.expect("found"), Some(works.clone()));
        assert_eq!(repo.enrolment(expired.id).await.expect("none"), None);
        repo.add_enrolment(token(now + TIME * 60), at).await.expect("stored");
        assert_eq!(repo.enrolment(works.id).await.expect("found"), Some(works));
    }
}
