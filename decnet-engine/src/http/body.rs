//! Reads bodies, within limits of size and time.

use std::time::Duration;

use axum::{
    body::{Body, HttpBody as _},
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use decnet_topology::document;
use http_body_util::BodyExt as _;

use super::{api::Api, problem::Problem, route::BodyKind};

/// The longest body that is not a document, in bytes.
const USUAL: usize = 1 << 20;

/// The longest pause within a body.
const PAUSE: Duration = Duration::from_secs(10);

/// The longest time for a whole body.
const WHOLE: Duration = Duration::from_mins(2);

/// Reads the body of a request, if the route has one.
pub(super) async fn read(api: &Api, kind: BodyKind, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let limit = match kind {
        BodyKind::None => return Ok(Bytes::new()),
        BodyKind::Document => document::MAX_BYTES,
        BodyKind::Json(_) | BodyKind::OptionalJson(_) => USUAL,
    };
    let claimed = body.size_hint().lower();
    if claimed > limit as u64 {
        return Err(too_large(limit));
    }
    if claimed > 0 || !body.is_end_stream() {
        check_media_type(kind, headers)?;
    }
    // Large bodies wait for each other, so that many of them cannot use all memory.
    let _permit = match kind {
        BodyKind::Document if claimed > USUAL as u64 || body.size_hint().exact().is_none() => {
            api.large_bodies.acquire().await.ok()
        }
        _ => None,
    };
    let slow = |_| Problem::new("slow_body", "the body did not arrive in time");
    tokio::time::timeout(WHOLE, pieces(body, limit)).await.map_err(slow)?
}

async fn pieces(mut body: Body, limit: usize) -> Result<Bytes, Problem> {
    let mut read = BytesMut::new();
    loop {
        let frame = tokio::time::timeout(PAUSE, body.frame()).await;
        let frame = frame.map_err(|_| Problem::new("slow_body", "the body paused for too long"))?;
        let Some(frame) = frame else {
            return Ok(read.freeze());
        };
        let frame = frame.map_err(|error| Problem::new("malformed", format!("the body cannot be read: {error}")))?;
        if let Ok(data) = frame.into_data() {
            if read.len() + data.len() > limit {
                return Err(too_large(limit));
            }
            read.extend_from_slice(&data);
        }
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new("body_too_large", format!("the body has more than {} MiB", limit >> 20)).member("limit", limit)
}

/// Refuses a body of another kind. A web page of another origin can send forms and plain texts, but not these without permission.
fn check_media_type(kind: BodyKind, headers: &HeaderMap) -> Result<(), Problem> {
    let named = headers
        .get(header::CONTENT_TYPE)
        .map(|value| value.to_str().unwrap_or_default());
    let essence = named
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let is_json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    let is_yaml = ["application/yaml", "application/x-yaml", "text/yaml"].contains(&essence.as_str());
    if is_json || (is_yaml && kind == BodyKind::Document) {
        return Ok(());
    }
    let found = if essence.is_empty() { "no type" } else { &essence };
    let takes = match kind {
        BodyKind::Document => "application/json or application/yaml",
        _ => "application/json",
    };
    let problem = Problem::new(
        "unsupported_media_type",
        format!("the body has {found}; this route takes {takes}"),
    );
    Err(problem.header(header::ACCEPT, takes))
}
