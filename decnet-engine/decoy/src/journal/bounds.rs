//! Limits of log lines, and the counts of contacts without lines.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    time::{Duration, Instant, SystemTime},
};

use super::bucket::Bucket;
use crate::protocol::Action;

/// Lines per source: this many at once, then one per period.
const OF_SOURCE: (u32, Duration) = (32, Duration::from_secs(10));
/// Lines of all sources that had lines before.
const OF_KNOWN: (u32, Duration) = (512, Duration::from_secs(10));
/// First lines of new sources. The limit is separate, so that earlier visitors cannot use it up.
const OF_NEW: (u32, Duration) = (512, Duration::from_secs(5));
/// Summaries of single sources.
const SUMMARIES: (u32, Duration) = (32, Duration::from_mins(1));
/// How many sources are remembered.
const SOURCES: usize = 1024;
/// The delay of the first summary of a source.
const SHORTEST: Duration = Duration::from_secs(1);
/// The maximum delay of a summary while contacts continue.
const LONGEST: Duration = Duration::from_mins(5);

/// Counts of contacts without lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) connections: u64,
    pub(crate) datagrams: u64,
    pub(crate) bytes: u64,
    pub(crate) first: SystemTime,
    pub(crate) last: SystemTime,
    /// The events of conversations without lines.
    pub(crate) left_out: BTreeMap<Action, u64>,
}

impl Tally {
    /// Counts only bytes, at a time.
    pub(crate) fn bytes(bytes: u64, at: SystemTime) -> Self {
        Self {
            connections: 0,
            datagrams: 0,
            bytes,
            first: at,
            last: at,
            left_out: BTreeMap::new(),
        }
    }

    pub(crate) fn connection(at: SystemTime) -> Self {
        Self {
            connections: 1,
            ..Self::bytes(0, at)
        }
    }

    pub(crate) fn datagram(bytes: u64, at: SystemTime) -> Self {
        Self {
            datagrams: 1,
            ..Self::bytes(bytes, at)
        }
    }

    fn add(&mut self, other: &Self) {
        self.connections += other.connections;
        self.datagrams += other.datagrams;
        self.bytes += other.bytes;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        for (action, count) in &other.left_out {
            *self.left_out.entry(*action).or_default() += count;
        }
    }
}

/// The counts of the next summary, and its time.
#[derive(Debug)]
struct Waiting {
    tally: Option<Tally>,
    due: Instant,
    pause: Duration,
}

impl Waiting {
    fn new(now: Instant) -> Self {
        Self {
            tally: None,
            due: now,
            pause: SHORTEST,
        }
    }

    fn add(&mut self, more: &Tally, now: Instant) {
        if let Some(tally) = &mut self.tally {
            tally.add(more);
            return;
        }
        // After a pause as long as the last delay, the delay starts short again.
        if now.saturating_duration_since(self.due) > self.pause {
            self.pause = SHORTEST;
        }
        self.tally = Some(more.clone());
        self.due = now + self.pause;
    }

    fn take(&mut self, now: Instant) -> Option<Tally> {
        if now < self.due {
            return None;
        }
        let tally = self.tally.take()?;
        self.pause = (self.pause * 2).min(LONGEST);
        Some(tally)
    }
}

/// A source.
#[derive(Debug)]
struct Source {
    lines: Bucket,
    waiting: Waiting,
    seen: Instant,
}

/// The recent lines per source. The memory is bounded, whatever arrives.
#[derive(Debug)]
pub(crate) struct Bounds {
    sources: BTreeMap<Ipv4Addr, Source>,
    of_known: Bucket,
    of_new: Bucket,
    summaries: Bucket,
    others: Waiting,
}

impl Bounds {
    pub(crate) fn new(now: Instant) -> Self {
        let bucket = |(most, period)| Bucket::new(most, period, now);
        Self {
            sources: BTreeMap::new(),
            of_known: bucket(OF_KNOWN),
            of_new: bucket(OF_NEW),
            summaries: bucket(SUMMARIES),
            others: Waiting::new(now),
        }
    }

    /// Returns whether a contact gets lines.
    pub(crate) fn admit(&mut self, from: Ipv4Addr, now: Instant) -> bool {
        if let Some(source) = self.sources.get_mut(&from) {
            source.seen = now;
            return source.lines.has(now) && self.of_known.take(now) && source.lines.take(now);
        }
        if self.sources.len() < SOURCES {
            let (most, period) = OF_SOURCE;
            let mut source = Source {
                lines: Bucket::new(most, period, now),
                waiting: Waiting::new(now),
                seen: now,
            };
            source.lines.take(now);
            self.sources.insert(from, source);
        }
        self.of_new.take(now)
    }

    /// Counts a contact without lines.
    pub(crate) fn count(&mut self, from: Ipv4Addr, more: &Tally, now: Instant) {
        match self.sources.get_mut(&from) {
            Some(source) => source.waiting.add(more, now),
            None => self.others.add(more, now),
        }
    }

    /// Takes the summaries that are due. The one without a source is for all others.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<(Option<Ipv4Addr>, Tally)> {
        let mut due = Vec::new();
        for (address, source) in &mut self.sources {
            if let Some(tally) = source.waiting.take(now) {
                if self.summaries.take(now) {
                    due.push((Some(*address), tally));
                } else {
                    self.others.add(&tally, now);
                }
            }
        }
        due.extend(self.others.take(now).map(|tally| (None, tally)));
        if self.sources.len() >= SOURCES {
            self.forget(now);
        }
        due
    }

    /// Makes room for new sources: the ones that were silent for longest are removed.
    fn forget(&mut self, now: Instant) {
        let mut seen: Vec<_> = self.sources.values().map(|source| source.seen).collect();
        seen.sort_unstable();
        let Some(&until) = seen.get(SOURCES / 4) else { return };
        let expired = self.sources.extract_if(.., |_, source| source.seen <= until);
        for (_, source) in expired {
            if let Some(tally) = source.waiting.tally {
                self.others.add(&tally, now);
            }
        }
    }

    /// Takes all summaries, due or not: some of single sources, and that of all others.
    pub(crate) fn close(&mut self, now: Instant) -> Vec<(Option<Ipv4Addr>, Tally)> {
        for source in self.sources.values_mut() {
            source.waiting.due = now;
        }
        // Single summaries beyond the limit are added to that of all others.
        let mut due = self.due(now);
        due.extend(self.others.tally.take().map(|tally| (None, tally)));
        due
    }
}

#[cfg(test)]
mod tests;
