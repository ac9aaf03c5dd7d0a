//! Long operations that run or ended lately.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{
    answer::{Answer, json, ok},
    api::Api,
    call::Call,
    jobs::Job,
    problem::Problem,
    topologies::page,
};

/// Lists the operations that the sender may see, oldest first, without their results.
pub(super) fn list(api: &Api, call: &Call) -> Answer {
    let (limit, offset) = page(call)?;
    let mut visible = api.jobs.list();
    visible.retain(|job| job.is_visible_to(&call.principal));
    let shown = visible.iter().skip(offset).take(limit);
    let operations: Vec<Value> = shown.map(|job| job.summary()).collect();
    ok(&json!({ "operations": operations, "total": visible.len() }))
}

/// Returns an operation, and waits for its end as long as the client wants.
pub(super) async fn get(api: Arc<Api>, call: Call) -> Answer {
    let job = find(&api, &call)?;
    if let Some(wait) = call.wait() {
        // The state is answered in any case.
        let _ = tokio::time::timeout(wait, job.finished()).await;
    }
    ok(&job.to_value())
}

/// Interrupts an operation, which then undoes its changes. It needs the scope of the principal who started it.
pub(super) fn cancel(api: &Api, call: &Call) -> Answer {
    let job = find(api, call)?;
    let needs = job.owner_scope();
    if call.principal.scope < needs {
        return Err(Problem::forbidden(&call.principal, needs));
    }
    job.cancel();
    json(StatusCode::ACCEPTED, &job.to_value())
}

fn find(api: &Api, call: &Call) -> Result<Arc<Job>, Problem> {
    let id = call.segment("operation");
    let visible = api.jobs.get(id).filter(|job| job.is_visible_to(&call.principal));
    visible.ok_or_else(|| {
        Problem::new("not_found", format!("no operation has the id `{id}`"))
            .hint("a finished operation is kept for an hour; GET /topologies/{id} has the result")
    })
}
