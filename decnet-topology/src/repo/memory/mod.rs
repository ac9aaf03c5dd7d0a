//! The home of the repo in memory.

mod queue;
mod shelf;

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use self::{
    queue::Queue,
    shelf::{Entry, Shelf, order},
};
use crate::{
    id::{self, ClaimToken, InstanceId, LeaseToken, MutationId, TopologyId},
    model::{DeploySettings, StoredTopology, Topology, TopologyRow},
    repo::{
        Claim, Edit, Holder, Lease, ListFilter, MutationClaim, MutationFilter, MutationPage, MutationRow, NewMutation,
        NewTopology, Outcome, Page, RecordedChange, Repo, RepoError, StatusChange, rules,
    },
    rng,
    status::StatusEvent,
    version::Version,
};

/// A store that lives as long as the process: for tests, previews and embedders that keep their mazes elsewhere.
///
/// It needs no runtime: its futures are ready at once.
#[derive(Debug)]
pub struct MemoryRepo {
    instance: InstanceId,
    shelf: Mutex<Shelf>,
}

impl Default for MemoryRepo {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryRepo {
    const SCHEMA: u32 = 2;

    /// Makes an empty store with an instance id of its own.
    pub fn new() -> Self {
        Self {
            instance: rng::instance_id(),
            shelf: Mutex::default(),
        }
    }

    /// Locks the store. A panic elsewhere leaves it whole: every method changes it in one step, after all refusals.
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn create_drawing(
        &self,
        draw: &mut dyn FnMut() -> TopologyId,
        new: NewTopology,
        at: Timestamp,
    ) -> Result<StoredTopology, RepoError> {
        let mut shelf = self.shelf();
        let namesake = shelf.alive().find(|entry| entry.stored.row.name == new.name);
        if let Some(Entry { stored, .. }) = namesake {
            return Err(RepoError::NameTaken {
                name: stored.row.name.clone(),
                id: stored.row.id,
            });
        }
        shelf.refuse_claimed(None, &new.topology)?;
        let taken = |drawn| {
            let mut known = shelf.entries().map(|entry| entry.stored.row.id);
            known.any(|known| id::short(known) == id::short(drawn))
        };
        let id = rules::fresh_id(draw, |drawn| Ok::<_, RepoError>(taken(drawn)))?;
        let stored = StoredTopology {
            row: rules::first_row(id, &new, at),
            topology: new.topology,
        };
        shelf.insert(Entry {
            stored: stored.clone(),
            events: vec![rules::first_event(at)],
            lease: None,
            queue: Queue::default(),
        });
        Ok(stored)
    }
}

#[async_trait]
impl Repo for MemoryRepo {
    async fn instance(&self) -> Result<InstanceId, RepoError> {
        Ok(self.instance)
    }

    async fn schema_version(&self) -> Result<u32, RepoError> {
        Ok(Self::SCHEMA)
    }

    async fn create(&self, new: NewTopology, at: Timestamp) -> Result<StoredTopology, RepoError> {
        self.create_drawing(&mut rng::topology_id, new, at)
    }

    async fn get(&self, id: TopologyId) -> Result<TopologyRow, RepoError> {
        self.shelf().entry(id).map(|entry| entry.stored.row.clone())
    }

    async fn list(&self, filter: &ListFilter) -> Result<Page, RepoError> {
        let shelf = self.shelf();
        let mut rows: Vec<&TopologyRow> = shelf.entries().map(|entry| &entry.stored.row).collect();
        rows.retain(|row| filter.statuses.is_empty() || filter.statuses.contains(&row.status));
        rows.sort_by_key(|row| order(row));
        Ok(Page {
            total: rows.len(),
            rows: cut(rows, filter.limit, filter.offset),
        })
    }

    async fn load(&self, id: TopologyId) -> Result<StoredTopology, RepoError> {
        self.shelf().entry(id).map(|entry| entry.stored.clone())
    }

    async fn edit(&self, id: TopologyId, edit: Edit, at: Timestamp) -> Result<StoredTopology, RepoError> {
        let mut shelf = self.shelf();
        let mut row = shelf.entry(id)?.stored.row.clone();
        rules::edit(&mut row, edit.expected, at)?;
        shelf.refuse_claimed(Some(id), &edit.topology)?;
        let number = edit.mutation.is_some().then(|| shelf.number(id));
        let entry = shelf.entry_mut(id)?;
        entry.queue.record(&entry.stored.topology, &edit.topology, number, at);
        if let (Some(number), Some(new)) = (number, edit.mutation) {
            entry.queue.insert(rules::queue::applied(number, &row, new, at));
        }
        entry.stored = StoredTopology {
            row,
            topology: edit.topology,
        };
        Ok(entry.stored.clone())
    }

    async fn set_status(&self, id: TopologyId, change: StatusChange, at: Timestamp) -> Result<TopologyRow, RepoError> {
        let mut shelf = self.shelf();
        let entry = shelf.entry_mut(id)?;
        let event = rules::change(&mut entry.stored.row, entry.lease.as_ref(), change, at)?;
        entry.events.push(event);
        entry.queue.dismiss(&entry.stored.row, at);
        Ok(entry.stored.row.clone())
    }

    async fn status_events(&self, id: TopologyId) -> Result<Vec<StatusEvent>, RepoError> {
        self.shelf().entry(id).map(|entry| entry.events.clone())
    }

    async fn set_settings(
        &self,
        id: TopologyId,
        settings: DeploySettings,
        at: Timestamp,
    ) -> Result<TopologyRow, RepoError> {
        let mut shelf = self.shelf();
        let row = &mut shelf.entry_mut(id)?.stored.row;
        rules::set_settings(row, settings, at)?;
        Ok(row.clone())
    }

    async fn set_needs_resync(&self, id: TopologyId, needs_resync: bool, at: Timestamp) -> Result<(), RepoError> {
        let mut shelf = self.shelf();
        let row = &mut shelf.entry_mut(id)?.stored.row;
        row.needs_resync = needs_resync;
        row.changed_at = at;
        Ok(())
    }

    async fn claims(&self, except: Option<TopologyId>) -> Result<Vec<Claim>, RepoError> {
        Ok(self.shelf().claims(except))
    }

    async fn acquire_lease(
        &self,
        id: TopologyId,
        holder: &Holder,
        time: SignedDuration,
        superseding: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<Lease, RepoError> {
        let mut shelf = self.shelf();
        let entry = shelf.entry_mut(id)?;
        let lease = rules::acquire(entry.lease.clone(), holder, time, superseding, at)?;
        entry.lease = Some(lease.clone());
        Ok(lease)
    }

    async fn renew_lease(
        &self,
        id: TopologyId,
        token: LeaseToken,
        time: SignedDuration,
        at: Timestamp,
    ) -> Result<Lease, RepoError> {
        let mut shelf = self.shelf();
        let entry = shelf.entry_mut(id)?;
        let lease = rules::renew(id, entry.lease.clone(), token, time, at)?;
        entry.lease = Some(lease.clone());
        Ok(lease)
    }

    async fn release_lease(&self, id: TopologyId, token: LeaseToken) -> Result<(), RepoError> {
        if let Ok(entry) = self.shelf().entry_mut(id) {
            entry.lease.take_if(|lease| lease.token == token);
        }
        Ok(())
    }

    async fn lease(&self, id: TopologyId, at: Timestamp) -> Result<Option<Lease>, RepoError> {
        self.shelf().entry(id).map(|entry| rules::held(entry.lease.clone(), at))
    }

    async fn enqueue(
        &self,
        id: TopologyId,
        new: NewMutation,
        expected: Option<Version>,
        at: Timestamp,
    ) -> Result<MutationRow, RepoError> {
        let mut shelf = self.shelf();
        rules::queue::enqueue(&mut shelf.entry_mut(id)?.stored.row, expected, at)?;
        let number = shelf.number(id);
        let entry = shelf.entry_mut(id)?;
        let mutation = rules::queue::enqueued(number, &entry.stored.row, new, at);
        entry.queue.insert(mutation.clone());
        Ok(mutation)
    }

    async fn claim_mutation(
        &self,
        topology: Option<TopologyId>,
        holder: &Holder,
        time: SignedDuration,
        superseding: Option<ClaimToken>,
        at: Timestamp,
    ) -> Result<Option<MutationRow>, RepoError> {
        let mut shelf = self.shelf();
        let claimable = |entry: &Entry| Some((entry.queue.claimable(superseding, at)?, entry.stored.row.id));
        let first = match topology {
            Some(id) => claimable(shelf.entry(id)?),
            None => shelf.entries().filter_map(claimable).min(),
        };
        match first {
            Some((id, topology)) => Ok(shelf.entry_mut(topology)?.queue.claim(id, holder, time, at)),
            None => Ok(None),
        }
    }

    async fn renew_claim(
        &self,
        id: MutationId,
        token: ClaimToken,
        time: SignedDuration,
        at: Timestamp,
    ) -> Result<MutationClaim, RepoError> {
        let mut shelf = self.shelf();
        let mut row = shelf.mutation(id)?.1.clone();
        let claim = rules::queue::renew(&mut row, token, time, at)?;
        shelf.entry_mut(row.topology)?.queue.update(row);
        Ok(claim)
    }

    async fn give_back(&self, id: MutationId, token: ClaimToken, at: Timestamp) -> Result<(), RepoError> {
        let mut shelf = self.shelf();
        let Ok((entry, row)) = shelf.mutation(id) else {
            return Ok(());
        };
        let mut row = row.clone();
        if rules::queue::give_back(&mut row, &entry.stored.row, token, at) {
            shelf.entry_mut(row.topology)?.queue.update(row);
        }
        Ok(())
    }

    async fn store_mutation(
        &self,
        id: MutationId,
        token: ClaimToken,
        topology: Topology,
        at: Timestamp,
    ) -> Result<StoredTopology, RepoError> {
        let mut shelf = self.shelf();
        let (entry, mutation) = shelf.mutation(id)?;
        let (mut mutation, mut row) = (mutation.clone(), entry.stored.row.clone());
        rules::queue::store(&mut mutation, &mut row, token, at)?;
        shelf.refuse_claimed(Some(row.id), &topology)?;
        let entry = shelf.entry_mut(row.id)?;
        entry.queue.record(&entry.stored.topology, &topology, Some(id), at);
        entry.queue.update(mutation);
        entry.stored = StoredTopology { row, topology };
        Ok(entry.stored.clone())
    }

    async fn finish_mutation(
        &self,
        id: MutationId,
        token: ClaimToken,
        outcome: Outcome,
        at: Timestamp,
    ) -> Result<MutationRow, RepoError> {
        let mut shelf = self.shelf();
        let mut row = shelf.mutation(id)?.1.clone();
        rules::queue::finish(&mut row, token, outcome, at)?;
        shelf.entry_mut(row.topology)?.queue.update(row.clone());
        Ok(row)
    }

    async fn mutation(&self, id: MutationId) -> Result<MutationRow, RepoError> {
        self.shelf().mutation(id).map(|(_, row)| row.clone())
    }

    async fn mutations(&self, filter: &MutationFilter) -> Result<MutationPage, RepoError> {
        let shelf = self.shelf();
        let mut rows: Vec<&MutationRow> = match filter.topology {
            Some(id) => shelf.entry(id)?.queue.rows().collect(),
            None => shelf.entries().flat_map(|entry| entry.queue.rows()).collect(),
        };
        rows.retain(|row| filter.states.is_empty() || filter.states.contains(&row.state));
        rows.sort_by_key(|row| row.id);
        Ok(MutationPage {
            total: rows.len(),
            rows: cut(rows, filter.limit, filter.offset),
        })
    }

    async fn has_pending(&self, id: TopologyId) -> Result<bool, RepoError> {
        self.shelf().entry(id).map(|entry| entry.queue.has_pending())
    }

    async fn topologies_with_work(&self, at: Timestamp) -> Result<Vec<TopologyId>, RepoError> {
        let shelf = self.shelf();
        let waiting = |entry: &Entry| Some((entry.queue.claimable(None, at)?, entry.stored.row.id));
        let mut waiting: Vec<_> = shelf.entries().filter_map(waiting).collect();
        waiting.sort();
        Ok(waiting.into_iter().map(|(_, topology)| topology).collect())
    }

    async fn decky_changes(&self, id: TopologyId, since: Option<Timestamp>) -> Result<Vec<RecordedChange>, RepoError> {
        let shelf = self.shelf();
        let changes = shelf.entry(id)?.queue.changes().iter();
        let later = changes.filter(|change| since.is_none_or(|since| since < change.at));
        Ok(later.cloned().collect())
    }

    async fn delete(&self, id: TopologyId, at: Timestamp) -> Result<(), RepoError> {
        let mut shelf = self.shelf();
        let entry = shelf.entry(id)?;
        rules::refuse_delete(entry.stored.row.status, entry.lease.clone(), at)?;
        shelf.remove(id);
        Ok(())
    }
}

/// Cuts a page out of a list.
fn cut<T: Clone>(rows: Vec<&T>, limit: Option<usize>, offset: usize) -> Vec<T> {
    let page = rows.into_iter().skip(offset).take(limit.unwrap_or(usize::MAX));
    page.cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_shares_its_first_eight_hex_digits_with_another_is_drawn_again() {
        let repo = MemoryRepo::new();
        let ids = [
            "01234567-0000-4000-8000-000000000001",
            "01234567-0000-4000-8000-000000000002",
            "89abcdef-0000-4000-8000-000000000003",
        ];
        let mut draws = ids.iter().map(|text| text.parse().expect("id"));
        let mut draw = || draws.next().expect("three draws");
        let mut create = |name: &str| {
            let new = NewTopology {
                name: name.parse().expect("name"),
                mode: crate::Mode::Unihost,
                host: None,
                config: None,
                topology: Topology::default(),
            };
            repo.create_drawing(&mut draw, new, Timestamp::UNIX_EPOCH)
                .expect("created")
        };
        assert_eq!(create("one").row.id.to_string(), ids[0]);
        assert_eq!(create("two").row.id.to_string(), ids[2]);
    }
}
