use decnet_topology::{
    Holder, Intent, MemoryRepo, Mutation, MutationOutcome, MutationQueue, NewMutation, NewTopology, RemoveDecky,
    StatusChange, Topology, TopologyName, TopologyStore,
};
use jiff::SignedDuration;

use super::*;

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_900_000_000 + second).expect("a time")
}

/// A repo with one topology that runs.
async fn live(name: &str) -> (Arc<MemoryRepo>, TopologyId) {
    let repo = Arc::new(MemoryRepo::new());
    let new = NewTopology::new(
        TopologyName::new(name).expect("a name"),
        Topology::builder()
            .dmz("dmz", "10.0.0.0/24")
            .build()
            .expect("a topology"),
    );
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

async fn since(stored: &mut StoredEvents) -> Vec<String> {
    let word = |envelope: Envelope| match envelope.event {
        Event::Status { to, .. } => to.to_string(),
        Event::Mutation { mutation, state, .. } => format!("{mutation} {}", state.as_str()),
        event => panic!("{event:?}"),
    };
    stored.catch_up().await.expect("news").into_iter().map(word).collect()
}

#[tokio::test]
async fn events_of_the_snapshot_are_not_returned_and_later_ones_are_returned_once() {
    let (repo, id) = live("corp").await;
    let waiting = enqueue(&repo, id, 3).await;
    let mut stored = StoredEvents::new(repo.clone(), None);
    let snapshot = stored.snapshot().await.expect("a snapshot");
    assert_eq!((snapshot.len(), snapshot[0].unfinished.len()), (1, 1));
    assert_eq!(since(&mut stored).await, [""; 0]);

    reject(&repo, 4).await;
    become_status(&repo, id, Status::Active, Status::Degraded, 6).await;
    let second = enqueue(&repo, id, 7).await;
    let expected = [
        format!("{waiting} applying"),
        format!("{waiting} rejected"),
        "degraded".into(),
        format!("{second} enqueued"),
    ];
    assert_eq!(since(&mut stored).await, expected);
    assert_eq!(since(&mut stored).await, [""; 0]);
}

#[tokio::test]
async fn events_of_the_bus_are_not_returned_again() {
    let (repo, id) = live("corp").await;
    let mut stored = StoredEvents::new(repo.clone(), None);
    stored.snapshot().await.expect("a snapshot");
    become_status(&repo, id, Status::Active, Status::Degraded, 6).await;
    let event = Event::Status {
        topology: id,
        from: Some(Status::Active),
        to: Status::Degraded,
        reason: None,
    };
    let heard = Envelope::new(event, time(6));
    assert!(stored.see(&heard));
    assert!(!stored.see(&heard), "the same change is not new");
    assert_eq!(since(&mut stored).await, [""; 0]);
}

#[tokio::test]
async fn all_of_many_mutations_between_two_reads_are_returned() {
    let (repo, id) = live("corp").await;
    let mut stored = StoredEvents::new(repo.clone(), None);
    stored.snapshot().await.expect("a snapshot");
    for second in 0..200 {
        enqueue(&repo, id, 10 + second).await;
    }
    assert_eq!(since(&mut stored).await.len(), 200);
    assert_eq!(since(&mut stored).await, [""; 0]);
}

#[tokio::test]
async fn a_topology_that_is_torn_down_is_in_the_snapshot_only_if_selected() {
    let (repo, id) = live("corp").await;
    become_status(&repo, id, Status::Active, Status::TearingDown, 6).await;
    become_status(&repo, id, Status::TearingDown, Status::TornDown, 7).await;
    let mut all = StoredEvents::new(repo.clone(), None);
    assert_eq!(all.snapshot().await.expect("a snapshot").len(), 0);
    let mut one = StoredEvents::new(repo, Some(id));
    assert_eq!(one.snapshot().await.expect("a snapshot").len(), 1);
    assert_eq!(since(&mut all).await, [""; 0]);
}

#[tokio::test]
async fn events_of_the_store_are_not_new_when_a_bus_delivers_them_later() {
    let (repo, id) = live("corp").await;
    let mut events = StoredEvents::new(repo.clone(), None);
    events.snapshot().await.expect("a snapshot");
    enqueue(&repo, id, 5).await;
    reject(&repo, 6).await;
    let seen = events.catch_up().await.expect("news");
    assert_eq!(seen.len(), 3);
    for envelope in &seen {
        assert!(!events.see(envelope), "{envelope:?}");
    }
}

#[tokio::test]
async fn deleting_a_followed_topology_is_not_an_error() {
    let (repo, id) = live("corp").await;
    let mut events = StoredEvents::new(repo.clone(), Some(id));
    events.snapshot().await.expect("a snapshot");
    become_status(&repo, id, Status::Active, Status::TearingDown, 5).await;
    become_status(&repo, id, Status::TearingDown, Status::TornDown, 6).await;
    assert_eq!(events.catch_up().await.expect("news").len(), 2);
    repo.delete(id, time(7)).await.expect("deleted");
    assert_eq!(events.catch_up().await.expect("none"), []);
    let mut late = StoredEvents::new(repo, Some(id));
    assert!(late.snapshot().await.expect("nothing").is_empty());
}

#[tokio::test]
async fn the_number_of_remembered_changes_has_a_bound() {
    let (repo, id) = live("corp").await;
    let mut stored = StoredEvents::new(repo.clone(), None);
    stored.snapshot().await.expect("a snapshot");
    let mut second = 10;
    for _ in 0..REMEMBERED_STATUSES {
        become_status(&repo, id, Status::Active, Status::Degraded, second).await;
        become_status(&repo, id, Status::Degraded, Status::Active, second + 1).await;
        assert_eq!(since(&mut stored).await, ["degraded", "active"]);
        second += 2;
    }
    assert_eq!(stored.statuses[&id].latest.len(), REMEMBERED_STATUSES);
    become_status(&repo, id, Status::Active, Status::TearingDown, second).await;
    become_status(&repo, id, Status::TearingDown, Status::TornDown, second + 1).await;
    since(&mut stored).await;
    repo.delete(id, time(second + 2)).await.expect("deleted");
    assert_eq!(since(&mut stored).await, [""; 0]);
    assert!(stored.statuses.is_empty() && stored.names.is_empty() && stored.read_at.is_empty());
}

#[tokio::test]
async fn a_late_event_of_a_mutation_that_was_finished_before_the_snapshot_is_not_new() {
    let (repo, id) = live("corp").await;
    let mut events = Vec::new();
    for second in [5, 8] {
        enqueue(&repo, id, second).await;
        reject(&repo, second + 1).await;
    }
    let mut early = StoredEvents::new(repo.clone(), None);
    events.extend(early.catch_up().await.expect("events"));
    let mut stored = StoredEvents::new(repo.clone(), None);
    stored.snapshot().await.expect("a snapshot");
    let late = events
        .iter()
        .filter(|envelope| matches!(envelope.event, Event::Mutation { .. }));
    let late: Vec<_> = late.collect();
    assert_eq!(late.len(), 6);
    for envelope in late {
        assert!(!stored.see(envelope), "{envelope:?}");
    }
    // A mutation after the snapshot is new.
    enqueue(&repo, id, 12).await;
    assert_eq!(since(&mut stored).await.len(), 1);
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
