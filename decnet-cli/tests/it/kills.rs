//! Masters, loops and agents that are killed at random, on two daemons of their own. After each kill, the same command completes what was
//! begun, and at the end nothing is left. `DECNET_KILLS` is the number of rounds; the default is 100.

use std::{io::Write as _, process::Child, thread, time::Duration};

use decnet_topology::rng;
use serde_json::{Value, json};

use crate::stage::{Stage, kill, must};

/// Returns a random number below a limit.
fn below(limit: u64) -> u64 {
    let bytes = rng::secret_bytes();
    u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) % limit
}

/// The commands of a cycle. In every other cycle, the maze is pushed as a whole to the agent of one host.
const DEPLOYS: [&[&str]; 2] = [
    &["deploy", "-f", "corp.yaml", "--spread", "--yes"],
    &["deploy", "-f", "corp.yaml", "--agent", "east", "--yes"],
];
const RECONCILE: &[&str] = &["reconcile", "corp", "--force"];
const MUTATE: &[&str] = &[
    "mutate",
    "corp",
    "add_lan",
    "--name",
    "extra",
    "--subnet",
    "10.71.9.0/24",
    "--wait",
];
const TEARDOWN: &[&str] = &["teardown", "corp", "--yes"];
/// Something of the maze is lost, and `decnet watch` heals it.
const WATCH: &[&str] = &["watch", "--poll", "1s", "--no-attackers"];

/// Kills the master, an agent, or both, after a random time.
fn kill_some(stage: &mut Stage, master: &mut Child) {
    thread::sleep(Duration::from_millis(below(1800)));
    match below(3) {
        0 => kill(master),
        victim => {
            stage.kill_agent(index(victim - 1));
            // The command reports what it could not do, or goes on.
            if below(2) == 0 {
                kill(master);
            }
        }
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("small")
}

/// Loses something of the maze: the agent that has all of it gets its older store back, or each host loses a container. Returns whether an
/// agent has an older version now.
fn lose_something(stage: &mut Stage, is_pushed: bool) -> bool {
    if is_pushed {
        stage.stop_agent(0);
        let heard = |stage: &Stage| stage.json(&["host", "show", "east"])["heard_at"].clone();
        let last = heard(stage);
        stage.restore_store(0);
        stage.start_agent(0);
        stage.wait("heard", |stage| heard(stage) != last);
        !stage.is_in_step(0)
    } else {
        let docker = |arguments: &[&str], socket: &str| must("docker", &[&["--host", socket][..], arguments].concat());
        for socket in &stage.sockets {
            if let Some(id) = docker(&["ps", "--quiet"], socket).lines().next() {
                docker(&["rm", "--force", id], socket);
            }
        }
        false
    }
}

/// Lets `decnet watch` heal what is lost and finish what is queued, until the maze is as it is stored.
fn watch_until_healed(stage: &Stage, is_pushed: bool) {
    let mut watch = stage.begin(&stage.master(WATCH));
    let is_active = |stage: &Stage| stage.json(&["show", "corp"])["status"] == "active";
    let is_whole = |stage: &Stage| stage.json(&["plan", "corp"])["steps"] == json!([]) && is_active(stage);
    let is_finished = |stage: &Stage| changes(stage).iter().all(|change| !change["finished_at"].is_null());
    stage.wait("healed", |stage| {
        let is_healed = if is_pushed {
            stage.is_in_step(0)
        } else {
            is_whole(stage)
        };
        is_healed && is_finished(stage)
    });
    kill(&mut watch);
}

/// Returns the changes of the maze since it was deployed.
fn changes(stage: &Stage) -> Vec<Value> {
    let listed = stage.json(&["mutations", "corp"]);
    listed["mutations"].as_array().expect("mutations").clone()
}

/// Asserts that the change of a master that was killed is in the maze if it was stored, and is not in it otherwise.
fn assert_change_is_whole(stage: &Stage) {
    let changes = changes(stage);
    let is_stored = changes.iter().any(|change| !change["stored_at"].is_null());
    let document = stage.complete(&["show", "corp", "--document"]);
    assert_eq!(document.contains("name: extra"), is_stored, "{changes:?}\n{document}");
}

#[test]
#[ignore = "needs Docker"]
fn masters_and_agents_that_are_killed_at_random_leave_nothing_and_lose_nothing() {
    let rounds = std::env::var("DECNET_KILLS").ok().and_then(|text| text.parse().ok());
    let rounds: u64 = rounds.unwrap_or(100);
    let mut stage = Stage::start("kills");
    let operations = [RECONCILE, MUTATE, WATCH, TEARDOWN];
    let mut output = std::io::stderr();
    let (mut spread, mut older) = (0, 0);
    for round in 0..rounds {
        let (cycle, step) = (index(round / 5 % 2), index(round % 5));
        let (operation, is_pushed) = match step {
            0 => (DEPLOYS[cycle], cycle == 1),
            step => (operations[step - 1], cycle == 1),
        };
        if operation == MUTATE && is_pushed {
            stage.stop_agent(0);
            stage.save_store(0);
            stage.start_agent(0);
        }
        if operation == WATCH {
            older += u32::from(lose_something(&mut stage, is_pushed));
        }
        // In some rounds, a loop works at the same time.
        let mut watch = (below(3) == 0).then(|| stage.begin(&stage.master(WATCH)));
        let mut master = stage.begin(&stage.master(operation));
        kill_some(&mut stage, &mut master);
        if operation == WATCH || below(2) == 0 {
            // The loop goes on while the command is completed, or it is killed, too.
            watch.iter_mut().for_each(kill);
        }
        if operation == WATCH {
            kill(&mut master);
        }
        let ended = master.wait().expect("it ends");
        let _ = writeln!(output, "round {round}: {} ended with {ended}", operation[0]);
        match operation[0] {
            "teardown" => {
                stage.complete(operation);
                stage.assert_nothing_left();
            }
            "watch" => {
                watch_until_healed(&stage, is_pushed);
                assert_change_is_whole(&stage);
            }
            // What was queued is applied by a reconcile of the maze or by the next deploy; it is never half stored.
            "mutate" => drop(stage.complete(RECONCILE)),
            _ => drop(stage.complete(operation)),
        }
        watch.iter_mut().for_each(kill);
        // A host whose agent was killed before the maze was placed gets nothing.
        spread += u32::from(operation == DEPLOYS[0] && stage.is_spread());
        if operation != TEARDOWN {
            let shown = stage.json(&["show", "corp"]);
            assert_eq!(shown["status"], "active", "{shown:#}");
        }
    }
    assert!(rounds < 40 || spread > 0, "no maze was on both hosts");
    assert!(rounds < 40 || older > 0, "no agent had an older version");
    stage.complete(TEARDOWN);
    stage.assert_nothing_left();
}
