//! The description of the API (`OpenAPI` 3.1), from the table of routes.

use axum::http::Method;
use decnet_topology::{
    AddDecky, AddLan, AttachDecky, DeckyPatch, LanPatch, Mutation, TopologyConfig, UpdateDecky, UpdateLan, document,
};
use schemars::{Schema, schema_for};
use serde_json::{Map, Value, json};

use super::{
    auth::scope::AccessScope,
    dispatch::BASE,
    lifecycle::{Deploy, PlanRequest, Reap, Reconcile, Restart, Teardown},
    parts::{DECKY_KEYS, LAN_KEYS},
    route::{BodyKind, Parameter, ParameterKind, Route},
    topologies::Blank,
};

/// Describes routes.
pub(super) fn describe(routes: &[Route]) -> Value {
    let mut paths = Map::new();
    for route in routes {
        let path = paths
            .entry(format!("{BASE}{}", route.path))
            .or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "DECNET",
            "description": "Mazes of decoy hosts on Docker.",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut parameters: Vec<Value> = names_in(route.path).map(in_path).collect();
    parameters.extend(route.query.iter().map(in_query));
    let mut headers = Vec::new();
    if route.method != Method::GET && route.path.contains("{id}") {
        let about = "The version that the topology must have: an ETag of an earlier answer.";
        headers.push((
            "If-Match",
            about,
            json!({ "type": "string", "pattern": "^(\\*|\"v[0-9]+\")$" }),
        ));
    }
    if route.has_keys() {
        let schema = json!({ "type": "string", "pattern": "^[!-~]{1,255}$" });
        headers.push(("Idempotency-Key", "The request is done once for each key.", schema));
    }
    if route.answers.iter().any(|(status, _)| *status == 202) || route.id == "get_operation" {
        let about = "`wait=SECONDS` waits for the result, up to 300 seconds.";
        headers.push(("Prefer", about, json!({ "type": "string" })));
    }
    parameters.extend(headers.into_iter().map(|(name, about, schema)| {
        json!({ "name": name, "in": "header", "required": false, "description": about, "schema": schema })
    }));
    let scope = route.access.scope();
    if route.access.has_tickets() {
        parameters.push(in_query(&Parameter {
            name: "ticket",
            kind: ParameterKind::Text,
            is_required: false,
            about: "A ticket instead of a token. It is used once.",
        }));
    }
    let mut operation = json!({
        "operationId": route.id,
        "summary": route.summary,
        "parameters": parameters,
        "responses": responses(route),
        "security": [],
    });
    if let Some(scope) = scope {
        operation["security"] = json!([{ "token": [] }]);
        operation["description"] = json!(format!("Needs the scope `{scope}`{}.", wider(scope)));
    }
    if let Some(body) = body(route.body) {
        operation["requestBody"] = body;
    }
    operation
}

fn wider(scope: AccessScope) -> &'static str {
    if scope == AccessScope::Admin {
        ""
    } else {
        " or a wider one"
    }
}

/// Lists the names in a path.
fn names_in(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn in_path(name: &str) -> Value {
    let schema = match name {
        "id" => json!({ "type": "string", "format": "uuid" }),
        "number" => json!({ "type": "integer", "minimum": 1 }),
        _ => json!({ "type": "string", "minLength": 1 }),
    };
    json!({ "name": name, "in": "path", "required": true, "schema": schema })
}

fn in_query(parameter: &Parameter) -> Value {
    let Parameter {
        name,
        kind,
        is_required,
        about,
    } = parameter;
    let schema = match kind {
        ParameterKind::Text => json!({ "type": "string", "minLength": 1 }),
        ParameterKind::Number(most) => json!({ "type": "integer", "minimum": 0, "maximum": most }),
        ParameterKind::Flag => json!({ "type": "boolean" }),
        ParameterKind::Time => json!({ "type": "string", "format": "date-time" }),
        ParameterKind::Word(words) => json!({ "type": "string", "enum": words }),
    };
    json!({ "name": name, "in": "query", "required": is_required, "description": about, "schema": schema })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn body(kind: BodyKind) -> Option<Value> {
    let (name, required) = match kind {
        BodyKind::None => return None,
        BodyKind::Document => ("Document", true),
        BodyKind::Json(name) => (name, true),
        BodyKind::OptionalJson(name) => (name, false),
    };
    let mut content = json!({ "application/json": { "schema": reference(name) } });
    if kind == BodyKind::Document {
        content["application/yaml"] = json!({ "schema": reference(name) });
    }
    Some(json!({ "required": required, "content": content }))
}

fn responses(route: &Route) -> Value {
    let mut responses = Map::new();
    for (status, schema) in route.answers {
        let mut response = json!({ "description": if *status == 202 { "Accepted." } else { "Done." } });
        let content = match *schema {
            "" => None,
            "EventStream" => Some(json!({ "text/event-stream": { "schema": { "type": "string" } } })),
            "Picture" => Some(json!({ "image/svg+xml": { "schema": { "type": "string" } } })),
            "Text" => Some(json!({ "text/plain": { "schema": { "type": "string" } } })),
            "Document" => Some(json!({
                "application/json": { "schema": reference("Document") },
                "application/yaml": { "schema": reference("Document") },
            })),
            name => Some(json!({ "application/json": { "schema": reference(name) } })),
        };
        if let Some(content) = content {
            response["content"] = content;
        }
        responses.insert(status.to_string(), response);
    }
    responses.insert(
        "default".into(),
        json!({
            "description": "The request was refused or failed; nothing was changed unless the problem says so.",
            "content": { "application/problem+json": { "schema": reference("Problem") } },
        }),
    );
    Value::Object(responses)
}

/// The schemas that the routes name.
fn schemas() -> Value {
    let mut schemas = Map::new();
    let mut add = |name: &str, schema: Value| schemas.insert(name.into(), within(name, schema));
    add("Document", document::schema());
    let mutation = Mutation::schema();
    add("Config", schema_for!(TopologyConfig).to_value());
    add("Blank", schema_for!(Blank).to_value());
    add("Deploy", schema_for!(Deploy).to_value());
    add("Plan", schema_for!(PlanRequest).to_value());
    add("Reconcile", schema_for!(Reconcile).to_value());
    add("Teardown", schema_for!(Teardown).to_value());
    add("Restart", schema_for!(Restart).to_value());
    add("Reap", schema_for!(Reap).to_value());
    add("Mutation", mutation);
    add("AddLan", schema_for!(AddLan).to_value());
    add("AddDecky", schema_for!(AddDecky).to_value());
    add("AttachDecky", schema_for!(AttachDecky).to_value());
    add(
        "LanPatch",
        with_keys(schema_for!(LanPatch), schema_for!(UpdateLan), LAN_KEYS),
    );
    add(
        "DeckyPatch",
        with_keys(schema_for!(DeckyPatch), schema_for!(UpdateDecky), DECKY_KEYS),
    );
    add("Object", json!({ "type": "object" }));
    let row = json!({
        "id": { "type": "string", "format": "uuid" },
        "name": { "type": "string" },
        "status": { "type": "string" },
        "version": { "type": "integer", "minimum": 1 },
    });
    let object = |properties: Value, required: &[&str]| json!({ "type": "object", "properties": properties, "required": required });
    let mut topology = row.clone();
    topology["topology"] = reference("Document");
    topology["settings"] = json!({ "type": "object" });
    topology["host"] = json!({ "type": "string" });
    topology["placement"] = json!({ "type": "object" });
    add(
        "Topology",
        object(topology, &["id", "name", "status", "version", "settings", "topology"]),
    );
    let mut stored = row.clone();
    stored["result"] = json!({ "enum": ["created", "replaced", "unchanged"] });
    add(
        "Stored",
        object(stored, &["id", "name", "status", "version", "result", "warnings"]),
    );
    let rows = json!({
        "topologies": { "type": "array", "items": object(row, &["id", "name", "status", "version"]) },
        "total": { "type": "integer" },
    });
    add("TopologyPage", object(rows, &["topologies", "total"]));
    let findings = json!({ "type": "array", "items": { "type": "object" } });
    let validation = json!({
        "valid": { "type": "boolean" },
        "errors": { "type": "integer" },
        "warnings": { "type": "integer" },
        "findings": findings,
    });
    add(
        "Validation",
        object(validation, &["valid", "errors", "warnings", "findings"]),
    );
    let queued =
        json!({ "mutation": { "type": "object" }, "depends_on": { "type": "array", "items": { "type": "integer" } } });
    add("QueuedMutation", object(queued, &["mutation", "depends_on"]));
    let job = json!({
        "id": { "type": "string" },
        "operation": { "type": "string" },
        "topology": { "type": ["string", "null"] },
        "actor": { "type": "string" },
        "state": { "enum": ["running", "succeeded", "failed"] },
        "begun_at": { "type": "string" },
        "finished_at": { "type": ["string", "null"] },
        "result": {},
        "problem": reference("Problem"),
    });
    add("Operation", object(job, &["id", "operation", "state", "begun_at"]));
    let problem = json!({
        "type": { "type": "string" },
        "title": { "type": "string" },
        "status": { "type": "integer" },
        "detail": { "type": "string" },
        "code": { "type": "string" },
        "hint": { "type": "string" },
        "findings": findings,
        "faults": { "type": "array", "items": { "type": "object" } },
        "details": { "type": "array", "items": { "type": "string" } },
    });
    add(
        "Problem",
        object(problem, &["type", "title", "status", "detail", "code"]),
    );
    Value::Object(schemas)
}

/// Adds some keys of an update to the schema of its patch, as the routes take them.
fn with_keys(patch: Schema, update: Schema, keys: &[&str]) -> Value {
    let (mut patch, mut update) = (patch.to_value(), update.to_value());
    for key in keys {
        patch["properties"][key] = update["properties"][key].take();
    }
    if let Value::Object(definitions) = update["$defs"].take() {
        for (name, definition) in definitions {
            patch["$defs"][name] = definition;
        }
    }
    patch
}

/// Makes a schema a part of the description: its own definitions are then at another place.
fn within(name: &str, mut schema: Value) -> Value {
    if let Value::Object(fields) = &mut schema {
        fields.remove("$schema");
        fields.remove("$id");
    }
    move_references(&mut schema, &format!("#/components/schemas/{name}"));
    schema
}

fn move_references(value: &mut Value, place: &str) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(target) if key == "$ref" => {
                        if let Some(rest) = target.strip_prefix("#/$defs") {
                            *target = format!("{place}/$defs{rest}");
                        }
                    }
                    value => move_references(value, place),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| move_references(item, place)),
        _ => {}
    }
}
