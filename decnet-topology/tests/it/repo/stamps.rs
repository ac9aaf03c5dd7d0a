//! The stamp of a file: every commit of every process changes it.

use std::{
    fs,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use decnet_topology::{ChangeLog, SqliteOptions, SqliteRepo, Stamp, TopologyId, TopologyStore};
use jiff::Timestamp;
use rusqlite::Connection;

use super::{maze, processes, store_of_one, wait};

const AT: Timestamp = Timestamp::UNIX_EPOCH;

#[track_caller]
fn stamp(repo: &SqliteRepo) -> Stamp {
    repo.stamp().expect("nobody else reads it")
}

/// Writes something new: SQLite does not commit an update that changes nothing.
fn write(repo: &SqliteRepo, id: TopologyId, second: i64) {
    let at = Timestamp::from_second(second).expect("a moment");
    wait(repo.set_needs_resync(id, true, None, at)).expect("it is stored");
}

#[test]
fn commits_of_this_connection_of_another_and_of_another_process_change_the_stamp() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    let id = store_of_one(&path, 2).row.id;
    let [repo, other] = [(); 2].map(|()| SqliteRepo::open(&path).expect("a store"));
    let first = stamp(&repo);
    write(&repo, id, 1);
    let second = stamp(&repo);
    assert_ne!(second, first);
    write(&other, id, 2);
    let third = stamp(&repo);
    assert_ne!(third, second);
    assert_eq!(stamp(&repo), third, "nothing was committed");
    let lease = processes::at_once("lease", &path, Some(id), 1);
    assert_ne!(lease, ["lost"]);
    let fourth = stamp(&repo);
    assert_ne!(fourth, third);

    // The log is written back to the database, and begins again.
    let plain = Connection::open(&path).expect("a database");
    let checkpoint = |mode: &str| {
        let pragma = format!("PRAGMA wal_checkpoint({mode})");
        plain
            .query_row(&pragma, [], |row| row.get::<_, i64>(0))
            .expect("a result")
    };
    assert_eq!(checkpoint("TRUNCATE"), 0);
    let before = stamp(&repo);
    write(&other, id, 3);
    assert_ne!(stamp(&repo), before);
}

#[test]
fn what_is_read_after_a_stamp_is_as_new_as_the_stamp() {
    const WRITES: u64 = 300;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    let id = store_of_one(&path, 2).row.id;
    let version = || AtomicU64::new(1);
    let (begun, done) = (version(), version());
    let check = |repo: &SqliteRepo| {
        // What a cache does: the stamp, then the row. Later an equal stamp proves the row.
        let (before, row) = (repo.stamp(), wait(repo.get(id)).expect("a row"));
        for _ in 0..20 {
            let oldest = done.load(Ordering::SeqCst);
            if before.is_none() || repo.stamp() != before {
                return false;
            }
            let newest = begun.load(Ordering::SeqCst);
            assert!(
                (oldest..=newest).contains(&row.version.get()),
                "{row:?}: {oldest} to {newest}"
            );
        }
        true
    };
    let (reader, writer) = (&SqliteRepo::open(&path), &SqliteRepo::open(&path));
    let (Ok(reader), Ok(writer)) = (reader, writer) else {
        panic!("a store")
    };
    thread::scope(|scope| {
        let readers = [(); 3].map(|()| {
            scope.spawn(|| {
                let mut hits = 0;
                while done.load(Ordering::SeqCst) <= WRITES {
                    hits += u64::from(check(reader));
                }
                hits
            })
        });
        for _ in 0..WRITES {
            begun.fetch_add(1, Ordering::SeqCst);
            wait(writer.edit(id, decnet_topology::Edit::new(maze(2)), AT)).expect("it is edited");
            done.fetch_add(1, Ordering::SeqCst);
        }
        let hits: u64 = readers
            .into_iter()
            .map(|reader| reader.join().expect("no old row"))
            .sum();
        assert!(hits > 0, "stamps were equal");
    });
}

#[test]
fn a_file_that_was_deleted_or_replaced_has_no_stamp() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    let moved = folder.path().join("moved.db");
    let id = store_of_one(&path, 2).row.id;
    let repo = SqliteRepo::open(&path).expect("a store");
    let first = stamp(&repo);
    fs::rename(&path, &moved).expect("renamed");
    assert_eq!(repo.stamp(), None, "there is no file");
    fs::copy(&moved, &path).expect("copied");
    assert_eq!(repo.stamp(), None, "the file is another one");
    fs::rename(&moved, &path).expect("renamed");
    assert_eq!(stamp(&repo), first, "it is the file from before");
    write(&repo, id, 1);
    assert_ne!(stamp(&repo), first);
}

#[test]
fn a_store_that_is_only_read_and_one_in_memory_have_no_stamp() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    store_of_one(&path, 2);
    let read_only = SqliteOptions::default().read_only(true).open(&path).expect("a store");
    assert_eq!(read_only.stamp(), None);
    assert_eq!(SqliteRepo::open_in_memory().expect("a store").stamp(), None);
}

#[test]
fn a_store_that_is_closed_leaves_no_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    let id = store_of_one(&path, 2).row.id;
    let repo = SqliteRepo::open(&path).expect("a store");
    write(&repo, id, 1);
    stamp(&repo);
    drop(repo);
    let files = fs::read_dir(folder.path()).expect("files").count();
    assert_eq!(files, 1, "the log was written back");
}
