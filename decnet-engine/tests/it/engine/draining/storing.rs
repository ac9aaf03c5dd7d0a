//! Every call of the store fails in turn, before or after it did its work.

use decnet_engine::{EngineError, simulated::Moment};
use decnet_topology::{
    LeaseStore, MutationContext, MutationState, RepoError, Stage, Status, Topology, ValidTopology, apply,
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        CATALOG,
        failing_store::{FailingStore, Strike},
        lifecycle::refused,
    },
    CASES, Lab, mutation, yard,
};

const REJECTED: &str = r#"{"op": "remove_lan", "payload": {"name": "lab"}}"#;

/// Returns the maze after a mutation, or none if the mutation is invalid.
fn made(json: &str) -> Option<Topology> {
    apply(&yard(), &mutation(json), &MutationContext::new(&CATALOG, Stage::Live))
        .ok()
        .map(ValidTopology::into_topology)
}

/// Drains one mutation with a fault in one call of the store, then does what the loop does. Returns whether there were that many
/// calls.
async fn check_call(json: &str, fails: bool, nth: usize, strike: Strike) -> bool {
    let context = format!("{json}: call {nth} of the store, {strike:?}, on a daemon that fails: {fails}");
    let (lab, id) = Lab::running(yard()).await;
    lab.enqueue(id, json).await;
    if fails {
        lab.docker.fail(1, Moment::Half, refused());
    }
    let (failing_store, engine) = FailingStore::in_place_of(&lab);
    failing_store.strike(nth, strike);
    let drained = engine.drain(id, &CancellationToken::new()).await;
    if !failing_store.has_struck() {
        return false;
    }
    assert!(
        matches!(&drained, Ok(_) | Err(EngineError::Repo(RepoError::Full))),
        "{context}: {drained:?}"
    );
    let (left, row) = (lab.stored(id).await, lab.rows(id).await.remove(0));
    let expected = if row.stored_at.is_some() {
        made(json)
    } else {
        Some(yard())
    };
    assert_eq!(Some(left.topology), expected, "{context}");
    let status = match row.state {
        MutationState::Failed => Some(Status::Degraded),
        MutationState::Applied | MutationState::Rejected => Some(Status::Active),
        _ => None,
    };
    assert!(
        status.is_none_or(|status| status == left.row.status),
        "{context}: {row:?}"
    );

    lab.docker.reconnect();
    // A lease that could not be released, or whose release got no answer, expires by a clock that no test controls.
    if let Some(lease) = lab.repo.lease(id, Timestamp::now()).await.expect("asked") {
        lab.repo.release_lease(id, lease.token).await.expect("released");
    }
    lab.drain(id).await;
    if lab.status(id).await == Status::Degraded {
        let healed = lab.reconcile(id).await;
        assert_eq!(healed.expect(&context).reason, None, "{context}");
    }
    assert_eq!(lab.status(id).await, Status::Active, "{context}");
    lab.assert_matches(id, &context).await;
    let row = lab.rows(id).await.remove(0);
    let (topology, legal) = made(json).map_or((yard(), false), |made| (made, true));
    assert_eq!(lab.stored(id).await.topology, topology, "{context}");
    let expected: &[_] = match (legal, fails) {
        (false, _) => &[MutationState::Rejected],
        (true, false) => &[MutationState::Applied],
        // The process that continues finds a daemon that works again.
        (true, true) => &[MutationState::Applied, MutationState::Failed],
    };
    assert!(
        expected.contains(&row.state) && row.claim.is_none(),
        "{context}: {row:?}"
    );
    true
}

#[tokio::test(start_paused = true)]
async fn a_drain_whose_store_fails_at_any_call_is_completed_by_the_next() {
    let legal = [&CASES[0], &CASES[11], &CASES[13]].map(|case| case.json);
    let mut struck = 0;
    for json in legal.into_iter().chain([REJECTED]) {
        for fails in [false, true] {
            for strike in [Strike::Before, Strike::After] {
                let mut nth = 1;
                while check_call(json, fails, nth, strike).await {
                    nth += 1;
                }
                assert!(nth > 5, "{json}: {nth}");
                struck += nth - 1;
            }
        }
    }
    assert!(struck > 100, "{struck}");
}
