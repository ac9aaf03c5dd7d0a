//! The state of deckies over time.

use std::collections::{BTreeMap, BTreeSet};

use decnet_topology::{
    DeckySnapshot, MutationFilter, MutationId, MutationTrigger, Name, RecordedChange, Repo, RepoError, ServiceName,
    Status, StatusEvent, StoredTopology, Topology, TopologyId, history,
};
use jiff::Timestamp;
use serde::Serialize;

use super::{DeckyEvent, Envelope, Event, MutationStage, Trigger};

/// The state of a decky from a point in time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeckyMoment {
    /// The services.
    pub services: BTreeSet<ServiceName>,
    /// The start.
    pub since: Timestamp,
    /// The cause of the change.
    pub trigger: Trigger,
    /// The mutation that caused it, if there was one and it is known.
    pub mutation: Option<MutationId>,
    /// The full state, if it is known: an audit trail has it, events do not.
    pub state: Option<DeckySnapshot>,
}

impl DeckyMoment {
    /// Returns its role, as [`DeckyState::role`](crate::DeckyState::role) does; `?` if the state is unknown. `dmz` is the name of
    /// the DMZ.
    pub fn role(&self, dmz: Option<&Name>) -> &'static str {
        self.state.as_ref().map_or("?", |state| {
            let home = state.attachments.first().map(|edge| &edge.lan);
            let is_gateway = state.forwards_l3 && home.is_some() && home == dmz;
            role(is_gateway, state.forwards_l3, state.attachments.len())
        })
    }

    /// Lists its LANs and addresses for people; empty if the state is unknown.
    pub fn address_text(&self) -> String {
        let attachments = self.state.iter().flat_map(|state| &state.attachments);
        let listed: Vec<_> = attachments.map(|edge| format!("{} {}", edge.lan, edge.ip)).collect();
        listed.join(", ")
    }
}

/// Names the role of a decky for people.
pub(crate) fn role(gateway: bool, forwards: bool, lans: usize) -> &'static str {
    match (gateway, forwards, lans) {
        (true, ..) => "gateway",
        (_, true, _) => "router",
        (_, _, 2..) => "bridge",
        _ => "host",
    }
}

/// The states of one decky over time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeckyTimeline(
    /// In order of time; none from the time when it was removed.
    Vec<(Timestamp, Option<DeckyMoment>)>,
);

impl DeckyTimeline {
    /// Returns the state at a time. Returns none if the decky did not exist.
    pub fn at(&self, time: Timestamp) -> Option<&DeckyMoment> {
        let after = self.0.partition_point(|(since, _)| *since <= time);
        self.0.get(after.checked_sub(1)?)?.1.as_ref()
    }

    /// Returns all states in order of time. A time without the decky is a gap.
    pub fn moments(&self) -> impl Iterator<Item = &DeckyMoment> {
        self.0.iter().filter_map(|(_, moment)| moment.as_ref())
    }
}

/// The states of the deckies of one topology and of the topology itself over time.
///
/// A [`Timeline`] built from events has the services that ran. One built from the audit trail of a store has the services that
/// should run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timeline {
    deckies: BTreeMap<Name, DeckyTimeline>,
    statuses: Vec<(Timestamp, Status)>,
}

impl Timeline {
    /// Builds the timeline of one topology from events; events of others are ignored.
    ///
    /// The events may be in any order and repeated: each counts once, in order of time and id. After a lost event the earlier
    /// state continues.
    pub fn from_events<'a>(topology: TopologyId, events: impl IntoIterator<Item = &'a Envelope>) -> Self {
        let ours = |envelope: &&Envelope| envelope.event.topology() == Some(topology);
        let ordered: BTreeMap<_, &Event> = events
            .into_iter()
            .filter(ours)
            .map(|envelope| ((envelope.at, envelope.id), &envelope.event))
            .collect();
        let mut timeline = Self::default();
        // One worker at a time changes a topology, so a change while a mutation is applied belongs to that mutation.
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

    /// Reads the audit trail of a stored topology, and builds the timeline of [`from_trail`](Self::from_trail).
    pub async fn load(repo: &dyn Repo, stored: &StoredTopology) -> Result<Self, RepoError> {
        let id = stored.row.id;
        let statuses = repo.status_events(id).await?;
        let changes = repo.decky_changes(id, None).await?;
        let mutations = repo.mutations(&MutationFilter::default().topology(id)).await?.rows;
        let scheduled = mutations
            .into_iter()
            .filter(|mutation| mutation.trigger == MutationTrigger::Scheduled)
            .map(|mutation| mutation.id)
            .collect();
        Ok(Self::from_trail(&stored.topology, &changes, &scheduled, &statuses))
    }

    /// Builds a timeline from the audit trail of a store: the current maze, the changes of its deckies by edits and mutations,
    /// those of its mutations that a schedule asked for, and its changes of status. The first change of status is the creation of the topology.
    ///
    /// The timeline has the services that should run; the [status](Self::status_at) at that time shows whether they did. The
    /// teardown removes all deckies.
    pub fn from_trail(
        current: &Topology,
        changes: &[RecordedChange],
        scheduled: &BTreeSet<MutationId>,
        statuses: &[StatusEvent],
    ) -> Self {
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
                _ if mutation.is_some_and(|id| scheduled.contains(&id)) => Trigger::Scheduled,
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

    /// Returns the timeline of a decky.
    pub fn decky(&self, name: &Name) -> Option<&DeckyTimeline> {
        self.deckies.get(name)
    }

    /// Returns the deckies that existed at a time, in order of their names.
    pub fn at(&self, time: Timestamp) -> impl Iterator<Item = (&Name, &DeckyMoment)> {
        self.deckies
            .iter()
            .filter_map(move |(name, decky)| Some((name, decky.at(time)?)))
    }

    /// Returns the status of the topology at a time. Returns none before the first known status.
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
        state: Option<DeckySnapshot>,
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

    /// A torn-down topology has no deckies, even if events are missing.
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
