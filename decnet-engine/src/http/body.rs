//! Reads bodies, within limits of size and time.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, HttpBody as _},
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use decnet_topology::document;
use http_body_util::BodyExt as _;
use tokio::sync::OwnedSemaphorePermit;

use super::{api::Api, problem::Problem, route::BodyKind};

/// The longest body that is not a document, in bytes.
const USUAL: usize = 1 << 20;

/// The longest pause within a body.
const PAUSE: Duration = Duration::from_secs(10);

/// The longest time for a whole body.
const WHOLE: Duration = Duration::from_mins(2);

/// The permit for a large body.
type Room = Option<OwnedSemaphorePermit>;

/// Reads the body of a request, if the route has one. A large body has a permit, which must be kept as long as the body.
pub(super) async fn read(api: &Api, kind: BodyKind, headers: &HeaderMap, body: Body) -> Result<(Bytes, Room), Problem> {
    let limit = match kind {
        BodyKind::None => return Ok((Bytes::new(), None)),
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
    let slow = |_| Problem::new("slow_body", "the body did not arrive in time");
    tokio::time::timeout(WHOLE, pieces(api, body, limit))
        .await
        .map_err(slow)?
}

async fn pieces(api: &Api, mut body: Body, limit: usize) -> Result<(Bytes, Room), Problem> {
    let mut read = BytesMut::new();
    let mut room = None;
    loop {
        let frame = tokio::time::timeout(PAUSE, body.frame()).await;
        let frame = frame.map_err(|_| Problem::new("slow_body", "the body paused for too long"))?;
        let Some(frame) = frame else {
            return Ok((read.freeze(), room));
        };
        let frame = frame.map_err(|error| Problem::new("malformed", format!("the body cannot be read: {error}")))?;
        if let Ok(data) = frame.into_data() {
            let length = read.len() + data.len();
            if length > limit {
                return Err(too_large(limit));
            }
            make_room(api, &mut room, length).await?;
            read.extend_from_slice(&data);
        }
    }
}

/// Takes permits for a body that grows. Large bodies wait for each other, so that many of them cannot use all memory. A permit is only
/// taken for what has arrived, so that clients who promise much and send little keep nobody waiting.
async fn make_room(api: &Api, room: &mut Room, length: usize) -> Result<(), Problem> {
    let held = room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
    let missing = (length.saturating_sub(1) / USUAL).saturating_sub(held);
    let Some(missing) = u32::try_from(missing).ok().filter(|missing| *missing > 0) else {
        return Ok(());
    };
    let more = Arc::clone(&api.large_bodies).acquire_many_owned(missing);
    let Ok(Ok(more)) = tokio::time::timeout(PAUSE, more).await else {
        return Err(Problem::new("too_many_bodies", "other large bodies are being read"));
    };
    match room {
        Some(room) => room.merge(more),
        None => *room = Some(more),
    }
    Ok(())
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
