//! Clauses on the queue of mutations.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::stage::{self, LEASE, adding, enqueue, holder, second};
use crate::{
    id::{MutationId, TopologyId},
    model::ServiceConfig,
    mutation::{AddDecky, AddLan, LanPatch, Mutation, UpdateDecky, UpdateLan},
    repo::{Edit, MutationFilter, MutationOutcome, MutationRow, NewMutation, Repo, RepoError},
    rng,
    status::{Intent, MutationState, MutationTrigger, Status},
    version::Version,
};

pub(super) async fn a_mutation_is_enqueued_as_requested(repo: Arc<dyn Repo>) {
    let before = stage::run(&*repo, "corp", stage::maze(1)).await;
    let other = stage::run(&*repo, "other", stage::maze(2)).await;
    let id = before.row.id;
    let new = adding("lab").actor("Ada \u{1F980}".to_owned());
    let enqueued = repo.enqueue(id, new.clone(), Some(Version::FIRST), second(5)).await;
    let enqueued = enqueued.expect("the topology runs");
    let expected = MutationRow {
        id: enqueued.id,
        topology: id,
        mutation: new.mutation,
        actor: new.actor,
        trigger: MutationTrigger::Operator,
        state: MutationState::Pending,
        version: Version::new(2),
        attempts: 0,
        enqueued_at: second(5),
        begun_at: None,
        stored_at: None,
        finished_at: None,
        reason: None,
        claim: None,
    };
    assert_eq!(enqueued, expected);
    assert_eq!(repo.mutation(enqueued.id).await.expect("it is there"), expected);
    let mut row = before.row;
    row.version = Version::new(2);
    row.changed_at = second(5);
    let after = repo.load(id).await.expect("it is there");
    assert_eq!(
        (after.row, after.topology),
        (row, before.topology),
        "only the version changes"
    );
    assert_eq!(repo.load(other.row.id).await.expect("it is there"), other);
    let next = enqueue(&*repo, id, "attic").await;
    assert!(next.id > enqueued.id && next.version == Version::new(3), "{next:?}");
}

pub(super) async fn every_mutation_is_returned_as_requested(repo: Arc<dyn Repo>) {
    let id = stage::run(&*repo, "corp", stage::maze(1)).await.row.id;
    for written in [
        r#"{"op": "add_lan", "payload": {"name": "Lab", "subnet": "10.9.0.0/24", "is_dmz": true, "x": 0.1, "y": -1e300}}"#,
        r#"{"op": "remove_lan", "payload": {"name": "lab"}}"#,
        r#"{"op": "add_decky", "payload": {"name": "a", "lan": "b", "services": ["ssh", "http"], "archetype": "printer",
            "service_config": {"ssh": {"odds": 0.30000000000000004, "none": null}}, "forwards_l3": true, "ip": "10.0.0.9"}}"#,
        r#"{"op": "attach_decky", "payload": {"decky": "a", "lan": "b", "ip": "10.0.0.9", "forwards_l3": true}}"#,
        r#"{"op": "detach_decky", "payload": {"decky": "a", "lan": "b"}}"#,
        r#"{"op": "remove_decky", "payload": {"decky": "a"}}"#,
        r#"{"op": "update_decky", "payload": {"decky": "a", "services": [], "x": 1, "force": true,
            "patch": {"archetype": null, "service_config": {}, "forwards_l3": false}}}"#,
        r#"{"op": "update_decky", "payload": {"decky": "a", "patch": {}}}"#,
        r#"{"op": "update_lan", "payload": {"name": "a", "patch": {"name": "A", "subnet": "10.9.0.0/24", "is_dmz": false}}}"#,
    ] {
        let new = NewMutation::new(serde_json::from_str(written).expect("a mutation"));
        let enqueued = repo.enqueue(id, new.clone(), None, second(2)).await.expect("it runs");
        let kept = repo.mutation(enqueued.id).await.expect("it is there");
        assert_eq!(kept.mutation, new.mutation);
        assert_eq!(
            format!("{kept:?}"),
            format!("{enqueued:?}"),
            "names keep their spelling"
        );
    }
}

pub(super) async fn a_mutation_that_could_not_be_read_back_is_refused(repo: Arc<dyn Repo>) {
    let running = stage::run(&*repo, "corp", stage::maze(1)).await.row.id;
    let pending = stage::create(&*repo, "other", stage::maze(2)).await.row.id;
    let nested = |levels| (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    let config = |levels| ServiceConfig::from([("ssh".into(), BTreeMap::from([("banner".into(), nested(levels))]))]);
    let web = || "web".parse().expect("a name");
    let deepest = UpdateDecky::new(web()).service_config(config(59));
    assert_eq!(
        Mutation::from_json(&json!(Mutation::from(deepest.clone())).to_string()),
        Ok(deepest.into())
    );
    let host_bits = AddLan {
        subnet: Some("10.9.8.7/24".parse().expect("a subnet")),
        ..AddLan::new("lab".parse().expect("a name"))
    };
    let unreadable: [Mutation; 4] = [
        UpdateDecky::new(web()).service_config(config(60)).into(),
        AddDecky::new(web(), "lan-0".parse().expect("a name"))
            .service_config(config(60))
            .into(),
        UpdateLan {
            patch: LanPatch {
                subnet: Some(host_bits.subnet),
                ..LanPatch::default()
            },
            ..UpdateLan::new("lan-0".parse().expect("a name"))
        }
        .into(),
        host_bits.into(),
    ];
    for mutation in unreadable {
        let read = Mutation::from_json(&json!(mutation).to_string()).expect_err("it is unreadable");
        let new = NewMutation::new(mutation);
        let edit = Edit::new(stage::maze(2)).mutation(new.clone());
        for refusal in [
            stage::refused(&*repo, repo.enqueue(running, new, None, second(2))).await,
            stage::refused(&*repo, repo.edit(pending, edit, second(2))).await,
        ] {
            let RepoError::MutationUnreadable { source } = refusal else {
                panic!("{refusal:?}")
            };
            assert_eq!(source.code(), read.code());
        }
    }
}

pub(super) async fn a_mutation_that_expects_another_version_is_refused(repo: Arc<dyn Repo>) {
    let id = stage::run(&*repo, "corp", stage::maze(1)).await.row.id;
    enqueue(&*repo, id, "lab").await;
    for other in [0, 1, 3, u64::MAX].map(Version::new) {
        let refusal = stage::refused(&*repo, repo.enqueue(id, adding("attic"), Some(other), second(3))).await;
        let RepoError::VersionConflict { expected, current, .. } = refusal else {
            panic!("{refusal:?}")
        };
        assert_eq!((expected, current), (other, Version::new(2)));
    }
}

pub(super) async fn only_a_running_topology_with_intent_up_takes_mutations(repo: Arc<dyn Repo>) {
    let mut octet = 0;
    for status in Status::ALL.iter().copied() {
        for meant in [None, Some(Intent::Up), Some(Intent::Down)] {
            octet += 1;
            let id = stage::create(&*repo, &format!("corp {octet}"), stage::maze(octet))
                .await
                .row
                .id;
            stage::bring_with_intent(&*repo, id, status, meant).await;
            let enqueue = repo.enqueue(id, adding("lab"), None, second(3));
            if matches!(status, Status::Active | Status::Degraded) && meant != Some(Intent::Down) {
                enqueue.await.expect("it is enqueued");
                continue;
            }
            let refusal = stage::refused(&*repo, enqueue).await;
            let RepoError::NotEditable { status: it, intent, .. } = refusal else {
                panic!("{refusal:?}")
            };
            let intent_now = repo.get(id).await.expect("its row").intent;
            assert_eq!((it, intent), (status, intent_now));
        }
    }
}

pub(super) async fn one_of_several_mutations_of_the_same_version_wins(repo: Arc<dyn Repo>) {
    let id = stage::run(&*repo, "corp", stage::maze(1)).await.row.id;
    let outcomes = stage::at_once(&repo, 8, move |repo, at| async move {
        repo.enqueue(id, adding(&format!("lan-{at}")), Some(Version::FIRST), second(2))
            .await
    });
    let (winner, losers) = stage::one_winner(outcomes.await);
    for refusal in losers {
        assert!(matches!(refusal, RepoError::VersionConflict { .. }), "{refusal:?}");
    }
    let page = repo.mutations(&MutationFilter::default()).await.expect("the mutations");
    assert_eq!(page.rows, [winner]);
}

/// Creates two topologies with a mutation in each state, and returns them with all mutations in order.
async fn one_of_each_state(repo: &dyn Repo) -> ([TopologyId; 2], Vec<MutationRow>) {
    let one = stage::run(repo, "one", stage::maze(1)).await;
    let two = stage::run(repo, "two", stage::maze(2)).await;
    let ids = [one.row.id, two.row.id];
    let mut numbers = Vec::new();
    for lan in ["applied", "rejected", "failed", "applying", "pending"] {
        for id in ids {
            numbers.push(enqueue(repo, id, lan).await.id);
        }
    }
    for stored in [one, two] {
        for outcome in [
            MutationOutcome::Applied,
            MutationOutcome::Rejected { reason: "no".into() },
            MutationOutcome::Failed { reason: "alas".into() },
        ] {
            let (id, token) = stage::claim(repo, stored.row.id, 1, 3).await;
            if !matches!(outcome, MutationOutcome::Rejected { .. }) {
                let kept = repo.store_mutation(id, token, stored.topology.clone(), second(4)).await;
                kept.expect("it is stored");
            }
            let finished = repo.finish_mutation(id, token, outcome, second(5)).await;
            finished.expect("it is finished");
        }
        stage::claim(repo, stored.row.id, 1, 6).await;
    }
    let mut rows = Vec::new();
    for number in numbers {
        rows.push(repo.mutation(number).await.expect("it is there"));
    }
    (ids, rows)
}

pub(super) async fn mutations_are_listed_in_order_and_filtered_by_topology_and_state(repo: Arc<dyn Repo>) {
    use MutationState::{Applied, Applying, Failed, Pending, Rejected};
    let ([one, two], all) = one_of_each_state(&*repo).await;
    for topology in [None, Some(one), Some(two)] {
        for states in [
            vec![],
            vec![Pending],
            vec![Applying, Pending],
            vec![Applied],
            vec![Failed, Rejected, Pending],
            MutationState::ALL.to_vec(),
        ] {
            let expected = all.iter().filter(|row| {
                topology.is_none_or(|id| row.topology == id) && (states.is_empty() || states.contains(&row.state))
            });
            let expected: Vec<_> = expected.cloned().collect();
            let filter = MutationFilter::default().topology(topology).states(states);
            let page = repo.mutations(&filter).await.expect("the mutations");
            assert_eq!((page.total, page.rows), (expected.len(), expected), "{filter:?}");
        }
    }
}

pub(super) async fn limit_and_offset_apply_to_the_mutations_but_not_to_the_total(repo: Arc<dyn Repo>) {
    let (_, all) = one_of_each_state(&*repo).await;
    for (limit, offset) in [
        (None, 0),
        (None, 3),
        (Some(4), 0),
        (Some(4), 8),
        (Some(0), 0),
        (Some(usize::MAX), 11),
    ] {
        let filter = MutationFilter::default().limit(limit).offset(offset);
        let page = repo.mutations(&filter).await.expect("the mutations");
        let expected: Vec<_> = all
            .iter()
            .skip(offset)
            .take(limit.unwrap_or(usize::MAX))
            .cloned()
            .collect();
        assert_eq!((page.total, page.rows), (10, expected), "{filter:?}");
    }
}

pub(super) async fn an_unknown_mutation_is_not_found(repo: Arc<dyn Repo>) {
    let topology = stage::run(&*repo, "corp", stage::maze(1)).await.row.id;
    let known = enqueue(&*repo, topology, "lab").await.id;
    let (token, unknown) = (rng::claim_token(), rng::topology_id());
    for id in [0, known.get() + 1, u64::MAX].map(MutationId::new) {
        let before = stage::snapshot(&*repo).await;
        repo.release_claim(id, token, second(3))
            .await
            .expect("releasing an unknown claim is not an error");
        for refusal in [
            repo.mutation(id).await.err(),
            repo.renew_claim(id, token, LEASE, second(3)).await.err(),
            repo.store_mutation(id, token, stage::maze(1), second(3)).await.err(),
            repo.finish_mutation(id, token, MutationOutcome::Applied, second(3))
                .await
                .err(),
        ] {
            let is_not_found = matches!(refusal, Some(RepoError::MutationNotFound { id: it }) if it == id);
            assert!(is_not_found, "{refusal:?}");
        }
        assert_eq!(stage::snapshot(&*repo).await, before);
    }
    let of_unknown = MutationFilter::default().topology(unknown);
    for refusal in [
        repo.enqueue(unknown, adding("lab"), None, second(3)).await.err(),
        repo.claim_mutation(Some(unknown), &holder(1), LEASE, None, second(3))
            .await
            .err(),
        repo.mutations(&of_unknown).await.err(),
        repo.has_unfinished(unknown).await.err(),
        repo.decky_changes(unknown, None).await.err(),
    ] {
        assert!(
            matches!(refusal, Some(RepoError::NotFound { id }) if id == unknown),
            "{refusal:?}"
        );
    }
}

pub(super) async fn a_mutation_is_unfinished_until_it_is_finished(repo: Arc<dyn Repo>) {
    let id = stage::run(&*repo, "corp", stage::maze(1)).await.row.id;
    let other = stage::run(&*repo, "other", stage::maze(2)).await.row.id;
    enqueue(&*repo, other, "lab").await;
    let pending = async || repo.has_unfinished(id).await.expect("it is there");
    assert!(!pending().await);
    for lan in ["lab", "attic"] {
        enqueue(&*repo, id, lan).await;
    }
    for _ in 0..2 {
        assert!(pending().await);
        let (mutation, token) = stage::claim(&*repo, id, 1, 2).await;
        assert!(pending().await, "its holder may not finish it");
        let no = MutationOutcome::Rejected { reason: "no".into() };
        repo.finish_mutation(mutation, token, no, second(3))
            .await
            .expect("it is finished");
    }
    assert!(!pending().await);
}

pub(super) async fn no_mutation_of_a_topology_that_takes_none_is_claimed(repo: Arc<dyn Repo>) {
    let id = stage::run(&*repo, "corp", stage::maze(1)).await.row.id;
    enqueue(&*repo, id, "lab").await;
    stage::claim(&*repo, id, 1, 3).await;
    let claimed = async |topology| {
        repo.claim_mutation(topology, &holder(2), LEASE, None, second(99))
            .await
            .expect("asked")
    };
    // Its holder died. Nobody resumes it during the teardown or after the teardown failed.
    stage::tear_down(&*repo, id, 9).await;
    assert_eq!((claimed(Some(id)).await, claimed(None).await), (None, None));
    let stuck = stage::step(Status::TearingDown, Status::Degraded);
    repo.set_status(id, stuck, second(10)).await.expect("it is stuck");
    assert_eq!((claimed(Some(id)).await, claimed(None).await), (None, None));
}

pub(super) async fn the_mutation_of_a_dead_worker_is_finished_when_its_topology_is_torn_down(repo: Arc<dyn Repo>) {
    for (octet, is_stored, state) in [(1, false, MutationState::Rejected), (2, true, MutationState::Failed)] {
        let stored = stage::run(&*repo, &format!("corp {octet}"), stage::maze(octet)).await;
        let id = stored.row.id;
        enqueue(&*repo, id, "lab").await;
        let (mutation, token) = stage::claim(&*repo, id, 1, 3).await;
        if is_stored {
            let kept = repo.store_mutation(mutation, token, stored.topology, second(4)).await;
            kept.expect("it is stored");
        }
        stage::tear_down(&*repo, id, 9).await;
        let down = stage::step(Status::TearingDown, Status::TornDown);
        repo.set_status(id, down, second(10)).await.expect("it is down");
        let row = repo.mutation(mutation).await.expect("it is there");
        assert_eq!((row.state, row.claim, row.finished_at), (state, None, Some(second(10))));
        assert_eq!(row.reason.as_deref(), Some("the topology is torn_down"));
        assert!(!repo.has_unfinished(id).await.expect("it is there"));
        let late = stage::refused(&*repo, repo.renew_claim(mutation, token, LEASE, second(11))).await;
        assert!(matches!(late, RepoError::ClaimLost { .. }), "{late:?}");
    }
}

pub(super) async fn pending_mutations_are_rejected_by_a_teardown(repo: Arc<dyn Repo>) {
    let id = stage::run(&*repo, "corp", stage::maze(1)).await.row.id;
    let other = stage::run(&*repo, "other", stage::maze(2)).await.row.id;
    let spared = enqueue(&*repo, other, "lab").await;
    let mut rows = Vec::new();
    for lan in ["a", "b", "c"] {
        rows.push(enqueue(&*repo, id, lan).await);
    }
    let (applying, token) = stage::claim(&*repo, id, 1, 3).await;
    stage::tear_down(&*repo, id, 9).await;
    for row in &rows[1..] {
        let dismissed = MutationRow {
            state: MutationState::Rejected,
            reason: Some("the topology is being torn down".into()),
            finished_at: Some(second(9)),
            ..row.clone()
        };
        assert_eq!(repo.mutation(row.id).await.expect("it is there"), dismissed);
    }
    assert_eq!(repo.mutation(spared.id).await.expect("it is there"), spared);

    let kept = repo.mutation(applying).await.expect("it is there");
    assert_eq!(kept.state, MutationState::Applying, "its holder finishes it");
    let no = MutationOutcome::Rejected {
        reason: "too late".into(),
    };
    repo.finish_mutation(applying, token, no, second(10))
        .await
        .expect("it is finished");
    assert!(!repo.has_unfinished(id).await.expect("it is there"));
}

pub(super) async fn a_stored_pending_mutation_fails_at_a_teardown(repo: Arc<dyn Repo>) {
    let stored = stage::run(&*repo, "corp", stage::maze(1)).await;
    let id = stored.row.id;
    enqueue(&*repo, id, "lab").await;
    let (mutation, token) = stage::claim(&*repo, id, 1, 3).await;
    let kept = repo.store_mutation(mutation, token, stored.topology, second(4)).await;
    kept.expect("it is stored");
    repo.release_claim(mutation, token, second(5))
        .await
        .expect("the claim is released");
    stage::tear_down(&*repo, id, 9).await;
    let row = repo.mutation(mutation).await.expect("it is there");
    let outcome = (row.state, row.reason.as_deref(), row.finished_at);
    assert_eq!(
        outcome,
        (
            MutationState::Failed,
            Some("the topology is being torn down"),
            Some(second(9))
        )
    );
}

pub(super) async fn mutations_are_deleted_with_their_topology_and_numbers_are_not_reused(repo: Arc<dyn Repo>) {
    let kept = stage::run(&*repo, "kept", stage::maze(1)).await.row.id;
    enqueue(&*repo, kept, "lab").await;
    let before = stage::snapshot(&*repo).await.without_log();
    let id = stage::run(&*repo, "corp", stage::maze(2)).await.row.id;
    enqueue(&*repo, id, "lab").await;
    let last = enqueue(&*repo, id, "attic").await.id;
    let (mutation, token) = stage::claim(&*repo, id, 1, 3).await;
    let smaller = stage::lan("10.2.0.0/24");
    repo.store_mutation(mutation, token, smaller, second(4))
        .await
        .expect("it is stored");
    stage::tear_down(&*repo, id, 9).await;
    let down = stage::step(Status::TearingDown, Status::TornDown);
    repo.set_status(id, down, second(10)).await.expect("it is torn down");
    repo.delete(id, None, second(11)).await.expect("it is deleted");
    assert_eq!(stage::snapshot(&*repo).await.without_log(), before);
    // Its holder gets the error.
    let refusal = repo.renew_claim(mutation, token, LEASE, second(12)).await;
    assert!(
        matches!(refusal, Err(RepoError::MutationNotFound { .. })),
        "{refusal:?}"
    );
    assert!(enqueue(&*repo, kept, "attic").await.id > last);
}
