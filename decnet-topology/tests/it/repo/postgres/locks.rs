//! Several transactions at the same time.

use std::time::Duration;

use decnet_topology::{
    Edit, Enrolment, HostChange, HostProfile, HostStore as _, LeaseStore as _, Mode, Mutation, MutationQueue as _,
    NewMutation, Placement, PostgresOptions, PostgresRepo, RepoError, SubnetClaim, Topology, TopologyId, TopologyStore,
    Version, rng, testing::PostgresDatabase,
};
use jiff::{SignedDuration, Timestamp};

use super::{database, impatient, open, small, store_corp};
use crate::repo::processes::holder;

const AT: Timestamp = Timestamp::UNIX_EPOCH;

#[tokio::test]
async fn the_database_itself_refuses_overlapping_subnets_of_two_topologies_until_one_is_torn_down() {
    let Some(database) = database() else { return };
    let repo = open(&database).await;
    assert!(repo.keeps_subnets_apart());
    repo.create(small("one", "10.0.0.0/24"), AT).await.expect("stored");
    repo.create(small("two", "10.0.1.0/24"), AT).await.expect("stored");
    let overlap = "DO $$ BEGIN
        UPDATE lans SET first_address = first_address - 256 WHERE first_address = 167772416;
        RAISE 'it is stored';
    EXCEPTION WHEN exclusion_violation THEN NULL; END $$";
    database.run(overlap);
    database.run("UPDATE topologies SET status = 'torn_down' WHERE name = 'one'");
    database.run("UPDATE lans SET first_address = first_address - 256 WHERE first_address = 167772416");
}

/// Checks that one of many concurrent creations with overlapping subnets wins, and that the others are refused.
async fn one_wins(database: &PostgresDatabase, keeps_apart: bool) {
    let repo = std::sync::Arc::new(open(database).await);
    assert_eq!(repo.keeps_subnets_apart(), keeps_apart);
    for round in 0..10 {
        let created = (0..6).map(|number| {
            let repo = std::sync::Arc::clone(&repo);
            let name = format!("corp {round} {number}");
            let subnet = format!("10.{round}.{}.0/{}", number % 2, if number % 2 == 0 { 22 } else { 24 });
            tokio::spawn(async move { repo.create(small(&name, &subnet), AT).await })
        });
        let mut won = 0;
        for task in created.collect::<Vec<_>>() {
            match task.await.expect("it ends") {
                Ok(_) => won += 1,
                Err(RepoError::SubnetClaimed { .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        assert!(won == 1, "{won} in round {round}");
    }
    let claims: Vec<SubnetClaim> = repo.claims(None).await.expect("the claims");
    assert_eq!(claims.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_overlapping_creations_wins() {
    let Some(database) = database() else { return };
    one_wins(&database, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_overlapping_creations_wins_in_a_database_without_the_extension_too() {
    let Some(database) = database() else { return };
    open(&database).await;
    database.run("DROP EXTENSION btree_gist CASCADE");
    one_wins(&database, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_topologies_that_want_each_other_s_subnets_do_not_block_each_other() {
    let Some(database) = database() else { return };
    let repo = std::sync::Arc::new(open(&database).await);
    let mut ids = Vec::new();
    for (name, subnet) in [("one", "10.0.0.0/24"), ("two", "10.0.1.0/24")] {
        ids.push(repo.create(small(name, subnet), AT).await.expect("stored").row.id);
    }
    let maze = |first: &str, second: &str| {
        let maze = Topology::builder().dmz("a", first).lan("b", second);
        maze.build().expect("a maze")
    };
    for round in 2..12 {
        let (x, y) = (format!("10.{round}.0.0/24"), format!("10.{round}.1.0/24"));
        let edits = [(ids[0], maze(&x, &y)), (ids[1], maze(&y, &x))].map(|(id, maze)| {
            let repo = std::sync::Arc::clone(&repo);
            tokio::spawn(async move { repo.edit(id, Edit::new(maze), AT).await })
        });
        let mut won = 0;
        for edit in edits {
            match edit.await.expect("it ends") {
                Ok(_) => won += 1,
                Err(RepoError::SubnetClaimed { .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(won, 1, "in round {round}");
    }
}

/// Begins a transaction that locks all topologies for a time, on a thread of its own.
fn lock_for(database: &PostgresDatabase, seconds: f32) -> std::thread::JoinHandle<Vec<String>> {
    let statements = format!("BEGIN; SELECT 1 FROM topologies FOR UPDATE; SELECT pg_sleep({seconds}); COMMIT");
    let url = database.url().to_owned();
    std::thread::spawn(move || PostgresDatabase::run_at(&url, &statements))
}

#[tokio::test]
async fn a_topology_that_stays_locked_is_an_error_after_the_timeout_and_others_are_not_affected() {
    let Some(database) = database() else { return };
    let repo = impatient().open(database.url()).await.expect("a store");
    let id = store_corp(&repo).await;
    let lock = lock_for(&database, 2.0);
    until_waiting(&database, "wait_event = 'PgSleep'").await;
    let refusal = repo
        .set_needs_resync(id, true, None, AT)
        .await
        .expect_err("it is locked");
    assert!(matches!(refusal, RepoError::Locked), "{refusal:?}");
    repo.create(small("other", "10.1.0.0/24"), AT)
        .await
        .expect("another topology");
    repo.load(id).await.expect("a reader does not wait");
    lock.join().expect("it ends");
    repo.set_needs_resync(id, true, None, AT).await.expect("it is free");
}

/// Waits until a session waits for something, for ten seconds at most.
pub(super) async fn until_waiting(database: &PostgresDatabase, what: &str) {
    let waiting = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND {what}");
    let found = async {
        while database.run(&waiting)[0] == "0" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(10), found).await;
    found.unwrap_or_else(|_| panic!("no session waits: {what}"));
}

const FOR_A_LOCK: &str = "wait_event_type = 'Lock'";

/// Locks rows until a condition holds or five seconds are over, on a thread of its own.
async fn lock_until(database: &PostgresDatabase, rows: &str, condition: &str) -> std::thread::JoinHandle<Vec<String>> {
    let statements = format!(
        "BEGIN; SELECT 1 FROM {rows} FOR UPDATE;
         DO $$ BEGIN FOR i IN 1..500 LOOP
             PERFORM pg_stat_clear_snapshot(); EXIT WHEN ({condition}); PERFORM pg_sleep(0.01);
         END LOOP; END $$; COMMIT"
    );
    let url = database.url().to_owned();
    let lock = std::thread::spawn(move || PostgresDatabase::run_at(&url, &statements));
    until_waiting(database, "wait_event = 'PgSleep'").await;
    lock
}

#[tokio::test]
async fn a_host_that_joins_again_while_it_is_revoked_stays_revoked() {
    let Some(database) = database() else { return };
    let repo = std::sync::Arc::new(open(&database).await);
    let (host, mut tokens) = (rng::host_id(), Vec::new());
    for _ in 0..2 {
        let named = (host, "east".parse().expect("a name"));
        let expires_at = Timestamp::now() + SignedDuration::from_mins(15);
        let token = Enrolment::new(rng::enrolment_id(), named, HostProfile::default(), "digest", expires_at);
        tokens.push(token.id);
        repo.add_enrolment(token, AT).await.expect("stored");
    }
    repo.enroll_host(tokens[0], "192.0.2.7:1", AT).await.expect("it joins");
    let both_wait = "SELECT count(*) >= 2 FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let lock = lock_until(&database, "hosts", both_wait).await;
    let (revoking, joining) = (std::sync::Arc::clone(&repo), std::sync::Arc::clone(&repo));
    let revoked = tokio::spawn(async move { revoking.change_host(host, HostChange::Revoke, AT).await });
    until_waiting(&database, FOR_A_LOCK).await;
    let joined = tokio::spawn(async move { joining.enroll_host(tokens[1], "192.0.2.8:1", AT).await });
    revoked.await.expect("no panic").expect("revoked");
    let refusal = joined.await.expect("no panic").expect_err("it was revoked before");
    assert!(matches!(refusal, RepoError::EnrolmentNotFound { .. }), "{refusal:?}");
    assert_eq!(repo.hosts().await.expect("hosts")[0].revoked_at, Some(AT));
    lock.join().expect("it ends");
}

/// Stores two active topologies with a queued mutation each.
async fn two_queues(repo: &PostgresRepo, database: &PostgresDatabase) -> [TopologyId; 2] {
    let removal: Mutation =
        serde_json::from_str(r#"{"op": "remove_decky", "payload": {"decky": "web"}}"#).expect("a mutation");
    let mut ids = Vec::new();
    for (name, subnet) in [("one", "10.0.0.0/24"), ("two", "10.0.1.0/24")] {
        ids.push(repo.create(small(name, subnet), AT).await.expect("stored").row.id);
    }
    database.run("UPDATE topologies SET status = 'active', intent = 'up'");
    for id in &ids {
        let queued = repo.enqueue(*id, NewMutation::new(removal.clone()), None, AT).await;
        queued.expect("queued");
    }
    ids.try_into().expect("two")
}

#[tokio::test]
async fn a_claim_that_waits_for_a_topology_locks_no_other() {
    let Some(database) = database() else { return };
    let repo = std::sync::Arc::new(open(&database).await);
    let ids = two_queues(&repo, &database).await;
    // The first topology is locked, and the mutation of the second one is claimed.
    let hour = SignedDuration::from_hours(1);
    let held = repo.claim_mutation(Some(ids[1]), &holder(1), hour, None, AT).await;
    held.expect("the store answers").expect("it is free");
    let is_changed = "SELECT needs_resync FROM topologies WHERE name = 'two'";
    let lock = lock_until(&database, "topologies WHERE name = 'one'", is_changed).await;
    let other = impatient().open(database.url()).await.expect("the store");
    let claims = std::sync::Arc::clone(&repo);
    let waiting = tokio::spawn(async move { claims.claim_mutation(None, &holder(2), hour, None, AT).await });
    until_waiting(&database, FOR_A_LOCK).await;
    other
        .set_needs_resync(ids[1], true, None, AT)
        .await
        .expect("it is not locked");
    let claimed = waiting.await.expect("no panic").expect("the store answers");
    assert_eq!(claimed.expect("the lock is gone").topology, ids[0]);
    lock.join().expect("it ends");
}

#[tokio::test]
async fn a_topology_that_stays_locked_does_not_keep_a_claim_from_the_others() {
    let Some(database) = database() else { return };
    let repo = impatient().open(database.url()).await.expect("a store");
    let ids = two_queues(&repo, &database).await;
    let hour = SignedDuration::from_hours(1);
    // The first one stays locked for longer than the timeout, the second one until the claim waits.
    let is_claimed = "SELECT count(*) > 0 FROM mutations WHERE state = 'applying'";
    let first = lock_until(&database, "topologies WHERE name = 'one'", is_claimed).await;
    let is_waited_for = "SELECT count(*) > 0 FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let second = lock_until(&database, "topologies WHERE name = 'two'", is_waited_for).await;
    let both_are_locked = "(SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event = 'PgSleep') = 2";
    until_waiting(&database, both_are_locked).await;
    let claimed = repo.claim_mutation(None, &holder(1), hour, None, AT).await;
    let claimed = claimed.expect("the store answers").expect("one is free");
    assert_eq!(claimed.topology, ids[1]);
    first.join().expect("it ends");
    second.join().expect("it ends");

    let lock = lock_for(&database, 2.0);
    until_waiting(&database, "wait_event = 'PgSleep'").await;
    let refused = repo.claim_mutation(None, &holder(2), hour, None, AT).await;
    assert!(matches!(refused, Err(RepoError::Locked)), "{refused:?}");
    lock.join().expect("it ends");
}

#[tokio::test]
async fn a_placement_waits_for_no_other_topology() {
    let Some(database) = database() else { return };
    let repo = impatient().open(database.url()).await.expect("a store");
    let whole = small("whole", "10.0.1.0/24").mode(Mode::Agent).host("east".to_owned());
    repo.create(whole, AT).await.expect("stored");
    database.run("UPDATE topologies SET status = 'active', intent = 'up'");
    let id = store_corp(&repo).await;
    let is_placed = "SELECT placement IS NOT NULL FROM topologies WHERE name = 'corp'";
    let lock = lock_until(&database, "topologies WHERE name = 'whole'", is_placed).await;
    let placed = repo.set_placement(id, Some(Placement::default()), None, AT).await;
    placed.expect("it waits for none");
    lock.join().expect("it ends");
}

#[tokio::test]
async fn edits_of_many_programs_are_counted_once_each() {
    let Some(database) = database() else { return };
    let repo = open(&database).await;
    let id = store_corp(&repo).await;
    let maze = repo.load(id).await.expect("loaded").topology;
    let writers = (0..8).map(|_| {
        let (url, maze) = (database.url().to_owned(), maze.clone());
        tokio::spawn(async move {
            let options = PostgresOptions::default().connections(1);
            let repo = options.open(&url).await.expect("a store");
            for _ in 0..25 {
                repo.edit(id, Edit::new(maze.clone()), AT).await.expect("stored");
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("it ends");
    }
    assert_eq!(repo.get(id).await.expect("the row").version, Version::new(201));
}

#[tokio::test]
async fn the_lock_of_programs_that_cannot_write_excludes_others_until_it_is_dropped() {
    let Some(database) = database() else { return };
    let (one, two) = (open(&database).await, open(&database).await);
    let held = one.lock_unwritten().await.expect("it is free");
    let refusal = two.lock_unwritten().await.err().expect("it is held");
    assert!(matches!(refusal, RepoError::Locked), "{refusal:?}");
    drop(held);
    let mut tries = 0;
    while two.lock_unwritten().await.is_err() {
        tries += 1;
        assert!(tries < 100, "it is free");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
