//! Publishes what attackers do.

use std::time::Duration;

use decnet_topology::{RepoError, TopologyId};
use jiff::{SignedDuration, Timestamp};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::{
    engine::{Engine, EngineError},
    event::{Envelope, Event},
    logs::{LogCursor, LogItem, LogOptions},
    movement::AttackTracker,
    observe::{Observed, Scope},
};

/// How much of the past is read at the start, so that attackers who are in the mazes are known.
const PAST: SignedDuration = SignedDuration::from_hours(1);

/// How often the conversations that are open are compared with the containers. That of a killed or removed container has no last
/// line.
const CHECK: Duration = Duration::from_secs(10);

/// How long a failure pauses the reading.
const PAUSE: Duration = Duration::from_secs(10);

/// Follows the logs of all mazes, and publishes an event for each thing that an attacker does from now on. It does not end.
pub(super) async fn publish(engine: Engine) {
    let start = Timestamp::now();
    let since = start.saturating_sub(PAST).unwrap_or(start);
    let mut tracker = AttackTracker::default();
    let mut cursor = LogCursor::default();
    loop {
        let options = LogOptions::default().since(since).follow(true).cursor(cursor.clone());
        if let Err(error) = follow(&engine, options, &mut cursor, &mut tracker, start).await {
            tracing::warn!(%error, "the logs could not be followed; retrying");
        }
        sleep(PAUSE).await;
    }
}

/// Processes lines until the logs cannot be read. Publishes those of `start` or later.
async fn follow(
    engine: &Engine,
    options: LogOptions,
    cursor: &mut LogCursor,
    tracker: &mut AttackTracker,
    start: Timestamp,
) -> Result<(), EngineError> {
    let mut logs = engine.logs(options).await?;
    let mut tick = interval(CHECK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let next = tokio::select! {
            next = logs.next() => next,
            _ = tick.tick() => {
                end_sessions(engine, tracker).await;
                continue;
            }
        };
        let item = match next {
            Some(Ok(item)) => item,
            end => {
                cursor.clone_from(logs.cursor());
                return end.transpose().map(drop);
            }
        };
        let LogItem::Entry(entry) = item else {
            continue;
        };
        for event in tracker.see(&entry) {
            if entry.at >= start {
                engine.publish(Envelope::new(Event::Attacker(event), entry.at));
            }
        }
    }
}

/// Ends the conversations of containers that were removed, stopped or restarted. A runtime that does not answer is asked again later.
async fn end_sessions(engine: &Engine, tracker: &mut AttackTracker) {
    let topologies = tracker.topologies_with_sessions();
    if topologies.is_empty() {
        return;
    }
    let mut containers = Vec::new();
    for id in topologies {
        match inspect(engine, id).await {
            Ok(observed) if observed.unseen.is_empty() => containers.extend(observed.containers),
            _ => return,
        }
    }
    let now = Timestamp::now();
    for event in tracker.refresh(&containers, now) {
        engine.publish(Envelope::new(Event::Attacker(event), now));
    }
}

/// Observes what runs of a topology. One that was deleted has nothing.
async fn inspect(engine: &Engine, id: TopologyId) -> Result<Observed, EngineError> {
    let row = match engine.repo().get(id).await {
        Err(RepoError::NotFound { .. }) => return Ok(Observed::default()),
        found => found?,
    };
    let (runtime, instance) = engine.place_of(&row).await?;
    Ok(runtime.inspect(Scope::Topology(instance, id)).await?)
}
