//! Masters and agents that are killed at random, on two daemons of their own. After each kill, the same command completes what was begun,
//! and at the end nothing is left. `DECNET_KILLS` is the number of rounds; the default is 100.

use std::{io::Write as _, thread, time::Duration};

use decnet_topology::rng;
use serde_json::Value;

use crate::stage::{Stage, kill};

/// Returns a random number below a limit.
fn below(limit: u64) -> u64 {
    let bytes = rng::secret_bytes();
    u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) % limit
}

#[test]
#[ignore = "needs Docker"]
fn masters_and_agents_that_are_killed_at_random_leave_nothing_and_lose_nothing() {
    let rounds = std::env::var("DECNET_KILLS").ok().and_then(|text| text.parse().ok());
    let rounds: u64 = rounds.unwrap_or(100);
    let mut stage = Stage::start("kills");
    // Over both hosts, and pushed as a whole to the agent of one, in turn.
    let deploys: [&[&str]; 2] = [
        &["deploy", "-f", "corp.yaml", "--spread", "--yes"],
        &["deploy", "-f", "corp.yaml", "--agent", "east", "--yes"],
    ];
    let operations: [&[&str]; 3] = [
        &["reconcile", "corp", "--force"],
        &[
            "mutate",
            "corp",
            "add_lan",
            "--name",
            "extra",
            "--subnet",
            "10.71.9.0/24",
            "--wait",
        ],
        &["teardown", "corp", "--yes"],
    ];
    let mut output = std::io::stderr();
    let mut spread = 0;
    for round in 0..rounds {
        let (cycle, step) = (round / 4 % 2, round % 4);
        let at = |number: u64| usize::try_from(number).expect("small");
        let operation = match step {
            0 => deploys[at(cycle)],
            step => operations[at(step - 1)],
        };
        let mut master = stage.begin(&stage.master(operation));
        thread::sleep(Duration::from_millis(below(1800)));
        match below(3) {
            0 => kill(&mut master),
            victim => {
                stage.kill_agent(at(victim - 1));
                // The command reports what it could not do, or goes on.
                if below(2) == 0 {
                    kill(&mut master);
                }
            }
        }
        let ended = master.wait().expect("it ends");
        let _ = writeln!(output, "round {round}: {} ended with {ended}", operation[0]);
        match operation[0] {
            "teardown" => {
                stage.complete(operation);
                stage.assert_nothing_left();
            }
            // What was queued is applied by a reconcile of the maze or by the next deploy; it is never half stored.
            "mutate" => drop(stage.complete(&["reconcile", "corp", "--force"])),
            _ => drop(stage.complete(operation)),
        }
        // A host whose agent was killed before the maze was placed gets nothing.
        spread += u32::from(operation == deploys[0] && stage.is_spread());
        if operation[0] != "teardown" {
            let shown: Value = serde_json::from_str(&stage.complete(&["--json", "show", "corp"])).expect("JSON");
            assert_eq!(shown["status"], "active", "{shown:#}");
        }
    }
    assert!(rounds < 32 || spread > 0, "no maze was on both hosts");
    stage.complete(&["teardown", "corp", "--yes"]);
    stage.assert_nothing_left();
}
