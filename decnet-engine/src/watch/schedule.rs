//! Decides when each topology is due. Pure timing; the time is passed in.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use decnet_topology::{TopologyId, Version};
use futures_util::FutureExt as _;
use tokio::sync::Notify;

/// The result of a worker's visit to a topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visit {
    /// Everything is done, and the topology is healthy.
    Done,
    /// The topology is not healthy: retried with backoff.
    Again,
    /// Another process works on it: retried soon.
    Busy,
    /// The runtime does not answer: retried soon, because the topology may be healthy.
    Unreachable,
    /// It no longer exists, or is not watched.
    Gone,
}

/// The pause if another process works on a topology, or the runtime does not answer.
const SHORT_PAUSE: Duration = Duration::from_secs(1);

/// Above this number of topologies, events add no new ones.
const MOST: usize = 4096;

/// Wakes the worker of a topology.
#[derive(Debug, Clone, Default)]
pub(super) struct WakeSignal(Arc<Notify>);

impl WakeSignal {
    fn set(&self) {
        self.0.notify_one();
    }

    /// Clears the signal, and returns whether it was set.
    pub(super) fn clear(&self) -> bool {
        self.0.notified().now_or_never().is_some()
    }

    /// Waits until the signal is set, and clears it.
    pub(super) async fn wait(&self) {
        self.0.notified().await;
    }
}

/// The state of one topology.
#[derive(Debug, Default)]
struct Entry {
    /// When it is due; none if only an event makes it due.
    due: Option<Instant>,
    /// The signal of its worker, if one works on it.
    worker: Option<WakeSignal>,
    /// The last known version.
    version: Option<Version>,
    /// The remaining backoff, while it is not healthy.
    pauses: Option<ExponentialBackoff>,
}

/// Knows which topology is due. A topology is never handed to two workers at the same time.
#[derive(Debug)]
pub(super) struct Schedule {
    entries: BTreeMap<TopologyId, Entry>,
    pauses: ExponentialBuilder,
}

impl Schedule {
    /// Creates an empty schedule with the first and the longest backoff.
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

    /// Makes a topology due immediately, even during its backoff, because there is new work.
    ///
    /// If there are too many ids, some are ignored: the poll finds the existing ones.
    pub(super) fn wake(&mut self, id: TopologyId, now: Instant) {
        if self.entries.len() >= MOST && !self.entries.contains_key(&id) {
            return;
        }
        let entry = self.entries.entry(id).or_default();
        match &entry.worker {
            Some(signal) => signal.set(),
            None => entry.due = Some(now),
        }
    }

    /// Makes a topology due after its version was read: if the version is new, as [`wake`](Self::wake) does, otherwise as
    /// [`remind`](Self::remind) does.
    pub(super) fn see(&mut self, id: TopologyId, version: Version, now: Instant) {
        let entry = self.entries.entry(id).or_default();
        if entry.version.replace(version) == Some(version) {
            self.remind(id, now);
        } else {
            self.wake(id, now);
        }
    }

    /// Makes a topology due, unless it is in backoff or a worker is working on it.
    pub(super) fn remind(&mut self, id: TopologyId, now: Instant) {
        if self.entries.len() >= MOST && !self.entries.contains_key(&id) {
            return;
        }
        let entry = self.entries.entry(id).or_default();
        if entry.worker.is_none() && entry.due.is_none() {
            entry.due = Some(now);
        }
    }

    /// Hands out the topology that has been due the longest, with the signal for its worker.
    pub(super) fn take(&mut self, now: Instant) -> Option<(TopologyId, WakeSignal)> {
        let due = self
            .entries
            .iter_mut()
            .filter(|(_, entry)| entry.due.is_some_and(|due| due <= now));
        let (id, entry) = due.min_by_key(|(_, entry)| entry.due)?;
        entry.due = None;
        let signal = entry.worker.insert(WakeSignal::default());
        Some((*id, signal.clone()))
    }

    /// Takes a topology back from its worker. If the signal is still set, the topology is due immediately.
    pub(super) fn finish(&mut self, id: TopologyId, visit: Visit, now: Instant) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let woken = entry.worker.take().is_some_and(|signal| signal.clear());
        let pause = match visit {
            Visit::Done | Visit::Gone => {
                entry.pauses = None;
                None
            }
            Visit::Again => entry.pauses.get_or_insert_with(|| self.pauses.build()).next(),
            Visit::Busy | Visit::Unreachable => Some(SHORT_PAUSE),
        };
        entry.due = if woken {
            Some(now)
        } else {
            pause.map(|pause| now + pause)
        };
        if entry.due.is_none() {
            self.entries.remove(&id);
        }
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

    fn take(schedule: &mut Schedule, now: Instant) -> Option<TopologyId> {
        schedule.take(now).map(|(id, _)| id)
    }

    #[test]
    fn a_topology_is_handed_out_once_even_if_woken_repeatedly() {
        let (mut schedule, id, now) = schedule();
        schedule.wake(id, now);
        schedule.wake(id, now);
        assert_eq!(take(&mut schedule, now), Some(id));
        schedule.wake(id, now);
        schedule.remind(id, now);
        assert_eq!((take(&mut schedule, now), schedule.next_due()), (None, None));
    }

    #[test]
    fn a_topology_woken_during_a_visit_is_due_again_immediately() {
        let (mut schedule, id, now) = schedule();
        schedule.wake(id, now);
        take(&mut schedule, now);
        schedule.wake(id, now);
        schedule.finish(id, Visit::Done, now);
        assert_eq!(take(&mut schedule, now), Some(id));
        schedule.finish(id, Visit::Done, now);
        assert_eq!((take(&mut schedule, now), schedule.next_due()), (None, None));
    }

    #[test]
    fn a_signal_that_the_worker_cleared_does_not_make_the_topology_due_again() {
        let (mut schedule, id, now) = schedule();
        schedule.wake(id, now);
        let (_, signal) = schedule.take(now).expect("due");
        assert!(!signal.clear());
        schedule.wake(id, now);
        assert!(signal.clear() && !signal.clear());
        schedule.finish(id, Visit::Done, now);
        assert_eq!((take(&mut schedule, now), schedule.next_due()), (None, None));
    }

    #[test]
    fn an_edit_without_an_event_shortens_a_backoff_once() {
        let (mut schedule, id, now) = schedule();
        let [first, second] = [1, 2].map(Version::new);
        schedule.see(id, first, now);
        take(&mut schedule, now);
        schedule.see(id, first, now);
        schedule.finish(id, Visit::Again, now);
        schedule.see(id, first, now);
        assert_eq!(take(&mut schedule, now), None);
        schedule.see(id, second, now);
        assert_eq!(take(&mut schedule, now), Some(id));
        schedule.finish(id, Visit::Again, now);
        schedule.see(id, second, now);
        assert_eq!(take(&mut schedule, now), None);
    }

    #[test]
    fn backoff_grows_up_to_the_maximum_and_restarts_after_a_success() {
        let (mut schedule, id, mut now) = schedule();
        let mut pause_after = |visit, now: &mut Instant| {
            schedule.wake(id, *now);
            assert_eq!(take(&mut schedule, *now), Some(id));
            schedule.finish(id, visit, *now);
            let pause = schedule.next_due().map(|due| due - *now);
            *now += pause.unwrap_or_default();
            pause
        };
        let pauses: Vec<_> = (0..4).map(|_| pause_after(Visit::Again, &mut now)).collect();
        assert_eq!(pauses, [1, 2, 4, 4].map(|count| Some(count * SECOND)));
        assert_eq!(pause_after(Visit::Done, &mut now), None);
        assert_eq!(pause_after(Visit::Again, &mut now), Some(SECOND));
        for visit in [Visit::Busy, Visit::Unreachable, Visit::Busy] {
            assert_eq!(pause_after(visit, &mut now), Some(SHORT_PAUSE));
        }
        assert_eq!(pause_after(Visit::Again, &mut now), Some(2 * SECOND));
    }

    #[test]
    fn a_reminder_does_not_shorten_a_backoff_but_new_work_does() {
        let (mut schedule, id, now) = schedule();
        schedule.wake(id, now);
        take(&mut schedule, now);
        schedule.finish(id, Visit::Again, now);
        schedule.remind(id, now);
        assert_eq!(take(&mut schedule, now), None);
        schedule.wake(id, now);
        assert_eq!(take(&mut schedule, now), Some(id));
    }

    #[test]
    fn the_topology_that_is_due_the_longest_comes_first() {
        let (mut schedule, first, now) = schedule();
        let second = decnet_topology::rng::topology_id();
        schedule.wake(first, now + SECOND);
        schedule.wake(second, now);
        let later = now + 2 * SECOND;
        assert_eq!(
            (
                take(&mut schedule, later),
                take(&mut schedule, later),
                take(&mut schedule, later)
            ),
            (Some(second), Some(first), None)
        );
    }
}
