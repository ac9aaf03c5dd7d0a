//! Submits a mutation: a pending topology is edited directly, and for a running one it is queued.

use std::ops::Deref;

use decnet_topology::{
    Catalog, Edit, MutationContext, MutationId, MutationRow, NewMutation, Repo, RepoError, Status, StoredTopology,
    TopologyId, Version, apply,
};
use jiff::Timestamp;
use serde::Serialize;

use super::admit::admit;
use crate::{
    bus::Bus,
    engine::{Engine, EngineError, require_version, session::status::mutation_event},
    event::{Envelope, Event},
};

/// How often an edit is retried if other processes write to the store meanwhile.
const TRIES: usize = 64;

/// The result of a submitted mutation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Submitted {
    /// The topology is pending, and was edited.
    Edited(Box<StoredTopology>),
    /// The topology runs: the mutation is queued.
    Enqueued(Box<EnqueuedMutation>),
}

/// A queued mutation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EnqueuedMutation {
    /// Its row.
    #[serde(flatten)]
    pub row: MutationRow,
    /// Mutations before it in the queue that it needs: if one of them is rejected, it is too. Empty if the current maze already
    /// accepts it.
    pub depends_on: Vec<MutationId>,
}

impl Deref for EnqueuedMutation {
    type Target = MutationRow;

    fn deref(&self) -> &MutationRow {
        &self.row
    }
}

impl Engine {
    /// Submits a mutation, as [`submit`] does.
    pub async fn submit(
        &self,
        id: TopologyId,
        new: NewMutation,
        expected: Option<Version>,
    ) -> Result<Submitted, EngineError> {
        submit_to(
            self.repo.as_ref(),
            &self.options.catalog,
            &|event| self.publish(event),
            id,
            new,
            expected,
        )
        .await
    }

    /// Queues a mutation of a running topology.
    pub(in crate::engine) async fn enqueue(
        &self,
        id: TopologyId,
        new: NewMutation,
        expected: Version,
    ) -> Result<MutationRow, RepoError> {
        enqueue(
            self.repo.as_ref(),
            &self.options.catalog,
            &|event| self.publish(event),
            id,
            new,
            Some(expected),
        )
        .await
    }

    /// Stores an edit of a pending topology, and publishes that.
    pub(in crate::engine) async fn store_edit(&self, id: TopologyId, edit: Edit) -> Result<StoredTopology, RepoError> {
        store_edit(self.repo.as_ref(), &|event| self.publish(event), id, edit).await
    }
}

/// Submits a mutation. A pending topology is edited directly. For a running one, the mutation is queued and published on the bus.
///
/// A mutation that the maze would refuse after all mutations in its queue is not queued. This check is advisory, because the queue may
/// change meanwhile: the drain checks the mutation again, and may reject it.
///
/// It needs no runtime. The next [drain](Engine::drain) of the topology, usually by [`watch`](crate::watch), applies a queued
/// mutation. What the topology or the mutation uses of the catalogue is stored with the topology.
///
/// # Errors
///
/// [`EngineError::Mutation`] if the maze refuses the mutation; [`EngineError::RefusedAfterQueue`] if it does after the queued ones;
/// [`RepoError::VersionConflict`] if the stored version is not `expected`; [`RepoError::NotEditable`] in any other status. Nothing was
/// changed then.
pub async fn submit(
    repo: &dyn Repo,
    catalog: &Catalog,
    bus: &dyn Bus,
    id: TopologyId,
    new: NewMutation,
    expected: Option<Version>,
) -> Result<Submitted, EngineError> {
    submit_to(repo, catalog, &|event| bus.publish(event), id, new, expected).await
}

async fn submit_to(
    repo: &dyn Repo,
    catalog: &Catalog,
    publish: &(dyn Fn(Envelope) + Sync),
    id: TopologyId,
    new: NewMutation,
    expected: Option<Version>,
) -> Result<Submitted, EngineError> {
    let mut tries = 0;
    loop {
        let stored = repo.load(id).await?;
        if stored.row.status != Status::Pending {
            let depends_on = admit(repo, catalog, id, &new.mutation, expected).await?;
            let row = enqueue(repo, catalog, publish, id, new, expected).await?;
            return Ok(Submitted::Enqueued(Box::new(EnqueuedMutation { row, depends_on })));
        }
        require_version(&stored.row, expected)?;
        tries += 1;
        match edit_pending(repo, catalog, publish, &stored, &new).await {
            Ok(edited) => return Ok(Submitted::Edited(Box::new(edited))),
            // Another process edited or deployed it first: start again.
            Err(EngineError::Repo(RepoError::VersionConflict { .. } | RepoError::NotEditable { .. }))
                if expected.is_none() && tries < TRIES => {}
            Err(error) => return Err(error),
        }
    }
}

/// Queues a mutation and publishes that. What it uses of the caller's catalogue is stored with it.
async fn enqueue(
    repo: &dyn Repo,
    catalog: &Catalog,
    publish: &(dyn Fn(Envelope) + Sync),
    id: TopologyId,
    new: NewMutation,
    expected: Option<Version>,
) -> Result<MutationRow, RepoError> {
    let at = Timestamp::now();
    let excerpt = new.mutation.catalog_excerpt(catalog);
    let row = repo.enqueue(id, new.catalog(excerpt), expected, at).await?;
    publish(Envelope::new(mutation_event(&row), at));
    Ok(row)
}

/// Stores an edit of a pending topology, and publishes that.
async fn store_edit(
    repo: &dyn Repo,
    publish: &(dyn Fn(Envelope) + Sync),
    id: TopologyId,
    edit: Edit,
) -> Result<StoredTopology, RepoError> {
    let at = Timestamp::now();
    let stored = repo.edit(id, edit, at).await?;
    let (topology, version) = (id, stored.row.version);
    publish(Envelope::new(Event::Edited { topology, version }, at));
    Ok(stored)
}

/// Edits a pending topology, which must still have this version.
async fn edit_pending(
    repo: &dyn Repo,
    catalog: &Catalog,
    publish: &(dyn Fn(Envelope) + Sync),
    stored: &StoredTopology,
    new: &NewMutation,
) -> Result<StoredTopology, EngineError> {
    let row = &stored.row;
    let catalog = catalog.with_stored(&row.catalog);
    let mut tries = 0;
    loop {
        let claims = repo.claims(Some(row.id)).await?;
        let context = MutationContext::of(row, &catalog, &claims);
        let topology = apply(&stored.topology, &new.mutation, &context)?;
        let topology = topology.into_topology();
        let excerpt = catalog.excerpt_since(&row.catalog, topology.catalog_excerpt(&catalog));
        let edit = Edit::new(topology)
            .catalog(excerpt)
            .expected(row.version)
            .mutation(new.clone());
        tries += 1;
        match store_edit(repo, publish, row.id, edit).await {
            // Another topology claimed the free subnet: apply allocates another, or refuses the given one.
            Err(RepoError::SubnetClaimed { .. }) if tries < TRIES => {}
            edited => return Ok(edited?),
        }
    }
}
