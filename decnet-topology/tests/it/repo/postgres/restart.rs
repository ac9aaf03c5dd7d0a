//! A server that restarts, and connections that it ends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use decnet_topology::{
    ChangeFilter, ChangeLog as _, Edit, PostgresOptions, PostgresRepo, RepoError, TopologyId, TopologyStore, Version,
};
use jiff::Timestamp;

use super::{database, impatient, open, server::Server, small};

const AT: Timestamp = Timestamp::UNIX_EPOCH;

/// Edits a topology until it is stopped, each time with the expected version, and returns the last version.
///
/// An edit that was stored although its error said otherwise, or not stored although it was said to be, breaks the chain.
async fn edit_until(repo: Arc<PostgresRepo>, id: TopologyId, stop: Arc<AtomicBool>) -> Version {
    let loaded = repo.load(id).await.expect("loaded");
    let mut version = loaded.row.version;
    while !stop.load(Ordering::Relaxed) {
        let edit = Edit::new(loaded.topology.clone()).expected(version);
        version = repo.edit(id, edit, AT).await.expect("stored").row.version;
    }
    version
}

#[tokio::test(flavor = "multi_thread")]
async fn no_edit_is_lost_or_stored_twice_while_the_server_crashes_and_starts() {
    let Some(server) = Server::start(&[]) else { return };
    let database = server.database();
    let options = PostgresOptions::default().timeout(Duration::from_mins(1));
    let repo = Arc::new(options.open(database.url()).await.expect("a store"));
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for number in 0..4 {
        let new = small(&format!("corp {number}"), &format!("10.{number}.0.0/24"));
        let id = repo.create(new, AT).await.expect("stored").row.id;
        writers.push((id, tokio::spawn(edit_until(Arc::clone(&repo), id, Arc::clone(&stop)))));
    }
    let server = tokio::task::spawn_blocking(move || {
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(300));
            server.crash();
        }
        std::thread::sleep(Duration::from_millis(300));
        server
    });
    let server = server.await.expect("it ends");
    stop.store(true, Ordering::Relaxed);
    let mut edits = 0;
    for (id, writer) in writers {
        let version = writer.await.expect("it ends");
        assert_eq!(repo.get(id).await.expect("the row").version, version);
        edits += version.get() - 1;
    }
    println!("{edits} edits");
    // The log has each change once: four creations and the edits.
    let log = repo
        .changes_since(None, &ChangeFilter::default())
        .await
        .expect("the log");
    assert_eq!(log.changes.len() as u64, edits + 4);
    assert_eq!(log.latest.get(), edits + 4);
    drop((database, server));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_whose_connection_is_ended_runs_again() {
    let Some(database) = database() else { return };
    let repo = Arc::new(open(&database).await);
    let row = repo.create(small("corp", "10.0.0.0/24"), AT).await.expect("stored").row;
    let (url, others) = (database.url().to_owned(), database.name().to_owned());
    // It holds the row, ends the connections of all who wait for it, and lets it go.
    let lock = std::thread::spawn(move || {
        let statements = format!(
            "BEGIN; SELECT 1 FROM topologies FOR UPDATE; SELECT pg_sleep(0.5);
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = '{others}' AND pid <> pg_backend_pid(); COMMIT"
        );
        decnet_topology::testing::PostgresDatabase::run_at(&url, &statements)
    });
    while database.run("SELECT count(*) FROM pg_locks WHERE mode = 'RowShareLock'")[0] == "0" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let maze = repo.load(row.id).await.expect("a reader does not wait").topology;
    let edited = repo.edit(row.id, Edit::new(maze).expected(row.version), AT).await;
    assert_eq!(edited.expect("it runs again").row.version, row.version.next());
    lock.join().expect("it ends");
    assert_eq!(repo.get(row.id).await.expect("the row").version, row.version.next());
}

#[tokio::test]
async fn a_server_that_stays_down_is_unreachable_and_found_again_when_it_starts() {
    let Some(server) = Server::start(&[]) else { return };
    let database = server.database();
    let repo = impatient().open(database.url()).await.expect("a store");
    let row = repo.create(small("corp", "10.0.0.0/24"), AT).await.expect("stored").row;
    server.down("fast");
    for refusal in [
        repo.get(row.id).await.expect_err("it is down"),
        repo.set_needs_resync(row.id, true, None, AT)
            .await
            .expect_err("it is down"),
    ] {
        assert!(matches!(refusal, RepoError::DatabaseUnreachable { .. }), "{refusal:?}");
    }
    server.up(&[]);
    assert_eq!(repo.get(row.id).await.expect("it is up"), row);
}

#[tokio::test]
async fn a_server_without_a_free_connection_is_waited_for_and_then_refuses() {
    let Some(server) = Server::start(&["max_connections=5", "superuser_reserved_connections=0"]) else {
        return;
    };
    let database = server.database();
    let sleepers: Vec<_> = (0..5)
        .map(|_| {
            let url = database.url().to_owned();
            std::thread::spawn(move || decnet_topology::testing::PostgresDatabase::run_at(&url, "SELECT pg_sleep(3)"))
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(700)).await;
    let refusal = impatient().open(database.url()).await.expect_err("it is full");
    assert_eq!(refusal.code(), "database_refused", "{refusal:?}");
    // The usual timeout is longer than the others stay.
    let repo = open(&database).await;
    repo.instance().await.expect("it has room again");
    for sleeper in sleepers {
        sleeper.join().expect("it ends");
    }
}
