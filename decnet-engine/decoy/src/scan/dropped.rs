//! Counts of the packets that the containment dropped.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::journal::Dropped;

/// How many targets have counts of their own in one report. Packets to all others, packets over IPv6 and packets that the kernel could not
/// copy are counted together.
const TARGETS: usize = 16;
/// The delay of the first report.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest delay of a report while packets continue.
const LONGEST: Duration = Duration::from_mins(5);

/// Dropped packets by sender and target. The lines are limited: reports become rarer while a flood continues.
#[derive(Debug)]
pub(super) struct Drops {
    counts: BTreeMap<Dropped, u64>,
    others: u64,
    /// The number that the kernel gives to the next packet.
    next: u32,
    due: Instant,
    pause: Duration,
}

impl Drops {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            counts: BTreeMap::new(),
            others: 0,
            next: 0,
            due: now,
            pause: SHORTEST,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.others == 0
    }

    /// Counts a packet, and those before it that the kernel could not copy, because the base did not read fast enough.
    pub(super) fn add(&mut self, dropped: Option<Dropped>, number: Option<u32>, now: Instant) {
        if self.is_empty() {
            // After a pause as long as the last delay, the delay starts short again.
            if now.saturating_duration_since(self.due) > self.pause {
                self.pause = SHORTEST;
            }
            self.due = now + self.pause;
        }
        if let Some(number) = number {
            let lost = number.wrapping_sub(self.next);
            // A smaller number would be that of a group that was joined again.
            self.others += u64::from(if lost > u32::MAX / 2 { 0 } else { lost });
            self.next = number.wrapping_add(1);
        }
        let is_full = self.counts.len() >= TARGETS;
        match dropped {
            Some(dropped) if !is_full || self.counts.contains_key(&dropped) => {
                *self.counts.entry(dropped).or_default() += 1;
            }
            _ => self.others += 1,
        }
    }

    /// Takes the counts if they are due at a time, or without a time in any case. The one without a target is for all others.
    pub(super) fn take(&mut self, now: Option<Instant>) -> Vec<(Option<Dropped>, u64)> {
        if self.is_empty() || now.is_some_and(|now| now < self.due) {
            return Vec::new();
        }
        self.pause = (self.pause * 2).min(LONGEST);
        let counts = std::mem::take(&mut self.counts).into_iter();
        let others = std::mem::take(&mut self.others);
        let others = (others > 0).then_some((None, others));
        counts
            .map(|(dropped, count)| (Some(dropped), count))
            .chain(others)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::protocol::Protocol;

    fn to(port: u16) -> Dropped {
        Dropped {
            from: Ipv4Addr::new(10, 0, 0, 9),
            to: Ipv4Addr::new(192, 0, 2, 1),
            port: Some((Protocol::Tcp, port)),
        }
    }

    #[test]
    fn packets_are_counted_by_target_and_those_of_many_targets_together() {
        let now = Instant::now();
        let mut drops = Drops::new(now);
        for port in 1..=100 {
            drops.add(Some(to(port)), None, now);
            drops.add(Some(to(port)), None, now);
        }
        assert!(drops.take(Some(now)).is_empty(), "not due yet");
        let taken = drops.take(Some(now + SHORTEST));
        assert_eq!(taken.len(), TARGETS + 1);
        assert_eq!(taken[0], (Some(to(1)), 2));
        assert_eq!(taken[TARGETS], (None, 168));
        assert!(drops.is_empty() && drops.take(None).is_empty());
    }

    #[test]
    fn packets_without_a_copy_or_without_a_target_are_counted() {
        let now = Instant::now();
        let mut drops = Drops::new(now);
        let counts = |drops: &mut Drops| drops.take(None);
        drops.add(Some(to(1)), Some(0), now);
        assert_eq!(counts(&mut drops), [(Some(to(1)), 1)]);
        // Three were lost, and one has no target.
        drops.add(Some(to(1)), Some(4), now);
        drops.add(None, Some(5), now);
        assert_eq!(counts(&mut drops), [(Some(to(1)), 1), (None, 4)]);
        // The numbers start again.
        drops.add(Some(to(1)), Some(0), now);
        drops.next = u32::MAX;
        drops.add(Some(to(1)), Some(u32::MAX), now);
        drops.add(Some(to(1)), Some(1), now);
        assert_eq!(counts(&mut drops), [(Some(to(1)), 3), (None, 1)]);
    }

    #[test]
    fn reports_become_rarer_while_packets_continue() {
        let start = Instant::now();
        let mut drops = Drops::new(start);
        let mut reports = Vec::new();
        for second in 0..3600 {
            let now = start + Duration::from_secs(second);
            drops.add(Some(to(80)), None, now);
            if !drops.take(Some(now)).is_empty() {
                reports.push(second);
            }
        }
        assert!(reports.len() < 25, "{reports:?}");
        let later = start + Duration::from_hours(3);
        drops.take(None);
        drops.add(Some(to(80)), None, later);
        assert!(
            !drops.take(Some(later + SHORTEST)).is_empty(),
            "after a silence the delay is short again"
        );
    }
}
