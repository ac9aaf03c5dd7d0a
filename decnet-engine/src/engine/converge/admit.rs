//! The check of a mutation before it is queued.

use decnet_topology::{
    Catalog, Mutation, MutationBatch, MutationContext, MutationFilter, MutationId, MutationRow, Repo, Topology,
    TopologyId, ValidTopology, Version, apply,
};

use crate::engine::EngineError;

/// How many mutations are named as those that another depends on.
const NAMED: usize = 8;

/// Refuses a mutation of a running topology that would be rejected after all mutations in its queue. Returns the queued mutations
/// without which it would be rejected.
///
/// The check is advisory: the queue may change before the mutation is appended, and the drain checks the mutation again. A topology
/// that takes no mutations is left to the store, which refuses it.
pub(super) async fn admit(
    repo: &dyn Repo,
    catalog: &Catalog,
    id: TopologyId,
    mutation: &Mutation,
    expected: Option<Version>,
) -> Result<Vec<MutationId>, EngineError> {
    // The queue is read first: a mutation that is stored meanwhile is then in both, and has no second effect.
    let mut queued = repo.mutations(&MutationFilter::unfinished(Some(id))).await?.rows;
    queued.retain(|row| row.stored_at.is_none());
    let stored = repo.load(id).await?;
    let is_outdated = expected.is_some_and(|expected| expected != stored.row.version);
    if is_outdated || !stored.row.takes_mutations() {
        return Ok(Vec::new());
    }
    let claims = repo.claims(Some(id)).await?;
    let catalog = catalog.with_stored(&stored.row.catalog);
    let queue = Queue {
        queued,
        context: MutationContext::of(&stored.row, &catalog, &claims),
    };
    let now = apply(&stored.topology, mutation, &queue.context);
    if queue.queued.is_empty() {
        return Ok(now.map(|_| Vec::new())?);
    }
    if let Err(source) = apply(&queue.applied_to(&stored.topology), mutation, &queue.context) {
        return Err(EngineError::RefusedAfterQueue {
            queued: queue.queued.iter().map(|row| row.id).collect(),
            source,
        });
    }
    match now {
        Ok(_) => Ok(Vec::new()),
        Err(_) => Ok(queue.needed_for(&stored.topology, mutation)),
    }
}

/// The unfinished mutations of a topology that are not in its maze yet.
struct Queue<'a> {
    queued: Vec<MutationRow>,
    context: MutationContext<'a>,
}

impl Queue<'_> {
    /// Returns the maze after the queue, without the mutations that would be rejected.
    fn applied_to(&self, maze: &Topology) -> Topology {
        let mutations = self.queued.iter().map(|row| row.mutation.clone());
        match MutationBatch::apply(maze, mutations, &self.context) {
            Ok(batch) => Topology::clone(batch.topology()),
            // One of them would be rejected.
            Err(_) => self.queued.iter().fold(maze.clone(), |maze, row| self.next(maze, row)),
        }
    }

    /// Returns the maze after one mutation, or the same maze if the mutation would be rejected.
    fn next(&self, maze: Topology, row: &MutationRow) -> Topology {
        apply(&maze, &row.mutation, &self.context).map_or(maze, ValidTopology::into_topology)
    }

    /// Returns queued mutations that make another one valid, so few that it is refused without each of them.
    ///
    /// The last mutation of the shortest sufficient start of the queue is needed. So it is kept, and the search is repeated with
    /// those before it.
    fn needed_for(&self, maze: &Topology, mutation: &Mutation) -> Vec<MutationId> {
        let mut needed: Vec<&MutationRow> = Vec::new();
        let mut start = &self.queued[..];
        while needed.len() < NAMED {
            let is_enough = |maze: Topology| {
                let maze = needed.iter().rev().fold(maze, |maze, row| self.next(maze, row));
                apply(&maze, mutation, &self.context).is_ok()
            };
            if is_enough(maze.clone()) {
                break;
            }
            let mut before = maze.clone();
            let last = start.iter().position(|row| {
                before = self.next(before.clone(), row);
                is_enough(before.clone())
            });
            let Some(last) = last else { break };
            needed.push(&start[last]);
            start = &start[..last];
        }
        needed.iter().rev().map(|row| row.id).collect()
    }
}
