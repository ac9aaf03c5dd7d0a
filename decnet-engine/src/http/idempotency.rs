//! The header `Idempotency-Key`: a request that is repeated with its key has the same answer, and is not done twice.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use super::{answer::Answer, call::Call, problem::Problem};

/// How many answers are kept.
const KEPT: usize = 1024;

/// How long an answer is kept.
const KEPT_FOR: Duration = Duration::from_hours(24);

/// The longest answer that is kept.
const LONGEST_ANSWER: usize = 1 << 20;

/// The longest key.
const LONGEST_KEY: usize = 255;

/// The name of the header.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The header of an answer that was kept.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// An answer that is kept.
#[derive(Debug, Clone)]
struct Kept {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// One key, and the answer as soon as it is known.
#[derive(Debug)]
struct Entry {
    /// The sender and the key.
    key: (String, String),
    /// The digest of the request.
    request: [u8; 32],
    at: Instant,
    answer: Arc<OnceCell<Kept>>,
}

/// The answers to requests with a key, oldest first.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<VecDeque<Entry>>);

impl Answers {
    /// Returns the kept answer of a request with a key, or does it. The same request at the same time is done once. Failures of the
    /// server are not kept.
    pub(super) async fn once(&self, call: &Call, work: impl Future<Output = Answer>) -> Answer {
        let Some(key) = key(&call.headers)? else {
            return work.await;
        };
        let answer = self.entry((call.principal.actor.clone(), key), digest(call))?;
        let mut is_first = false;
        let kept = answer.get_or_try_init(async || {
            is_first = true;
            let response = work.await.unwrap_or_else(Problem::into_response);
            keep(response).await
        });
        // The kept answer is cloned: a body is read once.
        match kept.await {
            Ok(kept) => {
                let kept = kept.clone();
                let mut response = (kept.status, Body::from(kept.body)).into_response();
                *response.headers_mut() = kept.headers;
                if !is_first {
                    response
                        .headers_mut()
                        .insert(REPLAYED, HeaderValue::from_static("true"));
                }
                Ok(response)
            }
            Err(response) => Ok(*response),
        }
    }

    /// Finds or makes the entry of a key.
    fn entry(&self, key: (String, String), request: [u8; 32]) -> Result<Arc<OnceCell<Kept>>, Problem> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| entry.at.elapsed() < KEPT_FOR);
        if let Some(entry) = entries.iter().find(|entry| entry.key == key) {
            if entry.request != request {
                let detail = format!("the key `{}` was used for another request", key.1);
                return Err(Problem::new("idempotency_key_reused", detail));
            }
            return Ok(Arc::clone(&entry.answer));
        }
        if entries.len() == KEPT {
            entries.pop_front();
        }
        let answer = Arc::default();
        entries.push_back(Entry {
            key,
            request,
            at: Instant::now(),
            answer: Arc::clone(&answer),
        });
        Ok(answer)
    }
}

/// Reads the key of a request.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.is_empty() || text.len() > LONGEST_KEY || !is_plain {
        let detail = format!("Idempotency-Key must have 1 to {LONGEST_KEY} ASCII characters without spaces");
        return Err(Problem::new("invalid_header", detail));
    }
    Ok(Some(text.into()))
}

/// Returns the digest of what a request asks for.
fn digest(call: &Call) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [call.method.as_str().as_bytes(), call.target.as_bytes(), &call.body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Keeps an answer; returns it as an error if it is a failure of the server or too long.
async fn keep(response: Response) -> Result<Kept, Box<Response>> {
    if response.status().is_server_error() {
        return Err(Box::new(response));
    }
    let (parts, body) = response.into_parts();
    match to_bytes(body, LONGEST_ANSWER).await {
        Ok(body) => Ok(Kept {
            status: parts.status,
            headers: parts.headers,
            body,
        }),
        Err(error) => {
            let problem = Problem::new("internal", format!("the answer cannot be kept: {error}"));
            Err(Box::new(problem.into_response()))
        }
    }
}
