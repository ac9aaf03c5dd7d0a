use decnet_topology::{id::EventId, rng};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Event;

/// The version of the envelope.
const VERSION: u32 = 1;

/// An event on its way: when it happened, and an id to tell it from others that say the same.
///
/// On the wire `{"v": 1, "id": …, "topic": …, "type": …, "ts": …, "payload": {…}}`. The topic follows from the event; an envelope
/// that says another is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Wire", try_from = "Wire")]
pub struct Envelope {
    /// Names this event.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// Says why something is no envelope.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum EnvelopeError {
    /// It is of a version that this program does not know.
    #[error("an envelope of version {v}, and this program knows {VERSION}")]
    #[strum(serialize = "envelope_too_new")]
    Version {
        /// The version.
        v: u32,
    },
    /// The event is none of those that there are, or lacks something.
    #[error("no event of type `{kind}`")]
    #[strum(serialize = "unknown_event")]
    Event {
        /// The type that it says it is of.
        kind: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The topic is not that of the event.
    #[error("the topic is `{topic}`, and that of the event `{expected}`")]
    #[strum(serialize = "wrong_topic")]
    Topic {
        /// The topic that it says.
        topic: String,
        /// The topic that follows from the event.
        expected: String,
    },
}

impl EnvelopeError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}

impl Envelope {
    /// Puts an event in an envelope, under a fresh id.
    pub fn new(event: Event, at: Timestamp) -> Self {
        Self {
            id: rng::event_id(),
            at,
            event,
        }
    }

    /// Returns the topic that it is published under.
    pub fn topic(&self) -> String {
        self.event.topic()
    }
}

/// The envelope in the order in which it is written.
#[derive(Clone, Serialize, Deserialize)]
struct Wire {
    v: u32,
    id: EventId,
    topic: String,
    #[serde(rename = "type")]
    kind: String,
    ts: Timestamp,
    payload: Value,
}

impl From<Envelope> for Wire {
    fn from(envelope: Envelope) -> Self {
        let topic = envelope.topic();
        // An event is maps of texts and numbers, which JSON can say; it says its type and its payload.
        let mut said = serde_json::to_value(&envelope.event).unwrap_or_default();
        let mut take = |key| said.get_mut(key).map(Value::take).unwrap_or_default();
        Self {
            v: VERSION,
            id: envelope.id,
            topic,
            kind: take("type").as_str().unwrap_or_default().into(),
            ts: envelope.at,
            payload: take("payload"),
        }
    }
}

impl TryFrom<Wire> for Envelope {
    type Error = EnvelopeError;

    fn try_from(wire: Wire) -> Result<Self, EnvelopeError> {
        let Wire {
            v,
            id,
            topic,
            kind,
            ts,
            payload,
        } = wire;
        if v != VERSION {
            return Err(EnvelopeError::Version { v });
        }
        let said = serde_json::json!({"type": &kind, "payload": payload});
        let event: Event = serde_json::from_value(said).map_err(|source| EnvelopeError::Event { kind, source })?;
        let expected = event.topic();
        if topic != expected {
            return Err(EnvelopeError::Topic { topic, expected });
        }
        Ok(Self { id, at: ts, event })
    }
}
