//! Queues of mutations.

use std::mem;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::{
    Backend,
    topologies::{refuse_claimed, replace_maze},
};
use crate::{
    id::{ClaimToken, MutationId, TopologyId},
    model::{StoredTopology, Topology},
    repo::{
        Holder, MutationClaim, MutationFilter, MutationOutcome, MutationPage, MutationQueue, MutationRow, NewMutation,
        RepoError,
        rules::{
            self,
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
        self.write(move |tables| {
            queue::refuse_unreadable(&new)?;
            let mut topology = tables.topology(id)?;
            queue::enqueue(&mut topology, expected, at)?;
            let mut new = new;
            rules::extend_catalog(&mut topology, mem::take(&mut new.catalog), at);
            tables.update_topology(&topology)?;
            tables.insert_mutation(queue::enqueued(UNNUMBERED, &topology, new, at))
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
        let holder = holder.clone();
        self.write(move |tables| {
            let topologies = match topology {
                Some(id) => vec![id],
                None => tables.with_unfinished()?,
            };
            for id in topologies {
                let topology = tables.topology(id)?;
                let Some(mut first) = tables.first_unfinished(id)? else {
                    continue;
                };
                if queue::claim(&mut first, &topology, &holder, time, superseding, at) {
                    tables.update_mutation(&first)?;
                    return Ok(Some(first));
                }
            }
            Ok(None)
        })
        .await
    }

    async fn renew_claim(
        &self,
        id: MutationId,
        token: ClaimToken,
        time: SignedDuration,
        at: Timestamp,
    ) -> Result<MutationClaim, RepoError> {
        self.write(move |tables| {
            let mut mutation = tables.mutation(id)?;
            let claim = queue::renew(&mut mutation, token, time, at)?;
            tables.update_mutation(&mutation)?;
            Ok(claim)
        })
        .await
    }

    async fn release_claim(&self, id: MutationId, token: ClaimToken, at: Timestamp) -> Result<(), RepoError> {
        self.write(move |tables| {
            let mut mutation = match tables.mutation(id) {
                Err(RepoError::MutationNotFound { .. }) => return Ok(()),
                found => found?,
            };
            let topology = tables.topology(mutation.topology)?;
            if queue::release_claim(&mut mutation, &topology, token, at) {
                tables.update_mutation(&mutation)?;
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
        self.write(move |tables| {
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
        self.write(move |tables| {
            let mut mutation = tables.mutation(id)?;
            queue::finish(&mut mutation, token, outcome, at)?;
            tables.update_mutation(&mutation)?;
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
