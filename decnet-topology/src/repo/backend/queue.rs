//! Queues of mutations.

use std::mem;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::{
    Backend, Tables,
    change_log::record_mutation,
    topologies::{refuse_claimed, replace_maze, require_held},
};
use crate::{
    id::{ClaimToken, MutationId, TopologyId},
    model::{StoredTopology, Topology},
    repo::{
        BatchEdit, Holder, MutationClaim, MutationFilter, MutationOutcome, MutationPage, MutationQueue, MutationRow,
        NewMutation, RecordedChange, RepoError,
        rules::{
            self, lease,
            queue::{self, UNNUMBERED},
        },
    },
    version::Version,
};

#[async_trait]
impl<B: Backend> MutationQueue for B {
    async fn enqueue(
        &self,
        id: TopologyId,
        new: NewMutation,
        expected: Option<Version>,
        at: Timestamp,
    ) -> Result<MutationRow, RepoError> {
        self.write(new, move |tables, mut new| {
            queue::refuse_unreadable(&new)?;
            let mut topology = tables.topology(id)?;
            queue::enqueue(&mut topology, expected, at)?;
            rules::extend_catalog(&mut topology, mem::take(&mut new.catalog), at);
            tables.update_topology(&topology)?;
            let enqueued = tables.insert_mutation(queue::enqueued(UNNUMBERED, &topology, new, at))?;
            record_mutation(tables, &topology, &enqueued, at)?;
            Ok(enqueued)
        })
        .await
    }

    async fn enqueue_shuffles(
        &self,
        id: TopologyId,
        shuffles: Vec<NewMutation>,
        until: Timestamp,
        expected: Version,
        at: Timestamp,
    ) -> Result<Vec<MutationRow>, RepoError> {
        self.write(shuffles, move |tables, mut shuffles| {
            shuffles.iter().try_for_each(queue::refuse_unreadable)?;
            let mut topology = tables.topology(id)?;
            let now = tables.now(at)?;
            queue::shuffle(&mut topology, expected, until, now)?;
            let mut rows = Vec::with_capacity(shuffles.len());
            for new in &mut shuffles {
                queue::enqueue(&mut topology, None, at)?;
                rules::extend_catalog(&mut topology, mem::take(&mut new.catalog), at);
                rows.push(queue::enqueued(UNNUMBERED, &topology, new.clone(), at));
            }
            tables.update_topology(&topology)?;
            let mut enqueued = Vec::with_capacity(rows.len());
            for row in rows {
                let row = tables.insert_mutation(row)?;
                record_mutation(tables, &topology, &row, at)?;
                enqueued.push(row);
            }
            Ok(enqueued)
        })
        .await
    }

    async fn store_batch(
        &self,
        id: TopologyId,
        edit: BatchEdit,
        at: Timestamp,
    ) -> Result<(StoredTopology, Vec<MutationRow>), RepoError> {
        self.write(edit, move |tables, edit| {
            let BatchEdit {
                expected,
                batch,
                actor,
                settings,
                catalog,
                held,
            } = edit;
            let mut row = tables.topology(id)?;
            require_held(tables, id, held)?;
            rules::require_version(&row, Some(expected))?;
            let (steps, topology) = batch.into_parts();
            let mut mutations = Vec::with_capacity(steps.len());
            let mut changes = Vec::new();
            for step in steps {
                let new = NewMutation::new(step.mutation).actor(actor.clone());
                queue::refuse_unreadable(&new)?;
                queue::enqueue(&mut row, None, at)?;
                let stored = queue::stored(UNNUMBERED, &row, new, at);
                mutations.push(stored);
                changes.push(step.changes);
            }
            if tables.first_unfinished(id)?.is_some() {
                return Err(RepoError::QueueNotEmpty { id, name: row.name });
            }
            refuse_claimed(tables, Some(id), &topology)?;
            if let Some(settings) = settings {
                rules::set_settings(&mut row, settings, at)?;
            }
            rules::extend_catalog(&mut row, catalog, at);
            tables.update_topology(&row)?;
            let mut stored = Vec::with_capacity(mutations.len());
            for (mutation, changes) in mutations.into_iter().zip(changes) {
                let mutation = tables.insert_mutation(mutation)?;
                let recorded = changes.into_iter().map(|change| RecordedChange {
                    at,
                    mutation: Some(mutation.id),
                    change,
                });
                tables.append_changes(id, &recorded.collect::<Vec<_>>())?;
                stored.push(mutation);
            }
            tables.set_maze(id, &topology)?;
            for mutation in &stored {
                record_mutation(tables, &row, mutation, at)?;
            }
            Ok((StoredTopology { row, topology }, stored))
        })
        .await
    }

    async fn claim_mutation(
        &self,
        topology: Option<TopologyId>,
        holder: &Holder,
        time: SignedDuration,
        superseding: Option<ClaimToken>,
        at: Timestamp,
    ) -> Result<Option<MutationRow>, RepoError> {
        let claim = Claim {
            holder: holder.clone(),
            time,
            superseding,
            at,
        };
        if let Some(id) = topology {
            return claim_first(self, &claim, id).await;
        }
        // Topologies that nobody is working on at this moment come first, then the others.
        let free = self.write(claim.clone(), |tables, claim| claim.first_free(tables));
        let busy = match free.await? {
            Ok(claimed) => return Ok(Some(claimed)),
            Err(busy) => busy,
        };
        // Each in a transaction of its own: one that waits for a topology has locked no other.
        for id in busy {
            match claim_first(self, &claim, id).await {
                // It was deleted meanwhile.
                Err(RepoError::NotFound { .. }) | Ok(None) => {}
                // One wait is enough: of the others, only those count that are free now.
                Err(RepoError::Locked) => {
                    let free = self.write(claim, |tables, claim| claim.first_free(tables));
                    return free.await?.map(Some).map_err(|_| RepoError::Locked);
                }
                claimed => return claimed,
            }
        }
        Ok(None)
    }

    async fn renew_claim(
        &self,
        id: MutationId,
        token: ClaimToken,
        time: SignedDuration,
        at: Timestamp,
    ) -> Result<MutationClaim, RepoError> {
        self.write((), move |tables, ()| {
            let mut mutation = tables.mutation(id)?;
            let now = tables.now(at)?;
            let claim = queue::renew(&mut mutation, token, time, now)?;
            tables.update_mutation(&mutation)?;
            Ok(claim)
        })
        .await
    }

    async fn release_claim(&self, id: MutationId, token: ClaimToken, at: Timestamp) -> Result<(), RepoError> {
        self.write((), move |tables, ()| {
            let mut mutation = match tables.mutation(id) {
                Err(RepoError::MutationNotFound { .. }) => return Ok(()),
                found => found?,
            };
            let topology = tables.topology(mutation.topology)?;
            if queue::release_claim(&mut mutation, &topology, token, at) {
                tables.update_mutation(&mutation)?;
                record_mutation(tables, &topology, &mutation, at)?;
            }
            Ok(())
        })
        .await
    }

    async fn store_mutation(
        &self,
        id: MutationId,
        token: ClaimToken,
        topology: Topology,
        at: Timestamp,
    ) -> Result<StoredTopology, RepoError> {
        self.write(topology, move |tables, topology| {
            let mut mutation = tables.mutation(id)?;
            let mut row = tables.topology(mutation.topology)?;
            queue::store(&mut mutation, &mut row, token, at)?;
            refuse_claimed(tables, Some(row.id), &topology)?;
            tables.update_topology(&row)?;
            tables.update_mutation(&mutation)?;
            replace_maze(tables, row.id, &topology, Some(id), at)?;
            Ok(StoredTopology { row, topology })
        })
        .await
    }

    async fn finish_mutation(
        &self,
        id: MutationId,
        token: ClaimToken,
        outcome: MutationOutcome,
        at: Timestamp,
    ) -> Result<MutationRow, RepoError> {
        self.write(outcome, move |tables, outcome| {
            let mut mutation = tables.mutation(id)?;
            let topology = tables.topology(mutation.topology)?;
            queue::finish(&mut mutation, token, outcome, at)?;
            tables.update_mutation(&mutation)?;
            record_mutation(tables, &topology, &mutation, at)?;
            Ok(mutation)
        })
        .await
    }

    async fn mutation(&self, id: MutationId) -> Result<MutationRow, RepoError> {
        self.read(move |tables| tables.mutation(id)).await
    }

    async fn mutations(&self, filter: &MutationFilter) -> Result<MutationPage, RepoError> {
        let filter = filter.clone();
        self.read(move |tables| tables.mutations(&filter)).await
    }

    async fn has_unfinished(&self, id: TopologyId) -> Result<bool, RepoError> {
        self.read(move |tables| Ok(tables.first_unfinished(id)?.is_some()))
            .await
    }
}

/// What is claimed by whom.
#[derive(Clone)]
struct Claim {
    holder: Holder,
    time: SignedDuration,
    superseding: Option<ClaimToken>,
    at: Timestamp,
}

/// Claims the first unfinished mutation of a topology, if it can be claimed.
async fn claim_first<B: Backend>(backend: &B, claim: &Claim, id: TopologyId) -> Result<Option<MutationRow>, RepoError> {
    let claimed = backend.write(claim.clone(), move |tables, claim| claim.first_of(tables, id));
    claimed.await
}

impl Claim {
    /// Claims a mutation of a topology that no other transaction has locked. If there is none, it returns the locked
    /// topologies.
    fn first_free(&self, tables: &mut dyn Tables) -> Result<Result<MutationRow, Vec<TopologyId>>, RepoError> {
        let mut busy = Vec::new();
        for id in tables.with_unfinished()? {
            if !tables.try_lock(id)? {
                busy.push(id);
            } else if let Some(claimed) = self.first_of(tables, id)? {
                return Ok(Ok(claimed));
            }
        }
        Ok(Err(busy))
    }

    /// Claims the first unfinished mutation of a topology, if it can be claimed.
    fn first_of(&self, tables: &mut dyn Tables, id: TopologyId) -> Result<Option<MutationRow>, RepoError> {
        let topology = tables.topology(id)?;
        let Some(mut first) = tables.first_unfinished(id)? else {
            return Ok(None);
        };
        let before = first.state;
        let now = tables.now(self.at)?;
        let Ok(claim) = lease::acquire(first.claim.clone(), &self.holder, self.time, self.superseding, now) else {
            return Ok(None);
        };
        if !queue::claim(&mut first, &topology, claim, self.at) {
            return Ok(None);
        }
        tables.update_mutation(&first)?;
        // A mutation that is resumed after the death of its holder stays in its state.
        if first.state != before {
            record_mutation(tables, &topology, &first, self.at)?;
        }
        Ok(Some(first))
    }
}
