//! What deckies were at some time.
//!
//! Folded from events, a [`Timeline`] says what ran; folded from a store's audit trail, what was meant to run.

use std::collections::{BTreeMap, BTreeSet};

use decnet_topology::{
    MutationId, Name, ServiceName, Status, Topology, TopologyId,
    history::{self, DeckyState},
    repo::RecordedChange,
    status::StatusEvent,
};
use jiff::Timestamp;
use serde::Serialize;

use super::{DeckyEvent, Envelope, Event, MutationStage, Trigger};

/// What a decky was from some time on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeckyMoment {
    /// What it ran.
    pub services: BTreeSet<ServiceName>,
    /// Since when.
    pub since: Timestamp,
    /// What had brought that about.
    pub trigger: Trigger,
    /// The mutation that had, if one had and that is known.
    pub mutation: Option<MutationId>,
    /// All that it was, where that is known: events say what it ran, an audit trail says all.
    pub state: Option<DeckyState>,
}

/// What one decky was, time after time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeckyTimeline(
    /// In order of time; none from when it was gone.
    Vec<(Timestamp, Option<DeckyMoment>)>,
);

impl DeckyTimeline {
    /// Returns what the decky was at that time; none if it was not there.
    pub fn at(&self, time: Timestamp) -> Option<&DeckyMoment> {
        let after = self.0.partition_point(|(since, _)| *since <= time);
        self.0.get(after.checked_sub(1)?)?.1.as_ref()
    }

    /// Returns all that the decky was, in order of time; where it was gone for a while there is a gap.
    pub fn moments(&self) -> impl Iterator<Item = &DeckyMoment> {
        self.0.iter().filter_map(|(_, moment)| moment.as_ref())
    }
}

/// What the deckies of one topology were, and what the topology was, time after time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timeline {
    deckies: BTreeMap<Name, DeckyTimeline>,
    statuses: Vec<(Timestamp, Status)>,
}

impl Timeline {
    /// Folds the events of one topology, others left aside.
    ///
    /// They may come in any order, and more than once: each counts once, in order of time and id. Events that were lost leave
    /// what was before them.
    pub fn from_events<'a>(topology: TopologyId, events: impl IntoIterator<Item = &'a Envelope>) -> Self {
        let ours = |envelope: &&Envelope| envelope.event.topology() == Some(topology);
        let ordered: BTreeMap<_, &Event> = events
            .into_iter()
            .filter(ours)
            .map(|envelope| ((envelope.at, envelope.id), &envelope.event))
            .collect();
        let mut timeline = Self::default();
        // One worker at a time changes a topology: what changes while a mutation is applied is the mutation's doing.
        let mut applying = None;
        for ((at, _), event) in ordered {
            match event {
                Event::Decky(event) => timeline.see(at, event, applying),
                Event::Mutation { mutation, state, .. } => {
                    applying = (*state == MutationStage::Applying).then_some(*mutation);
                }
                Event::Status { to, .. } => timeline.become_status(at, *to),
                _ => {}
            }
        }
        timeline
    }

    /// Folds a store's audit trail: the maze as it is now, what edits and mutations changed of its deckies, and its changes of
    /// status, the first of which is its creation.
    ///
    /// It says what the deckies were meant to be; whether they ran is for the [status](Self::status_at) at the time to say. With
    /// the teardown they are gone.
    pub fn from_trail(current: &Topology, changes: &[RecordedChange], statuses: &[StatusEvent]) -> Self {
        let mut timeline = Self::default();
        let Some(created) = statuses.iter().map(|event| event.at).min() else {
            return timeline;
        };
        for (decky, state) in history::at(current, changes.iter().map(|recorded| &recorded.change)) {
            timeline.put(decky, created, Trigger::Creation, None, Some(state));
        }
        for RecordedChange { at, mutation, change } in changes {
            let trigger = match (&change.before, &change.after) {
                (None, _) => Trigger::Creation,
                (_, None) => Trigger::Retirement,
                _ => Trigger::Operator,
            };
            timeline.put(change.decky.clone(), *at, trigger, *mutation, change.after.clone());
        }
        let mut statuses: Vec<&StatusEvent> = statuses.iter().collect();
        statuses.sort_by_key(|event| event.at);
        for event in statuses {
            timeline.become_status(event.at, event.to);
        }
        timeline
    }

    /// Returns what is known of a decky.
    pub fn decky(&self, name: &Name) -> Option<&DeckyTimeline> {
        self.deckies.get(name)
    }

    /// Returns the deckies that there were at that time, in order of their names.
    pub fn at(&self, time: Timestamp) -> impl Iterator<Item = (&Name, &DeckyMoment)> {
        self.deckies
            .iter()
            .filter_map(move |(name, decky)| Some((name, decky.at(time)?)))
    }

    /// Returns the status of the topology at that time; none before the first that is known.
    pub fn status_at(&self, time: Timestamp) -> Option<Status> {
        let after = self.statuses.partition_point(|(since, _)| *since <= time);
        self.statuses.get(after.checked_sub(1)?).map(|(_, status)| *status)
    }

    fn see(&mut self, at: Timestamp, event: &DeckyEvent, applying: Option<MutationId>) {
        let DeckyEvent {
            decky,
            new_services,
            trigger,
            ..
        } = event;
        let moment = (*trigger != Trigger::Retirement).then(|| DeckyMoment {
            services: new_services.clone(),
            since: at,
            trigger: *trigger,
            mutation: applying.filter(|_| *trigger != Trigger::Healer),
            state: None,
        });
        self.deckies.entry(decky.clone()).or_default().0.push((at, moment));
    }

    fn put(
        &mut self,
        decky: Name,
        at: Timestamp,
        trigger: Trigger,
        mutation: Option<MutationId>,
        state: Option<DeckyState>,
    ) {
        let moment = state.map(|state| DeckyMoment {
            services: state.services.clone(),
            since: at,
            trigger,
            mutation,
            state: Some(state),
        });
        self.deckies.entry(decky).or_default().0.push((at, moment));
    }

    /// A topology that is torn down has no deckies, whoever was not told.
    fn become_status(&mut self, at: Timestamp, to: Status) {
        self.statuses.push((at, to));
        if to == Status::TornDown {
            for decky in self.deckies.values_mut() {
                decky.0.push((at, None));
            }
        }
    }
}

#[cfg(test)]
mod tests;
