//! Deckies that get other services on a schedule, or because an event asks for it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use decnet_engine::{Bus, Envelope, Event, LocalBus};
use decnet_topology::{
    DeploySettings, MutationFilter, MutationState, MutationTrigger, Name, ServiceName, Shuffle, ShuffleKey,
    ShuffleSource, Shuffles, SignedDuration, TopologyId,
};
use jiff::Timestamp;

use super::{Keeper, Lab, SECOND, by_events, by_polls, engine, settle, until};

pub(super) fn files() -> Name {
    "files".parse().expect("a name")
}

/// Gives the decky `files` a rule, as if it had been stored some days ago. The interval is a day, so that no other shuffle is due
/// during a test.
pub(super) async fn shuffle_since(lab: &Lab, id: TopologyId, days: i64) {
    let at = Timestamp::now() - SignedDuration::from_hours(24 * days);
    store_rule(lab, id, rule(Duration::from_hours(24)), at).await;
}

fn rule(every: Duration) -> Shuffle {
    let from = ["ftp", "ssh"].map(ServiceName::new);
    Shuffle::new(every, ShuffleSource::Services(from.into())).expect("a rule")
}

async fn store_rule(lab: &Lab, id: TopologyId, rule: Shuffle, at: Timestamp) {
    let settings = DeploySettings::default().shuffles(Shuffles::default().decky(files(), rule));
    lab.repo.set_settings(id, settings, None, at).await.expect("stored");
}

/// Gives the decky `files` a rule by which it is due in one or two seconds, and returns that time.
pub(super) async fn due_soon(lab: &Lab, id: TopologyId) -> Timestamp {
    let topology = lab.repo.load(id).await.expect("stored").topology;
    let decky = topology.decky_named(&files()).expect("a decky").id();
    let key = ShuffleKey::new(&lab.repo.secret().await.expect("a secret"), id, decky);
    let now = Timestamp::now();
    let soon = now + SignedDuration::from_secs(1)..now + SignedDuration::from_secs(2);
    // Each interval has due times of its own; one of sixty or more is soon.
    let mut rules = (0..60_000).map(|more| rule(Duration::from_mins(1) + Duration::from_millis(more)));
    let found = rules.find_map(|rule| {
        let due = key.due_after(&rule, now).filter(|due| soon.contains(due))?;
        Some((rule, due))
    });
    let (rule, due) = found.expect("a rule");
    store_rule(lab, id, rule, now).await;
    due
}

/// The clock is real, because a shuffle is due by the clock of the machine.
#[tokio::test]
async fn a_decky_is_shuffled_when_it_is_due_without_a_poll() {
    let lab = Lab::new();
    let id = lab.deploy(0).await;
    let due = due_soon(&lab, id).await;
    let keeper = Keeper::start(&lab.engine, by_events());
    let is_shuffled = async {
        until!(
            !lab.repo
                .mutations(&MutationFilter::default())
                .await
                .expect("listed")
                .rows
                .is_empty()
        )
    };
    tokio::time::timeout(60 * SECOND, is_shuffled)
        .await
        .expect("it is shuffled");
    let page = lab.repo.mutations(&MutationFilter::default()).await.expect("listed");
    let row = &page.rows[0];
    assert_eq!(row.trigger, MutationTrigger::Scheduled);
    assert!(row.enqueued_at >= due, "{row:?} is due at {due}");
    until!(lab.unfinished().await == 0);
    keeper.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_ahead_does_not_stop_the_shuffles() {
    let lab = Lab::new();
    let id = lab.deploy(0).await;
    shuffle_since(&lab, id, 0).await;
    let keeper = Keeper::start(&lab.engine, by_polls(SECOND));
    settle().await;
    let next = async || lab.engine.next_shuffle(id).await.expect("computed").expect("a rule").0;
    let (before, row) = (next().await, lab.repo.get(id).await.expect("a row"));
    let later = Timestamp::now() + SignedDuration::from_hours(24 * 365);
    let done = lab
        .repo
        .enqueue_shuffles(id, Vec::new(), later, row.version, later)
        .await;
    assert_eq!(done.expect("stored"), []);
    assert!(next().await > later);
    until!(next().await == before);
    keeper.end().await;
}

pub(super) async fn services(lab: &Lab, id: TopologyId) -> BTreeSet<ServiceName> {
    let topology = lab.repo.load(id).await.expect("stored").topology;
    topology.decky_named(&files()).expect("a decky").services().clone()
}

#[tokio::test(start_paused = true)]
async fn a_request_on_the_bus_shuffles_a_decky_once_and_others_are_ignored() {
    let bus = Arc::new(LocalBus::default());
    let lab = Lab::with_bus(bus.clone());
    let id = lab.deploy(0).await;
    shuffle_since(&lab, id, 0).await;
    let other = engine(lab.repo.clone(), &lab.stage, Some(bus.clone()));
    let keepers = [
        Keeper::start(&lab.engine, by_events()),
        Keeper::start(&other, by_events()),
    ];
    settle().await;
    let before = services(&lab, id).await;
    let request = |topology, decky: &str| {
        let decky = decky.parse().expect("a name");
        bus.publish(Envelope::new(
            Event::ShuffleRequest { topology, decky },
            Timestamp::now(),
        ));
    };
    request(id, "nobody");
    request(decnet_topology::rng::topology_id(), "files");
    request(id, "web");
    for _ in 0..20 {
        request(id, "files");
    }
    until!(services(&lab, id).await != before);
    until!(lab.unfinished().await == 0);
    tokio::time::sleep(5 * SECOND).await;
    let rows = lab
        .repo
        .mutations(&MutationFilter::default())
        .await
        .expect("listed")
        .rows;
    let asked: Vec<_> = rows
        .iter()
        .filter(|row| row.trigger == MutationTrigger::Operator)
        .collect();
    let [row] = &asked[..] else { panic!("{rows:?}") };
    assert_eq!(
        (row.actor.as_deref(), row.state),
        (Some("mutate_request"), MutationState::Applied)
    );
    for keeper in keepers {
        keeper.end().await;
    }
}
