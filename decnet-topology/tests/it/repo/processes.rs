//! Several processes or connections on one file.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Barrier,
    thread,
};

use decnet_topology::{Holder, LeaseStore, RepoError, SqliteRepo, TopologyFilter, TopologyId, TopologyStore};
use jiff::{SignedDuration, Timestamp};

use super::{crash, draining, maze, new, postgres, store_of_one, unwritable, wait};

const ROLE: &str = "DECNET_TEST_ROLE";
const STORE: &str = "DECNET_TEST_STORE";
const TOPOLOGY: &str = "DECNET_TEST_TOPOLOGY";

/// Returns a command that runs this program again as a child with a role.
pub(super) fn child_of(program: &Path, role: &str, store: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args([
            "--exact",
            "repo::processes::child",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(ROLE, role)
        .env(STORE, store)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

pub(super) fn this_program() -> std::path::PathBuf {
    env::current_exe().expect("this program's path")
}

/// Sends a word to the parent.
pub(super) fn say(word: &str) {
    println!("said {word}");
}

/// Returns the next words of a child.
pub(super) fn words(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let output = BufReader::new(child.stdout.take().expect("its output"));
    let lines = output.lines().map(|line| line.expect("a line"));
    // The test harness may write text before the first word.
    lines.filter_map(|line| line.split_once("said ").map(|(_, word)| word.to_owned()))
}

/// Describes the possible operations on a store of one topology.
fn rights(repo: &SqliteRepo) -> String {
    let id = match wait(repo.list(&TopologyFilter::default())) {
        Ok(page) => page.rows[0].id,
        Err(error) => return format!("{error:?}"),
    };
    match wait(repo.set_needs_resync(id, false, None, Timestamp::UNIX_EPOCH)) {
        Ok(()) => "written".into(),
        Err(RepoError::ReadOnly) => "read, not written".into(),
        Err(error) => format!("{error:?}"),
    }
}

#[test]
#[ignore = "is the child process of other tests"]
fn child() {
    let (Ok(role), Some(store)) = (env::var(ROLE), env::var_os(STORE)) else {
        return;
    };
    let store = Path::new(&store);
    match role.as_str() {
        "write" => crash::write_forever(store),
        "full" => unwritable::on_a_full_disk(store),
        "read-only" => unwritable::on_a_read_only_file_system(store),
        "open" => match SqliteRepo::open(store) {
            Ok(repo) => say(&rights(&repo)),
            Err(RepoError::ReadOnly) => say("read-only"),
            Err(other) => say(&format!("{other:?}")),
        },
        _ => {
            say("ready");
            // The parent closes the pipe when all are ready.
            std::io::stdin().read_to_end(&mut Vec::new()).expect("the start");
            race(&role, store);
        }
    }
}

fn race(role: &str, store: &Path) {
    if role == "postgres-drain" {
        let url = store.to_str().expect("an address");
        return say(&postgres::race::drain(url).to_string());
    }
    if role == "drain" {
        return say(&draining::drain(store).to_string());
    }
    let repo = SqliteRepo::open(store).expect("a store");
    let at = Timestamp::UNIX_EPOCH;
    let outcome = match role {
        "instance" => wait(repo.instance()).map(|instance| instance.to_string()),
        "create" => {
            let name = format!("corp {}", std::process::id());
            wait(repo.create(new(&name, maze(20)), at)).map(|stored| stored.row.id.to_string())
        }
        "lease" => {
            let id: TopologyId = env::var(TOPOLOGY).expect("the topology").parse().expect("its id");
            let lease =
                wait(repo.acquire_lease(id, &holder(std::process::id()), SignedDuration::from_secs(15), None, at));
            lease.map(|lease| lease.token.to_string())
        }
        other => panic!("no role {other}"),
    };
    match outcome {
        Ok(won) => say(&won),
        Err(RepoError::SubnetClaimed { .. } | RepoError::LeaseHeld { .. }) => say("lost"),
        Err(other) => say(&format!("{other:?}")),
    }
}

pub(super) fn holder(pid: u32) -> Holder {
    Holder {
        boot_id: "boot".into(),
        pid,
        started: 1,
        label: "a test".into(),
    }
}

/// Runs this many processes in parallel with one role, and returns the last word of each.
pub(super) fn at_once(role: &str, store: &Path, topology: Option<TopologyId>, count: usize) -> Vec<String> {
    at_once_with(role, store, topology, count, || ()).0
}

/// Runs this many processes in parallel with one role and this process with another, and returns the last word of each and the
/// result.
pub(super) fn at_once_with<T>(
    role: &str,
    store: &Path,
    topology: Option<TopologyId>,
    count: usize,
    own: impl FnOnce() -> T,
) -> (Vec<String>, T) {
    let started = (0..count).map(|_| {
        let mut command = child_of(&this_program(), role, store);
        command.env(TOPOLOGY, topology.map(|id| id.to_string()).unwrap_or_default());
        let mut child = command.spawn().expect("a child process");
        let mut words = words(&mut child);
        assert_eq!(words.next().as_deref(), Some("ready"));
        (child, words)
    });
    let mut children: Vec<_> = started.collect();
    for (child, _) in &mut children {
        drop(child.stdin.take());
    }
    let own = own();
    let ended = children.into_iter().map(|(mut child, mut words)| {
        let word = words.next().expect("its outcome");
        assert!(child.wait().expect("its end").success());
        word
    });
    (ended.collect(), own)
}

fn winner(mut outcomes: Vec<String>) -> String {
    outcomes.retain(|outcome| outcome != "lost");
    assert_eq!(outcomes.len(), 1, "one wins: {outcomes:?}");
    outcomes.remove(0)
}

#[test]
fn processes_that_open_a_new_file_at_once_find_one_store() {
    for _ in 0..3 {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("decnet.db");
        let instances = at_once("instance", &path, None, 6);
        let instance = wait(SqliteRepo::open(&path).expect("a store").instance()).expect("the instance");
        assert!(
            instances.iter().all(|other| *other == instance.to_string()),
            "{instances:?}"
        );
    }
}

#[test]
fn one_of_several_processes_that_create_overlapping_topologies_wins() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    let repo = SqliteRepo::open(&path).expect("a store");
    let id = winner(at_once("create", &path, None, 5));
    let page = wait(repo.list(&TopologyFilter::default())).expect("the list");
    let ids: Vec<_> = page.rows.iter().map(|row| row.id.to_string()).collect();
    assert_eq!(ids, [id]);
    assert_eq!(wait(repo.check()).expect("checked"), Vec::<String>::new());
}

#[test]
fn one_of_several_processes_gets_the_lease() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    let id = store_of_one(&path, 2).row.id;
    let token = winner(at_once("lease", &path, Some(id), 5));
    let repo = SqliteRepo::open(&path).expect("a store");
    let lease = wait(repo.lease(id, Timestamp::UNIX_EPOCH)).expect("the lease");
    assert_eq!(lease.map(|lease| lease.token.to_string()), Some(token));
}

#[test]
fn one_of_several_connections_gets_the_lease() {
    const COUNT: u32 = 16;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    let id = store_of_one(&path, 2).row.id;
    let start = Barrier::new(COUNT as usize);
    for round in 0..10 {
        let at = Timestamp::from_second(round * 100).expect("a moment");
        let attempt = |pid| {
            let repo = SqliteRepo::open(&path).expect("a store");
            start.wait();
            wait(repo.acquire_lease(id, &holder(pid), SignedDuration::from_secs(15), None, at))
        };
        let outcomes: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..COUNT).map(|pid| scope.spawn(move || attempt(pid))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("an outcome"))
                .collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        let won: Vec<_> = won.into_iter().flatten().collect();
        let [lease] = &won[..] else { panic!("one wins: {won:?}") };
        for refusal in lost {
            assert!(
                matches!(&refusal, Err(RepoError::LeaseHeld { lease: held, .. }) if **held == *lease),
                "{refusal:?}"
            );
        }
    }
}

#[cfg(unix)]
mod rights {
    use std::{
        fs::{self, Permissions},
        os::unix::{fs::PermissionsExt, process::CommandExt},
    };

    use super::*;

    /// Opens a store in a process without privileges, and returns its output.
    ///
    /// The superuser can write everywhere, so the child drops its privileges. It then cannot read every folder, so the program is
    /// copied to a readable one.
    fn opened_by_nobody(folder: &Path, store: &Path) -> String {
        let program = folder.join("program");
        fs::copy(this_program(), &program).expect("the program is copied");
        fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("its rights");
        let mut command = child_of(&program, "open", store);
        if is_superuser(folder) {
            command.uid(65534).gid(65534);
        }
        let mut child = command.current_dir("/").spawn().expect("a child process");
        let mut words = words(&mut child);
        let said = words.next().expect("its outcome");
        assert!(child.wait().expect("its end").success());
        said
    }

    fn is_superuser(folder: &Path) -> bool {
        let closed = folder.join("closed");
        fs::create_dir(&closed).expect("a folder");
        fs::set_permissions(&closed, Permissions::from_mode(0o555)).expect("its rights");
        fs::write(closed.join("file"), "").is_ok()
    }

    /// Creates a folder that everyone can read, and in it one for the store.
    fn folders() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("its rights");
        let inner = folder.path().join("store");
        fs::create_dir(&inner).expect("a folder");
        (folder, inner)
    }

    fn assert_refused(store_rights: Option<u32>, folder_rights: u32) {
        let (outer, inner) = folders();
        let path = inner.join("decnet.db");
        let stored = store_rights.map(|rights| {
            let stored = store_of_one(&path, 3);
            fs::set_permissions(&path, Permissions::from_mode(rights)).expect("its rights");
            stored
        });
        fs::set_permissions(&inner, Permissions::from_mode(folder_rights)).expect("its rights");
        let said = opened_by_nobody(outer.path(), &path);
        fs::set_permissions(&inner, Permissions::from_mode(0o755)).expect("its rights");
        assert_eq!(
            said,
            if stored.is_some() {
                "read, not written"
            } else {
                "read-only"
            }
        );
        assert_eq!(path.exists(), stored.is_some());
        if let Some(stored) = stored {
            fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("its rights");
            let repo = SqliteRepo::open(&path).expect("a store");
            assert_eq!(wait(repo.load(stored.row.id)).expect("it is there"), stored);
        }
    }

    #[test]
    fn a_read_only_file_is_reported() {
        assert_refused(Some(0o444), 0o777);
    }

    #[test]
    fn a_store_in_a_read_only_folder_is_reported() {
        assert_refused(Some(0o666), 0o555);
    }

    #[test]
    fn a_read_only_folder_without_a_store_is_reported() {
        assert_refused(None, 0o555);
    }
}
