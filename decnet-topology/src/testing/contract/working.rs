//! Clauses on processing mutations: claims, storing, finishing.

use std::{collections::BTreeMap, sync::Arc};

use super::stage::{self, LEASE, claim, enqueue, holder, second};
use crate::{
    id::{ClaimToken, MutationId, TopologyId},
    repo::{MutationOutcome, MutationRow, Repo, RepoError, TopologyFilter},
    status::{Intent, MutationState, Status},
    version::Version,
};

async fn running(repo: &dyn Repo) -> TopologyId {
    stage::run(repo, "corp", stage::maze(1)).await.row.id
}

/// Claims a mutation of any topology.
async fn any(repo: &dyn Repo, at: i64) -> Option<MutationRow> {
    let claimed = repo.claim_mutation(None, &holder(1), LEASE, None, second(at)).await;
    claimed.expect("the store answers")
}

fn rejection() -> MutationOutcome {
    MutationOutcome::Rejected { reason: "no".into() }
}

/// Checks that no mutation of a topology can be claimed.
async fn assert_busy(repo: &dyn Repo, id: TopologyId, at: i64) {
    let claimed = repo.claim_mutation(Some(id), &holder(9), LEASE, None, second(at)).await;
    assert_eq!(claimed.expect("the store answers"), None);
    assert_eq!(any(repo, at).await, None);
}

/// Checks that this token is not valid.
async fn assert_lost(repo: &dyn Repo, id: MutationId, token: ClaimToken, at: i64) {
    let before = stage::snapshot(repo).await;
    repo.release_claim(id, token, second(at))
        .await
        .expect("releasing a lost claim is not an error");
    for refusal in [
        repo.renew_claim(id, token, LEASE, second(at)).await.err(),
        repo.store_mutation(id, token, stage::maze(1), second(at)).await.err(),
        repo.finish_mutation(id, token, rejection(), second(at)).await.err(),
        repo.finish_mutation(id, token, MutationOutcome::Applied, second(at))
            .await
            .err(),
    ] {
        assert!(
            matches!(refusal, Some(RepoError::ClaimLost { id: it }) if it == id),
            "{refusal:?}"
        );
    }
    assert_eq!(stage::snapshot(repo).await, before);
}

pub(super) async fn the_oldest_mutation_is_claimed_first(repo: Arc<dyn Repo>) {
    let one = running(&*repo).await;
    let two = stage::run(&*repo, "other", stage::maze(2)).await.row.id;
    assert_eq!(any(&*repo, 2).await, None);
    let mut expected = Vec::new();
    for id in [two, one, two, one] {
        expected.push(enqueue(&*repo, id, &format!("lan-{}", expected.len())).await);
    }
    for mut row in expected {
        let claimed = any(&*repo, 3).await.expect("there is work");
        let claim = claimed.claim.clone().expect("it is claimed");
        assert_eq!((&claim.holder, claim.until), (&holder(1), second(18)));
        row.state = MutationState::Applying;
        row.attempts = 1;
        row.begun_at = Some(second(3));
        row.claim = Some(claim.clone());
        assert_eq!(claimed, row);
        assert_eq!(repo.mutation(row.id).await.expect("it is there"), row);
        let finished = repo.finish_mutation(row.id, claim.token, rejection(), second(4)).await;
        row.state = MutationState::Rejected;
        row.reason = Some("no".into());
        row.finished_at = Some(second(4));
        row.claim = None;
        assert_eq!(finished.expect("it is finished"), row);
        assert_eq!(repo.mutation(row.id).await.expect("it is there"), row);
    }
    assert_eq!(any(&*repo, 5).await, None);
}

pub(super) async fn only_one_mutation_of_a_topology_is_claimed_at_a_time(repo: Arc<dyn Repo>) {
    let id = running(&*repo).await;
    for lan in ["a", "b", "c"] {
        enqueue(&*repo, id, lan).await;
    }
    for _ in 0..3 {
        let (mutation, token) = claim(&*repo, id, 1, 3).await;
        assert_busy(&*repo, id, 17).await;
        repo.finish_mutation(mutation, token, rejection(), second(17))
            .await
            .expect("it is finished");
    }
    assert_busy(&*repo, id, 17).await;
}

pub(super) async fn mutations_of_several_topologies_are_claimed_in_parallel(repo: Arc<dyn Repo>) {
    let one = running(&*repo).await;
    let two = stage::run(&*repo, "other", stage::maze(2)).await.row.id;
    for id in [one, one, one, two, two] {
        enqueue(&*repo, id, "lab").await;
    }
    let claimed = [any(&*repo, 3).await, any(&*repo, 3).await].map(|row| row.expect("there is work").topology);
    assert_eq!(claimed, [one, two]);
    assert_eq!(any(&*repo, 3).await, None);
}

pub(super) async fn a_mutation_with_an_expired_claim_is_claimed_again(repo: Arc<dyn Repo>) {
    let stored = stage::run(&*repo, "corp", stage::maze(1)).await;
    let id = stored.row.id;
    enqueue(&*repo, id, "lab").await;
    enqueue(&*repo, id, "attic").await;
    let (mutation, first) = claim(&*repo, id, 1, 3).await;
    let kept = repo.store_mutation(mutation, first, stored.topology, second(4)).await;
    kept.expect("it is stored");
    assert_busy(&*repo, id, 17).await;
    let again = repo.claim_mutation(None, &holder(2), LEASE, None, second(18)).await;
    let again = again.expect("the store answers").expect("it ran out");
    let token = again.claim.as_ref().expect("it is claimed").token;
    assert_ne!(token, first);
    let row = (again.id, again.state, again.attempts, again.begun_at, again.stored_at);
    let expected = (mutation, MutationState::Applying, 2, Some(second(3)), Some(second(4)));
    assert_eq!(row, expected);
    assert_lost(&*repo, mutation, first, 19).await;
    assert_busy(&*repo, id, 19).await;
    let finished = repo
        .finish_mutation(mutation, token, MutationOutcome::Applied, second(20))
        .await;
    assert_eq!(finished.expect("it is finished").state, MutationState::Applied);
    assert!(claim(&*repo, id, 1, 21).await.0 > mutation);
}

pub(super) async fn a_dead_holder_of_a_claim_is_superseded(repo: Arc<dyn Repo>) {
    let id = running(&*repo).await;
    let (mutation, _) = (enqueue(&*repo, id, "lab").await.id, enqueue(&*repo, id, "attic").await);
    let mut dead = claim(&*repo, id, 1, 3).await.1;
    for topology in [Some(id), None] {
        let take = async || {
            let taken = repo
                .claim_mutation(topology, &holder(2), LEASE, Some(dead), second(4))
                .await;
            taken.expect("the store answers")
        };
        let taken = take().await.expect("its holder is dead");
        assert_eq!(taken.id, mutation);
        // A caller that found the same holder dead a moment later does not take the claim from the new holder.
        assert_eq!(take().await, None);
        assert_lost(&*repo, mutation, dead, 4).await;
        dead = taken.claim.expect("it is claimed").token;
    }
}

pub(super) async fn a_renewed_claim_lasts_from_its_renewal(repo: Arc<dyn Repo>) {
    let id = running(&*repo).await;
    enqueue(&*repo, id, "lab").await;
    let (mutation, token) = claim(&*repo, id, 1, 0).await;
    // The second one expired earlier, but nobody took it.
    for at in [10, 100] {
        let renewed = repo
            .renew_claim(mutation, token, LEASE, second(at))
            .await
            .expect("it is held");
        assert_eq!(
            (renewed.token, &renewed.holder, renewed.until),
            (token, &holder(1), second(at + 15))
        );
        assert_eq!(repo.mutation(mutation).await.expect("it is there").claim, Some(renewed));
        assert_busy(&*repo, id, at + 14).await;
    }
    claim(&*repo, id, 2, 115).await;
}

pub(super) async fn a_lost_claim_is_refused(repo: Arc<dyn Repo>) {
    let id = running(&*repo).await;
    enqueue(&*repo, id, "lab").await;
    let mutation = enqueue(&*repo, id, "attic").await.id;
    let (first, token) = claim(&*repo, id, 1, 3).await;
    assert_lost(&*repo, mutation, token, 4).await;
    repo.finish_mutation(first, token, rejection(), second(5))
        .await
        .expect("it is finished");
    assert_lost(&*repo, first, token, 6).await;
    let (_, late) = claim(&*repo, id, 1, 7).await;
    repo.release_claim(mutation, late, second(8))
        .await
        .expect("it is released");
    assert_lost(&*repo, mutation, late, 9).await;
}

pub(super) async fn a_released_mutation_keeps_its_place(repo: Arc<dyn Repo>) {
    let id = running(&*repo).await;
    enqueue(&*repo, id, "lab").await;
    enqueue(&*repo, id, "attic").await;
    let (first, token) = claim(&*repo, id, 1, 3).await;
    repo.release_claim(first, token, second(4))
        .await
        .expect("the claim is released");
    let row = repo.mutation(first).await.expect("it is there");
    assert_eq!((row.state, row.claim, row.attempts), (MutationState::Pending, None, 1));
    assert!(repo.has_unfinished(id).await.expect("it is there"));
    repo.release_claim(first, token, second(5))
        .await
        .expect("releasing twice is not an error");
    assert_eq!(claim(&*repo, id, 2, 5).await.0, first);
    assert_eq!(repo.mutation(first).await.expect("it is there").attempts, 2);
}

pub(super) async fn a_mutation_released_after_a_teardown_is_finished(repo: Arc<dyn Repo>) {
    for (octet, is_stored, state) in [(1, false, MutationState::Rejected), (2, true, MutationState::Failed)] {
        let stored = stage::run(&*repo, &format!("corp {octet}"), stage::maze(octet)).await;
        let id = stored.row.id;
        enqueue(&*repo, id, "lab").await;
        let (mutation, token) = claim(&*repo, id, 1, 3).await;
        if is_stored {
            let kept = repo.store_mutation(mutation, token, stored.topology, second(4)).await;
            kept.expect("it is stored");
        }
        stage::tear_down(&*repo, id, 5).await;
        repo.release_claim(mutation, token, second(6))
            .await
            .expect("the claim is released");
        let row = repo.mutation(mutation).await.expect("it is there");
        assert_eq!((row.state, row.claim, row.finished_at), (state, None, Some(second(6))));
        assert_eq!(row.reason.as_deref(), Some("the topology is being torn down"));
        assert!(!repo.has_unfinished(id).await.expect("it is there"));
    }
}

pub(super) async fn a_mutation_is_stored_once_and_does_not_count_as_an_edit(repo: Arc<dyn Repo>) {
    let before = stage::run(&*repo, "corp", stage::maze(1)).await;
    let id = before.row.id;
    enqueue(&*repo, id, "lab").await;
    let (mutation, token) = claim(&*repo, id, 1, 3).await;
    let after = stage::lan("10.1.0.0/24");
    let stored = repo.store_mutation(mutation, token, after.clone(), second(4)).await;
    let stored = stored.expect("it is stored");
    let mut row = before.row;
    row.version = Version::new(2);
    row.changed_at = second(4);
    assert_eq!((&stored.row, &stored.topology), (&row, &after));
    assert_eq!(repo.load(id).await.expect("it is there"), stored);
    let kept = repo.mutation(mutation).await.expect("it is there");
    assert_eq!((kept.state, kept.stored_at), (MutationState::Applying, Some(second(4))));

    let again = repo.store_mutation(mutation, token, stage::maze(1), second(5));
    let refusal = stage::refused(&*repo, again).await;
    assert!(
        matches!(refusal, RepoError::MutationStored { id } if id == mutation),
        "{refusal:?}"
    );
}

pub(super) async fn a_mutation_cannot_store_a_claimed_subnet(repo: Arc<dyn Repo>) {
    stage::create(&*repo, "other", stage::lan("10.9.0.0/24")).await;
    let id = running(&*repo).await;
    enqueue(&*repo, id, "lab").await;
    let (mutation, token) = claim(&*repo, id, 1, 3).await;
    let overlapping = repo.store_mutation(mutation, token, stage::maze(9), second(4));
    let refusal = stage::refused(&*repo, overlapping).await;
    assert!(matches!(refusal, RepoError::SubnetClaimed { .. }), "{refusal:?}");
    let kept = repo.store_mutation(mutation, token, stage::maze(1), second(5)).await;
    kept.expect("its own subnets are free");
}

pub(super) async fn no_mutation_is_stored_for_a_topology_that_does_not_run(repo: Arc<dyn Repo>) {
    let id = running(&*repo).await;
    enqueue(&*repo, id, "lab").await;
    let (mutation, token) = claim(&*repo, id, 1, 3).await;
    stage::tear_down(&*repo, id, 5).await;
    let late = repo.store_mutation(mutation, token, stage::lan("10.1.0.0/24"), second(6));
    let refusal = stage::refused(&*repo, late).await;
    let is_refused = matches!(
        refusal,
        RepoError::NotEditable {
            status: Status::TearingDown,
            intent: Some(Intent::Down),
            ..
        }
    );
    assert!(is_refused, "{refusal:?}");
}

pub(super) async fn a_stored_mutation_cannot_be_rejected_and_an_unstored_one_cannot_be_applied(repo: Arc<dyn Repo>) {
    let stored = stage::run(&*repo, "corp", stage::maze(1)).await;
    let id = stored.row.id;
    let failed = || MutationOutcome::Failed { reason: "alas".into() };
    for outcome in [MutationOutcome::Applied, failed()] {
        enqueue(&*repo, id, "lab").await;
        let (mutation, token) = claim(&*repo, id, 1, 3).await;
        for early in [MutationOutcome::Applied, failed()] {
            let refusal = stage::refused(&*repo, repo.finish_mutation(mutation, token, early, second(4))).await;
            assert!(
                matches!(refusal, RepoError::MutationNotStored { id } if id == mutation),
                "{refusal:?}"
            );
        }
        let kept = repo
            .store_mutation(mutation, token, stored.topology.clone(), second(5))
            .await;
        kept.expect("it is stored");
        let refusal = stage::refused(&*repo, repo.finish_mutation(mutation, token, rejection(), second(6))).await;
        assert!(
            matches!(refusal, RepoError::MutationStored { id } if id == mutation),
            "{refusal:?}"
        );
        let finished = repo.finish_mutation(mutation, token, outcome.clone(), second(7)).await;
        let finished = finished.expect("it is finished");
        assert_eq!(
            (finished.state, finished.finished_at),
            (outcome.state(), Some(second(7)))
        );
        assert_eq!(finished.reason.is_some(), outcome != MutationOutcome::Applied);
    }
}

async fn is_idle(repo: &dyn Repo) -> Result<bool, RepoError> {
    for row in repo.list(&TopologyFilter::default()).await?.rows {
        if repo.has_unfinished(row.id).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) async fn each_mutation_is_claimed_once_and_in_order_by_many_concurrent_workers(repo: Arc<dyn Repo>) {
    const TOPOLOGIES: u8 = 4;
    const EACH: usize = 6;
    let mut enqueued: BTreeMap<TopologyId, Vec<MutationId>> = BTreeMap::new();
    for octet in 0..TOPOLOGIES {
        let id = stage::run(&*repo, &format!("corp {octet}"), stage::maze(octet))
            .await
            .row
            .id;
        for _ in 0..EACH {
            enqueued
                .entry(id)
                .or_default()
                .push(enqueue(&*repo, id, "lab").await.id);
        }
    }
    let finished = Arc::new(std::sync::Mutex::new(BTreeMap::<TopologyId, Vec<MutationId>>::new()));
    let note = Arc::clone(&finished);
    let outcomes = stage::at_once(&repo, 8, move |repo, worker| {
        let note = Arc::clone(&note);
        async move {
            for _ in 0..EACH * usize::from(TOPOLOGIES) {
                let row = loop {
                    let me = holder(worker.into());
                    match repo.claim_mutation(None, &me, LEASE, None, second(3)).await? {
                        Some(row) => break row,
                        None if is_idle(&*repo).await? => return Ok(()),
                        None => tokio::task::yield_now().await,
                    }
                };
                let token = row.claim.expect("it is claimed").token;
                note.lock()
                    .expect("no one panics")
                    .entry(row.topology)
                    .or_default()
                    .push(row.id);
                repo.finish_mutation(row.id, token, rejection(), second(4)).await?;
            }
            Ok(())
        }
    });
    for outcome in outcomes.await {
        outcome.expect("all is done");
    }
    assert_eq!(*finished.lock().expect("no one panics"), enqueued);
}
