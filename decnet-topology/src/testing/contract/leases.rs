//! Clauses on leases.

use std::sync::Arc;

use super::stage::{self, LEASE, holder, second};
use crate::{
    id::{LeaseToken, TopologyId},
    repo::{Lease, Repo, RepoError},
};

async fn stored(repo: &dyn Repo) -> TopologyId {
    stage::create(repo, "corp", stage::maze(1)).await.row.id
}

async fn take(repo: &dyn Repo, id: TopologyId, pid: u32, at: i64) -> Lease {
    let lease = repo.acquire_lease(id, &holder(pid), LEASE, None, second(at)).await;
    lease.expect("the lease is free")
}

async fn take_from(repo: &dyn Repo, id: TopologyId, pid: u32, dead: LeaseToken, at: i64) -> Result<Lease, RepoError> {
    repo.acquire_lease(id, &holder(pid), LEASE, Some(dead), second(at))
        .await
}

fn assert_held(refusal: &RepoError, by: &Lease) {
    assert!(
        matches!(refusal, RepoError::LeaseHeld { lease, .. } if **lease == *by),
        "{refusal:?}"
    );
}

pub(super) async fn a_free_lease_is_acquired(repo: Arc<dyn Repo>) {
    let id = stored(&*repo).await;
    assert_eq!(repo.lease(id, second(0)).await.expect("none"), None);
    let lease = take(&*repo, id, 1, 0).await;
    assert_eq!((&lease.holder, lease.until), (&holder(1), second(15)));
    assert_eq!(repo.lease(id, second(0)).await.expect("one"), Some(lease.clone()));
    let other = stage::create(&*repo, "other", stage::maze(2)).await.row.id;
    let of_other = take(&*repo, other, 1, 0).await;
    assert_ne!(of_other.token, lease.token, "every lease has its own token");
}

pub(super) async fn a_held_lease_is_refused_and_the_holder_is_returned(repo: Arc<dyn Repo>) {
    let id = stored(&*repo).await;
    let lease = take(&*repo, id, 1, 0).await;
    for (pid, at) in [(2, 0), (2, 14), (1, 1)] {
        let holder = holder(pid);
        let attempt = repo.acquire_lease(id, &holder, LEASE, None, second(at));
        assert_held(&stage::refused(&*repo, attempt).await, &lease);
    }
}

pub(super) async fn an_expired_lease_is_free(repo: Arc<dyn Repo>) {
    let id = stored(&*repo).await;
    let first = take(&*repo, id, 1, 0).await;
    assert_eq!(repo.lease(id, second(14)).await.expect("one"), Some(first.clone()));
    assert_eq!(repo.lease(id, second(15)).await.expect("none"), None);
    let next = take(&*repo, id, 2, 15).await;
    assert_ne!(next.token, first.token);
    assert_eq!(repo.lease(id, second(15)).await.expect("one"), Some(next));
}

pub(super) async fn a_dead_holder_is_superseded(repo: Arc<dyn Repo>) {
    let id = stored(&*repo).await;
    let dead = take(&*repo, id, 1, 0).await;
    let lease = take_from(&*repo, id, 2, dead.token, 1).await.expect("it is superseded");
    assert_ne!(lease.token, dead.token);
    assert_eq!((&lease.holder, lease.until), (&holder(2), second(16)));
    assert_eq!(repo.lease(id, second(1)).await.expect("one"), Some(lease.clone()));
    repo.release_lease(id, lease.token)
        .await
        .expect("the lease is released");
    take_from(&*repo, id, 3, lease.token, 1)
        .await
        .expect("a released lease is free");
}

pub(super) async fn a_lease_newer_than_the_dead_one_is_not_superseded(repo: Arc<dyn Repo>) {
    let id = stored(&*repo).await;
    let dead = take(&*repo, id, 1, 0).await;
    let newer = take_from(&*repo, id, 2, dead.token, 1).await.expect("it is superseded");
    let refusal = stage::refused(&*repo, take_from(&*repo, id, 3, dead.token, 1)).await;
    assert_held(&refusal, &newer);
}

pub(super) async fn a_renewed_lease_lasts_from_its_renewal(repo: Arc<dyn Repo>) {
    let id = stored(&*repo).await;
    let lease = take(&*repo, id, 1, 0).await;
    let renewed = repo
        .renew_lease(id, lease.token, LEASE, second(10))
        .await
        .expect("it is renewed");
    assert_eq!(
        renewed,
        Lease {
            until: second(25),
            ..lease
        }
    );
    assert_eq!(repo.lease(id, second(24)).await.expect("one"), Some(renewed));
    assert_eq!(repo.lease(id, second(25)).await.expect("none"), None);
}

pub(super) async fn an_expired_lease_is_renewed_if_nobody_took_it(repo: Arc<dyn Repo>) {
    let id = stored(&*repo).await;
    let lease = take(&*repo, id, 1, 0).await;
    let renewed = repo
        .renew_lease(id, lease.token, LEASE, second(100))
        .await
        .expect("it is renewed");
    assert_eq!(renewed.until, second(115));
    assert_eq!(repo.lease(id, second(100)).await.expect("one"), Some(renewed));
}

pub(super) async fn a_lease_that_another_process_took_is_lost(repo: Arc<dyn Repo>) {
    let id = stored(&*repo).await;
    let lost = take(&*repo, id, 1, 0).await;
    let held = take(&*repo, id, 2, 15).await;
    let refusal = stage::refused(&*repo, repo.renew_lease(id, lost.token, LEASE, second(16))).await;
    assert!(
        matches!(refusal, RepoError::LeaseLost { id: it, .. } if it == id),
        "{refusal:?}"
    );
    repo.release_lease(id, held.token).await.expect("the lease is released");
    for token in [lost.token, held.token] {
        let refusal = stage::refused(&*repo, repo.renew_lease(id, token, LEASE, second(16))).await;
        assert!(matches!(refusal, RepoError::LeaseLost { .. }), "{refusal:?}");
    }
}

pub(super) async fn a_released_lease_is_free_and_release_is_idempotent(repo: Arc<dyn Repo>) {
    let id = stored(&*repo).await;
    let lease = take(&*repo, id, 1, 0).await;
    for _ in 0..2 {
        repo.release_lease(id, lease.token)
            .await
            .expect("the lease is released");
        assert_eq!(repo.lease(id, second(0)).await.expect("none"), None);
    }
    take(&*repo, id, 2, 0).await;
}

pub(super) async fn a_lost_lease_cannot_release_the_new_one(repo: Arc<dyn Repo>) {
    let id = stored(&*repo).await;
    let lost = take(&*repo, id, 1, 0).await;
    let held = take(&*repo, id, 2, 15).await;
    repo.release_lease(id, lost.token)
        .await
        .expect("releasing a lost lease is not an error");
    assert_eq!(repo.lease(id, second(16)).await.expect("one"), Some(held));
}

pub(super) async fn each_acquired_lease_has_a_higher_generation_and_a_renewal_keeps_it(repo: Arc<dyn Repo>) {
    let id = stored(&*repo).await;
    let other = stage::create(&*repo, "other", stage::maze(2)).await.row.id;
    let first = take(&*repo, id, 1, 0).await;
    let renewed = repo.renew_lease(id, first.token, LEASE, second(10)).await;
    assert_eq!(renewed.expect("it is renewed").generation, first.generation);
    let of_other = take(&*repo, other, 1, 10).await;
    let superseding = take_from(&*repo, id, 2, first.token, 11)
        .await
        .expect("it is taken over");
    let released = repo.release_lease(id, superseding.token).await;
    released.expect("the lease is released");
    let after_release = take(&*repo, id, 3, 12).await;
    let after_expiry = take(&*repo, id, 1, 100).await;
    // A refused request draws none that anybody has.
    let refusal = stage::refused(&*repo, take_from(&*repo, id, 2, first.token, 101)).await;
    assert_held(&refusal, &after_expiry);
    assert_eq!(
        repo.lease(id, second(101)).await.expect("one"),
        Some(after_expiry.clone())
    );
    let leases = [first, of_other, superseding, after_release, after_expiry];
    let generations = leases.map(|lease| lease.generation);
    assert!(
        generations[0] > 0 && generations.is_sorted_by(|one, next| one < next),
        "{generations:?}"
    );
}

pub(super) async fn a_drawn_generation_is_above_the_given_one_and_lower_than_the_next(repo: Arc<dyn Repo>) {
    let id = stored(&*repo).await;
    let lease = take(&*repo, id, 1, 0).await;
    let drawn = repo.next_generation(0).await.expect("one");
    assert!(drawn > lease.generation, "{drawn} after {}", lease.generation);
    let above = repo.next_generation(7_000).await.expect("one");
    assert!(above > 7_000, "{above}");
    let below = repo.next_generation(5).await.expect("one");
    assert!(below > above, "{below} after {above}");
    let next = take(&*repo, id, 1, 100).await;
    assert!(next.generation > below, "{} after {below}", next.generation);
    let refusal = stage::refused(&*repo, repo.next_generation(u64::MAX)).await;
    assert!(matches!(refusal, RepoError::Corrupt { .. }), "{refusal:?}");
    let drawn = stage::at_once(&repo, 8, |repo, _| async move { repo.next_generation(0).await }).await;
    let drawn: std::collections::BTreeSet<u64> = drawn.into_iter().map(|drawn| drawn.expect("one")).collect();
    assert_eq!(drawn.len(), 8, "each is drawn once");
}

pub(super) async fn leases_do_not_count_as_edits(repo: Arc<dyn Repo>) {
    let before = stage::create(&*repo, "corp", stage::maze(1)).await;
    let id = before.row.id;
    let lease = take(&*repo, id, 1, 5).await;
    repo.renew_lease(id, lease.token, LEASE, second(10))
        .await
        .expect("it is renewed");
    assert_eq!(repo.load(id).await.expect("it is there"), before);
    repo.release_lease(id, lease.token)
        .await
        .expect("the lease is released");
    assert_eq!(repo.load(id).await.expect("it is there"), before);
}

pub(super) async fn one_of_many_concurrent_requests_gets_the_lease(repo: Arc<dyn Repo>) {
    let id = stored(&*repo).await;
    let dead = take(&*repo, id, 99, 0).await;
    for superseding in [Some(dead.token), None] {
        // First all of them found the holder dead; then the lease expires.
        let at = if superseding.is_some() { second(1) } else { second(1000) };
        let outcomes = stage::at_once(&repo, 8, move |repo, pid| async move {
            repo.acquire_lease(id, &holder(pid.into()), LEASE, superseding, at)
                .await
        });
        let (winner, losers) = stage::one_winner(outcomes.await);
        for refusal in losers {
            assert_held(&refusal, &winner);
        }
    }
}
