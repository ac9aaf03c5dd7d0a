//! Unfinished mutations are found quickly among many finished ones.

use super::*;
use crate::mutation::{Mutation, RemoveDecky};

pub(super) fn removing(decky: &str) -> NewMutation {
    let decky = decky.parse().expect("a name");
    NewMutation::new(Mutation::RemoveDecky(RemoveDecky { decky }))
}

fn holder() -> Holder {
    Holder {
        boot_id: "boot".into(),
        pid: 1,
        started: 1,
        label: "a test".into(),
    }
}

/// Creates a store with a running topology and a million finished mutations.
async fn store_of_a_million() -> (SqliteRepo, TopologyId) {
    let repo = SqliteRepo::open_in_memory().expect("a store");
    let at = Timestamp::UNIX_EPOCH;
    let id = repo
        .create(new("corp", Topology::default()), at)
        .await
        .expect("stored")
        .row
        .id;
    let filled = repo.transact(TransactionBehavior::Immediate, |tx| {
        tx.execute("UPDATE topologies SET status = 'active', intent = 'up'", [])?;
        Ok(tx.execute(
            "WITH RECURSIVE count (number) AS (VALUES (1) UNION ALL SELECT number + 1 FROM count LIMIT 1000000)
             INSERT INTO mutations (topology, mutation, state, version, attempts, enqueued_at, finished_at)
             SELECT 1, '{}', 'rejected', number, 0, '2030-01-01T00:00:00Z', '2030-01-01T00:00:00Z' FROM count",
            [],
        )?)
    });
    assert_eq!(filled.await.expect("filled"), 1_000_000);
    (repo, id)
}

/// Returns SQLite's query plan for a statement, one step per line.
async fn plan(repo: &SqliteRepo, statement: &str) -> String {
    let explain = format!("EXPLAIN QUERY PLAN {statement}");
    let plan = repo.transact(TransactionBehavior::Deferred, move |moment| {
        let mut statement = moment.prepare(&explain)?;
        let steps = statement
            .raw_query()
            .mapped(|row| row.get("detail"))
            .collect::<Result<Vec<String>, _>>()?;
        Ok(steps.join("\n"))
    });
    plan.await.expect("a plan")
}

#[tokio::test]
async fn unfinished_mutations_are_found_by_index_among_a_million_finished_ones() {
    let (repo, id) = store_of_a_million().await;
    let mut plans = String::new();
    for (sought, statement) in [
        (
            "the first unfinished mutation of a topology",
            mutations::first_unfinished_statement(),
        ),
        (
            "the topologies with unfinished mutations",
            mutations::WITH_UNFINISHED.to_owned(),
        ),
    ] {
        let plan = plan(&repo, &statement).await;
        let mut steps = plan.lines().filter(|step| step.split(' ').nth(1) == Some("mutations"));
        assert!(
            steps.all(|step| step.contains("INDEX mutations_unfinished")),
            "{sought}: {plan}"
        );
        plans.extend(["-- ", sought, "\n", plan.as_str(), "\n"]);
    }
    insta::assert_snapshot!(plans);

    let at = Timestamp::UNIX_EPOCH;
    let time = SignedDuration::from_secs(15);
    assert!(!repo.has_unfinished(id).await.expect("the store answers"));
    assert_eq!(
        repo.claim_mutation(None, &holder(), time, None, at)
            .await
            .expect("the store answers"),
        None
    );
    let enqueued = repo.enqueue(id, removing("web"), None, at).await.expect("it runs");
    assert_eq!(enqueued.id, MutationId::new(1_000_001));
    assert!(repo.has_unfinished(id).await.expect("the store answers"));
    let claimed = repo
        .claim_mutation(None, &holder(), time, None, at)
        .await
        .expect("the store answers");
    assert_eq!(claimed.map(|row| row.id), Some(enqueued.id));
}
