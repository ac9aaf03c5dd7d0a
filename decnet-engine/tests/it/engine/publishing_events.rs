//! The events that the engine publishes.

use std::sync::Arc;

use decnet_engine::ReapOptions;
use decnet_engine::{
    Bus, DeckyEvent, DecoyImage, Engine, EngineOptions, Event, LocalBus, Pattern, Received, StepState, Subscription,
};
use decnet_topology::{Catalog, Status};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Lab, small};

fn events(subscription: &mut Subscription) -> Vec<Event> {
    let next = || match subscription.try_recv()? {
        Received::Event(envelope) => Some(envelope.event),
        Received::Lagged(lost) => panic!("{lost} events were lost"),
    };
    std::iter::from_fn(next).collect()
}

/// Returns the changes of deckies: name, services before and after, and the trigger.
fn deckies(events: &[Event]) -> Vec<String> {
    let words = |services: &std::collections::BTreeSet<decnet_topology::ServiceName>| {
        let words: Vec<&str> = services.iter().map(decnet_topology::ServiceName::as_str).collect();
        format!("[{}]", words.join(" "))
    };
    let line = |event: &Event| match event {
        Event::Decky(DeckyEvent {
            decky,
            old_services,
            new_services,
            trigger,
            ..
        }) => Some(format!(
            "{decky} {} -> {} {trigger}",
            words(old_services),
            words(new_services)
        )),
        _ => None,
    };
    events.iter().filter_map(line).collect()
}

#[tokio::test]
async fn events_of_deckies_are_published_for_creation_healing_and_removal() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let mut heard = lab.engine.events();
    lab.deploy(id).await.expect("deployed");
    let reported = events(&mut heard);
    let expected = ["files [] -> [smb] creation", "web [] -> [http ssh] creation"];
    assert_eq!(deckies(&reported), expected);
    assert!(matches!(
        reported.last(),
        Some(Event::Status {
            from: Some(Status::Deploying),
            to: Status::Active,
            ..
        })
    ));

    lab.reconcile(id).await.expect("nothing to do");
    assert_eq!(deckies(&events(&mut heard)), [""; 0]);

    let world = lab.docker.world();
    let named = |end: &str| {
        world
            .containers
            .keys()
            .find(|name| name.as_str().ends_with(end))
            .cloned()
            .expect(end)
    };
    assert!(lab.docker.remove(&named("_files")));
    assert!(lab.docker.remove(&named("_web.ssh")));
    lab.reconcile(id).await.expect("healed");
    let reported = deckies(&events(&mut heard));
    assert_eq!(
        reported,
        ["files [smb] -> [smb] healer", "web [http] -> [http ssh] healer"]
    );

    assert!(lab.docker.remove(&named("_web.ssh")));
    lab.deploy(id).await.expect("redeployed");
    let reported = deckies(&events(&mut heard));
    assert_eq!(
        reported,
        ["web [http] -> [http ssh] operator"],
        "a deploy has the trigger operator"
    );

    lab.teardown(id).await.expect("torn down");
    let expected = ["files [smb] -> [] retirement", "web [http ssh] -> [] retirement"];
    assert_eq!(deckies(&events(&mut heard)), expected);
}

#[tokio::test]
async fn an_undone_deploy_publishes_no_event_of_a_decky() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let mut heard = lab.engine.events();
    lab.docker
        .fail(5, decnet_engine::simulated::Moment::Before, super::lifecycle::refused());
    lab.deploy(id).await.expect_err("fails");
    assert_eq!(deckies(&events(&mut heard)), [""; 0]);
}

#[tokio::test]
async fn a_reap_publishes_its_steps_and_the_removed_deckies() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    // A store without the topology: its engine finds the remains by their label.
    let other = Lab::sharing(lab.docker.clone());
    let instance = decnet_topology::TopologyStore::instance(lab.repo.as_ref())
        .await
        .expect("an id");
    let mut heard = other.engine.events();
    let cancel = CancellationToken::new();
    let report = other
        .engine
        .reap(ReapOptions::default().instance(instance), &cancel)
        .await
        .expect("reaped");
    assert!(report.is_clean());
    let reported = events(&mut heard);
    let done = reported.iter().filter(|event| {
        matches!(event, Event::Step { progress, .. } if matches!(progress.state, StepState::Done { changed: true, .. }))
    });
    assert_eq!(done.count(), report.orphans[0].plan.steps().len());
    assert_eq!(deckies(&reported).len(), 2);
    assert!(reported.iter().all(|event| event.topology() == Some(id)));
}

#[tokio::test]
async fn the_bus_of_the_options_gets_all_events_of_the_engine() {
    let lab = Lab::new();
    let bus = LocalBus::default();
    let options = EngineOptions::new(Catalog::builtin()).image(Arc::new(DecoyImage::pack(b"a program")));
    let engine = Engine::new(
        lab.repo.clone(),
        Arc::new(lab.docker.clone()),
        options.bus(Arc::new(bus.clone())),
    );
    let id = lab.store("maze", small()).await;
    let (mut own, mut shared) = (engine.events(), bus.subscribe(&[Pattern::everything()]));
    engine.teardown(id, &CancellationToken::new()).await.expect("torn down");
    let reported = events(&mut own);
    assert!(!reported.is_empty());
    assert_eq!(events(&mut shared), reported);
}

#[tokio::test]
async fn the_event_of_a_status_has_the_stored_time() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let mut heard = lab.engine.events();
    lab.deploy(id).await.expect("deployed");
    let mut reported: Vec<(Status, Timestamp)> = Vec::new();
    while let Some(Received::Event(envelope)) = heard.try_recv() {
        if let Event::Status { to, .. } = envelope.event {
            reported.push((to, envelope.at));
        }
    }
    let stored = decnet_topology::TopologyStore::status_events(lab.repo.as_ref(), id)
        .await
        .expect("events");
    let stored: Vec<_> = stored.iter().skip(1).map(|event| (event.to, event.at)).collect();
    assert_eq!(reported, stored);
    assert_eq!(reported.len(), 2);
}
