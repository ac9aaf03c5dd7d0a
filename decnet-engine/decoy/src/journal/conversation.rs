//! The conversations of services in the log.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::{Journal, Visit, bounds::Tally, bucket::Bucket};
use crate::{
    lines::write_line,
    protocol::{Action, EndReason, Record},
};

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
    service: String,
    visit: Visit,
    /// The id that its lines share; none if it is only counted.
    session: Option<String>,
    opened: Instant,
    /// The events without lines.
    left_out: BTreeMap<Action, u64>,
    events: Bucket,
    admitted: u32,
}

impl Entry {
    fn new(service: &str, visit: Visit, now: Instant) -> Self {
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

    /// Returns whether the conversation may have another event now.
    fn admits(&mut self, now: Instant) -> bool {
        let admits = self.events.take(now);
        self.admitted = self.admitted.saturating_add(u32::from(admits));
        admits
    }

    /// Returns whether the last admitted event is one of the first.
    fn has_few_events(&self) -> bool {
        self.admitted <= FIRST
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
    fn next(&mut self) -> String {
        self.count += 1;
        format!("{:x}-{}", self.began, self.count)
    }

    /// Returns whether the conversation may have a line for another event now.
    fn admits(&mut self, entry: &mut Entry, now: Instant) -> bool {
        if entry.session.is_none() || !entry.admits(now) {
            return false;
        }
        if entry.has_few_events() {
            self.first_events.take(now)
        } else {
            self.events.take(now)
        }
    }
}

impl Journal {
    /// Logs the start of a conversation.
    pub(crate) fn open(&mut self, service: &str, visit: Visit, now: Instant) -> Entry {
        let from = *visit.remote.ip();
        let mut entry = Entry::new(service, visit, now);
        if self.bounds(visit.protocol).admit(from, now) {
            entry.session = Some(self.conversations.next());
            let record = self.record_of(Action::SessionOpen, &entry);
            write_line(&mut *self.out, &record);
        } else {
            self.count(from, visit.protocol, now);
        }
        entry
    }

    /// Logs an event of a conversation. `fill` adds what it is about.
    pub(crate) fn report(&mut self, entry: &mut Entry, action: Action, now: Instant, fill: impl FnOnce(&mut Record)) {
        if self.conversations.admits(entry, now) {
            let mut record = self.record_of(action, entry);
            fill(&mut record);
            write_line(&mut *self.out, &record);
        } else {
            *entry.left_out.entry(action).or_default() += 1;
        }
    }

    /// Logs the end of a conversation.
    pub(crate) fn close(&mut self, entry: &Entry, bytes: u64, reason: EndReason, now: Instant) {
        if entry.session.is_none() {
            let from = *entry.visit.remote.ip();
            let tally = Tally {
                left_out: entry.left_out.clone(),
                ..Tally::bytes(bytes, SystemTime::now())
            };
            return self.bounds(entry.visit.protocol).count(from, &tally, now);
        }
        let lasted = now.saturating_duration_since(entry.opened).as_nanos();
        let mut record = self.record_of(Action::SessionClose, entry);
        record.event.duration = Some(u64::try_from(lasted).unwrap_or(u64::MAX));
        record.decnet.bytes = Some(bytes);
        record.decnet.reason = Some(reason);
        record.decnet.left_out.clone_from(&entry.left_out);
        write_line(&mut *self.out, &record);
    }

    fn record_of(&mut self, action: Action, entry: &Entry) -> Record {
        let mut record = self.record(action, &entry.service, entry.visit);
        record.decnet.session.clone_from(&entry.session);
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        journal::tests::{visit, written},
        protocol::Protocol,
    };

    #[test]
    fn each_of_ten_thousand_events_has_a_line_or_is_counted() {
        let lines = written(|journal, now| {
            // The first 32 conversations of a source have lines.
            for _ in 0..40 {
                let mut entry = journal.open("ssh", visit(22, Protocol::Tcp), now);
                for _ in 0..250 {
                    journal.report(&mut entry, Action::AuthAttempt, now, |_| ());
                }
                journal.close(&entry, 1, EndReason::Closed, now);
            }
        });
        let attempts = lines
            .iter()
            .filter(|line| line.event.action == Action::AuthAttempt)
            .count();
        let left_out = lines
            .iter()
            .filter_map(|line| line.decnet.left_out.get(&Action::AuthAttempt));
        assert!(attempts >= 32 * 8, "{attempts}");
        assert!(attempts <= 2048, "{attempts}");
        assert_eq!(attempts as u64 + left_out.sum::<u64>(), 10_000);
        let sequence: Vec<u64> = lines
            .iter()
            .filter(|line| line.service.is_some())
            .map(|line| line.event.sequence)
            .collect();
        assert!(sequence.iter().copied().eq(1..=sequence.len() as u64), "{sequence:?}");
    }
}
