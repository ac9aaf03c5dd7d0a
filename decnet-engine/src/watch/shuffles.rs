//! Shuffles deckies when they are due, or when an event asks for it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use decnet_topology::{Name, RepoError, TopologyId, TopologyRow, name_of};
use jiff::{SignedDuration, Timestamp};

use crate::engine::{Engine, EngineError, REQUEST_PAUSE};

/// Above this number of recent requests, more are ignored.
const MOST: usize = 4096;

/// The shortest sleep: the clock of the loop and that of the store differ by less than this.
const SHORTEST: Duration = Duration::from_millis(1);

/// Knows when the next decky of each topology is due.
#[derive(Debug, Default)]
pub(super) struct ShuffleTimes {
    topologies: BTreeMap<TopologyId, Known>,
    /// By how much the clock of the store is ahead of that of this machine.
    ahead: SignedDuration,
    /// When events asked for the shuffle of a decky.
    requests: BTreeMap<(TopologyId, Name), Instant>,
}

/// What is known of a topology.
#[derive(Debug)]
struct Known {
    /// The row as it was seen.
    seen: Seen,
    /// When its next decky is due, by the clock of the store.
    next: Option<Timestamp>,
}

/// What decides whether a topology must be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    changed_at: Timestamp,
    shuffled_until: Timestamp,
}

impl Seen {
    fn of(row: &TopologyRow) -> Self {
        Self {
            changed_at: row.changed_at,
            shuffled_until: row.shuffled_until,
        }
    }
}

impl ShuffleTimes {
    /// Returns when the loop must wake up for a shuffle. `clock` is the time of this machine.
    pub(super) fn next_due(&self, now: Instant, clock: Timestamp) -> Option<Instant> {
        let next = self.topologies.values().filter_map(|known| known.next).min()?;
        let wait = next.duration_since(clock).saturating_sub(self.ahead);
        let wait = Duration::try_from(wait).unwrap_or_default();
        now.checked_add(wait.max(SHORTEST))
    }

    /// Looks at topologies that changed since they were last seen, and at those that are due. Forgets the others.
    pub(super) async fn see(&mut self, engine: &Engine, rows: &[TopologyRow]) {
        let shuffled = |row: &&TopologyRow| !row.settings.shuffles.is_empty() && row.takes_mutations();
        let rows: BTreeMap<_, _> = rows.iter().filter(shuffled).map(|row| (row.id, row)).collect();
        self.topologies.retain(|id, _| rows.contains_key(id));
        if rows.is_empty() {
            return;
        }
        let Some(now) = self.clock(engine).await else { return };
        for (id, row) in rows {
            let (known, seen) = (self.topologies.get(&id), Seen::of(row));
            // A time that has not come yet was stored by a clock that was ahead.
            if row.shuffled_until > now || known.is_none_or(|known| known.seen != seen) {
                self.look(engine, id, seen).await;
            }
        }
        self.look_at_due(engine, now).await;
    }

    /// Queues the shuffles that are due.
    pub(super) async fn shuffle_due(&mut self, engine: &Engine) {
        if let Some(now) = self.clock(engine).await {
            self.look_at_due(engine, now).await;
        }
    }

    /// Reads the time by the clock of the store, which several machines share. After an error, the next poll looks at all topologies.
    async fn clock(&mut self, engine: &Engine) -> Option<Timestamp> {
        let here = Timestamp::now();
        match engine.repo().now(here).await {
            Ok(now) => {
                self.ahead = now.duration_since(here);
                Some(now)
            }
            Err(error) => {
                tracing::warn!(%error, "the clock of the database could not be read; shuffles wait");
                self.topologies.clear();
                None
            }
        }
    }

    async fn look_at_due(&mut self, engine: &Engine, now: Timestamp) {
        let due = self
            .topologies
            .iter()
            .filter(|(_, known)| known.next.is_some_and(|next| next <= now));
        let due: Vec<_> = due.map(|(id, known)| (*id, known.seen)).collect();
        for (id, seen) in due {
            self.look(engine, id, seen).await;
        }
    }

    /// Queues what is due of a topology, and keeps when it is due again. After an error, the next poll retries.
    async fn look(&mut self, engine: &Engine, id: TopologyId, seen: Seen) {
        self.topologies.remove(&id);
        match engine.shuffle_due(id, Timestamp::now()).await {
            Ok(shuffles) => {
                if !shuffles.enqueued.is_empty() {
                    let maze = name_of(engine.repo().as_ref(), id).await;
                    tracing::info!(maze, deckies = shuffles.enqueued.len(), "a shuffle is due");
                }
                let next = shuffles.next;
                self.topologies.insert(id, Known { seen, next });
            }
            // It was deleted or torn down meanwhile.
            Err(EngineError::Repo(RepoError::NotFound { .. } | RepoError::NotEditable { .. })) => {}
            Err(error) => {
                let maze = name_of(engine.repo().as_ref(), id).await;
                tracing::warn!(
                    maze,
                    error = error.with_causes(),
                    "the maze could not be shuffled; retrying"
                );
            }
        }
    }

    /// Shuffles a decky because an event asks for it, unless one did so a few seconds ago.
    pub(super) async fn request(&mut self, engine: &Engine, id: TopologyId, decky: Name, now: Instant) {
        if !self.admits(id, &decky, now) {
            tracing::debug!(topology = %id, %decky, "too many requests to shuffle the decky; one is ignored");
            return;
        }
        match engine.shuffle_on_request(id, &decky, Timestamp::now()).await {
            Ok(Some(_)) => tracing::info!(topology = %id, %decky, "the decky is shuffled on request"),
            Ok(None) => {
                tracing::info!(topology = %id, %decky, "a request to shuffle the decky is ignored: it was just changed, or does not run");
            }
            Err(error) => {
                tracing::warn!(topology = %id, %decky, error = error.with_causes(), "a request to shuffle the decky is ignored");
            }
        }
    }

    /// Returns whether a request may be looked at, and counts it.
    fn admits(&mut self, id: TopologyId, decky: &Name, now: Instant) -> bool {
        let pause = REQUEST_PAUSE.unsigned_abs();
        self.requests.retain(|_, at| now.saturating_duration_since(*at) < pause);
        let key = (id, decky.clone());
        if self.requests.len() >= MOST || self.requests.contains_key(&key) {
            return false;
        }
        self.requests.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_request_for_a_decky_waits_for_the_pause() {
        let (mut times, now) = (ShuffleTimes::default(), Instant::now());
        let id = decnet_topology::rng::topology_id();
        let [web, mail]: [Name; 2] = ["web", "mail"].map(|name| name.parse().unwrap());
        assert!(times.admits(id, &web, now));
        assert!(!times.admits(id, &web, now + Duration::from_secs(9)));
        assert!(times.admits(id, &mail, now + Duration::from_secs(9)));
        assert!(times.admits(id, &web, now + Duration::from_secs(10)));
        for number in 0..2 * MOST {
            times.admits(
                id,
                &format!("d{number}").parse().unwrap(),
                now + Duration::from_secs(10),
            );
        }
        assert_eq!(times.requests.len(), MOST);
    }

    #[test]
    fn the_loop_wakes_for_the_earliest_by_the_clock_of_the_store_and_at_once_for_a_missed_one() {
        let (mut times, now, clock) = (ShuffleTimes::default(), Instant::now(), Timestamp::UNIX_EPOCH);
        assert_eq!(times.next_due(now, clock), None);
        let add = |times: &mut ShuffleTimes, second: i64| {
            let seen = Seen {
                changed_at: clock,
                shuffled_until: clock,
            };
            let next = Timestamp::from_second(second).ok();
            times
                .topologies
                .insert(decnet_topology::rng::topology_id(), Known { seen, next });
        };
        add(&mut times, 60);
        add(&mut times, 50);
        assert_eq!(times.next_due(now, clock), Some(now + Duration::from_secs(50)));
        times.ahead = SignedDuration::from_secs(20);
        assert_eq!(times.next_due(now, clock), Some(now + Duration::from_secs(30)));
        times.ahead = SignedDuration::from_secs(-20);
        assert_eq!(times.next_due(now, clock), Some(now + Duration::from_secs(70)));
        add(&mut times, -50);
        times.ahead = SignedDuration::ZERO;
        assert_eq!(times.next_due(now, clock), Some(now + SHORTEST));
    }
}
