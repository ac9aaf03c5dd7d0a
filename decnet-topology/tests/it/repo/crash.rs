//! A process that is killed while it writes.

use std::path::Path;

use decnet_topology::{
    ChangeFilter, ChangeKind, ChangeLog, Edit, RepoError, Sequence, SqliteRepo, Status, StatusChange, TopologyFilter,
    TopologyId, TopologyStore, Version,
};
use jiff::Timestamp;

use super::{maze, new, processes, wait};

/// The sizes of the written mazes: version n of a topology has the nth, repeatedly.
const SIZES: [u32; 3] = [150, 40, 90];

fn size(version: Version) -> u32 {
    SIZES[usize::try_from(version.get() - 1).expect("a version") % SIZES.len()]
}

/// Creates, edits, changes and deletes topologies one after another, and reports each finished write.
pub(super) fn write_forever(store: &Path) {
    let repo = SqliteRepo::open(store).expect("a store");
    let at = Timestamp::UNIX_EPOCH;
    loop {
        let stored = wait(repo.create(new("corp", maze(SIZES[0])), at)).expect("stored");
        processes::say("created");
        for size in SIZES.into_iter().cycle().skip(1).take(4) {
            wait(repo.edit(stored.row.id, Edit::new(maze(size)), at)).expect("edited");
            processes::say("edited");
        }
        let change = StatusChange::new(Status::Pending, Status::TornDown);
        wait(repo.set_status(stored.row.id, change, at)).expect("changed");
        processes::say("changed");
        wait(repo.delete(stored.row.id, None, at)).expect("deleted");
        processes::say("deleted");
    }
}

#[test]
fn a_process_killed_while_writing_leaves_only_complete_topologies() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    let instance = wait(SqliteRepo::open(&path).expect("a store").instance()).expect("the instance");
    for round in 0..12 {
        let mut child = processes::child_of(&processes::this_program(), "write", &path);
        let mut child = child.spawn().expect("a child process");
        // After each kind of write in turn: the child is in the next write, or near it.
        let said = processes::words(&mut child).nth(round).expect("it writes");
        child.kill().expect("killed");
        child.wait().expect("its end");

        let repo = SqliteRepo::open(&path).expect("it can be opened");
        assert_eq!(
            wait(repo.check()).expect("checked"),
            Vec::<String>::new(),
            "after {said}"
        );
        assert_eq!(wait(repo.instance()).expect("the instance"), instance);
        for row in wait(repo.list(&TopologyFilter::default())).expect("the list").rows {
            let stored = wait(repo.load(row.id)).expect("it is there");
            assert_eq!(
                stored.topology,
                maze(size(row.version)),
                "the maze is that of version {}",
                row.version
            );
            let events = wait(repo.status_events(row.id)).expect("its events");
            assert_eq!(
                events.last().map(|event| event.to),
                Some(row.status),
                "each status has its event"
            );
            let (edits, status) = logged(&repo, row.id);
            assert_eq!(
                (edits + 1, status),
                (row.version.get(), Some(row.status)),
                "after {said}"
            );
            wait(repo.delete(row.id, None, Timestamp::UNIX_EPOCH)).expect("deleted");
        }
    }
}

/// Returns the number of edits of a topology in the log, and its last status there.
fn logged(repo: &SqliteRepo, id: TopologyId) -> (u64, Option<Status>) {
    let filter = ChangeFilter::default().topology(id);
    let page = wait(repo.changes_since(None, &filter)).expect("the log");
    let (mut edits, mut status) = (0, None);
    for change in page.changes {
        match change.what {
            ChangeKind::Edited => edits += 1,
            ChangeKind::Status { to, .. } => status = Some(to),
            other => panic!("{other:?}"),
        }
    }
    (edits, status)
}

#[test]
fn the_log_is_read_without_a_gap_while_another_process_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    let repo = SqliteRepo::open(&path).expect("a store");
    let mut child = processes::child_of(&processes::this_program(), "write", &path);
    let mut child = child.spawn().expect("a child process");
    let words = processes::words(&mut child);
    let reader = std::thread::spawn(|| words.count());
    let filter = ChangeFilter::default().limit(3);
    let (mut read, mut after) = (Vec::new(), Sequence::START);
    while read.len() < 60 {
        let page = wait(repo.changes_since(Some(after), &filter)).expect("a page");
        after = page.changes.last().map_or(after, |change| change.sequence);
        read.extend(page.changes);
    }
    child.kill().expect("killed");
    child.wait().expect("its end");
    assert!(reader.join().expect("its words") > 0, "it wrote meanwhile");
    let all = wait(repo.changes_since(None, &ChangeFilter::default())).expect("the log");
    assert_eq!(read, all.changes[..read.len()]);
    let numbers = all.changes.iter().map(|change| change.sequence.get());
    assert!(numbers.eq(1..=all.latest.get()), "SQLite gives each number once");
}

#[test]
fn a_load_during_writes_of_another_process_is_a_consistent_snapshot() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    let repo = SqliteRepo::open(&path).expect("a store");
    let mut child = processes::child_of(&processes::this_program(), "write", &path);
    let mut child = child.spawn().expect("a child process");
    // Read to the end below, so that a full pipe never blocks the child.
    let words = processes::words(&mut child);
    let reader = std::thread::spawn(|| words.count());
    let mut loaded = 0;
    while loaded < 100 {
        for row in wait(repo.list(&TopologyFilter::default())).expect("the list").rows {
            match wait(repo.load(row.id)) {
                Ok(stored) => assert_eq!(stored.topology, maze(size(stored.row.version))),
                Err(RepoError::NotFound { .. }) => continue,
                Err(other) => panic!("{other:?}"),
            }
            loaded += 1;
        }
    }
    child.kill().expect("killed");
    child.wait().expect("its end");
    assert!(reader.join().expect("its words") > 0, "it wrote meanwhile");
}
