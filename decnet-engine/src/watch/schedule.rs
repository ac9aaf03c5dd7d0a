//! When which topology is looked at: pure timing, with the time passed in.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use decnet_topology::TopologyId;

/// What a worker says when it leaves a topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// All is done and as it should be.
    Done,
    /// Something is not as it should be: to be tried again, after pauses that grow.
    Again,
    /// Somebody else is at work on it: to be tried again soon.
    Busy,
    /// It is no longer there, or nothing to be watched.
    Gone,
}

/// How long to leave a topology alone that somebody else is at work on.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// What is known of one topology.
#[derive(Debug, Default)]
struct Entry {
    /// When it is due; never by itself if none.
    due: Option<Instant>,
    /// Whether a worker is at it.
    running: bool,
    /// Whether it was woken while a worker was at it.
    woken: bool,
    /// The pauses to come, while it is not as it should be.
    pauses: Option<ExponentialBackoff>,
}

/// Says which topology is due. No topology is ever handed out twice at once.
#[derive(Debug)]
pub(super) struct Schedule {
    entries: BTreeMap<TopologyId, Entry>,
    pauses: ExponentialBuilder,
}

impl Schedule {
    /// Makes an empty schedule, with the first and the longest pause between two tries.
    pub(super) fn new(first_pause: Duration, longest_pause: Duration) -> Self {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(first_pause)
            .with_max_delay(longest_pause)
            .without_max_times();
        Self {
            entries: BTreeMap::new(),
            pauses,
        }
    }

    /// Makes a topology due now, even one that waits for its next try: there is something new to do.
    pub(super) fn wake(&mut self, id: TopologyId, now: Instant) {
        let entry = self.entries.entry(id).or_default();
        if entry.running {
            entry.woken = true;
        } else {
            entry.due = Some(now);
        }
    }

    /// Makes a topology due now unless it waits for its next try, or a worker is at it.
    pub(super) fn remind(&mut self, id: TopologyId, now: Instant) {
        let entry = self.entries.entry(id).or_default();
        if !entry.running && entry.due.is_none() {
            entry.due = Some(now);
        }
    }

    /// Hands out the topology that has been due the longest, if one is.
    pub(super) fn take(&mut self, now: Instant) -> Option<TopologyId> {
        let due = self
            .entries
            .iter_mut()
            .filter(|(_, entry)| entry.due.is_some_and(|due| due <= now));
        let (id, entry) = due.min_by_key(|(_, entry)| entry.due)?;
        entry.due = None;
        entry.running = true;
        entry.woken = false;
        Some(*id)
    }

    /// Takes a topology back from its worker.
    pub(super) fn finish(&mut self, id: TopologyId, turn: Turn, now: Instant) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.running = false;
        let pause = match turn {
            Turn::Done | Turn::Gone => {
                entry.pauses = None;
                None
            }
            Turn::Again => entry.pauses.get_or_insert_with(|| self.pauses.build()).next(),
            Turn::Busy => Some(BUSY_PAUSE),
        };
        entry.due = if entry.woken {
            Some(now)
        } else {
            pause.map(|pause| now + pause)
        };
        if entry.due.is_none() {
            self.entries.remove(&id);
        }
    }

    /// Returns how many topologies are due, worked on, or wait for their next try.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns when the next topology is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.entries.values().filter_map(|entry| entry.due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn schedule() -> (Schedule, TopologyId, Instant) {
        (
            Schedule::new(SECOND, 4 * SECOND),
            decnet_topology::rng::topology_id(),
            Instant::now(),
        )
    }

    #[test]
    fn a_topology_is_handed_out_once_however_often_it_is_woken() {
        let (mut schedule, id, now) = schedule();
        schedule.wake(id, now);
        schedule.wake(id, now);
        assert_eq!(schedule.take(now), Some(id));
        schedule.wake(id, now);
        schedule.remind(id, now);
        assert_eq!((schedule.take(now), schedule.next_due()), (None, None));
    }

    #[test]
    fn what_is_woken_while_a_worker_is_at_it_is_due_again_at_once() {
        let (mut schedule, id, now) = schedule();
        schedule.wake(id, now);
        schedule.take(now);
        schedule.wake(id, now);
        schedule.finish(id, Turn::Done, now);
        assert_eq!(schedule.take(now), Some(id));
        schedule.finish(id, Turn::Done, now);
        assert_eq!((schedule.take(now), schedule.next_due()), (None, None));
    }

    #[test]
    fn pauses_grow_up_to_the_longest_and_begin_anew_after_a_success() {
        let (mut schedule, id, mut now) = schedule();
        let mut pause_after = |turn, now: &mut Instant| {
            schedule.wake(id, *now);
            assert_eq!(schedule.take(*now), Some(id));
            schedule.finish(id, turn, *now);
            let pause = schedule.next_due().map(|due| due - *now);
            *now += pause.unwrap_or_default();
            pause
        };
        let pauses: Vec<_> = (0..4).map(|_| pause_after(Turn::Again, &mut now)).collect();
        assert_eq!(pauses, [1, 2, 4, 4].map(|count| Some(count * SECOND)));
        assert_eq!(pause_after(Turn::Done, &mut now), None);
        assert_eq!(pause_after(Turn::Again, &mut now), Some(SECOND));
        assert_eq!(pause_after(Turn::Busy, &mut now), Some(BUSY_PAUSE));
    }

    #[test]
    fn a_reminder_does_not_shorten_a_pause_but_news_do() {
        let (mut schedule, id, now) = schedule();
        schedule.wake(id, now);
        schedule.take(now);
        schedule.finish(id, Turn::Again, now);
        schedule.remind(id, now);
        assert_eq!(schedule.take(now), None);
        schedule.wake(id, now);
        assert_eq!(schedule.take(now), Some(id));
    }

    #[test]
    fn who_is_due_the_longest_comes_first() {
        let (mut schedule, first, now) = schedule();
        let second = decnet_topology::rng::topology_id();
        schedule.wake(first, now + SECOND);
        schedule.wake(second, now);
        let later = now + 2 * SECOND;
        assert_eq!(
            (schedule.take(later), schedule.take(later), schedule.take(later)),
            (Some(second), Some(first), None)
        );
    }
}
