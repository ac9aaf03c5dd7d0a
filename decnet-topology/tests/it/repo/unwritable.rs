//! Stores that cannot be written to: on a full disk, or on a read-only file system.
//!
//! They are on a separate file system, which a child mounts in its own mount namespace.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use decnet_topology::{LeaseStore, RepoError, SqliteRepo, TopologyFilter, TopologyStore};
use jiff::Timestamp;

use super::{
    maze, new,
    processes::{child_of, say, this_program, words},
    store_of_one, wait,
};

/// Runs a role of the child in its own mount namespace, and returns its words.
fn in_a_namespace(role: &str, store: &Path) -> Vec<String> {
    let child = child_of(&this_program(), role, store);
    let mut unshare = Command::new("unshare");
    unshare
        .args(["--map-root-user", "--mount"])
        .arg(child.get_program())
        .args(child.get_args());
    for (key, value) in child.get_envs() {
        unshare.env(key, value.unwrap_or_default());
    }
    let mut running = unshare
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let said = words(&mut running).collect();
    assert!(running.wait().expect("its end").success(), "{said:?}");
    said
}

fn mount(arguments: &[&str], folder: &Path) {
    let mounted = Command::new("mount")
        .args(arguments)
        .arg(folder)
        .status()
        .expect("mount");
    assert!(mounted.success(), "mount {arguments:?}");
}

/// Mounts a small file system and creates a store there in the state after a kill: with a log, but without the index of the log.
fn leave_store(folder: &Path) -> decnet_topology::StoredTopology {
    let origin = tempfile::tempdir().expect("a folder");
    let path = origin.path().join("decnet.db");
    let stored = store_of_one(&path, 6);
    let writer = SqliteRepo::open(&path).expect("a store");
    wait(writer.set_needs_resync(stored.row.id, true, None, Timestamp::UNIX_EPOCH)).expect("written to the log");
    mount(&["-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs"], folder);
    for name in ["decnet.db", "decnet.db-wal"] {
        fs::copy(origin.path().join(name), folder.join(name)).expect("copied");
    }
    assert!(folder.join("decnet.db-wal").metadata().expect("a log").len() > 0);
    wait(writer.load(stored.row.id)).expect("it is there")
}

/// Writes until the disk is full, and returns the file.
fn fill(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("ballast");
    let mut file = fs::File::create(&path).expect("a file");
    while file.write_all(&[0; 512]).is_ok() {}
    path
}

/// The child's role on a full disk.
pub(super) fn on_a_full_disk(folder: &Path) {
    let stored = leave_store(folder);
    let path = folder.join("decnet.db");
    let ballast = fill(folder);
    let repo = SqliteRepo::open(&path).expect("it can be read");
    assert!(!repo.is_writable());
    assert_eq!(wait(repo.load(stored.row.id)).expect("read"), stored);
    assert_eq!(wait(repo.check()).expect("checked"), Vec::<String>::new());
    let refused = wait(repo.create(new("more", maze(1)), Timestamp::UNIX_EPOCH)).expect_err("no room");
    assert!(refused.is_unwritable(), "{refused:?}");
    let refused = SqliteRepo::open(folder.join("new.db")).expect_err("no room for a new one");
    assert!(refused.is_unwritable(), "{refused:?}");
    assert!(!folder.join("new.db").exists(), "no incomplete store is left");
    // One lock for all processes that cannot write: it needs no disk space.
    let lock = wait(repo.lock_unwritten()).expect("locked");
    let other = SqliteRepo::open(&path).expect("read");
    assert!(matches!(wait(other.lock_unwritten()), Err(RepoError::Locked)));
    drop(lock);
    drop(wait(other.lock_unwritten()).expect("free again"));
    fs::remove_file(ballast).expect("removed");
    wait(repo.set_needs_resync(stored.row.id, false, None, Timestamp::UNIX_EPOCH)).expect("there is room again");
    assert!(repo.is_writable());
    let after = wait(other.get(stored.row.id)).expect("read");
    assert!(!after.needs_resync, "a reader sees later writes");
    say("done");
}

/// The child's role on a read-only file system.
pub(super) fn on_a_read_only_file_system(folder: &Path) {
    let stored = leave_store(folder);
    mount(&["-o", "remount,ro"], folder);
    let path = folder.join("decnet.db");
    let repo = SqliteRepo::open(&path).expect("it can be read");
    assert_eq!(wait(repo.load(stored.row.id)).expect("read"), stored);
    assert_eq!(wait(repo.list(&TopologyFilter::default())).expect("read").total, 1);
    let refused = wait(repo.set_needs_resync(stored.row.id, false, None, Timestamp::UNIX_EPOCH));
    assert!(matches!(refused, Err(RepoError::ReadOnly)), "{refused:?}");
    drop(wait(repo.lock_unwritten()).expect("locked"));
    let refused = SqliteRepo::open(folder.join("new.db")).expect_err("nothing can be created");
    assert!(matches!(refused, RepoError::ReadOnly), "{refused:?}");
    mount(&["-o", "remount,rw"], folder);
    wait(repo.set_needs_resync(stored.row.id, false, None, Timestamp::UNIX_EPOCH)).expect("it can be written again");
    say("done");
}

#[test]
fn a_store_on_a_full_disk_is_readable_and_becomes_writable_when_there_is_space() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(in_a_namespace("full", folder.path()), ["done"]);
}

#[test]
fn a_read_only_store_is_read_including_the_contents_of_its_log() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(in_a_namespace("read-only", folder.path()), ["done"]);
}
