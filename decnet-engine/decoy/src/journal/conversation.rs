//! The conversations of services in the log.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::{bucket::Bucket, visit::Visit};
use crate::protocol::Action;

/// The events of all conversations together: this many at once, then one per period.
const OF_EVENTS: (u32, Duration) = (1024, Duration::from_secs(5));
/// The first events of each conversation. The limit is separate, so that one that sends many cannot use it up.
const OF_FIRST_EVENTS: (u32, Duration) = (1024, Duration::from_secs(1));

/// Events per conversation: this many at once, then one per period.
const OF_CONVERSATION: (u32, Duration) = (64, Duration::from_secs(1));
/// How many events of a conversation are its first ones.
const FIRST: u32 = 8;

/// A conversation in the log, from its first line to its last.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(super) service: String,
    pub(super) visit: Visit,
    /// The id that its lines share; none if it is only counted.
    pub(super) session: Option<String>,
    pub(super) opened: Instant,
    /// The events without lines.
    pub(super) left_out: BTreeMap<Action, u64>,
    events: Bucket,
    admitted: u32,
}

impl Entry {
    pub(super) fn new(service: &str, visit: Visit, now: Instant) -> Self {
        Self {
            service: service.to_owned(),
            visit,
            session: None,
            opened: now,
            left_out: BTreeMap::new(),
            events: Bucket::new(OF_CONVERSATION.0, OF_CONVERSATION.1, now),
            admitted: 0,
        }
    }
}

/// What all conversations of a journal share.
pub(super) struct Conversations {
    /// The start time of this process. It separates its ids from those of earlier processes.
    began: u128,
    count: u64,
    events: Bucket,
    first_events: Bucket,
}

impl Conversations {
    pub(super) fn new(now: Instant) -> Self {
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            began: began.as_millis(),
            count: 0,
            events: Bucket::new(OF_EVENTS.0, OF_EVENTS.1, now),
            first_events: Bucket::new(OF_FIRST_EVENTS.0, OF_FIRST_EVENTS.1, now),
        }
    }

    /// Returns the id of a new conversation.
    pub(super) fn next(&mut self) -> String {
        self.count += 1;
        format!("{:x}-{}", self.began, self.count)
    }

    /// Returns whether the conversation may have a line for another event now.
    pub(super) fn admits(&mut self, entry: &mut Entry, now: Instant) -> bool {
        if entry.session.is_none() || !entry.events.take(now) {
            return false;
        }
        let admits = if entry.admitted < FIRST {
            self.first_events.take(now)
        } else {
            self.events.take(now)
        };
        entry.admitted = entry.admitted.saturating_add(u32::from(admits));
        admits
    }
}
