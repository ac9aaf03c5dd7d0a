//! The methods of the repo, each under the lock.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::{
    MemoryRepo,
    stock::{Entry, order},
};
use crate::{
    id::{ClaimToken, InstanceId, LeaseToken, MutationId, TopologyId},
    model::{DeploySettings, StoredTopology, Topology, TopologyRow},
    repo::{
        Claim, Edit, Holder, Lease, ListFilter, MutationClaim, MutationFilter, MutationPage, MutationRow, NewMutation,
        NewTopology, Outcome, Page, RecordedChange, Repo, RepoError, StatusChange, rules,
    },
    rng,
    status::StatusEvent,
    version::Version,
};

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
        self.stock().entry(id).map(|entry| entry.stored.row.clone())
    }

    async fn list(&self, filter: &ListFilter) -> Result<Page, RepoError> {
        let stock = self.stock();
        let mut rows: Vec<&TopologyRow> = stock.entries().map(|entry| &entry.stored.row).collect();
        rows.retain(|row| filter.statuses.is_empty() || filter.statuses.contains(&row.status));
        rows.sort_by_key(|row| order(row));
        Ok(Page {
            total: rows.len(),
            rows: cut(rows, filter.limit, filter.offset),
        })
    }

    async fn load(&self, id: TopologyId) -> Result<StoredTopology, RepoError> {
        self.stock().entry(id).map(|entry| entry.stored.clone())
    }

    async fn edit(&self, id: TopologyId, edit: Edit, at: Timestamp) -> Result<StoredTopology, RepoError> {
        let mut stock = self.stock();
        let mut row = stock.entry(id)?.stored.row.clone();
        rules::edit(&mut row, edit.expected, at)?;
        stock.refuse_claimed(Some(id), &edit.topology)?;
        edit.mutation
            .as_ref()
            .map(rules::queue::refuse_unreadable)
            .transpose()?;
        let number = edit.mutation.is_some().then(|| stock.number(id));
        let entry = stock.entry_mut(id)?;
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
        let mut stock = self.stock();
        let entry = stock.entry_mut(id)?;
        let event = rules::change(&mut entry.stored.row, entry.lease.as_ref(), change, at)?;
        entry.events.push(event);
        entry.queue.dismiss(&entry.stored.row, at);
        Ok(entry.stored.row.clone())
    }

    async fn status_events(&self, id: TopologyId) -> Result<Vec<StatusEvent>, RepoError> {
        self.stock().entry(id).map(|entry| entry.events.clone())
    }

    async fn set_settings(
        &self,
        id: TopologyId,
        settings: DeploySettings,
        at: Timestamp,
    ) -> Result<TopologyRow, RepoError> {
        let mut stock = self.stock();
        let row = &mut stock.entry_mut(id)?.stored.row;
        rules::set_settings(row, settings, at)?;
        Ok(row.clone())
    }

    async fn set_needs_resync(&self, id: TopologyId, needs_resync: bool, at: Timestamp) -> Result<(), RepoError> {
        let mut stock = self.stock();
        let row = &mut stock.entry_mut(id)?.stored.row;
        row.needs_resync = needs_resync;
        row.changed_at = at;
        Ok(())
    }

    async fn claims(&self, except: Option<TopologyId>) -> Result<Vec<Claim>, RepoError> {
        Ok(self.stock().claims(except))
    }

    async fn acquire_lease(
        &self,
        id: TopologyId,
        holder: &Holder,
        time: SignedDuration,
        superseding: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<Lease, RepoError> {
        let mut stock = self.stock();
        let entry = stock.entry_mut(id)?;
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
        let mut stock = self.stock();
        let entry = stock.entry_mut(id)?;
        let lease = rules::renew(id, entry.lease.clone(), token, time, at)?;
        entry.lease = Some(lease.clone());
        Ok(lease)
    }

    async fn release_lease(&self, id: TopologyId, token: LeaseToken) -> Result<(), RepoError> {
        if let Ok(entry) = self.stock().entry_mut(id) {
            entry.lease.take_if(|lease| lease.token == token);
        }
        Ok(())
    }

    async fn lease(&self, id: TopologyId, at: Timestamp) -> Result<Option<Lease>, RepoError> {
        self.stock().entry(id).map(|entry| rules::held(entry.lease.clone(), at))
    }

    async fn enqueue(
        &self,
        id: TopologyId,
        new: NewMutation,
        expected: Option<Version>,
        at: Timestamp,
    ) -> Result<MutationRow, RepoError> {
        rules::queue::refuse_unreadable(&new)?;
        let mut stock = self.stock();
        rules::queue::enqueue(&mut stock.entry_mut(id)?.stored.row, expected, at)?;
        let number = stock.number(id);
        let entry = stock.entry_mut(id)?;
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
        let mut stock = self.stock();
        let claimable = |entry: &Entry| {
            Some((
                entry.queue.claimable(&entry.stored.row, superseding, at)?,
                entry.stored.row.id,
            ))
        };
        let first = match topology {
            Some(id) => claimable(stock.entry(id)?),
            None => stock.entries().filter_map(claimable).min(),
        };
        match first {
            Some((id, topology)) => Ok(stock.entry_mut(topology)?.queue.claim(id, holder, time, at)),
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
        let mut stock = self.stock();
        let mut row = stock.mutation(id)?.1.clone();
        let claim = rules::queue::renew(&mut row, token, time, at)?;
        stock.entry_mut(row.topology)?.queue.update(row);
        Ok(claim)
    }

    async fn release_claim(&self, id: MutationId, token: ClaimToken, at: Timestamp) -> Result<(), RepoError> {
        let mut stock = self.stock();
        let Ok((entry, row)) = stock.mutation(id) else {
            return Ok(());
        };
        let mut row = row.clone();
        if rules::queue::release_claim(&mut row, &entry.stored.row, token, at) {
            stock.entry_mut(row.topology)?.queue.update(row);
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
        let mut stock = self.stock();
        let (entry, mutation) = stock.mutation(id)?;
        let (mut mutation, mut row) = (mutation.clone(), entry.stored.row.clone());
        rules::queue::store(&mut mutation, &mut row, token, at)?;
        stock.refuse_claimed(Some(row.id), &topology)?;
        let entry = stock.entry_mut(row.id)?;
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
        let mut stock = self.stock();
        let mut row = stock.mutation(id)?.1.clone();
        rules::queue::finish(&mut row, token, outcome, at)?;
        stock.entry_mut(row.topology)?.queue.update(row.clone());
        Ok(row)
    }

    async fn mutation(&self, id: MutationId) -> Result<MutationRow, RepoError> {
        self.stock().mutation(id).map(|(_, row)| row.clone())
    }

    async fn mutations(&self, filter: &MutationFilter) -> Result<MutationPage, RepoError> {
        let stock = self.stock();
        let mut rows: Vec<&MutationRow> = match filter.topology {
            Some(id) => stock.entry(id)?.queue.rows().collect(),
            None => stock.entries().flat_map(|entry| entry.queue.rows()).collect(),
        };
        rows.retain(|row| filter.states.is_empty() || filter.states.contains(&row.state));
        rows.sort_by_key(|row| row.id);
        Ok(MutationPage {
            total: rows.len(),
            rows: cut(rows, filter.limit, filter.offset),
        })
    }

    async fn has_unfinished(&self, id: TopologyId) -> Result<bool, RepoError> {
        self.stock().entry(id).map(|entry| entry.queue.has_unfinished())
    }

    async fn decky_changes(&self, id: TopologyId, since: Option<Timestamp>) -> Result<Vec<RecordedChange>, RepoError> {
        let stock = self.stock();
        let changes = stock.entry(id)?.queue.changes().iter();
        let later = changes.filter(|change| since.is_none_or(|since| since < change.at));
        Ok(later.cloned().collect())
    }

    async fn delete(&self, id: TopologyId, at: Timestamp) -> Result<(), RepoError> {
        let mut stock = self.stock();
        let entry = stock.entry(id)?;
        rules::refuse_delete(entry.stored.row.status, entry.lease.clone(), at)?;
        stock.remove(id);
        Ok(())
    }
}

/// Cuts a page out of a list.
fn cut<T: Clone>(rows: Vec<&T>, limit: Option<usize>, offset: usize) -> Vec<T> {
    let page = rows.into_iter().skip(offset).take(limit.unwrap_or(usize::MAX));
    page.cloned().collect()
}
