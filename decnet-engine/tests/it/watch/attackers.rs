//! The loop publishes what attackers do.

use std::sync::Arc;

use decnet_engine::{AttackerAction, AttackerEvent, Bus as _, ContainerName, Event, LocalBus, Received};
use jiff::Timestamp;
use serde_json::json;

use super::{Keeper, Lab, SECOND, by_polls};

fn line(sequence: u64, source: &str, action: &str, session: &str) -> String {
    json!({
        "@timestamp": "2030-01-01T00:00:00.000Z",
        "event": {"action": action, "kind": "event", "category": [], "type": [], "sequence": sequence},
        "host": {"name": "files"}, "service": {"name": "smb"}, "source": {"ip": source}, "decnet": {"session": session},
    })
    .to_string()
}

fn print(lab: &Lab, container: &ContainerName, text: &str) -> bool {
    lab.docker().print_at(container, Timestamp::now(), text)
}

async fn next(events: &mut decnet_engine::Subscription) -> AttackerEvent {
    let received = tokio::time::timeout(60 * SECOND, events.recv()).await;
    match received.expect("an event in time") {
        Some(Received::Event(envelope)) => match envelope.event {
            Event::Attacker(event) => event,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_visit_is_published_with_the_path_of_the_attacker_also_after_an_outage() {
    let bus = Arc::new(LocalBus::default());
    let lab = Lab::with_bus(bus.clone());
    let id = lab.deploy(0).await;
    let files = lab.container(id, "files.smb");
    let mut events = bus.subscribe(&["attacker.>".parse().expect("a pattern")]);
    // This was before the start: the attacker is known then, and not published.
    assert!(print(&lab, &files, &line(1, "192.0.2.9", "probe", "a0")));
    std::thread::sleep(std::time::Duration::from_millis(5));
    let keeper = Keeper::start(&lab.engine, by_polls(10 * SECOND).attackers(true));
    tokio::time::sleep(2 * SECOND).await;
    assert!(print(&lab, &files, &line(2, "192.0.2.7", "session.open", "a1")));
    let observed = next(&mut events).await;
    assert_eq!(
        (observed.topology, observed.origin.to_string().as_str()),
        (id, "192.0.2.7")
    );
    assert_eq!(observed.action, AttackerAction::Observed);
    assert!(matches!(next(&mut events).await.action, AttackerAction::Moved { path } if path.len() == 1));
    assert!(matches!(next(&mut events).await.action, AttackerAction::SessionStarted { session } if session == "a1"));

    lab.docker().go_away();
    tokio::time::sleep(30 * SECOND).await;
    assert!(print(&lab, &files, &line(3, "192.0.2.7", "session.close", "a1")));
    lab.docker().reconnect();
    assert!(matches!(next(&mut events).await.action, AttackerAction::SessionEnded { session } if session == "a1"));
    keeper.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_conversation_is_published_when_its_container_is_removed() {
    let bus = Arc::new(LocalBus::default());
    let lab = Lab::with_bus(bus.clone());
    let id = lab.deploy(0).await;
    let files = lab.container(id, "files.smb");
    let mut events = bus.subscribe(&["attacker.session.>".parse().expect("a pattern")]);
    let keeper = Keeper::start(&lab.engine, by_polls(10 * SECOND).attackers(true));
    tokio::time::sleep(2 * SECOND).await;
    assert!(print(&lab, &files, &line(1, "192.0.2.7", "session.open", "a1")));
    let started = next(&mut events).await;
    assert!(matches!(&started.action, AttackerAction::SessionStarted { session } if session == "a1"));
    assert!(lab.docker().remove(&files));
    let ended = next(&mut events).await;
    assert!(matches!(&ended.action, AttackerAction::SessionEnded { session } if session == "a1"));
    assert_eq!(ended.entry, started.entry, "its end has no line");
    keeper.end().await;
}
