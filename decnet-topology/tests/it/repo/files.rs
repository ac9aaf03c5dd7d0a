//! Files that cannot be opened as a store.

use std::{fs, path::Path, time::Duration};

use decnet_topology::{RepoError, SqliteOptions, SqliteRepo, TopologyStore};
use jiff::Timestamp;
use rusqlite::Connection;

use super::{maze, new, store_of_one, wait};

fn refusal(path: &Path) -> RepoError {
    let options = SqliteOptions::default().timeout(Duration::from_millis(50));
    options.open(path).expect_err("it is refused")
}

#[test]
#[cfg(unix)]
fn a_new_store_is_accessible_only_to_its_owner() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().expect("a folder");
    let repo = SqliteRepo::open(folder.path().join("decnet.db")).expect("a store");
    for file in fs::read_dir(folder.path()).expect("files") {
        let file = file.expect("a file");
        let mode = file.metadata().expect("its mode").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.path().display());
    }
    drop(repo);
}

#[test]
fn a_missing_folder_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing");
    let refusal = refusal(&missing.join("decnet.db"));
    assert!(
        matches!(&refusal, RepoError::FolderMissing { folder } if *folder == missing),
        "{refusal:?}"
    );
    assert!(!missing.exists(), "no folder is created");
}

#[test]
fn a_file_instead_of_the_folder_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "text").expect("written");
    let refusal = refusal(&file.join("decnet.db"));
    assert!(
        matches!(&refusal, RepoError::FolderMissing { folder } if *folder == file),
        "{refusal:?}"
    );
}

#[test]
fn a_folder_is_not_a_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let refusal = refusal(folder.path());
    assert!(
        matches!(&refusal, RepoError::IsFolder { path } if path == folder.path()),
        "{refusal:?}"
    );
}

#[test]
fn a_file_that_is_not_a_database_is_left_unchanged() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notes.txt");
    for content in ["x".to_owned(), "format: decnet.topology/1\n".repeat(1000)] {
        fs::write(&path, &content).expect("written");
        let refusal = refusal(&path);
        assert!(
            matches!(&refusal, RepoError::NotAStore { path: it, .. } if *it == path),
            "{refusal:?}"
        );
        assert_eq!(fs::read_to_string(&path).expect("read"), content);
    }
}

#[test]
fn a_database_of_another_program_is_left_unchanged() {
    for layout in [
        "CREATE TABLE bookmarks (url)",
        "CREATE TABLE bookmarks (url); PRAGMA user_version = 1",
        "PRAGMA application_id = 7",
        "PRAGMA user_version = 7",
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("places.sqlite");
        Connection::open(&path)
            .and_then(|other| other.execute_batch(layout))
            .expect("made");
        let content = fs::read(&path).expect("read");
        let refusal = refusal(&path);
        assert!(
            matches!(&refusal, RepoError::NotAStore { path: it, .. } if *it == path),
            "{layout}: {refusal:?}"
        );
        assert!(
            fs::read(&path).expect("read") == content,
            "{layout}: the file is unchanged"
        );
    }
}

#[test]
fn a_store_of_a_newer_program_is_left_unchanged() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    store_of_one(&path, 3);
    let known = SqliteRepo::open(&path).expect("a store").schema_version();
    let newer = Connection::open(&path).and_then(|newer| newer.pragma_update(None, "user_version", known + 1));
    newer.expect("made newer");
    let content = fs::read(&path).expect("read");
    let refusal = refusal(&path);
    let is_too_new = matches!(&refusal, RepoError::TooNew { path: it, found, known: newest }
        if *it == path && (*found, *newest) == (known + 1, known));
    assert!(is_too_new, "{refusal:?}");
    assert!(fs::read(&path).expect("read") == content, "the file is unchanged");
}

#[test]
fn an_empty_file_is_refused_and_left_unchanged() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    fs::write(&path, "").expect("written");
    let refusal = refusal(&path);
    assert!(
        matches!(&refusal, RepoError::Empty { path: it } if *it == path),
        "{refusal:?}"
    );
    assert_eq!(path.metadata().expect("its length").len(), 0);
    // A store that was truncated to zero bytes is not treated as new either.
    fs::remove_file(&path).expect("removed");
    store_of_one(&path, 3);
    let file = fs::OpenOptions::new().write(true).open(&path).expect("the file");
    file.set_len(0).expect("truncated");
    assert!(SqliteRepo::open(&path).is_err());
}

#[test]
fn creating_a_store_leaves_no_other_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    drop(SqliteRepo::open(&path).expect("a store"));
    let names: Vec<_> = fs::read_dir(folder.path())
        .expect("files")
        .map(|file| file.expect("a file").file_name())
        .collect();
    assert_eq!(names, ["decnet.db"]);
}

#[test]
fn an_empty_file_next_to_a_log_is_damaged_and_the_log_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    let log = folder.path().join("decnet.db-wal");
    fs::write(&path, "").expect("written");
    fs::write(&log, "what was written last").expect("written");
    let refusal = refusal(&path);
    assert!(matches!(&refusal, RepoError::Corrupt { .. }), "{refusal:?}");
    assert_eq!(fs::read_to_string(&log).expect("read"), "what was written last");
}

#[test]
fn a_file_whose_name_looks_like_an_address_is_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["file:decnet.db?mode=memory", ":memory:", "häh?#%20.db"] {
        let path = folder.path().join(name);
        store_of_one(&path, 2);
        assert!(path.is_file(), "{name}");
    }
}

#[test]
fn a_store_that_another_process_writes_to_for_too_long_is_locked_and_still_readable() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    let stored = store_of_one(&path, 3);
    let options = SqliteOptions::default().timeout(Duration::from_millis(50));
    let repo = options.open(&path).expect("a store");
    let other = Connection::open(&path).expect("a connection");
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let refusal = wait(repo.set_needs_resync(stored.row.id, true, None, Timestamp::UNIX_EPOCH));
    assert!(matches!(refusal, Err(RepoError::Locked)), "{refusal:?}");
    assert_eq!(wait(repo.load(stored.row.id)).expect("it is there"), stored);
    let another = options.open(&path).expect("it can be opened meanwhile");
    assert_eq!(wait(another.load(stored.row.id)).expect("it is there"), stored);
    other.execute_batch("ROLLBACK").expect("the lock is released");
    wait(repo.set_needs_resync(stored.row.id, true, None, Timestamp::UNIX_EPOCH)).expect("the lock is free");
}

#[test]
fn a_file_that_another_process_locks_exclusively_is_locked() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    let stored = store_of_one(&path, 2);
    let other = Connection::open(&path).expect("a connection");
    other
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; UPDATE topologies SET version = version")
        .expect("the lock");
    let error = refusal(&path);
    assert!(matches!(error, RepoError::Locked), "{error:?}");
    drop(other);
    let repo = SqliteRepo::open(&path).expect("the lock is released");
    assert_eq!(wait(repo.load(stored.row.id)).expect("it is there"), stored);
}

#[test]
fn a_store_is_unchanged_after_closing_and_opening() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    let stored = store_of_one(&path, 40);
    let repo = SqliteRepo::open(&path).expect("a store");
    assert_eq!(repo.path(), Some(path.as_path()));
    assert_eq!(wait(repo.load(stored.row.id)).expect("it is there"), stored);
    let taken = wait(repo.create(new("CORP", maze(1)), Timestamp::UNIX_EPOCH));
    assert!(matches!(taken, Err(RepoError::NameTaken { .. })), "{taken:?}");
    assert_eq!(wait(repo.check()).expect("checked"), Vec::<String>::new());
}
