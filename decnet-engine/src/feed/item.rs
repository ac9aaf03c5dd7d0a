use decnet_topology::Sequence;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::TopologyNow;
use crate::event::Envelope;

/// One item of a feed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum FeedItem {
    /// Something happened.
    Event {
        /// The event.
        envelope: Envelope,
        /// The name of its topology, if the store has it.
        name: Option<String>,
        /// Its number in the log of the store. All changes up to it were returned, so a reader can [resume](super::Feed::resume)
        /// after it. None for an event that only a bus has: steps, changes of deckies, attackers, workers.
        sequence: Option<Sequence>,
    },
    /// The number of events that were lost, because the reader was slower than the bus. The log of the store still has its
    /// changes, so only events without a number are missing, unless the reader was also slower than the store by more than
    /// [`KEPT_CHANGES`](decnet_topology::KEPT_CHANGES) changes.
    Lagged(u64),
    /// The bus cannot be reached. The store is read every second.
    BusLost,
    /// The bus is connected.
    BusFound,
    /// The database cannot be reached, for this reason. The feed tries again until it answers.
    StoreLost(String),
    /// The database answers again. The changes that were made meanwhile came before.
    StoreFound,
}

/// An item of a feed that is not an event, in the form for programs: the snapshot, or the number of lost events.
///
/// On the wire it is `{"v": 1, "type": …, "ts": …, "payload": {…}}`, like an [`Envelope`] without an id and a topic.
///
/// ```
/// use decnet_engine::FeedNotice;
///
/// let lagged = FeedNotice::lagged(3, "2030-01-01T00:00:00Z".parse()?);
/// let text = r#"{"v":1,"type":"lagged","ts":"2030-01-01T00:00:00Z","payload":{"lost":3}}"#;
/// assert_eq!(serde_json::to_string(&lagged)?, text);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeedNotice {
    v: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    ts: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Sequence>,
    payload: Value,
}

impl FeedNotice {
    /// Creates the notice with the snapshot of a feed.
    pub fn snapshot(topologies: &[TopologyNow], at: Timestamp) -> Self {
        Self::new("snapshot", at, json!({ "topologies": topologies }))
    }

    /// Creates the notice of lost events.
    pub fn lagged(lost: u64, at: Timestamp) -> Self {
        Self::new("lagged", at, json!({ "lost": lost }))
    }

    /// Sets the number of the change up to which the notice includes all: `seq` on the wire.
    #[must_use]
    pub fn sequence(mut self, sequence: Sequence) -> Self {
        self.seq = Some(sequence);
        self
    }

    fn new(kind: &'static str, ts: Timestamp, payload: Value) -> Self {
        Self {
            v: 1,
            kind,
            ts,
            seq: None,
            payload,
        }
    }
}
