//! Two loops on one PostgreSQL database, as two masters run them. Without `DECNET_TEST_POSTGRES` (see `scripts/postgres-up`), the
//! test is skipped.

use std::sync::Arc;

use decnet_topology::{MutationFilter, PostgresRepo, testing::PostgresDatabase};

use super::{Keeper, Lab, SECOND, Stage, by_polls, engine, enqueue, until};

/// Returns the view of one master: a connection of its own to the database, and the daemon that all masters share.
async fn master(database: &PostgresDatabase, stage: &Stage) -> Lab {
    let repo = Arc::new(PostgresRepo::open(database.url()).await.expect("a store"));
    let engine = engine(repo.clone(), stage, None);
    Lab {
        repo,
        stage: stage.clone(),
        engine,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_masters_on_one_database_apply_each_mutation_once_and_in_order() {
    let Some(server) = std::env::var("DECNET_TEST_POSTGRES").ok().filter(|url| !url.is_empty()) else {
        println!("skipped: DECNET_TEST_POSTGRES names no server; see scripts/postgres-up");
        return;
    };
    let database = PostgresDatabase::create(&server);
    let stage = Stage::default();
    let labs = [master(&database, &stage).await, master(&database, &stage).await];
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(labs[usize::from(number) % 2].deploy(number).await);
    }
    let keepers = [&labs[0], &labs[1]].map(|lab| Keeper::start(&lab.engine, by_polls(SECOND / 5)));
    let mut enqueued = Vec::new();
    for number in 0..12 {
        let lab = &labs[number % 2];
        enqueued.push(enqueue(&lab.engine, ids[number % 3], &format!("extra-{number}")).await);
    }
    until!(labs[0].unfinished().await == 0);
    for (number, mutation) in enqueued.iter().enumerate() {
        assert!(labs[number % 2].is_applied(*mutation).await, "{mutation}");
    }
    for id in ids {
        until!(labs[1].matches_the_store(id).await);
        let rows = labs[0]
            .repo
            .mutations(&MutationFilter::default().topology(id))
            .await
            .expect("rows")
            .rows;
        assert!(rows.iter().all(|row| row.attempts == 1), "{rows:?}");
        let finished: Vec<_> = rows.iter().map(|row| row.finished_at).collect();
        assert!(finished.is_sorted(), "{finished:?}");
    }
    for keeper in keepers {
        keeper.end().await;
    }
}
