//! Successful answers.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use decnet_topology::Version;
use serde::Serialize;

use super::{etag::etag, problem::Problem};

/// The answer to a request.
pub(super) type Answer = Result<Response, Problem>;

/// The type of most answers.
pub(super) const JSON: &str = "application/json";

/// Writes a value as JSON.
pub(super) fn text(value: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(value)
        .map_err(|error| Problem::new("internal", format!("the answer cannot be written: {error}")))
}

/// Answers with JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    Ok(with_body(status, JSON, text(value)?))
}

/// Answers with JSON and the status 200.
pub(super) fn ok(value: &impl Serialize) -> Answer {
    json(StatusCode::OK, value)
}

/// Answers with a body.
pub(super) fn with_body(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Answers without a body.
pub(super) fn empty() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Adds headers to an answer.
pub(super) trait WithHeaders: Sized {
    /// Adds a header. A text that cannot be a header is left out.
    fn with(self, name: HeaderName, value: &str) -> Self;

    /// Adds the entity tag of a version.
    fn tagged(self, version: Version) -> Self;
}

impl WithHeaders for Answer {
    fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let (Ok(response), Ok(value)) = (&mut self, HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
        self
    }

    fn tagged(mut self, version: Version) -> Self {
        if let Ok(response) = &mut self {
            response.headers_mut().insert(header::ETAG, etag(version));
        }
        self
    }
}
