//! LANs, deckies and their attachments: each change is a mutation.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use decnet_topology::{Draft, Mutation, StoredTopology, document};
use serde_json::{Map, Value, json, value::RawValue};

use super::{
    answer::{Answer, WithHeaders as _, empty, json, ok},
    api::Api,
    call::Call,
    mutations::{accepted, submitted},
    problem::Problem,
};
use crate::engine::Submitted;

/// The keys of a mutation of a decky that are not in its patch.
pub(super) const DECKY_KEYS: &[&str] = &["services", "x", "y", "force"];

/// The keys of a mutation of a LAN that are not in its patch.
pub(super) const LAN_KEYS: &[&str] = &["x", "y"];

/// Lists the LANs.
pub(super) async fn lans(api: Arc<Api>, call: Call) -> Answer {
    list(&api, &call, "lans").await
}

/// Returns a LAN.
pub(super) async fn lan(api: Arc<Api>, call: Call) -> Answer {
    one(&api, &call, "lans", "LAN", call.segment("lan")).await
}

/// Adds a LAN.
pub(super) async fn add_lan(api: Arc<Api>, call: Call) -> Answer {
    let mutation = added(&call, "add_lan")?;
    create(&api, &call, mutation, "lans").await
}

/// Changes a LAN.
pub(super) async fn update_lan(api: Arc<Api>, call: Call) -> Answer {
    let payload = patch(&call, ("name", call.segment("lan")), LAN_KEYS)?;
    let renamed = payload["patch"]["name"].as_str().map(str::to_owned);
    let mutation = Mutation::from_value(&json!({ "op": "update_lan", "payload": payload }))?;
    let name = renamed.unwrap_or_else(|| call.segment("lan").to_owned());
    update(&api, &call, mutation, "lans", &name).await
}

/// Removes a LAN.
pub(super) async fn remove_lan(api: Arc<Api>, call: Call) -> Answer {
    remove(&api, &call, "remove_lan", json!({ "name": call.segment("lan") })).await
}

/// Lists the deckies.
pub(super) async fn deckies(api: Arc<Api>, call: Call) -> Answer {
    list(&api, &call, "deckies").await
}

/// Returns a decky.
pub(super) async fn decky(api: Arc<Api>, call: Call) -> Answer {
    one(&api, &call, "deckies", "decky", call.segment("decky")).await
}

/// Adds a decky.
pub(super) async fn add_decky(api: Arc<Api>, call: Call) -> Answer {
    let mutation = added(&call, "add_decky")?;
    create(&api, &call, mutation, "deckies").await
}

/// Changes a decky.
pub(super) async fn update_decky(api: Arc<Api>, call: Call) -> Answer {
    let payload = patch(&call, ("decky", call.segment("decky")), DECKY_KEYS)?;
    let mutation = Mutation::from_value(&json!({ "op": "update_decky", "payload": payload }))?;
    update(&api, &call, mutation, "deckies", call.segment("decky")).await
}

/// Removes a decky.
pub(super) async fn remove_decky(api: Arc<Api>, call: Call) -> Answer {
    remove(&api, &call, "remove_decky", json!({ "decky": call.segment("decky") })).await
}

/// Lists the attachments of deckies to LANs.
pub(super) async fn edges(api: Arc<Api>, call: Call) -> Answer {
    let (stored, maze) = load(&api, &call).await?;
    ok(&json!({ "edges": edges_of(&maze) })).tagged(stored.row.version)
}

/// Returns the attachment of a decky to a LAN.
pub(super) async fn edge(api: Arc<Api>, call: Call) -> Answer {
    let (decky, lan) = (call.segment("decky"), call.segment("lan"));
    let (stored, maze) = load(&api, &call).await?;
    let found = edges_of(&maze)
        .into_iter()
        .find(|edge| is_named(&edge["decky"], decky) && is_named(&edge["lan"], lan));
    match found {
        Some(edge) => ok(&edge).tagged(stored.row.version),
        None => Err(Problem::new(
            "not_found",
            format!("decky `{decky}` is not attached to LAN `{lan}`"),
        )),
    }
}

/// Attaches a decky to a LAN.
pub(super) async fn attach(api: Arc<Api>, call: Call) -> Answer {
    let mutation = added(&call, "attach_decky")?;
    let (Value::String(decky), Value::String(lan)) = (named(&mutation, "decky"), named(&mutation, "lan")) else {
        return Err(Problem::new("internal", "the mutation has no names"));
    };
    match submitted(&api, &call, mutation).await? {
        Submitted::Edited(stored) => {
            let edges = edges_of(&shown(&stored));
            let edge = edges
                .into_iter()
                .find(|edge| is_named(&edge["decky"], &decky) && is_named(&edge["lan"], &lan));
            let location = call.location(&format!("/topologies/{}/edges/{decky}/{lan}", stored.row.id));
            json(StatusCode::CREATED, &edge)
                .tagged(stored.row.version)
                .with(header::LOCATION, &location)
        }
        Submitted::Enqueued(queued) => accepted(&call, &queued.row, &queued.depends_on),
    }
}

/// Detaches a decky from a LAN.
pub(super) async fn detach(api: Arc<Api>, call: Call) -> Answer {
    let payload = json!({ "decky": call.segment("decky"), "lan": call.segment("lan") });
    remove(&api, &call, "detach_decky", payload).await
}

/// Loads the topology, and its maze as JSON.
async fn load(api: &Api, call: &Call) -> Result<(StoredTopology, Value), Problem> {
    let stored = api.engine.repo().load(call.id()?).await?;
    let maze = shown(&stored);
    Ok((stored, maze))
}

fn shown(stored: &StoredTopology) -> Value {
    document::to_value(&Draft::stored(&stored.row, &stored.topology))
}

async fn list(api: &Api, call: &Call, key: &str) -> Answer {
    let (stored, mut maze) = load(api, call).await?;
    ok(&json!({ key: maze[key].take() })).tagged(stored.row.version)
}

async fn one(api: &Api, call: &Call, key: &str, kind: &str, name: &str) -> Answer {
    let (stored, maze) = load(api, call).await?;
    match part(&maze, key, name) {
        Some(part) => ok(part).tagged(stored.row.version),
        None => Err(Problem::new("not_found", format!("no {kind} named `{name}`"))),
    }
}

/// Finds a part by its name; names have no case.
fn part<'v>(maze: &'v Value, key: &str, name: &str) -> Option<&'v Value> {
    maze[key].as_array()?.iter().find(|part| is_named(&part["name"], name))
}

fn is_named(value: &Value, name: &str) -> bool {
    value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(name))
}

/// Lists all attachments, by decky.
fn edges_of(maze: &Value) -> Vec<Value> {
    let deckies = maze["deckies"].as_array().into_iter().flatten();
    let edges = deckies.flat_map(|decky| {
        let attachments = decky["attachments"].as_array().into_iter().flatten();
        attachments.map(move |edge| json!({ "decky": decky["name"], "lan": edge["lan"], "ip": edge["ip"] }))
    });
    edges.collect()
}

/// Reads the mutation whose payload is the body.
fn added(call: &Call, op: &str) -> Result<Mutation, Problem> {
    let text = call.text()?;
    // The body must be one value: its text becomes a part of another one, so that a repeated key is still found.
    let payload: &RawValue = serde_json::from_str(text)
        .map_err(|error| Problem::new("malformed", format!("the body is not JSON: {error}")))?;
    Ok(Mutation::from_json(&format!(
        "{{\"op\":\"{op}\",\"payload\":{}}}",
        payload.get()
    ))?)
}

/// Makes the payload of an update: the keys of the body belong to its patch, except some.
fn patch(call: &Call, (key, name): (&str, &str), outside: &[&str]) -> Result<Value, Problem> {
    let body: Map<String, Value> = call.json()?;
    let (mut payload, mut patch) = (Map::new(), Map::new());
    for (name, value) in body {
        let place = if outside.contains(&name.as_str()) {
            &mut payload
        } else {
            &mut patch
        };
        place.insert(name, value);
    }
    payload.insert(key.into(), name.into());
    payload.insert("patch".into(), patch.into());
    Ok(payload.into())
}

/// Returns a name in the payload of a mutation.
fn named(mutation: &Mutation, key: &str) -> Value {
    serde_json::to_value(mutation)
        .map(|mut value| value["payload"][key].take())
        .unwrap_or_default()
}

async fn create(api: &Api, call: &Call, mutation: Mutation, key: &str) -> Answer {
    let Value::String(name) = named(&mutation, "name") else {
        return Err(Problem::new("internal", "the mutation has no name"));
    };
    match submitted(api, call, mutation).await? {
        Submitted::Edited(stored) => {
            let location = call.location(&format!("/topologies/{}/{key}/{name}", stored.row.id));
            json(StatusCode::CREATED, &part(&shown(&stored), key, &name))
                .tagged(stored.row.version)
                .with(header::LOCATION, &location)
        }
        Submitted::Enqueued(queued) => accepted(call, &queued.row, &queued.depends_on),
    }
}

async fn update(api: &Api, call: &Call, mutation: Mutation, key: &str, name: &str) -> Answer {
    match submitted(api, call, mutation).await.map_err(absent)? {
        Submitted::Edited(stored) => ok(&part(&shown(&stored), key, name)).tagged(stored.row.version),
        Submitted::Enqueued(queued) => accepted(call, &queued.row, &queued.depends_on),
    }
}

async fn remove(api: &Api, call: &Call, op: &str, payload: Value) -> Answer {
    let mutation = Mutation::from_value(&json!({ "op": op, "payload": payload })).map_err(|error| {
        // A text that is not a name names nothing.
        Problem::from(error).status(StatusCode::NOT_FOUND)
    })?;
    match submitted(api, call, mutation).await.map_err(absent)? {
        Submitted::Edited(stored) => Ok(empty()).tagged(stored.row.version),
        Submitted::Enqueued(queued) => accepted(call, &queued.row, &queued.depends_on),
    }
}

/// A part that the path names and the maze does not have.
fn absent(problem: Problem) -> Problem {
    problem.not_found_if(&["UNKNOWN_LAN", "UNKNOWN_DECKY", "NOT_ATTACHED"])
}
