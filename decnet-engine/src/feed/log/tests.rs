use decnet_topology::{
    ChangeLog as _, Edit, Holder, Intent, MemoryRepo, Mutation, MutationFilter, MutationId, MutationOutcome,
    MutationQueue as _, NewMutation, NewTopology, RemoveDecky, Status, StatusChange, Topology, TopologyStore as _,
};
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::event::MutationStage;

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_900_000_000 + second).expect("a time")
}

fn maze() -> Topology {
    let maze = Topology::builder().dmz("dmz", "10.0.0.0/24").build();
    maze.expect("a topology")
}

/// A repo with one topology that runs.
async fn live(name: &str) -> (Arc<MemoryRepo>, TopologyId) {
    let repo = Arc::new(MemoryRepo::new());
    let new = NewTopology::new(name.parse().expect("a name"), maze());
    let id = repo.create(new, time(0)).await.expect("stored").row.id;
    become_status(&repo, id, Status::Pending, Status::Deploying, 1).await;
    become_status(&repo, id, Status::Deploying, Status::Active, 2).await;
    (repo, id)
}

async fn become_status(repo: &MemoryRepo, id: TopologyId, from: Status, to: Status, second: i64) {
    let change = StatusChange::new(from, to).intent(Intent::Up);
    repo.set_status(id, change, time(second)).await.expect("set");
}

async fn enqueue(repo: &MemoryRepo, id: TopologyId, second: i64) -> MutationId {
    let decky = "web".parse().expect("a name");
    let new = NewMutation::new(Mutation::RemoveDecky(RemoveDecky { decky }));
    repo.enqueue(id, new, None, time(second)).await.expect("enqueued").id
}

async fn reject(repo: &MemoryRepo, second: i64) {
    let holder = Holder {
        boot_id: "boot".into(),
        pid: 1,
        started: 1,
        label: "test".into(),
    };
    let long = SignedDuration::from_mins(1);
    let claimed = repo
        .claim_mutation(None, &holder, long, None, time(second))
        .await
        .expect("claimed");
    let row = claimed.expect("a mutation is queued");
    let token = row.claim.expect("a claim").token;
    let reason = "no such decky".into();
    let outcome = MutationOutcome::Rejected { reason };
    repo.finish_mutation(row.id, token, outcome, time(second + 1))
        .await
        .expect("finished");
}

/// Reads all that follows, and returns what happened.
async fn since(log: &mut LogReader) -> Vec<String> {
    let word = |logged: LoggedEvent| match logged.envelope.event {
        Event::Status { to, .. } => to.to_string(),
        Event::Mutation { mutation, state, .. } => format!("{mutation} {}", state.as_str()),
        event => event.describe(true).expect("a line"),
    };
    while log.read_page().await.expect("a page") == Page::Full {}
    std::iter::from_fn(|| log.next_until(Sequence::new(u64::MAX)))
        .map(word)
        .collect()
}

#[tokio::test]
async fn events_of_the_snapshot_are_not_returned_and_later_ones_are_returned_once() {
    let (repo, id) = live("corp").await;
    let waiting = enqueue(&repo, id, 3).await;
    let mut log = LogReader::new(repo.clone(), None);
    let snapshot = log.snapshot().await.expect("a snapshot");
    assert_eq!((snapshot.len(), snapshot[0].unfinished.len()), (1, 1));
    assert_eq!(since(&mut log).await, [""; 0]);

    reject(&repo, 4).await;
    become_status(&repo, id, Status::Active, Status::Degraded, 6).await;
    repo.set_needs_resync(id, true, None, time(6)).await.expect("stored");
    let second = enqueue(&repo, id, 7).await;
    let expected = [
        format!("{waiting} applying"),
        format!("{waiting} rejected"),
        "degraded".into(),
        "settings changed".into(),
        format!("{second} enqueued"),
    ];
    assert_eq!(since(&mut log).await, expected);
    assert_eq!(since(&mut log).await, [""; 0]);
}

#[tokio::test]
async fn changes_are_returned_up_to_the_announced_one() {
    let (repo, id) = live("corp").await;
    let mut log = LogReader::new(repo.clone(), None);
    log.snapshot().await.expect("a snapshot");
    let mutation = enqueue(&repo, id, 3).await;
    become_status(&repo, id, Status::Active, Status::Degraded, 4).await;
    reject(&repo, 5).await;
    let announced = |to| Event::Status {
        topology: id,
        from: Some(Status::Active),
        to,
        reason: None,
    };
    assert_eq!(log.announced(&announced(Status::Degraded)), None, "it was not read");
    log.read_page().await.expect("a page");
    assert_eq!(log.announced(&announced(Status::TearingDown)), None);
    let last = log.announced(&announced(Status::Degraded)).expect("it is there");
    let mut before = Vec::new();
    while let Some(logged) = log.next_until(last) {
        before.push(logged.sequence);
    }
    assert_eq!((before.len(), before.last()), (2, Some(&last)));
    assert_eq!(log.announced(&announced(Status::Degraded)), None, "it was returned");
    let finished = |state| Event::Mutation {
        topology: id,
        mutation,
        op: "remove_decky".into(),
        state,
        actor: None,
        reason: None,
    };
    assert!(log.announced(&finished(MutationStage::Rejected)).is_some());
    assert_eq!(log.announced(&finished(MutationStage::Applied)), None);
    assert_eq!(log.waiting(), 2);
}

#[tokio::test]
async fn all_of_many_mutations_between_two_reads_are_returned() {
    let (repo, id) = live("corp").await;
    let mut log = LogReader::new(repo.clone(), Some(id));
    log.snapshot().await.expect("a snapshot");
    for second in 0..700 {
        enqueue(&repo, id, 10 + second).await;
    }
    assert_eq!(since(&mut log).await.len(), 700);
    assert_eq!(since(&mut log).await, [""; 0]);
    assert_eq!(log.position(), repo.latest_change().await.expect("a number"));
}

#[tokio::test]
async fn a_reader_of_a_quiet_topology_does_not_fall_behind() {
    let (repo, id) = live("corp").await;
    let mut log = LogReader::new(repo.clone(), Some(id));
    log.snapshot().await.expect("a snapshot");
    let other = Topology::builder().dmz("dmz", "10.1.0.0/24").build().expect("a maze");
    let new = NewTopology::new("other".parse().expect("a name"), other.clone());
    let busy = repo.create(new, time(3)).await.expect("stored").row.id;
    assert_eq!(since(&mut log).await, [""; 0]);
    for _ in 0..3 {
        let edit = Edit::new(other.clone());
        repo.edit(busy, edit, time(4)).await.expect("edited");
    }
    repo.trim_changes(3).await.expect("trimmed");
    assert_eq!(log.read_page().await.expect("a page"), Page::Last);
    repo.trim_changes(0).await.expect("trimmed");
    assert_eq!(log.read_page().await.expect("a page"), Page::Last);
}

#[tokio::test]
async fn a_topology_that_is_torn_down_is_in_the_snapshot_only_if_selected() {
    let (repo, id) = live("corp").await;
    become_status(&repo, id, Status::Active, Status::TearingDown, 6).await;
    become_status(&repo, id, Status::TearingDown, Status::TornDown, 7).await;
    let mut all = LogReader::new(repo.clone(), None);
    assert_eq!(all.snapshot().await.expect("a snapshot").len(), 0);
    let mut one = LogReader::new(repo, Some(id));
    assert_eq!(one.snapshot().await.expect("a snapshot").len(), 1);
    assert_eq!(since(&mut all).await, [""; 0]);
}

#[tokio::test]
async fn deleting_a_followed_topology_is_not_an_error() {
    let (repo, id) = live("corp").await;
    let mut log = LogReader::new(repo.clone(), Some(id));
    log.snapshot().await.expect("a snapshot");
    become_status(&repo, id, Status::Active, Status::TearingDown, 5).await;
    become_status(&repo, id, Status::TearingDown, Status::TornDown, 6).await;
    assert_eq!(since(&mut log).await.len(), 2);
    repo.delete(id, None, time(7)).await.expect("deleted");
    assert_eq!(since(&mut log).await, ["deleted"]);
    assert!(log.name(id).is_none());
    let mut late = LogReader::new(repo, Some(id));
    assert!(late.snapshot().await.expect("nothing").is_empty());
}

#[tokio::test]
async fn a_topology_in_a_snapshot_is_described_with_its_queue() {
    let (repo, id) = live("corp").await;
    let row = repo.get(id).await.expect("a row");
    let mut topology = TopologyNow {
        row,
        unfinished: Vec::new(),
    };
    assert_eq!(topology.describe(), "is active, version 1");
    enqueue(&repo, id, 3).await;
    topology.unfinished = repo.mutations(&MutationFilter::default()).await.expect("a page").rows;
    assert_eq!(topology.describe(), "is active, version 1, 1 mutation waits");
}
