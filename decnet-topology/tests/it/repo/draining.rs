//! Many workers on one queue.

use std::{path::Path, thread, time::Duration};

use decnet_topology::{
    MutationFilter, MutationOutcome, MutationQueue, MutationState, NewMutation, SqliteOptions, SqliteRepo,
    TopologyStore,
};
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use super::{new, processes, wait};

const TOPOLOGIES: usize = 50;
const MUTATIONS: usize = 10_000;

/// Claims and finishes mutations until none is left, and returns how many it got.
pub(super) async fn drain_queue(repo: &dyn MutationQueue) -> usize {
    let (holder, time) = (processes::holder(std::process::id()), SignedDuration::from_hours(1));
    let unfinished = MutationFilter::default()
        .states([MutationState::Pending, MutationState::Applying])
        .limit(0);
    let mut given = 0;
    loop {
        let claimed = repo
            .claim_mutation(None, &holder, time, None, Timestamp::UNIX_EPOCH)
            .await;
        if let Some(row) = claimed.expect("the store answers") {
            given += 1;
            let token = row.claim.expect("it is claimed").token;
            let done = MutationOutcome::Rejected { reason: "done".into() };
            let finished = repo.finish_mutation(row.id, token, done, Timestamp::UNIX_EPOCH).await;
            finished.expect("it is its own");
        } else if repo.mutations(&unfinished).await.expect("the store answers").total == 0 {
            return given;
        }
    }
}

/// Drains the queue of a file. On a busy machine, the others may hold the lock for longer than the usual time.
pub(super) fn drain(store: &Path) -> usize {
    let options = SqliteOptions::default().timeout(Duration::from_mins(4));
    let repo = options.open(store).expect("a store");
    wait(drain_queue(&repo))
}

/// Creates a store with ten thousand pending mutations of many topologies, alternating. The file itself keeps a log of claims.
fn fill(path: &Path) {
    let repo = SqliteRepo::open(path).expect("a store");
    let written = r#"{"op": "remove_decky", "payload": {"decky": "web"}}"#;
    let asked = NewMutation::new(serde_json::from_str(written).expect("a mutation"));
    wait(async {
        let at = Timestamp::UNIX_EPOCH;
        let mut ids = Vec::new();
        for number in 0..TOPOLOGIES {
            let stored = repo
                .create(new(&format!("corp {number}"), decnet_topology::Topology::default()), at)
                .await;
            ids.push(stored.expect("stored").row.id);
        }
        let other = Connection::open(path).expect("a connection");
        let prepared = other.execute_batch(
            "UPDATE topologies SET status = 'active', intent = 'up';
             CREATE TABLE claim_log (number INTEGER PRIMARY KEY, topology INTEGER, mutation INTEGER);
             CREATE TRIGGER log_claims AFTER UPDATE OF claim_token ON mutations WHEN NEW.claim_token IS NOT NULL
             BEGIN INSERT INTO claim_log (topology, mutation) VALUES (NEW.topology, NEW.id); END;",
        );
        prepared.expect("prepared");
        for id in ids {
            repo.enqueue(id, asked.clone(), None, at).await.expect("it runs");
        }
        // The others are similar, but the disk is not waited for after each.
        let copied = other.execute(
            "WITH RECURSIVE round (number) AS (VALUES (2) UNION ALL SELECT number + 1 FROM round LIMIT ?1)
             INSERT INTO mutations (topology, mutation, state, version, attempts, enqueued_at)
             SELECT topology, mutation, state, version + number, attempts, enqueued_at
             FROM round CROSS JOIN (SELECT * FROM mutations ORDER BY id) ORDER BY round.number, id",
            [u32::try_from(MUTATIONS / TOPOLOGIES - 1).expect("few")],
        );
        assert_eq!(copied.expect("copied") + TOPOLOGIES, MUTATIONS);
    });
}

#[test]
fn ten_thousand_mutations_are_each_claimed_once_and_in_order_by_twenty_threads_and_four_processes() {
    // This tests the distribution, not the disk: it uses a folder in memory if there is one.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    let folder = folder.expect("a folder");
    let path = folder.path().join("decnet.db");
    fill(&path);
    let (others, own) = processes::at_once_with("drain", &path, None, 4, || {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..20).map(|_| scope.spawn(|| drain(&path))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("it ends"))
                .collect::<Vec<usize>>()
        })
    });
    let others: Vec<usize> = others.iter().map(|given| given.parse().expect("a number")).collect();
    println!("threads: {own:?}, processes: {others:?}");
    assert_eq!(own.iter().chain(&others).sum::<usize>(), MUTATIONS);

    let file = Connection::open(&path).expect("a connection");
    let count = |query: &str| {
        let counted = file.query_row(query, [], |row| row.get::<_, u32>(0));
        counted.expect("counted") as usize
    };
    assert_eq!(count("SELECT count(*) FROM claim_log"), MUTATIONS);
    assert_eq!(count("SELECT count(DISTINCT mutation) FROM claim_log"), MUTATIONS);
    let late = "SELECT count(*) FROM (
                    SELECT mutation < lag(mutation, 1, 0) OVER (PARTITION BY topology ORDER BY number) AS is_late
                    FROM claim_log
                ) WHERE is_late";
    assert_eq!(count(late), 0, "each after the earlier ones of its topology");
    assert_eq!(
        count("SELECT count(*) FROM mutations WHERE state <> 'rejected' OR attempts <> 1"),
        0
    );
}
