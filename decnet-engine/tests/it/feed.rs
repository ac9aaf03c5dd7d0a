//! The event feed: a snapshot and every later event once, whatever the bus loses.

use std::{sync::Arc, time::Duration};

use decnet_engine::{AttackerAction, AttackerEvent, Bus, Envelope, Event, Feed, FeedItem, LocalBus, Place};
use decnet_topology::{
    ChangeLog as _, Edit, Intent, MemoryRepo, NewTopology, RepoError, Sequence, Status, StatusChange, Topology,
    TopologyId, TopologyName, TopologyStore as _,
};
use futures_util::StreamExt as _;
use jiff::Timestamp;

use crate::{
    bus::{Served, status},
    watch::failing_store::{FailingStore, unreachable},
};

/// Longer than any pause of a feed.
const TIMEOUT: Duration = Duration::from_secs(30);

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_900_000_000 + second).expect("a time")
}

async fn pending(repo: &MemoryRepo, name: &str) -> TopologyId {
    // Topologies of one store do not share a subnet.
    let subnet = format!("10.{}.0.0/24", name.len());
    let topology = Topology::builder().dmz("dmz", &subnet).build().expect("a topology");
    let new = NewTopology::new(TopologyName::new(name).expect("a name"), topology);
    repo.create(new, time(0)).await.expect("stored").row.id
}

/// Stores a change of status and returns its event.
async fn deploying(repo: &MemoryRepo, id: TopologyId) -> Envelope {
    let change = StatusChange::new(Status::Pending, Status::Deploying).intent(Intent::Up);
    repo.set_status(id, change, time(1)).await.expect("set");
    let event = Event::Status {
        topology: id,
        from: Some(Status::Pending),
        to: Status::Deploying,
        reason: None,
    };
    Envelope::new(event, time(1))
}

async fn next(feed: &mut Feed) -> FeedItem {
    tokio::time::timeout(TIMEOUT, feed.next())
        .await
        .expect("an item in time")
        .expect("a feed that goes on")
        .expect("a readable store")
}

/// Returns the topology, its name and the status of the next event.
async fn next_status(feed: &mut Feed) -> (TopologyId, Option<String>, Status) {
    match next(feed).await {
        FeedItem::Event {
            envelope:
                Envelope {
                    event: Event::Status { topology, to, .. },
                    ..
                },
            name,
            ..
        } => (topology, name, to),
        item => panic!("{item:?}"),
    }
}

#[tokio::test]
async fn an_event_of_bus_and_store_is_returned_once() {
    let (repo, bus) = (Arc::new(MemoryRepo::new()), LocalBus::default());
    let id = pending(&repo, "corp").await;
    let (snapshot, mut feed) = Feed::open(repo.clone(), Some(&bus), None).await.expect("a feed");
    assert_eq!(snapshot.len(), 1);
    assert_eq!((snapshot[0].row.id, snapshot[0].unfinished.len()), (id, 0));

    let envelope = deploying(&repo, id).await;
    let announcement = envelope.id;
    bus.publish(envelope.clone());
    bus.publish(envelope);
    // Only the store has this one.
    let other = pending(&repo, "other").await;
    let FeedItem::Event { envelope, name, .. } = next(&mut feed).await else {
        panic!("not an event")
    };
    assert_eq!((envelope.id, name.as_deref()), (announcement, Some("corp")));
    assert_eq!(
        next_status(&mut feed).await,
        (other, Some("other".into()), Status::Pending)
    );
}

#[tokio::test]
async fn a_slow_reader_gets_the_number_of_lost_events_and_every_status() {
    let (repo, bus) = (Arc::new(MemoryRepo::new()), LocalBus::default());
    let id = pending(&repo, "corp").await;
    let (_, mut feed) = Feed::open(repo.clone(), Some(&bus), None).await.expect("a feed");
    deploying(&repo, id).await;
    let elsewhere = pending(&repo, "elsewhere").await;
    // Nothing else runs until the first await: the bus drops all but its last 4096 events.
    for second in 0..5000 {
        bus.publish(Envelope::new(status(elsewhere, Status::Active).event, time(second)));
    }
    let mut lost = 0;
    let mut found = false;
    while !found {
        match next(&mut feed).await {
            FeedItem::Lagged(count) => lost += count,
            FeedItem::Event { envelope, .. } => {
                found =
                    matches!(envelope.event, Event::Status { topology, to: Status::Deploying, .. } if topology == id);
            }
            item => panic!("{item:?}"),
        }
    }
    assert_eq!(lost, 5000 - 4096);
}

#[tokio::test]
async fn one_topology_can_be_selected() {
    let (repo, bus) = (Arc::new(MemoryRepo::new()), LocalBus::default());
    let (mine, other) = (pending(&repo, "mine").await, pending(&repo, "other").await);
    let (snapshot, mut feed) = Feed::open(repo.clone(), Some(&bus), Some(mine)).await.expect("a feed");
    assert_eq!(snapshot.len(), 1);
    bus.publish(deploying(&repo, other).await);
    bus.publish(deploying(&repo, mine).await);
    assert_eq!(next_status(&mut feed).await.0, mine);
}

/// What an attacker did, as several loops publish it.
fn attacker(topology: TopologyId, entry: &str) -> Envelope {
    let event = AttackerEvent {
        topology,
        origin: Place::Outside([192, 0, 2, 7].into()),
        decky: "web".parse().expect("a name"),
        service: None,
        entry: entry.into(),
        action: AttackerAction::Observed,
    };
    Envelope::new(Event::Attacker(event), time(2))
}

#[tokio::test]
async fn an_event_about_an_attacker_is_returned_once_and_only_for_the_selected_topology() {
    let (repo, bus) = (Arc::new(MemoryRepo::new()), LocalBus::default());
    let (mine, other) = (pending(&repo, "mine").await, pending(&repo, "other").await);
    let (_, mut feed) = Feed::open(repo.clone(), Some(&bus), Some(mine)).await.expect("a feed");
    bus.publish(attacker(other, "1"));
    for _ in 0..2 {
        bus.publish(attacker(mine, "2"));
    }
    bus.publish(deploying(&repo, mine).await);
    match next(&mut feed).await {
        FeedItem::Event {
            envelope,
            name,
            sequence,
        } => {
            assert_eq!((envelope.topic().as_str(), sequence), ("attacker.observed", None));
            assert_eq!((envelope.event.topology(), name.as_deref()), (Some(mine), Some("mine")));
        }
        item => panic!("{item:?}"),
    }
    assert_eq!(next_status(&mut feed).await.0, mine);
}

#[tokio::test]
async fn the_reader_learns_when_the_bus_is_lost_and_found() {
    let repo = Arc::new(MemoryRepo::new());
    let served = Served::new();
    let bus = decnet_engine::UnixBus::new(served.path(), "follower");
    let (_, mut feed) = Feed::open(repo.clone(), Some(&bus), None).await.expect("a feed");
    let folder = served.stop().await;
    assert_eq!(next(&mut feed).await, FeedItem::BusLost);
    // Without the bus the store is read.
    let id = pending(&repo, "corp").await;
    assert_eq!(next_status(&mut feed).await.0, id);

    let _served = Served::again(folder);
    assert_eq!(next(&mut feed).await, FeedItem::BusFound);
}

/// Returns the number, the maze and the topic without its id of the next change.
async fn next_change(feed: &mut Feed) -> (Sequence, String, String) {
    match next(feed).await {
        FeedItem::Event {
            envelope,
            name: Some(name),
            sequence: Some(sequence),
        } => {
            assert_eq!(feed.sequence(), sequence);
            let topic = envelope.topic();
            (sequence, name, topic.rsplit_once('.').expect("a topic").1.to_owned())
        }
        item => panic!("{item:?}"),
    }
}

#[tokio::test]
async fn a_reader_that_resumes_gets_the_changes_that_it_missed_and_no_other() {
    let (repo, bus) = (Arc::new(MemoryRepo::new()), LocalBus::default());
    let id = pending(&repo, "corp").await;
    let (_, mut feed) = Feed::open(repo.clone(), Some(&bus), None).await.expect("a feed");
    bus.publish(deploying(&repo, id).await);
    let (last, ..) = next_change(&mut feed).await;
    drop(feed);
    let other = pending(&repo, "other").await;
    repo.delete(other, None, time(2)).await.expect("deleted");
    let missed = [("other", "status"), ("other", "deleted")];
    for only in [None, Some(id), Some(other)] {
        let resumed = Feed::resume(repo.clone(), Some(&bus), only, last).await;
        let (snapshot, mut feed) = resumed.expect("a feed");
        assert!(snapshot.is_none(), "nothing is missing");
        assert_eq!(feed.sequence(), last);
        let missed = if only == Some(id) { &missed[..0] } else { &missed };
        let mut before = last;
        for (maze, what) in missed {
            let (sequence, name, topic) = next_change(&mut feed).await;
            assert_eq!((name.as_str(), topic.as_str()), (*maze, *what));
            assert!(sequence > before);
            before = sequence;
        }
        // The steps of a maze that was not mentioned since have its name.
        bus.publish(attacker(id, "1"));
        if only != Some(other) {
            let FeedItem::Event { name, sequence, .. } = next(&mut feed).await else {
                panic!("not an event")
            };
            assert_eq!((name.as_deref(), sequence), (Some("corp"), None));
        }
    }
}

#[tokio::test]
async fn a_reader_that_missed_too_much_gets_the_current_state() {
    let repo = Arc::new(MemoryRepo::new());
    let id = pending(&repo, "corp").await;
    deploying(&repo, id).await;
    let latest = repo.latest_change().await.expect("a number");
    let foreign = Sequence::new(latest.get() + 1);
    repo.trim_changes(1).await.expect("trimmed");
    for (after, is_kept) in [
        (0, false),
        (latest.get() - 1, true),
        (latest.get(), true),
        (foreign.get(), false),
    ] {
        let resumed = Feed::resume(repo.clone(), None, None, Sequence::new(after)).await;
        let (snapshot, feed) = resumed.expect("a feed");
        assert_eq!(snapshot.is_none(), is_kept, "after {after}");
        if let Some(snapshot) = snapshot {
            assert_eq!(snapshot[0].row.status, Status::Deploying);
            assert_eq!(feed.sequence(), latest);
        }
    }
}

#[tokio::test]
async fn a_reader_that_is_slower_than_the_log_learns_how_many_changes_are_missing() {
    let repo = Arc::new(MemoryRepo::new());
    let (_, mut feed) = Feed::open(repo.clone(), None, None).await.expect("a feed");
    assert_eq!(next(&mut feed).await, FeedItem::BusLost);
    for name in ["a", "bb", "ccc", "dddd"] {
        pending(&repo, name).await;
    }
    repo.trim_changes(1).await.expect("trimmed");
    assert_eq!(next(&mut feed).await, FeedItem::Lagged(3));
    assert_eq!(next_change(&mut feed).await.1, "dddd");
}

#[tokio::test]
async fn an_event_of_a_bus_without_a_change_in_the_store_is_not_returned() {
    let (repo, bus) = (Arc::new(MemoryRepo::new()), LocalBus::default());
    let id = pending(&repo, "corp").await;
    let (_, mut feed) = Feed::open(repo.clone(), Some(&bus), None).await.expect("a feed");
    // The bus is ahead of the store, and says it twice.
    let early = status(id, Status::Deploying);
    bus.publish(early.clone());
    bus.publish(early);
    bus.publish(attacker(id, "1"));
    let FeedItem::Event { sequence: None, .. } = next(&mut feed).await else {
        panic!("not the attacker")
    };
    deploying(&repo, id).await;
    assert_eq!(next_change(&mut feed).await.2, "status");
}

#[tokio::test]
async fn an_event_of_the_bus_stays_between_the_changes_around_it() {
    let (repo, bus) = (Arc::new(MemoryRepo::new()), LocalBus::default());
    let id = pending(&repo, "corp").await;
    let (_, mut feed) = Feed::open(repo.clone(), Some(&bus), None).await.expect("a feed");
    // The log has all changes before the first announcement is read.
    let first = deploying(&repo, id).await;
    let unannounced = pending(&repo, "other").await;
    repo.delete(unannounced, None, time(2)).await.expect("deleted");
    let last = Envelope::new(Event::Deleted { topology: unannounced }, time(2));
    for envelope in [first, attacker(id, "1"), last] {
        bus.publish(envelope);
    }
    let mut topics = Vec::new();
    for _ in 0..4 {
        let FeedItem::Event { envelope, .. } = next(&mut feed).await else {
            panic!("not an event")
        };
        topics.push(envelope.topic().rsplit('.').next().expect("its end").to_owned());
    }
    assert_eq!(topics, ["status", "observed", "status", "deleted"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_that_connects_again_and_again_gets_every_change_once() {
    const EDITS: u64 = 1500;
    let (repo, bus) = (Arc::new(MemoryRepo::new()), Arc::new(LocalBus::default()));
    let id = pending(&repo, "corp").await;
    let (writing, publishing) = (repo.clone(), bus.clone());
    let writer = tokio::spawn(async move {
        let maze = Topology::builder()
            .dmz("dmz", "10.4.0.0/24")
            .build()
            .expect("a topology");
        for second in 0..EDITS {
            let edited = writing.edit(id, Edit::new(maze.clone()), time(2)).await;
            let (topology, version) = (id, edited.expect("edited").row.version);
            // Some changes are announced twice, late, or not at all.
            for _ in 0..second % 3 {
                publishing.publish(Envelope::new(Event::Edited { topology, version }, time(2)));
            }
            tokio::task::yield_now().await;
        }
    });
    let mut read = vec![Sequence::new(1)];
    let mut connections = 0;
    while read.len() as u64 <= EDITS {
        let after = *read.last().expect("a number");
        let resumed = Feed::resume(repo.clone(), Some(bus.as_ref()), Some(id), after).await;
        let (snapshot, mut feed) = resumed.expect("a feed");
        assert!(snapshot.is_none());
        connections += 1;
        for _ in 0..=connections % 4 {
            if read.len() as u64 <= EDITS {
                read.push(next_change(&mut feed).await.0);
            }
        }
    }
    writer.await.expect("it wrote");
    assert!(connections > 500, "{connections} connections");
    assert!(read.iter().map(|sequence| sequence.get()).eq(1..=EDITS + 1), "{read:?}");
}

/// A feed on a store that may fail, without a bus.
async fn on_a_failing_store() -> (FailingStore, Feed) {
    let store = FailingStore::default();
    let opened = Feed::open(Arc::new(store.clone()), None, None).await;
    let (_, mut feed) = opened.expect("a feed");
    assert_eq!(next(&mut feed).await, FeedItem::BusLost);
    (store, feed)
}

#[tokio::test(start_paused = true)]
async fn a_feed_goes_on_after_a_database_could_not_be_reached() {
    let (store, mut feed) = on_a_failing_store().await;
    store.fail(Some(|_| Some(unreachable())));
    let missed = pending(store.sound(), "corp").await;
    assert_eq!(next(&mut feed).await, FeedItem::StoreLost(unreachable().to_string()));
    let silence = tokio::time::timeout(Duration::from_mins(10), feed.next()).await;
    assert!(silence.is_err(), "{silence:?}");
    let tries = store.failures();
    assert!((50..150).contains(&tries), "{tries} tries in ten minutes");
    store.fail(None);
    let later = pending(store.sound(), "other").await;
    assert_eq!(next_status(&mut feed).await.0, missed);
    assert_eq!(next_status(&mut feed).await.0, later);
    assert_eq!(next(&mut feed).await, FeedItem::StoreFound);
    // The next fault begins with a short pause again.
    store.fail(Some(|_| Some(unreachable())));
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(store.failures() >= 2, "{} tries", store.failures());
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_is_dropped_no_longer_asks_a_database_that_could_not_be_reached() {
    let (store, feed) = on_a_failing_store().await;
    store.fail(Some(|_| Some(unreachable())));
    tokio::time::sleep(TIMEOUT).await;
    drop(feed);
    let tries = store.failures();
    tokio::time::sleep(TIMEOUT).await;
    assert!(tries > 0 && store.failures() == tries);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_otherwise_ends_the_feed() {
    let (store, mut feed) = on_a_failing_store().await;
    store.fail(Some(|_| Some(RepoError::Locked)));
    let ended = feed.next().await;
    assert!(matches!(ended, Some(Err(RepoError::Locked))), "{ended:?}");
    assert!(feed.next().await.is_none());
}

#[tokio::test]
async fn a_feed_is_a_stream() {
    let repo = Arc::new(MemoryRepo::new());
    let (_, feed) = Feed::open(repo.clone(), None, None).await.expect("a feed");
    pending(&repo, "corp").await;
    let items: Vec<_> = tokio::time::timeout(TIMEOUT, feed.take(2).collect())
        .await
        .expect("items in time");
    assert!(
        matches!(items[..], [Ok(FeedItem::BusLost), Ok(FeedItem::Event { .. })]),
        "{items:?}"
    );
}

#[tokio::test]
async fn a_subscription_is_a_stream() {
    let bus = LocalBus::default();
    let subscription = bus.subscribe(&["topology.>".parse().expect("a pattern")]);
    let envelope = status(decnet_topology::rng::topology_id(), Status::Active);
    bus.publish(envelope.clone());
    drop(bus);
    let received: Vec<_> = subscription.collect().await;
    assert_eq!(received, [decnet_engine::Received::Event(envelope)]);
}
