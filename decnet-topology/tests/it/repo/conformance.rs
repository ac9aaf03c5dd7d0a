//! The conformance steps, through a store.

use std::collections::BTreeMap;

use decnet_topology::{
    Catalog, Edit, Intent, MemoryRepo, Mutation, MutationContext, MutationFilter, MutationOutcome, MutationState,
    NewMutation, Position, Repo, SqliteRepo, Status, StatusChange, SubnetPool, Syntax, Topology, TopologyId, Version,
    apply, canonical_hash, document,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{new, processes, wait};
use crate::vectors::vectors;

const AT: Timestamp = Timestamp::UNIX_EPOCH;

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} of {value}"))
}

fn topology(document: &Value) -> Topology {
    let draft = document::parse(document.to_string(), Syntax::Json).expect("a document");
    draft
        .resolve(&Catalog::builtin(), &SubnetPool::default())
        .expect("a topology")
}

/// The compared parts: everything that matters for a deployment, and the positions.
fn facts(maze: &Topology) -> (String, BTreeMap<(&str, String), Position>) {
    let lans = maze
        .lans()
        .iter()
        .map(|lan| (("lan", lan.name().to_string()), lan.position()));
    let deckies = maze.deckies().iter();
    let deckies = deckies.map(|decky| (("decky", decky.name().to_string()), decky.position()));
    (canonical_hash(maze).to_string(), lans.chain(deckies).collect())
}

/// Stores a topology and changes it to a status.
async fn store(repo: &dyn Repo, name: &str, topology: Topology, status: Status) -> TopologyId {
    use Status::{Active, Degraded, Deploying, Failed, TearingDown, TornDown};
    let way = match status {
        Deploying => vec![Deploying],
        Active => vec![Deploying, Active],
        Degraded => vec![Deploying, Degraded],
        Failed => vec![Deploying, Failed],
        TearingDown => vec![Deploying, TearingDown],
        TornDown => vec![TornDown],
        _ => Vec::new(),
    };
    let mut row = repo.create(new(name, topology), AT).await.expect("it is stored").row;
    for to in way {
        let change = StatusChange::new(row.status, to).intent(Intent::Up);
        row = repo.set_status(row.id, change, AT).await.expect("the change is legal");
    }
    row.id
}

/// Performs a step like the program, and returns the outcome.
async fn step(repo: &dyn Repo, id: TopologyId, mutation: Mutation, is_pending: bool) -> MutationState {
    let catalog = Catalog::builtin();
    let claims = repo.claims(Some(id)).await.expect("the claims");
    let applied = async |mutation: &Mutation| {
        let stored = repo.load(id).await.expect("it is there");
        let context = MutationContext::of(&stored.row, &catalog, &claims);
        (stored.row.version, apply(&stored.topology, mutation, &context))
    };
    let asked = NewMutation::new(mutation.clone());
    if is_pending {
        let (version, Ok(valid)) = applied(&mutation).await else {
            return MutationState::Rejected;
        };
        let edit = Edit::new(valid.into_topology()).expected(version).mutation(asked);
        repo.edit(id, edit, AT).await.expect("it is edited");
        return MutationState::Applied;
    }
    let enqueued = repo.enqueue(id, asked, None, AT).await.expect("it runs");
    let (holder, time) = (processes::holder(1), SignedDuration::from_secs(15));
    let claimed = repo.claim_mutation(Some(id), &holder, time, None, AT).await;
    let claimed = claimed.expect("the store answers").expect("it has work");
    assert_eq!(claimed.id, enqueued.id);
    let token = claimed.claim.expect("it is claimed").token;
    let outcome = match applied(&claimed.mutation).await.1 {
        Ok(valid) => {
            let kept = repo.store_mutation(claimed.id, token, valid.into_topology(), AT).await;
            kept.expect("it is stored");
            MutationOutcome::Applied
        }
        Err(refusal) => MutationOutcome::Rejected {
            reason: refusal.to_string(),
        },
    };
    let finished = repo.finish_mutation(claimed.id, token, outcome, AT).await;
    finished.expect("it is finished").state
}

/// Runs a row of the conformance data through a store and returns the differences.
async fn faults(repo: &dyn Repo, row: &Value) -> Vec<String> {
    for (at, other) in row["others"].as_array().into_iter().flatten().enumerate() {
        let mut lans = Topology::builder();
        for (at, subnet) in other["subnets"].as_array().expect("subnets").iter().enumerate() {
            lans = lans.lan(&format!("lan-{at}"), subnet.as_str().expect("a subnet"));
        }
        let status = text(other, "status").parse().expect("a status");
        store(repo, &format!("other {at}"), lans.build().expect("a maze"), status).await;
    }
    let status: Status = text(row, "status").parse().expect("a status");
    let id = store(repo, "corp", topology(&row["initial"]), status).await;
    let mut faults = Vec::new();
    let mut outcomes = Vec::new();
    for (at, listed) in row["steps"].as_array().expect("steps").iter().enumerate() {
        let written = serde_json::json!({"op": listed["op"], "payload": listed["payload"]});
        // An invalid mutation never reaches the store.
        let state = match Mutation::from_value(&written) {
            Ok(mutation) => {
                let state = step(repo, id, mutation, status == Status::Pending).await;
                if state == MutationState::Applied || status != Status::Pending {
                    outcomes.push(state);
                }
                state
            }
            Err(_) => MutationState::Rejected,
        };
        if state.as_str() != text(listed, "outcome") {
            faults.push(format!("step {at} is {state}"));
        }
    }
    let stored = repo.load(id).await.expect("it is there");
    let (found, listed) = (stored.topology, topology(&row["final"]));
    if facts(&found) != facts(&listed) {
        faults.push(format!("ends as {found:#?}\nnot as {listed:#?}"));
    }
    let kept = repo
        .mutations(&MutationFilter::default())
        .await
        .expect("the mutations")
        .rows;
    let kept: Vec<_> = kept.into_iter().map(|row| row.state).collect();
    if kept != outcomes || stored.row.version != Version::new(1 + outcomes.len() as u64) || stored.row.status != status
    {
        faults.push(format!("keeps {kept:?}, not {outcomes:?}, in {:?}", stored.row));
    }
    faults
}

fn check(make: impl Fn() -> Box<dyn Repo>) {
    let mut all = Vec::new();
    for row in vectors("mutate.json") {
        let found = wait(faults(&*make(), &row));
        all.extend(
            found
                .into_iter()
                .map(|fault| format!("{}: {fault}", text(&row, "name"))),
        );
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn the_conformance_steps_end_as_listed_in_memory() {
    check(|| Box::new(MemoryRepo::new()));
}

#[test]
fn the_conformance_steps_end_as_listed_in_sqlite() {
    check(|| Box::new(SqliteRepo::open_in_memory().expect("a store")));
}
