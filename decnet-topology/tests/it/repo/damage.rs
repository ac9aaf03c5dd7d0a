//! Stores that were damaged after they were created.

use std::{
    fs,
    io::{Seek, SeekFrom, Write},
    path::Path,
};

use decnet_topology::{Edit, NewMutation, RepoError, SqliteRepo, TopologyStore};
use jiff::Timestamp;
use rusqlite::Connection;

use super::{maze, store_of_one, wait};

/// Creates a store, damages it with SQL, and returns the findings of the check and the result of a load.
fn after(damage: &str) -> (Vec<String>, Result<(), RepoError>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    let stored = store_of_one(&path, 5);
    let other = Connection::open(&path).expect("a connection");
    other
        .pragma_update(None, "foreign_keys", false)
        .expect("references are not checked");
    assert!(other.execute(damage, []).expect("damaged") > 0, "{damage}");
    let repo = SqliteRepo::open(&path).expect("it can be opened");
    let found = wait(repo.check()).expect("it can be checked");
    (found, wait(repo.load(stored.row.id)).map(drop))
}

#[test]
fn an_invalid_value_is_found_and_reported() {
    for (damage, expected) in [
        ("UPDATE topologies SET status = 'flying'", "flying"),
        ("UPDATE topologies SET created_at = 'yesterday'", "yesterday"),
        ("UPDATE topologies SET config = '{'", "config"),
        ("UPDATE topologies SET version = -1", "version -1"),
        ("UPDATE topologies SET catalog = '{\"services\": 7}'", "catalog"),
        ("UPDATE lans SET name = 'no name' WHERE id = 1", "no name"),
        (
            "UPDATE lans SET first_address = first_address + 1 WHERE id = 1",
            "no subnet",
        ),
        (
            "UPDATE deckies SET service_config = '[]' WHERE id = 1",
            "service_config",
        ),
        ("UPDATE deckies SET services = '[7]' WHERE id = 4", "services"),
    ] {
        let (found, load) = after(damage);
        assert!(found.iter().any(|line| line.contains(expected)), "{damage}: {found:?}");
        let says = matches!(&load, Err(RepoError::Corrupt { what }) if what.contains(expected));
        assert!(says, "{damage}: {load:?}");
    }
}

#[test]
fn a_dangling_reference_is_found() {
    let (found, _) = after("DELETE FROM deckies WHERE id = 3");
    assert!(
        found
            .iter()
            .any(|line| line.contains("attachments refers to a missing row of deckies")),
        "{found:?}"
    );
    let (found, load) = after("DELETE FROM lans WHERE id = 3");
    assert!(!found.is_empty());
    assert!(matches!(load, Err(RepoError::Corrupt { .. })), "{load:?}");
}

/// Creates a store with a mutation and its changes, damages it with SQL, and returns the findings of the check.
fn after_edit(damage: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    let stored = store_of_one(&path, 2);
    let repo = SqliteRepo::open(&path).expect("a store");
    let written = r#"{"op": "remove_decky", "payload": {"decky": "decky-1"}}"#;
    let edit = Edit::new(maze(1)).mutation(NewMutation::new(serde_json::from_str(written).expect("a mutation")));
    wait(repo.edit(stored.row.id, edit, Timestamp::UNIX_EPOCH)).expect("edited");
    assert_eq!(wait(repo.check()).expect("checked"), Vec::<String>::new());
    let other = Connection::open(&path).expect("a connection");
    let unguarded = other.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON");
    unguarded.expect("constraints are not checked");
    assert!(other.execute(damage, []).expect("damaged") > 0, "{damage}");
    wait(repo.check()).expect("checked")
}

#[test]
fn damage_to_the_queue_and_the_history_is_found() {
    for (damage, expected) in [
        ("UPDATE mutations SET mutation = '{}'", "mutation #1"),
        ("UPDATE mutations SET version = -1", "version -1"),
        ("UPDATE mutations SET stored_at = 'yesterday'", "yesterday"),
        (
            "UPDATE mutations SET state = 'pending'",
            "CHECK constraint failed in mutations",
        ),
        (
            "UPDATE mutations SET topology = 77",
            "mutations refers to a missing row of topologies",
        ),
        ("UPDATE decky_changes SET change = '[]'", "change"),
        ("UPDATE decky_changes SET at = 'yesterday'", "yesterday"),
        (
            "UPDATE decky_changes SET mutation = 77",
            "decky_changes refers to a missing row of mutations",
        ),
        ("UPDATE status_events SET to_status = 'flying'", "flying"),
        ("UPDATE change_log SET change = '{}'", "change 1"),
        ("UPDATE change_log SET at = 'yesterday'", "yesterday"),
        ("UPDATE change_log SET topology = 'corp'", "corp"),
    ] {
        let found = after_edit(damage);
        assert!(found.iter().any(|line| line.contains(expected)), "{damage}: {found:?}");
    }
}

#[test]
fn a_store_without_its_instance_id_is_damaged() {
    let (found, _) = after("DELETE FROM meta");
    assert_eq!(found, ["0 instance ids"]);
}

/// Opens a damaged file and returns the findings, when it is opened or checked.
fn found_in(path: &Path) -> Vec<String> {
    match SqliteRepo::open(path) {
        Ok(repo) => wait(repo.check()).expect("it can be checked"),
        Err(RepoError::Corrupt { what }) => vec![what],
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_truncated_file_is_damaged() {
    for part in 1..4 {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("decnet.db");
        store_of_one(&path, 400);
        let len = path.metadata().expect("its length").len();
        let file = fs::OpenOptions::new().write(true).open(&path).expect("the file");
        file.set_len(len * part / 4).expect("truncated");
        assert!(!found_in(&path).is_empty(), "{part} quarters");
        assert_eq!(
            path.metadata().expect("its length").len(),
            len * part / 4,
            "the file is unchanged"
        );
    }
}

#[test]
fn a_page_that_was_overwritten_is_damaged() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    let stored = store_of_one(&path, 400);
    let mut file = fs::OpenOptions::new().write(true).open(&path).expect("the file");
    let len = path.metadata().expect("its length").len();
    for page in 2..len / 4096 {
        file.seek(SeekFrom::Start(page * 4096)).expect("a page");
        file.write_all(&[0xa5; 4096]).expect("overwritten");
    }
    assert!(!found_in(&path).is_empty());
    let load = SqliteRepo::open(&path).and_then(|repo| wait(repo.load(stored.row.id)));
    assert!(matches!(load, Err(RepoError::Corrupt { .. })), "{load:?}");
}
