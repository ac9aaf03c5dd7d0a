use decnet_topology::{EventId, rng};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Event;

/// The version of the envelope.
const VERSION: u32 = 1;

/// An event with its time and a unique id.
///
/// On the wire it is `{"v": 1, "id": …, "topic": …, "type": …, "ts": …, "payload": {…}}`. The event determines the topic; an
/// envelope with another topic is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Wire", try_from = "Wire")]
pub struct Envelope {
    /// The id of this event.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// Reports an invalid envelope.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The version is not supported.
    #[error("envelope version {v} is not supported; this program reads version {VERSION}")]
    #[strum(serialize = "envelope_too_new")]
    Version {
        /// The version.
        v: u32,
    },
    /// The type is unknown, or the payload is invalid.
    #[error("not a valid event of type `{kind}`")]
    #[strum(serialize = "unknown_event")]
    Event {
        /// The type.
        kind: String,
        /// The cause.
        source: serde_json::Error,
    },
    /// The topic does not fit the event.
    #[error("the topic is `{topic}`, but the event requires `{expected}`")]
    #[strum(serialize = "wrong_topic")]
    Topic {
        /// The topic of the envelope.
        topic: String,
        /// The topic of the event.
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
    /// Creates an envelope with a new id.
    pub fn new(event: Event, at: Timestamp) -> Self {
        Self {
            id: rng::event_id(),
            at,
            event,
        }
    }

    /// Returns the topic of the event.
    pub fn topic(&self) -> String {
        self.event.topic()
    }
}

/// The fields of an envelope in the order in which they are written.
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
        // This cannot fail: an event has only maps of texts and numbers.
        let mut event = serde_json::to_value(&envelope.event).unwrap_or_default();
        let mut take = |key| event.get_mut(key).map(Value::take).unwrap_or_default();
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
