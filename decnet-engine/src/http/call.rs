//! A request that was admitted: who sends it, its path, its parameters and its body.

use std::{collections::BTreeMap, fmt::Display, str::FromStr, sync::Arc, time::Duration};

use axum::http::{HeaderMap, Method, StatusCode};
use bytes::Bytes;
use decnet_topology::{TopologyId, Version};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use tokio::sync::OwnedSemaphorePermit;

use super::{auth::scope::Principal, etag::IfMatch, prefer, problem::Problem};
use crate::engine::Engine;

/// A request that was admitted.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// The method.
    pub(super) method: Method,
    /// The path of the request up to `/api/v1`, for the header `Location`.
    pub(super) base: String,
    /// The whole path and the query.
    pub(super) target: String,
    /// The names in the path.
    pub(super) path: BTreeMap<String, String>,
    /// The parameters.
    pub(super) query: BTreeMap<String, String>,
    /// The headers.
    pub(super) headers: HeaderMap,
    /// The body; empty if the route has none.
    pub(super) body: Bytes,
    /// The permit for a large body, until the request is answered.
    pub(super) _room: Option<Arc<OwnedSemaphorePermit>>,
    /// Who sends it.
    pub(super) principal: Principal,
}

impl Call {
    /// Returns a name in the path.
    pub(super) fn segment(&self, name: &str) -> &str {
        self.path.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Returns the topology in the path. A text that is not an id is the id of no topology.
    pub(super) fn id(&self) -> Result<TopologyId, Problem> {
        let text = self.segment("id");
        text.parse().map_err(|_| {
            Problem::new("not_found", format!("no maze has the id `{text}`"))
                .hint("the path has the whole id; GET /topologies?name=… finds it by name")
        })
    }

    /// Returns a parameter, if it is given.
    pub(super) fn parameter<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Problem> {
        let read = |text: &String| {
            text.parse()
                .map_err(|error| Problem::new("invalid_parameter", format!("`{name}` is `{text}`: {error}")))
        };
        self.query.get(name).map(read).transpose()
    }

    /// Returns a parameter that is a list separated by commas.
    pub(super) fn list<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Vec<T>, Problem> {
        let words = self.query.get(name).map(String::as_str).unwrap_or_default();
        let words = words.split(',').filter(|word| !word.is_empty());
        let read = |word: &str| {
            word.parse()
                .map_err(|error| Problem::new("invalid_parameter", format!("`{name}`: {error}")))
        };
        words.map(read).collect()
    }

    /// Returns the version that the topology must have, by the header `If-Match`. Refuses the request if it has another one now.
    pub(super) async fn expected(&self, engine: &Engine, id: TopologyId) -> Result<Option<Version>, Problem> {
        match IfMatch::read(&self.headers)? {
            Some(condition) => condition.expected(&engine.repo().get(id).await?),
            None => Ok(None),
        }
    }

    /// Returns how long the client waits for a result.
    pub(super) fn wait(&self) -> Option<Duration> {
        prefer::wait(&self.headers)
    }

    /// Reads the body, which must be a JSON object. An empty body is an empty object.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let text: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        let is_object = text.trim_ascii_start().starts_with(b"{");
        if !is_object && serde_json::from_slice::<IgnoredAny>(text).is_ok() {
            return Err(Problem::new("invalid_body", "the body must be an object"));
        }
        serde_json::from_slice(text).map_err(|error| {
            let place = (error.line(), error.column());
            let problem = match error.classify() {
                Category::Data => Problem::new("invalid_body", format!("the body is not as described: {error}")),
                _ => Problem::new("malformed", format!("the body is not JSON: {error}")),
            };
            problem.member("line", place.0).member("column", place.1)
        })
    }

    /// Returns the body as a text.
    pub(super) fn text(&self) -> Result<&str, Problem> {
        let not_utf8 = |_| Problem::new("malformed", "the body is not UTF-8").status(StatusCode::BAD_REQUEST);
        std::str::from_utf8(&self.body).map_err(not_utf8)
    }

    /// Returns the path of something for the header `Location`.
    pub(super) fn location(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}
