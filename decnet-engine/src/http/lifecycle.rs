//! Operations on Docker: each is a job, and its result can be waited for.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use decnet_topology::{DeckyPart, DeploySettings, InstanceId, Name, ServiceName, TopologyId, Version};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    answer::{Answer, WithHeaders as _, json, ok},
    api::Api,
    auth::scope::AccessScope,
    call::Call,
    jobs::{JobKind, JobResult},
    prefer,
    problem::Problem,
};
use crate::engine::{DeployOptions, Engine, Operation, ReapOptions, RestartOptions, require_version};

/// What a deploy may do.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Deploy {
    /// Whether running containers may be recreated, and whether deckies that cannot stay on their hosts move to others. If all hosts of a
    /// failed maze, or of one that is being torn down, left the fleet, a fresh copy needs it too: what they still have is given up.
    force: bool,
    /// How the maze is deployed from now on; all settings that are not given have their defaults. Without it, the stored settings
    /// are kept.
    #[schemars(with = "Option<std::collections::BTreeMap<String, Value>>")]
    settings: Option<DeploySettings>,
}

/// What a teardown may do.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Teardown {
    /// Whether the maze becomes torn down although its hosts were revoked, so that nobody knows what they still have.
    force: bool,
}

/// What a reconcile may do.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Reconcile {
    /// Whether running containers may be recreated, and whether deckies that cannot stay on their hosts move to others.
    force: bool,
}

/// What to restart.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Restart {
    /// The decky.
    #[schemars(with = "String")]
    decky: Name,
    /// One of its services; all of it if this is not given.
    #[serde(default)]
    service: Option<String>,
    /// Whether a running container may be recreated, if that is needed.
    #[serde(default)]
    force: bool,
}

/// The operation to plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Planned {
    #[default]
    Deploy,
    Teardown,
    Reconcile,
}

/// What to plan.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PlanRequest {
    /// The operation.
    operation: Planned,
    /// As `force` of the operation: see deploy, reconcile and teardown.
    force: bool,
    /// The new settings of a deploy.
    #[schemars(with = "Option<std::collections::BTreeMap<String, Value>>")]
    settings: Option<DeploySettings>,
}

/// What to reap.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Reap {
    /// Whether only to report what would be removed.
    dry_run: bool,
    /// Mazes that are removed even if they run, by id or its first eight hex digits.
    running: Vec<String>,
    /// Another store, whose database is lost: everything of it is removed.
    #[schemars(with = "Option<String>")]
    instance: Option<InstanceId>,
}

/// Plans an operation, and changes nothing.
pub(super) async fn plan(api: Arc<Api>, call: Call) -> Answer {
    let id = call.id()?;
    let PlanRequest {
        operation,
        force,
        settings,
    } = call.json()?;
    let expected = call.expected(&api.engine, id).await?;
    let operation = match operation {
        Planned::Deploy => Operation::Deploy(DeployOptions::default().force(force).settings(settings)),
        Planned::Teardown => Operation::Teardown { force },
        Planned::Reconcile => Operation::Reconcile { force },
    };
    let prepared = api.engine.prepare(id, operation).await?;
    require_still(&api.engine, id, expected).await?;
    let plan = prepared.plan();
    let answer = ok(&json!({
        "summary": plan.summary(),
        "steps": plan,
        "lines": plan.steps().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "restarts": prepared.restarts(),
        "deleted_logs": plan.deleted_logs(),
        "unseen": prepared.unseen(),
        "given_up": prepared.given_up(),
        "refusal": prepared.refusal().map(ToString::to_string),
        "warnings": prepared.warnings(),
    }));
    match expected {
        Some(version) => answer.tagged(version),
        None => answer,
    }
}

/// Deploys a topology.
pub(super) async fn deploy(api: Arc<Api>, call: Call) -> Answer {
    let Deploy { force, settings } = call.json()?;
    let options = DeployOptions::default().force(force).settings(settings);
    operate(api, call, "deploy", Operation::Deploy(options)).await
}

/// Tears a topology down.
pub(super) async fn teardown(api: Arc<Api>, call: Call) -> Answer {
    let Teardown { force } = call.json()?;
    operate(api, call, "teardown", Operation::Teardown { force }).await
}

/// Reconciles a topology with its maze.
pub(super) async fn reconcile(api: Arc<Api>, call: Call) -> Answer {
    let Reconcile { force } = call.json()?;
    operate(api, call, "reconcile", Operation::Reconcile { force }).await
}

/// Restarts a decky or a service.
pub(super) async fn restart(api: Arc<Api>, call: Call) -> Answer {
    let Restart { decky, service, force } = call.json()?;
    let part = DeckyPart::new(decky).service(service.as_deref().map(ServiceName::new));
    let options = RestartOptions::new(part).force(force);
    operate(api, call, "restart", Operation::Restart(options)).await
}

/// Verifies a topology from inside.
pub(super) async fn verify(api: Arc<Api>, call: Call) -> Answer {
    on_topology(api, call, "verify", async |engine: Engine, id, expected, cancel| {
        let report = engine.verify(id, &cancel).await?;
        require_still(&engine, id, expected).await?;
        let clean = report.is_clean();
        Ok(json!({ "clean": clean, "summary": report.summary(), "report": report }))
    })
    .await
}

/// Removes what mazes left that are not in the store, or torn down.
pub(super) async fn reap(api: Arc<Api>, call: Call) -> Answer {
    let Reap {
        dry_run,
        running,
        instance,
    } = call.json()?;
    let mut options = ReapOptions::default().running(running);
    if let Some(instance) = instance {
        options = options.instance(instance);
    }
    let engine = api.engine.clone();
    let kind = JobKind {
        operation: "reap",
        topology: None,
        owner: call.principal.clone(),
        visible_to: AccessScope::Admin,
    };
    start(&api, &call, kind, async move |cancel| {
        let prepared = engine.prepare_reap(options).await?;
        if dry_run {
            return Ok(json!({ "executed": false, "report": prepared.report() }));
        }
        let report = prepared.execute(&cancel).await?;
        if cancel.is_cancelled() {
            return Err(Problem::new(
                "interrupted",
                "the reap was interrupted; the next one continues",
            ));
        }
        if !report.is_clean() {
            let problem = Problem::new("reap_incomplete", "resources are left");
            return Err(problem.member("report", json!(report)));
        }
        Ok(json!({ "executed": true, "report": report }))
    })
    .await
}

/// Starts an operation that changes the topology in the path.
async fn operate(api: Arc<Api>, call: Call, name: &'static str, operation: Operation) -> Answer {
    on_topology(api, call, name, async move |engine: Engine, id, expected, cancel| {
        let outcome = engine.operate(id, operation, expected, &cancel).await?;
        serde_json::to_value(&outcome).map_err(|error| Problem::new("internal", error.to_string()))
    })
    .await
}

/// Starts an operation on the topology in the path. It must exist, and have the version of the condition, also when the operation
/// looks at it.
async fn on_topology<F: Future<Output = JobResult> + Send + 'static>(
    api: Arc<Api>,
    call: Call,
    operation: &'static str,
    work: impl FnOnce(Engine, TopologyId, Option<Version>, CancellationToken) -> F,
) -> Answer {
    let id = call.id()?;
    api.engine.repo().get(id).await?;
    let expected = call.expected(&api.engine, id).await?;
    let engine = api.engine.clone();
    let kind = JobKind {
        operation,
        topology: Some(id),
        owner: call.principal.clone(),
        visible_to: AccessScope::Read,
    };
    start(&api, &call, kind, |cancel| {
        let result = work(engine, id, expected, cancel);
        async move {
            result
                .await
                .map_err(|problem| problem.precondition_if(expected.is_some()))
        }
    })
    .await
}

/// Refuses another version than the expected one, after something was read: a version is never used again, so that was read at the
/// expected version.
async fn require_still(engine: &Engine, id: TopologyId, expected: Option<Version>) -> Result<(), Problem> {
    if expected.is_some() {
        require_version(&engine.repo().get(id).await?, expected)?;
    }
    Ok(())
}

/// Starts an operation, and waits for it as long as the client wants.
async fn start<F: Future<Output = JobResult> + Send + 'static>(
    api: &Api,
    call: &Call,
    kind: JobKind,
    work: impl FnOnce(CancellationToken) -> F,
) -> Answer {
    let job = api.jobs.start(kind, work)?;
    let location = call.location(&format!("/operations/{}", job.id()));
    let waited = match call.wait() {
        Some(wait) => {
            let result = tokio::time::timeout(wait, job.finished()).await;
            Some((wait, result.ok().flatten()))
        }
        None => None,
    };
    match waited {
        None => json(StatusCode::ACCEPTED, &job.to_value()).with(header::LOCATION, &location),
        Some((wait, None)) => json(StatusCode::ACCEPTED, &job.to_value())
            .with(header::LOCATION, &location)
            .with(prefer::APPLIED, &format!("wait={}", wait.as_secs())),
        Some((wait, Some(Ok(_)))) => ok(&job.to_value())
            .with(header::CONTENT_LOCATION, &location)
            .with(prefer::APPLIED, &format!("wait={}", wait.as_secs())),
        Some((_, Some(Err(problem)))) => Err(problem.header(header::CONTENT_LOCATION, &location)),
    }
}
