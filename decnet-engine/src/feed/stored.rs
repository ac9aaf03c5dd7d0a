//! Events derived from the store, for processes without a bus and for events that a bus lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use decnet_topology::{
    MutationFilter, MutationId, MutationPage, MutationRow, Repo, RepoError, Status, TopologyFilter, TopologyId,
    TopologyRow, shown::count,
};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::json;

use crate::event::{Envelope, Event, MutationStage};

/// How many mutations are read at a time.
const PAGE: usize = 64;
/// How many finished mutations are remembered as seen.
const REMEMBERED: usize = 4096;
/// How many changes of status are remembered per topology, so that a late event of a bus is not repeated.
const REMEMBERED_STATUSES: usize = 64;

/// A topology in the snapshot of a feed.
///
/// It serializes as its row with a list `mutations`: the `id`, `mutation`, `state`, `actor` and `enqueued_at` of each.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct TopologyNow {
    /// Its row.
    #[serde(flatten)]
    pub row: TopologyRow,
    /// Its mutations that are not finished.
    #[serde(rename = "mutations", serialize_with = "serialize_unfinished")]
    pub unfinished: Vec<MutationRow>,
}

impl TopologyNow {
    /// Describes its status, its version and its queue in a few words for people.
    pub fn describe(&self) -> String {
        let waiting = match self.unfinished.len() {
            0 => String::new(),
            number => format!(", {}", count(number, "mutation waits", "mutations wait")),
        };
        format!("is {}, version {}{waiting}", self.row.status, self.row.version)
    }
}

/// Serializes mutations without the fields that only a finished one has.
fn serialize_unfinished<S: Serializer>(rows: &[MutationRow], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(rows.iter().map(|row| {
        json!({
            "id": row.id,
            "mutation": row.mutation,
            "state": row.state,
            "actor": row.actor,
            "enqueued_at": row.enqueued_at,
        })
    }))
}

/// The events that follow from the store, each returned once.
#[derive(Debug)]
pub(super) struct StoredEvents {
    repo: Arc<dyn Repo>,
    /// The topology to follow; none for all.
    only: Option<TopologyId>,
    names: BTreeMap<TopologyId, String>,
    /// The `updated_at` of the rows at their last read.
    read_at: BTreeMap<TopologyId, Timestamp>,
    statuses: BTreeMap<TopologyId, SeenStatuses>,
    /// The highest id of the mutations read so far.
    last: MutationId,
    /// The rank of the last stage seen of each mutation.
    mutations: BTreeMap<MutationId, u8>,
}

/// The changes of status of one topology that were seen.
#[derive(Debug, Default)]
struct SeenStatuses {
    /// The number of changes in the store, which only appends.
    stored: usize,
    /// The times of the latest changes.
    latest: BTreeSet<Timestamp>,
}

impl SeenStatuses {
    /// Records a change. Returns false if it was seen before or is older than all remembered changes.
    fn note(&mut self, at: Timestamp) -> bool {
        if self.latest.len() == REMEMBERED_STATUSES {
            if self.latest.first().is_some_and(|first| at < *first) {
                return false;
            }
            let is_new = self.latest.insert(at);
            if is_new {
                self.latest.pop_first();
            }
            return is_new;
        }
        self.latest.insert(at)
    }
}

impl StoredEvents {
    /// Follows one topology, or all.
    pub(super) fn new(repo: Arc<dyn Repo>, only: Option<TopologyId>) -> Self {
        Self {
            repo,
            only,
            names: BTreeMap::new(),
            read_at: BTreeMap::new(),
            statuses: BTreeMap::new(),
            last: MutationId::new(0),
            mutations: BTreeMap::new(),
        }
    }

    /// Returns the name of a topology, if it is known.
    pub(super) fn name(&self, topology: TopologyId) -> Option<&str> {
        self.names.get(&topology).map(String::as_str)
    }

    /// Reads the current state. Everything in it counts as seen. Torn-down topologies are skipped unless one was selected.
    pub(super) async fn snapshot(&mut self) -> Result<Vec<TopologyNow>, RepoError> {
        // An event between the reads is in a later read, or `catch_up` returns it, or both.
        let end = self.mutations(&self.page(0, 0)).await?.total;
        let latest = self.mutations(&self.page(end.saturating_sub(1), 1)).await?.rows;
        self.last = latest.first().map_or(MutationId::new(0), |row| row.id);
        for row in latest.into_iter().chain(self.unfinished(None).await?) {
            self.last = self.last.max(row.id);
            self.mutations.insert(row.id, reached(&row));
        }
        let mut all = Vec::new();
        for row in self.rows().await? {
            let Some(events) = unless_deleted(self.repo.status_events(row.id).await)? else {
                continue;
            };
            let seen = self.statuses.entry(row.id).or_default();
            seen.stored = events.len();
            for event in &events {
                seen.note(event.at);
            }
            if row.status == Status::TornDown && self.only.is_none() {
                continue;
            }
            let Some(row) = unless_deleted(self.repo.get(row.id).await)? else {
                continue;
            };
            let unfinished = self.unfinished(Some(row.id)).await?;
            all.push(TopologyNow { row, unfinished });
        }
        Ok(all)
    }

    /// Records an event from a bus. Returns whether it is new.
    pub(super) fn see(&mut self, envelope: &Envelope) -> bool {
        match &envelope.event {
            Event::Status { topology, .. } => self.statuses.entry(*topology).or_default().note(envelope.at),
            Event::Mutation { mutation, state, .. } => {
                // A mutation that finished before the snapshot is not remembered.
                let unknown = if *mutation <= self.last { FINAL_RANK } else { 0 };
                let seen = self.mutations.entry(*mutation).or_insert(unknown);
                let is_new = rank(*state) > *seen;
                *seen = (*seen).max(rank(*state));
                is_new
            }
            _ => true,
        }
    }

    /// Returns the events that were not seen yet, in order of time.
    pub(super) async fn catch_up(&mut self) -> Result<Vec<Envelope>, RepoError> {
        let mut events_since = Vec::new();
        for row in self.rows().await? {
            if self.read_at.insert(row.id, row.changed_at) == Some(row.changed_at) {
                continue;
            }
            let seen = self.statuses.entry(row.id).or_default();
            let events = unless_deleted(self.repo.status_events(row.id).await)?.unwrap_or_default();
            let known = std::mem::replace(&mut seen.stored, events.len());
            for event in events.into_iter().skip(known) {
                if seen.note(event.at) {
                    let status = Event::Status {
                        topology: row.id,
                        from: event.from,
                        to: event.to,
                        reason: event.reason,
                    };
                    events_since.push(Envelope::new(status, event.at));
                }
            }
        }
        let mut changed = self.fresh_mutations().await?;
        self.last = changed.iter().map(|row| row.id).fold(self.last, Ord::max);
        let fresh: BTreeSet<MutationId> = changed.iter().map(|row| row.id).collect();
        let unfinished = self
            .mutations
            .iter()
            .filter(|(id, seen)| **seen < FINAL_RANK && !fresh.contains(id));
        let mut gone = BTreeSet::new();
        for (id, _) in unfinished {
            match unless_deleted(self.repo.mutation(*id).await)? {
                Some(row) => changed.push(row),
                None => drop(gone.insert(*id)),
            }
        }
        self.mutations.retain(|id, _| !gone.contains(id));
        for row in changed {
            let seen = self.mutations.insert(row.id, reached(&row)).unwrap_or_default();
            let unseen = stages(&row).into_iter().filter(|(state, _)| rank(*state) > seen);
            events_since.extend(unseen.map(|(state, at)| mutation(&row, state, at)));
        }
        self.forget();
        events_since.sort_by_key(|envelope| envelope.at);
        Ok(events_since)
    }

    async fn rows(&mut self) -> Result<Vec<TopologyRow>, RepoError> {
        let rows = match self.only {
            None => self.repo.list(&TopologyFilter::default()).await?.rows,
            Some(id) => unless_deleted(self.repo.get(id).await)?.into_iter().collect(),
        };
        let names: BTreeMap<_, _> = rows.iter().map(|row| (row.id, row.name.to_string())).collect();
        // A topology that is missing now was deleted.
        let deleted = self.names.keys().filter(|id| !names.contains_key(id));
        for id in deleted {
            self.read_at.remove(id);
            self.statuses.remove(id);
        }
        self.names = names;
        Ok(rows)
    }

    async fn unfinished(&self, topology: Option<TopologyId>) -> Result<Vec<MutationRow>, RepoError> {
        let filter = MutationFilter::unfinished(topology.or(self.only));
        Ok(self.mutations(&filter).await?.rows)
    }

    async fn mutations(&self, filter: &MutationFilter) -> Result<MutationPage, RepoError> {
        let page = unless_deleted(self.repo.mutations(filter).await)?;
        Ok(page.unwrap_or_else(|| MutationPage {
            rows: Vec::new(),
            total: 0,
        }))
    }

    /// Reads the mutations after the last one seen, from the end: earlier ones may have been deleted with their topology.
    async fn fresh_mutations(&self) -> Result<Vec<MutationRow>, RepoError> {
        let mut end = self.mutations(&self.page(0, 0)).await?.total;
        let mut fresh = Vec::new();
        while end > 0 {
            let offset = end.saturating_sub(PAGE);
            let rows = self.mutations(&self.page(offset, end - offset)).await?.rows;
            let known = rows.iter().any(|row| row.id <= self.last);
            fresh.extend(rows.into_iter().filter(|row| row.id > self.last));
            if known {
                break;
            }
            end = offset;
        }
        Ok(fresh)
    }

    fn page(&self, offset: usize, limit: usize) -> MutationFilter {
        MutationFilter::default()
            .topology(self.only)
            .limit(limit)
            .offset(offset)
    }

    fn forget(&mut self) {
        let mut surplus = self.mutations.len().saturating_sub(REMEMBERED);
        self.mutations.retain(|_, seen| {
            let is_forgotten = surplus > 0 && *seen == FINAL_RANK;
            surplus -= usize::from(is_forgotten);
            !is_forgotten
        });
    }
}

/// Returns the value, or none if its topology was deleted.
fn unless_deleted<T>(found: Result<T, RepoError>) -> Result<Option<T>, RepoError> {
    match found {
        Err(RepoError::NotFound { .. } | RepoError::MutationNotFound { .. }) => Ok(None),
        found => found.map(Some),
    }
}

/// Returns the stages of a mutation with their times.
fn stages(row: &MutationRow) -> Vec<(MutationStage, Timestamp)> {
    let last = row.state.is_final().then(|| {
        let at = row.finished_at.or(row.begun_at).unwrap_or(row.enqueued_at);
        (row.state.into(), at)
    });
    let begun = row.begun_at.map(|at| (MutationStage::Applying, at));
    // A mutation of a maze that does not run is applied at once and never waits.
    let at_once = begun.is_none() && last.is_some_and(|(_, at)| at == row.enqueued_at);
    let first = (!at_once).then_some((MutationStage::Enqueued, row.enqueued_at));
    [first, begun, last].into_iter().flatten().collect()
}

/// The rank of the final stages.
const FINAL_RANK: u8 = 3;

/// Returns the rank of a stage. The rank of a mutation only increases.
fn rank(stage: MutationStage) -> u8 {
    match stage {
        MutationStage::Enqueued => 1,
        MutationStage::Applying => 2,
        _ => FINAL_RANK,
    }
}

/// Returns the rank of the stage that a mutation reached.
fn reached(row: &MutationRow) -> u8 {
    rank(row.state.into())
}

fn mutation(row: &MutationRow, state: MutationStage, at: Timestamp) -> Envelope {
    let event = Event::Mutation {
        topology: row.topology,
        mutation: row.id,
        op: row.mutation.op().into(),
        state,
        actor: row.actor.clone(),
        reason: row.reason.clone().filter(|_| rank(state) == FINAL_RANK),
    };
    Envelope::new(event, at)
}

#[cfg(test)]
mod tests;
