//! The queue of a topology.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use decnet_topology::{Mutation, MutationFilter, MutationId, MutationRow, MutationState, NewMutation, RepoError};
use serde_json::json;

use super::{
    answer::{Answer, WithHeaders as _, json, ok},
    api::Api,
    call::Call,
    prefer,
    problem::Problem,
    topologies::page,
};
use crate::engine::{EngineError, Submitted};

/// Lists the mutations of a topology, in the order in which they were queued.
pub(super) async fn list(api: Arc<Api>, call: Call) -> Answer {
    let id = call.id()?;
    let (limit, offset) = page(&call)?;
    let repo = api.engine.repo();
    repo.get(id).await?;
    let states = call.list::<MutationState>("state")?;
    let filter = MutationFilter::default()
        .topology(id)
        .states(states)
        .limit(limit)
        .offset(offset);
    let page = repo.mutations(&filter).await?;
    ok(&json!({ "mutations": page.rows, "total": page.total }))
}

/// Returns one mutation.
pub(super) async fn get(api: Arc<Api>, call: Call) -> Answer {
    let id = call.id()?;
    let text = call.segment("number");
    let absent = || Problem::new("not_found", format!("the maze has no mutation `{text}`"));
    let number: MutationId = text.parse().map_err(|_| absent())?;
    match api.engine.repo().mutation(number).await {
        Ok(row) if row.topology == id => ok(&json!({ "mutation": row })),
        Ok(_) | Err(RepoError::MutationNotFound { .. }) => Err(absent()),
        Err(error) => Err(error.into()),
    }
}

/// Submits a mutation.
pub(super) async fn submit(api: Arc<Api>, call: Call) -> Answer {
    let mutation = Mutation::from_json(call.text()?)?;
    match submitted(&api, &call, mutation).await? {
        Submitted::Edited(stored) => ok(&json!({ "topology": stored.row })).tagged(stored.row.version),
        Submitted::Enqueued(queued) => {
            let depends_on = queued.depends_on.clone();
            let Some(wait) = call.wait() else {
                return accepted(&call, &queued.row, &depends_on);
            };
            let applied = format!("wait={}", wait.as_secs());
            match api.engine.wait_for(queued.row.id, Some(wait), &api.options.stop).await {
                Ok(row) => ok(&json!({ "mutation": row })).with(prefer::APPLIED, &applied),
                Err(EngineError::MutationQueued { source, .. }) if matches!(*source, EngineError::TimedOut { .. }) => {
                    let row = api.engine.repo().mutation(queued.row.id).await?;
                    accepted(&call, &row, &depends_on).with(prefer::APPLIED, &applied)
                }
                Err(error) => Err(error.into()),
            }
        }
    }
}

/// Submits a mutation of the sender for the topology in the path.
pub(super) async fn submitted(api: &Api, call: &Call, mutation: Mutation) -> Result<Submitted, Problem> {
    let id = call.id()?;
    let expected = call.expected(&api.engine, id).await?;
    let new = NewMutation::new(mutation).actor(call.principal.actor.clone());
    Ok(api.engine.submit(id, new, expected).await?)
}

/// Answers that a mutation is queued.
pub(super) fn accepted(call: &Call, row: &MutationRow, depends_on: &[MutationId]) -> Answer {
    let location = call.location(&format!("/topologies/{}/mutations/{}", row.topology, row.id.get()));
    json(
        StatusCode::ACCEPTED,
        &json!({ "mutation": row, "depends_on": depends_on }),
    )
    .with(header::LOCATION, &location)
    .tagged(row.version)
}
