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
};

/// Lists the operations, oldest first.
pub(super) fn list(api: &Api, _: &Call) -> Answer {
    let operations: Vec<Value> = api.jobs.list().iter().map(|job| job.to_value()).collect();
    ok(&json!({ "operations": operations }))
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

/// Interrupts an operation, which then undoes its changes.
pub(super) fn cancel(api: &Api, call: &Call) -> Answer {
    let job = find(api, call)?;
    job.cancel();
    json(StatusCode::ACCEPTED, &job.to_value())
}

fn find(api: &Api, call: &Call) -> Result<Arc<Job>, Problem> {
    let id = call.segment("operation");
    api.jobs.get(id).ok_or_else(|| {
        Problem::new("not_found", format!("no operation has the id `{id}`"))
            .hint("a finished operation is kept for an hour; GET /topologies/{id} has the result")
    })
}
