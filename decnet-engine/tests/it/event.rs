//! The format of events on the wire.

use std::time::Duration;

use decnet_engine::{
    AttackerAction, AttackerEvent, DeckyEvent, Envelope, Event, Health, Lane, MutationStage, Place, Progress,
    StepState, Trigger,
};
use decnet_topology::{MutationId, Name, Status, TopologyId};
use jiff::Timestamp;
use serde_json::{Value, json};

fn topology() -> TopologyId {
    "0e7a1c52-6a53-4f5e-9d0c-1f2e3d4c5b6a".parse().expect("an id")
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

/// One event of every kind and every topic.
fn one_of_each() -> Vec<Event> {
    let topology = topology();
    let mutation = |state, reason: Option<&str>| Event::Mutation {
        topology,
        mutation: MutationId::new(7),
        op: "add_decky".into(),
        state,
        actor: Some("ops".into()),
        reason: reason.map(Into::into),
    };
    let step = |state| Event::Step {
        topology,
        progress: Progress {
            step: 3,
            text: "create network decnet_t_0e7a1c52_.dmz 10.0.0.0/24".into(),
            lane: Lane::Network,
            undo: false,
            state,
        },
    };
    let attacker = |action| {
        Event::Attacker(AttackerEvent {
            topology,
            origin: Place::Outside([192, 0, 2, 7].into()),
            decky: name("Web-01"),
            service: Some("ssh".into()),
            entry: "0123456789ab-1-0".into(),
            action,
        })
    };
    vec![
        Event::Status {
            topology,
            from: Some(Status::Deploying),
            to: Status::Degraded,
            reason: Some("container x does not run".into()),
        },
        Event::Status {
            topology,
            from: None,
            to: Status::Pending,
            reason: None,
        },
        mutation(MutationStage::Enqueued, None),
        mutation(MutationStage::Applying, None),
        mutation(MutationStage::Applied, None),
        mutation(MutationStage::Rejected, Some("no such LAN")),
        mutation(MutationStage::Failed, Some("Docker refused")),
        Event::Planned {
            topology,
            steps: 12,
            deleted_logs: Vec::new(),
        },
        step(StepState::Started),
        step(StepState::Done {
            changed: true,
            took: Duration::from_micros(1_500),
        }),
        step(StepState::Failed { error: "no".into() }),
        step(StepState::Skipped),
        Event::Decky(DeckyEvent {
            topology,
            decky: name("Web-01"),
            old_services: ["ssh".into()].into(),
            new_services: ["http".into(), "ssh".into()].into(),
            trigger: Trigger::Operator,
        }),
        attacker(AttackerAction::Observed),
        attacker(AttackerAction::SessionStarted { session: "a1".into() }),
        attacker(AttackerAction::SessionEnded { session: "a1".into() }),
        attacker(AttackerAction::Moved {
            path: vec![Place::Outside([192, 0, 2, 7].into()), Place::Decky(name("gate"))],
        }),
        Event::Health(Health {
            worker: name("host-1-4711"),
            pid: 4711,
            started_at: "2030-01-01T00:00:00Z".parse().expect("a time"),
            topologies: 3,
            busy: 1,
        }),
    ]
}

fn envelope(event: Event) -> Envelope {
    Envelope {
        id: "5f0c0a3e-8c1d-4b7e-a1b2-c3d4e5f60718".parse().expect("an id"),
        at: "2030-01-01T00:00:01.5Z".parse().expect("a time"),
        event,
    }
}

#[test]
fn every_event_is_written_in_the_released_format() {
    let lines: Vec<String> = one_of_each()
        .into_iter()
        .map(|event| serde_json::to_string(&envelope(event)).expect("JSON"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn every_event_is_read_as_it_was_written() {
    for event in one_of_each() {
        let envelope = envelope(event);
        let text = serde_json::to_string(&envelope).expect("JSON");
        assert_eq!(serde_json::from_str::<Envelope>(&text).expect(&text), envelope);
    }
}

#[test]
fn an_envelope_has_these_keys_and_no_others() {
    for event in one_of_each() {
        let value = serde_json::to_value(envelope(event)).expect("JSON");
        let keys: Vec<&String> = value.as_object().expect("a map").keys().collect();
        assert_eq!(keys, ["id", "payload", "topic", "ts", "type", "v"]);
        assert!(value["payload"].is_object(), "{value}");
    }
}

#[test]
fn two_envelopes_of_one_event_have_different_ids() {
    let event = one_of_each().remove(0);
    let (one, other) = (
        Envelope::new(event.clone(), Timestamp::UNIX_EPOCH),
        Envelope::new(event, Timestamp::UNIX_EPOCH),
    );
    assert_ne!(one.id, other.id);
}

#[track_caller]
fn refused(change: impl Fn(&mut Value), why: &str) {
    let mut value = serde_json::to_value(envelope(one_of_each().remove(0))).expect("JSON");
    change(&mut value);
    let error = serde_json::from_value::<Envelope>(value).expect_err(why).to_string();
    assert!(error.contains(why), "{error}");
}

#[test]
fn an_invalid_envelope_is_refused() {
    refused(|value| value["v"] = json!(2), "version 2");
    refused(
        |value| value["type"] = json!("gossip"),
        "not a valid event of type `gossip`",
    );
    refused(
        |value| value["payload"]["to"] = json!("asleep"),
        "not a valid event of type `status`",
    );
    refused(
        |value| value["payload"] = json!([]),
        "not a valid event of type `status`",
    );
    refused(
        |value| value["topic"] = json!("topology.1.status"),
        "the topic is `topology.1.status`",
    );
    refused(|value| value["ts"] = json!("yesterday"), "");
    refused(|value| value["id"] = json!("7"), "");
    refused(
        |value| {
            value.as_object_mut().expect("a map").remove("ts");
        },
        "missing field `ts`",
    );
}
