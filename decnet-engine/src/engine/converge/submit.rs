//! A mutation handed in: made at once where nothing runs, queued where something does.

use decnet_topology::{
    Catalog, Repo, RepoError, Status, StoredTopology, TopologyId, Version,
    mutation::{self, Context},
    repo::{Edit, MutationRow, NewMutation},
};
use jiff::Timestamp;

use crate::{
    bus::Bus,
    engine::{Engine, EngineError, session::status::mutation_event},
    event::Envelope,
};

/// How often an edit is tried if other processes write to the store in between.
const TRIES: usize = 64;

/// What became of a mutation that was handed in.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Submitted {
    /// The topology is pending, and was edited.
    Edited(Box<StoredTopology>),
    /// The topology runs: the mutation waits for its turn.
    Enqueued(Box<MutationRow>),
}

impl Engine {
    /// Hands in a mutation, as [`submit`] does.
    pub async fn submit(
        &self,
        id: TopologyId,
        new: NewMutation,
        expected: Option<Version>,
    ) -> Result<Submitted, EngineError> {
        hand_in(
            self.repo.as_ref(),
            &self.options.catalog,
            &|told| self.publish(told),
            id,
            new,
            expected,
        )
        .await
    }
}

/// Hands in a mutation: a pending topology is edited at once, for one that runs it is enqueued, and told of on the bus.
///
/// It needs no runtime. What is enqueued is made by whoever [drains](Engine::drain) the topology, [`watch`](crate::watch) above
/// all.
///
/// # Errors
///
/// [`EngineError::Mutation`] if a pending topology cannot be edited so; [`RepoError::VersionConflict`] if another version than
/// `expected` is stored; [`RepoError::NotEditable`] in any other status. Nothing was changed then.
pub async fn submit(
    repo: &dyn Repo,
    catalog: &Catalog,
    bus: &dyn Bus,
    id: TopologyId,
    new: NewMutation,
    expected: Option<Version>,
) -> Result<Submitted, EngineError> {
    hand_in(repo, catalog, &|told| bus.publish(told), id, new, expected).await
}

async fn hand_in(
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
            let at = Timestamp::now();
            let row = repo.enqueue(id, new, expected, at).await?;
            publish(Envelope::new(mutation_event(&row), at));
            return Ok(Submitted::Enqueued(Box::new(row)));
        }
        let current = stored.row.version;
        if let Some(expected) = expected.filter(|expected| *expected != current) {
            return Err(RepoError::VersionConflict { expected, current }.into());
        }
        let claims = repo.claims(Some(id)).await?;
        let topology = mutation::apply(
            &stored.topology,
            &new.mutation,
            &Context::of(&stored.row, catalog, &claims),
        )?;
        let edit = Edit::new(topology.into_topology())
            .expected(current)
            .mutation(new.clone());
        tries += 1;
        match repo.edit(id, edit, Timestamp::now()).await {
            Ok(edited) => return Ok(Submitted::Edited(Box::new(edited))),
            // Another process edited or deployed it first: decide again.
            Err(RepoError::VersionConflict { .. } | RepoError::NotEditable { .. })
                if expected.is_none() && tries < TRIES => {}
            // Another topology claimed the subnet that was free: apply allocates another, or refuses the given one.
            Err(RepoError::SubnetClaimed { .. }) if tries < TRIES => {}
            Err(error) => return Err(error.into()),
        }
    }
}
