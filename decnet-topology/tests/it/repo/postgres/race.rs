//! Many workers on one queue, in several processes.

use std::{path::Path, thread, time::Duration};

use decnet_topology::{MutationQueue, NewMutation, PostgresOptions, Topology, TopologyStore};
use jiff::Timestamp;

use super::{database, open};
use crate::repo::{draining::drain_queue, new, processes, wait};

const TOPOLOGIES: usize = 50;
const MUTATIONS: usize = 10_000;

/// Drains the queue of a database.
pub(in crate::repo) fn drain(url: &str) -> usize {
    let options = PostgresOptions::default()
        .timeout(Duration::from_mins(4))
        .connections(1);
    wait(async {
        let repo = options.open(url).await.expect("a store");
        drain_queue(&repo).await
    })
}

#[test]
fn ten_thousand_mutations_are_each_claimed_once_and_in_order_by_twenty_threads_and_four_processes() {
    let Some(database) = database() else { return };
    let removal = r#"{"op": "remove_decky", "payload": {"decky": "web"}}"#;
    let asked = NewMutation::new(serde_json::from_str(removal).expect("a mutation"));
    wait(async {
        let repo = open(&database).await;
        let at = Timestamp::UNIX_EPOCH;
        let mut ids = Vec::new();
        for number in 0..TOPOLOGIES {
            let stored = repo
                .create(new(&format!("corp {number}"), Topology::default()), at)
                .await;
            ids.push(stored.expect("stored").row.id);
        }
        database.run(
            "UPDATE topologies SET status = 'active', intent = 'up';
             CREATE TABLE claim_log (number bigint GENERATED ALWAYS AS IDENTITY, topology bigint, mutation bigint);
             CREATE FUNCTION log_claim() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 INSERT INTO claim_log (topology, mutation) VALUES (NEW.topology, NEW.id); RETURN NULL;
             END $$;
             CREATE TRIGGER log_claims AFTER UPDATE OF claim_token ON mutations FOR EACH ROW
                 WHEN (NEW.claim_token IS NOT NULL) EXECUTE FUNCTION log_claim()",
        );
        for id in ids {
            repo.enqueue(id, asked.clone(), None, at).await.expect("it runs");
        }
        database.run(&format!(
            "INSERT INTO mutations (topology, mutation, cause, state, version, attempts, enqueued_at)
             SELECT topology, mutation, cause, state, version + number, attempts, enqueued_at
             FROM generate_series(2, {}) AS number CROSS JOIN (SELECT * FROM mutations ORDER BY id) AS first
             ORDER BY number, id",
            MUTATIONS / TOPOLOGIES
        ));
    });
    let url = database.url();
    let (others, own) = processes::at_once_with("postgres-drain", Path::new(url), None, 4, || {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..20).map(|_| scope.spawn(|| drain(url))).collect();
            let ended = threads.into_iter().map(|thread| thread.join().expect("it ends"));
            ended.collect::<Vec<usize>>()
        })
    });
    let others: Vec<usize> = others.iter().map(|given| given.parse().expect("a number")).collect();
    println!("threads: {own:?}, processes: {others:?}");
    assert_eq!(own.iter().chain(&others).sum::<usize>(), MUTATIONS);
    let count = |query: &str| database.run(query)[0].parse::<usize>().expect("a number");
    assert_eq!(count("SELECT count(*) FROM claim_log"), MUTATIONS);
    assert_eq!(count("SELECT count(DISTINCT mutation) FROM claim_log"), MUTATIONS);
    let late = "SELECT count(*) FROM (
                    SELECT mutation < lag(mutation, 1, 0::bigint) OVER (PARTITION BY topology ORDER BY number) AS is_late
                    FROM claim_log
                ) AS claims WHERE is_late";
    assert_eq!(count(late), 0, "each after the earlier ones of its topology");
    assert_eq!(
        count("SELECT count(*) FROM mutations WHERE state <> 'rejected' OR attempts <> 1"),
        0
    );
    // The log has no gap: its numbers are in the order of commits.
    assert_eq!(
        count("SELECT max(sequence) - count(*) FROM change_log"),
        count("SELECT min(sequence) - 1 FROM change_log")
    );
}
