//! Stored topologies: read, create, replace, delete.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use bytes::Bytes;
use decnet_topology::{
    Draft, Name, PlacementNames, RepoError, RuleSet, Severity, Status, StoredTopology, Syntax, TopologyConfig,
    TopologyFilter, TopologyName, TopologyRow, claims_except, document, net, rng, validate_against,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    answer::{Answer, JSON, WithHeaders as _, empty, json, ok, text, with_body},
    api::Api,
    call::Call,
    problem::Problem,
};
use crate::engine::{ApplyOptions, CreateOptions, EngineError, StoreOutcome};

/// How many rows a page has if the request does not say.
const USUAL_PAGE: usize = 100;

/// A topology as JSON.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    row: &'a TopologyRow,
    settings: &'a decnet_topology::DeploySettings,
    config: Option<&'a TopologyConfig>,
    /// The host whose agent deploys it as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    /// Where it is on a fleet; none if it runs on one host.
    #[serde(skip_serializing_if = "Option::is_none")]
    placement: Option<PlacementNames<'a>>,
    topology: Value,
}

/// The result of a write to the store.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    outcome: &'a StoreOutcome,
    warnings: &'a [decnet_topology::Finding],
}

/// A new maze without deckies.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Blank {
    /// The name of the maze.
    name: String,
    /// The subnet of the DMZ; the next free one if it is not given.
    #[serde(default)]
    subnet: Option<String>,
}

/// Reads the parameters `limit` and `offset`.
pub(super) fn page(call: &Call) -> Result<(usize, usize), Problem> {
    let limit = call.parameter("limit")?.unwrap_or(USUAL_PAGE);
    Ok((limit, call.parameter("offset")?.unwrap_or(0)))
}

/// Lists topologies, in order of creation.
pub(super) async fn list(api: Arc<Api>, call: Call) -> Answer {
    let (limit, offset) = page(&call)?;
    let filter = TopologyFilter::default().statuses(call.list::<Status>("status")?);
    let repo = api.engine.repo();
    let Some(name) = call.query.get("name") else {
        let page = repo.list(&filter.limit(limit).offset(offset)).await?;
        return ok(&json!({ "topologies": page.rows, "total": page.total }));
    };
    let name = TopologyName::new(name)
        .map_err(|error| Problem::new("invalid_parameter", format!("`name` is `{name}`: {error}")))?;
    let named: Vec<_> = repo
        .list(&filter)
        .await?
        .rows
        .into_iter()
        .filter(|row| row.name == name)
        .collect();
    let shown: Vec<_> = named.iter().skip(offset).take(limit).collect();
    ok(&json!({ "topologies": shown, "total": named.len() }))
}

/// Returns a topology with its maze.
pub(super) async fn get(api: Arc<Api>, call: Call) -> Answer {
    let (repo, id) = (api.engine.repo(), call.id()?);
    // The order matters: what is read after the stamp is at least as new as it.
    let stamp = repo.stamp();
    if let Some((version, text)) = api.printed.current(id, stamp) {
        return Ok(with_body(StatusCode::OK, JSON, text)).tagged(version);
    }
    let row = repo.get(id).await?;
    if let Some(text) = api.printed.get(&row, stamp) {
        return Ok(with_body(StatusCode::OK, JSON, text)).tagged(row.version);
    }
    // It may have changed meanwhile; its row is that of the maze.
    let StoredTopology { row, topology } = repo.load(id).await?;
    let text = Bytes::from(text(&Shown {
        settings: &row.settings,
        config: row.config.as_ref(),
        host: row.host.as_deref(),
        placement: row
            .placement
            .as_ref()
            .map(|placement| PlacementNames::new(&topology, placement)),
        topology: document::to_value(&Draft::stored(&row, &topology)),
        row: &row,
    })?);
    let version = row.version;
    api.printed.keep(row, stamp, &text);
    Ok(with_body(StatusCode::OK, JSON, text)).tagged(version)
}

/// Returns the maze file of a topology.
pub(super) async fn document(api: Arc<Api>, call: Call) -> Answer {
    let (syntax, kind) = match call.query.get("syntax").map(String::as_str) {
        None | Some("json") => (Syntax::Json, JSON),
        Some("yaml") => (Syntax::Yaml, "application/yaml"),
        Some(other) => {
            let detail = format!("`syntax` is `{other}`; expected json or yaml");
            return Err(Problem::new("invalid_parameter", detail));
        }
    };
    let StoredTopology { row, topology } = api.engine.repo().load(call.id()?).await?;
    let text = document::print_topology(&row, &topology, syntax);
    Ok(with_body(StatusCode::OK, kind, text)).tagged(row.version)
}

/// Returns the state of the deckies on the runtime.
pub(super) async fn state(api: Arc<Api>, call: Call) -> Answer {
    let inspection = api.engine.inspect(call.id()?).await?;
    let row = &inspection.stored.row;
    ok(&json!({ "id": row.id, "status": row.status, "deckies": inspection.deckies })).tagged(row.version)
}

/// Stores a maze file as a new topology.
pub(super) async fn create(api: Arc<Api>, call: Call) -> Answer {
    let mut options = ApplyOptions::default().only_new();
    if let Some(host) = call.parameter::<Name>("agent")? {
        options = options.agent(host);
    }
    let draft = draft(&call).await?;
    let stored = api.engine.apply(&draft, options).await;
    match stored {
        Ok(outcome) => written(&call, StatusCode::CREATED, &outcome),
        Err(error) => Err(refused(&call, error).await),
    }
}

/// Generates a maze from a config, and stores it.
pub(super) async fn generate(api: Arc<Api>, call: Call) -> Answer {
    let value = TopologyConfig::value_from_text(&call.body, decnet_topology::ConfigSyntax::Json)?;
    let config = TopologyConfig::from_value(&value, api.engine.catalog(), rng::os_seed)?;
    written(&call, StatusCode::CREATED, &api.engine.generate(&config).await?)
}

/// Stores a maze without deckies.
pub(super) async fn blank(api: Arc<Api>, call: Call) -> Answer {
    let Blank { name, subnet } = call.json()?;
    let valid = TopologyName::new(&name);
    let name = valid.map_err(|source| Problem::from(EngineError::InvalidName { text: name, source }))?;
    let mut options = CreateOptions::default();
    if let Some(text) = subnet {
        let subnet = net::parse_subnet(&text);
        let wrong = |error| Problem::new("SUBNET_MALFORMED", format!("`subnet` is `{text}`: {error}"));
        options = options.subnet(subnet.map_err(wrong)?);
    }
    written(&call, StatusCode::CREATED, &api.engine.create(name, options).await?)
}

/// Validates a maze file, and stores nothing.
pub(super) async fn validate(api: Arc<Api>, call: Call) -> Answer {
    let live = call.parameter("live")?.unwrap_or(false);
    let against_store = call.parameter("against_store")?.unwrap_or(false);
    let rules = if live { RuleSet::live() } else { RuleSet::deploy() };
    let body = call.body.clone();
    let draft = aside(move || document::parse(&body, Syntax::Auto)).await??;
    let claims = if against_store {
        claims_except(api.engine.repo().as_ref(), &draft.header.name).await?
    } else {
        Vec::new()
    };
    let body = call.body.clone();
    let found = aside(move || {
        let report = validate_against(&draft, api.engine.catalog(), rules, &claims);
        let (errors, warnings) = (report.count(Severity::Error), report.count(Severity::Warning));
        let mut findings = report.into_findings();
        document::locate(&mut findings, &body, Syntax::Auto);
        (errors, warnings, findings)
    });
    let (errors, warnings, findings) = found.await?;
    ok(&json!({ "valid": errors == 0, "errors": errors, "warnings": warnings, "findings": findings }))
}

/// Replaces the maze of a pending topology.
pub(super) async fn replace(api: Arc<Api>, call: Call) -> Answer {
    let id = call.id()?;
    let row = api.engine.repo().get(id).await?;
    let expected = call.expected(&api.engine, id).await?;
    let draft = draft(&call).await?;
    if row.status != Status::Pending {
        let problem = Problem::from(RepoError::NotEditable {
            name: row.name,
            status: row.status,
            intent: row.intent,
        });
        return Err(problem.hint("POST …/mutations changes a running maze; POST …/teardown first to replace it"));
    }
    if TopologyName::new(&draft.header.name).as_ref() != Ok(&row.name) {
        let detail = format!(
            "the document is named `{}`, the topology `{}`",
            draft.header.name, row.name
        );
        return Err(Problem::new("name_mismatch", detail).hint("a topology keeps its name"));
    }
    let stored = api
        .engine
        .apply(&draft, ApplyOptions::default().onto(id, expected))
        .await;
    match stored {
        Ok(outcome) => written(&call, StatusCode::OK, &outcome),
        Err(error) => Err(refused(&call, error).await),
    }
}

/// Deletes a topology that does not run.
pub(super) async fn delete(api: Arc<Api>, call: Call) -> Answer {
    let id = call.id()?;
    let expected = call.expected(&api.engine, id).await?;
    match api.engine.delete(id, expected).await {
        Ok(_) => Ok(empty()),
        Err(error @ EngineError::Repo(RepoError::NotDeletable { .. })) => {
            let hint = format!(
                "tear it down first: POST {}",
                call.location(&format!("/topologies/{id}/teardown"))
            );
            Err(Problem::from(error).hint(hint))
        }
        Err(error) => Err(error.into()),
    }
}

/// Reads the maze file in the body. Parts that cannot be read are its findings.
async fn draft(call: &Call) -> Result<Draft, Problem> {
    let body = call.body.clone();
    let draft = aside(move || document::parse(&body, Syntax::Auto)).await??;
    let errors = draft
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .count();
    if errors > 0 {
        let detail = "the maze file has values that cannot be read";
        return Err(Problem::new("invalid", detail).findings(draft.findings));
    }
    Ok(draft)
}

/// Does work on a whole maze file on a thread of its own: other requests do not wait for it.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Problem::new("internal", "the body could not be read"))
}

/// Gives the findings of a refused document their places in the body.
async fn refused(call: &Call, error: EngineError) -> Problem {
    let (body, mut problem) = (call.body.clone(), Problem::from(error));
    let located = aside(move || {
        document::locate(problem.findings_mut(), &body, Syntax::Auto);
        problem
    });
    located.await.unwrap_or_else(|problem| problem)
}

/// Answers with what was stored.
fn written(call: &Call, status: StatusCode, outcome: &StoreOutcome) -> Answer {
    let row = &outcome.stored.row;
    let body = Written {
        outcome,
        warnings: &outcome.warnings,
    };
    let answer = json(status, &body).tagged(row.version);
    if status == StatusCode::CREATED {
        return answer.with(header::LOCATION, &call.location(&format!("/topologies/{}", row.id)));
    }
    answer
}
