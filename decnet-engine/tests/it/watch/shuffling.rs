//! Deckies that get other services on a schedule, or because an event asks for it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use decnet_engine::{Bus, Envelope, Event, LocalBus, Timeline, Trigger};
use decnet_topology::{
    DeploySettings, MutationFilter, MutationState, MutationTrigger, Name, ServiceName, Shuffle, ShuffleSource,
    Shuffles, SignedDuration, TopologyId,
};
use jiff::Timestamp;

use super::{Keeper, Lab, SECOND, by_events, engine, heard, settle, until};

fn files() -> Name {
    "files".parse().expect("a name")
}

/// Gives the decky `files` a rule, as if it had been stored some minutes ago.
async fn shuffle_since(lab: &Lab, id: TopologyId, minutes: i64) {
    let from = ["ftp", "ssh"].map(ServiceName::new);
    let rule = Shuffle::new(Duration::from_mins(1), ShuffleSource::Services(from.into())).expect("a rule");
    let settings = DeploySettings::default().shuffles(Shuffles::default().decky(files(), rule));
    let at = Timestamp::now() - SignedDuration::from_mins(minutes);
    lab.repo.set_settings(id, settings, None, at).await.expect("stored");
}

async fn services(lab: &Lab, id: TopologyId) -> BTreeSet<ServiceName> {
    let topology = lab.repo.load(id).await.expect("stored").topology;
    topology.decky_named(&files()).expect("a decky").services().clone()
}

#[tokio::test(start_paused = true)]
async fn a_decky_that_was_due_many_times_is_shuffled_once_by_one_of_two_loops() {
    let bus = Arc::new(LocalBus::default());
    let lab = Lab::with_bus(bus.clone());
    let id = lab.deploy(0).await;
    shuffle_since(&lab, id, 30).await;
    let mut events = bus.subscribe(&["decky.>".parse().expect("a pattern")]);
    let before = services(&lab, id).await;
    let other = engine(lab.repo.clone(), &lab.stage, Some(bus));
    let keepers = [
        Keeper::start(&lab.engine, by_events()),
        Keeper::start(&other, by_events()),
    ];
    until!(services(&lab, id).await != before);
    until!(lab.unfinished().await == 0);
    settle().await;
    let rows = lab
        .repo
        .mutations(&MutationFilter::default())
        .await
        .expect("listed")
        .rows;
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(
        (row.trigger, row.state),
        (MutationTrigger::Scheduled, MutationState::Applied)
    );
    let decky = heard(&mut events).into_iter().find_map(|event| match event {
        Event::Decky(event) => Some(event.trigger),
        _ => None,
    });
    assert_eq!(decky, Some(Trigger::Scheduled));
    let stored = lab.repo.load(id).await.expect("stored");
    let timeline = Timeline::load(lab.repo.as_ref(), &stored).await.expect("the trail");
    let now = timeline.decky(&files()).and_then(|decky| decky.at(Timestamp::now()));
    assert_eq!(now.map(|moment| moment.trigger), Some(Trigger::Scheduled));
    let next = lab.engine.next_shuffle(id).await.expect("computed").expect("a rule");
    assert!(
        next.0 > row.enqueued_at - SignedDuration::from_secs(1) && next.1 == files(),
        "{next:?}"
    );
    for keeper in keepers {
        keeper.end().await;
    }
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
