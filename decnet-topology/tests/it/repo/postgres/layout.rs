//! Databases that are new, old, foreign, damaged or read-only.

use decnet_topology::{
    PostgresOptions, PostgresRepo, RepoError, TopologyFilter, TopologyStore, testing::PostgresDatabase,
};
use jiff::Timestamp;

use super::{database, impatient, locks::until_waiting, open, small, store_corp};

const AT: Timestamp = Timestamp::UNIX_EPOCH;

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_open_an_empty_database_at_once_find_one_store() {
    let Some(database) = database() else { return };
    let opened = (0..8).map(|_| {
        let url = database.url().to_owned();
        tokio::spawn(async move { PostgresRepo::open(&url).await.expect("a store").instance().await })
    });
    let mut instances = Vec::new();
    for task in opened.collect::<Vec<_>>() {
        instances.push(task.await.expect("it ends").expect("the instance"));
    }
    instances.dedup();
    assert_eq!(instances.len(), 1, "{instances:?}");
    assert_eq!(database.run("SELECT count(*) FROM meta"), ["1"]);
}

#[tokio::test]
async fn a_newer_layout_is_refused() {
    let Some(database) = database() else { return };
    let repo = open(&database).await;
    let (known, id) = (repo.schema_version(), store_corp(&repo).await);
    database.run("UPDATE decnet_layout SET version = version + 1");
    for refusal in [
        PostgresRepo::open(database.url()).await.expect_err("it is newer"),
        // The store was open when a newer program migrated it.
        repo.set_needs_resync(id, true, None, AT)
            .await
            .expect_err("it is newer"),
        repo.get(id).await.expect_err("it is newer"),
    ] {
        assert!(
            matches!(&refusal, RepoError::TooNew { found, known: newest, .. } if (*found, *newest) == (known + 1, known)),
            "{refusal:?}"
        );
        assert!(refusal.to_string().contains(database.name()), "{refusal}");
    }
}

#[tokio::test]
async fn a_migration_of_another_process_is_waited_for_until_the_timeout() {
    let Some(database) = database() else { return };
    let url = database.url().to_owned();
    let migrating = std::thread::spawn(move || {
        let lock = "BEGIN; SELECT pg_advisory_xact_lock(1145261652, 1); SELECT pg_sleep(3); COMMIT";
        PostgresDatabase::run_at(&url, lock)
    });
    until_waiting(&database, "wait_event = 'PgSleep'").await;
    let refusal = impatient().open(database.url()).await.expect_err("it is locked");
    assert!(matches!(refusal, RepoError::Locked), "{refusal:?}");
    migrating.join().expect("it ends");
    open(&database).await;
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left_unchanged() {
    let Some(database) = database() else { return };
    database.run("CREATE TABLE topologies (id text)");
    let refusal = PostgresRepo::open(database.url()).await.expect_err("it is foreign");
    assert!(matches!(refusal, RepoError::NotAStore { .. }), "{refusal:?}");
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(database.run(tables), ["1"]);
}

#[tokio::test]
async fn tables_of_extensions_are_not_foreign() {
    let Some(database) = database() else { return };
    database.run("CREATE EXTENSION pg_stat_statements");
    open(&database).await;
}

/// Sets whether sessions that begin from now on are read-only.
fn set_read_only(database: &PostgresDatabase, on: &str) {
    let name = database.name();
    let set = format!("ALTER DATABASE {name} SET default_transaction_read_only = {on}");
    database.run(&format!("BEGIN READ WRITE; {set}; COMMIT"));
}

/// Ends all sessions of a database.
fn end_sessions(database: &PostgresDatabase) {
    database.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
}

#[tokio::test]
async fn an_open_store_follows_a_database_that_becomes_read_only_and_writable_again() {
    let Some(database) = database() else { return };
    let repo = open(&database).await;
    let id = store_corp(&repo).await;
    for round in 1..3 {
        assert!(repo.is_writable().await.expect("the state"));
        set_read_only(&database, "on");
        // Sessions that began before can write.
        end_sessions(&database);
        repo.get(id).await.expect("it is read");
        let refusal = repo.set_needs_resync(id, true, None, AT).await;
        let refusal = refusal.expect_err("it is read-only");
        assert!(matches!(refusal, RepoError::ReadOnly), "{refusal:?}");
        assert!(!repo.is_writable().await.expect("the state"));
        repo.get(id).await.expect("it is read");
        set_read_only(&database, "off");
        // The session of the reader is still read-only.
        let new = small(&format!("corp {round}"), &format!("10.{round}.0.0/24"));
        repo.create(new, AT).await.expect("another session writes");
    }
    set_read_only(&database, "on");
    end_sessions(&database);
    repo.get(id).await.expect("it is read");
    set_read_only(&database, "off");
    assert!(repo.is_writable().await.expect("the state"), "by a new session");
}

#[tokio::test]
async fn a_read_only_database_is_read_and_a_write_is_refused() {
    let Some(database) = database() else { return };
    let row = open(&database).await.create(small("corp", "10.0.0.0/24"), AT).await;
    let row = row.expect("stored").row;
    set_read_only(&database, "on");
    let repo = open(&database).await;
    assert_eq!(repo.get(row.id).await.expect("it is read"), row);
    let refusal = repo
        .create(small("other", "10.1.0.0/24"), AT)
        .await
        .expect_err("it is read-only");
    assert!(matches!(refusal, RepoError::ReadOnly), "{refusal:?}");
    assert!(refusal.is_unwritable());
    drop(repo);
    set_read_only(&database, "off");
    let repo = open(&database).await;
    repo.create(small("other", "10.1.0.0/24"), AT)
        .await
        .expect("it is writable again");
}

#[tokio::test]
async fn a_read_only_empty_database_is_refused() {
    let Some(database) = database() else { return };
    let name = database.name();
    database.run(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    let refusal = PostgresRepo::open(database.url()).await.expect_err("it is read-only");
    assert!(matches!(refusal, RepoError::ReadOnly), "{refusal:?}");
}

#[tokio::test]
async fn damage_is_found_and_named() {
    let Some(database) = database() else { return };
    let repo = open(&database).await;
    let id = store_corp(&repo).await;
    assert_eq!(repo.check().await.expect("checked"), Vec::<String>::new());
    database.run("UPDATE lans SET last_address = last_address - 1");
    database.run("UPDATE status_events SET to_status = 'asleep'");
    let found = repo.check().await.expect("checked");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|line| line.starts_with(&id.to_string())), "{found:?}");
    let refusal = repo.load(id).await.expect_err("it is damaged");
    assert!(matches!(refusal, RepoError::Corrupt { .. }), "{refusal:?}");
}

#[tokio::test]
async fn a_column_of_another_type_is_damage() {
    let Some(database) = database() else { return };
    let repo = open(&database).await;
    repo.create(small("corp", "10.0.0.0/24"), AT).await.expect("stored");
    database.run("ALTER TABLE topologies ALTER COLUMN version TYPE text");
    let refusal = repo.list(&TopologyFilter::default()).await.expect_err("it is damaged");
    assert!(
        matches!(refusal, RepoError::Corrupt { .. } | RepoError::Medium { .. }),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn an_empty_database_is_refused_and_left_empty_if_nothing_may_be_created() {
    let Some(database) = database() else { return };
    let options = PostgresOptions::default().create(false);
    let refusal = options.open(database.url()).await.expect_err("it is empty");
    assert!(
        matches!(&refusal, RepoError::NotAStore { what, .. } if what == "an empty database"),
        "{refusal:?}"
    );
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(database.run(tables), ["0"]);
    open(&database).await;
    options.open(database.url()).await.expect("it is a store now");
}
