//! The header `Idempotency-Key`: a request that is repeated with its key has the same answer, and is not done twice.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, HttpBody as _, to_bytes},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use super::{answer::Answer, call::Call, problem::Problem};

/// How many answers are kept, for all senders and for each.
const KEPT: usize = 1024;
const KEPT_EACH: usize = 256;

/// How many bytes the bodies of kept answers have, for all senders and for each.
const BYTES: usize = 32 << 20;
const BYTES_EACH: usize = 8 << 20;

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
    /// The id of the sender.
    sender: String,
    key: String,
    /// The digest of the request.
    request: [u8; 32],
    at: Instant,
    answer: Arc<OnceCell<Kept>>,
}

impl Entry {
    /// Returns whether a request is being done or waits for the answer. Such an entry is never removed: the request would be done twice.
    fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.answer) > 1
    }

    /// Returns the length of the answer's body.
    fn bytes(&self) -> usize {
        self.answer.get().map_or(0, |kept| kept.body.len())
    }
}

/// The answers to requests with a key, oldest first.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<VecDeque<Entry>>);

impl Answers {
    /// Returns the kept answer of a request with a key, or does it. The same request at the same time is done once. Refusals are not
    /// kept, because nothing was changed; the exception is a mutation that was queued. Nor are failures of the server and long answers.
    pub(super) async fn once(&self, call: &Call, work: impl Future<Output = Answer>) -> Answer {
        let Some(key) = key(&call.headers)? else {
            return work.await;
        };
        let answer = self.entry(&call.principal.id, key, digest(call))?;
        let mut is_first = false;
        let kept = answer.get_or_try_init(async || {
            is_first = true;
            keep(work.await).await
        });
        // The kept answer is cloned: a body is read once.
        let response = match kept.await {
            Ok(kept) => {
                let kept = kept.clone();
                let mut response = (kept.status, Body::from(kept.body)).into_response();
                *response.headers_mut() = kept.headers;
                if !is_first {
                    response
                        .headers_mut()
                        .insert(REPLAYED, HeaderValue::from_static("true"));
                }
                response
            }
            Err(response) => *response,
        };
        drop(answer);
        self.forget();
        Ok(response)
    }

    /// Finds or makes the entry of a key.
    fn entry(&self, sender: &str, key: String, request: [u8; 32]) -> Result<Arc<OnceCell<Kept>>, Problem> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = entries
            .iter()
            .find(|entry| entry.sender == sender && entry.key == key && entry.at.elapsed() < KEPT_FOR);
        if let Some(entry) = known {
            if entry.request != request {
                let detail = format!("the key `{key}` was used for another request");
                return Err(Problem::new("idempotency_key_reused", detail));
            }
            return Ok(Arc::clone(&entry.answer));
        }
        let answer = Arc::default();
        entries.push_back(Entry {
            sender: sender.into(),
            key,
            request,
            at: Instant::now(),
            answer: Arc::clone(&answer),
        });
        Ok(answer)
    }

    /// Removes the entries without an answer, the old ones, and the oldest of senders who have too many.
    fn forget(&self) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| entry.is_in_use() || (entry.answer.initialized() && entry.at.elapsed() < KEPT_FOR));
        while let Some(sender) = greedy(&entries) {
            let oldest = entries
                .iter()
                .position(|entry| entry.sender == sender && !entry.is_in_use());
            let Some(oldest) = oldest else {
                return;
            };
            entries.remove(oldest);
        }
    }
}

/// Returns the sender who must lose an answer, if one must: who has more than a sender may have, or the most if there are too many.
fn greedy(entries: &VecDeque<Entry>) -> Option<String> {
    let mut held: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| !entry.is_in_use()) {
        let (number, bytes) = held.entry(&entry.sender).or_default();
        *number += 1;
        *bytes += entry.bytes();
    }
    let number: usize = held.values().map(|(number, _)| number).sum();
    let bytes: usize = held.values().map(|(_, bytes)| bytes).sum();
    let most_bytes = held.iter().max_by_key(|(_, (_, bytes))| *bytes);
    let most_answers = held.iter().max_by_key(|(_, (number, _))| *number);
    let too_much = most_bytes.filter(|(_, (_, most))| bytes > BYTES || *most > BYTES_EACH);
    let too_many = most_answers.filter(|(_, (most, _))| number > KEPT || *most > KEPT_EACH);
    too_much.or(too_many).map(|(sender, _)| String::from(*sender))
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
    let mut add = |part: &[u8]| {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    };
    add(call.method.as_str().as_bytes());
    add(call.target.as_bytes());
    add(&call.body);
    for condition in call.headers.get_all(header::IF_MATCH) {
        add(condition.as_bytes());
    }
    hash.finalize().into()
}

/// Keeps an answer; returns it as an error if it must not be kept.
async fn keep(answer: Answer) -> Result<Kept, Box<Response>> {
    let is_done = match &answer {
        Ok(response) => response.status().is_success(),
        Err(problem) => problem.code == "mutation_queued",
    };
    let response = answer.unwrap_or_else(Problem::into_response);
    let length = response.body().size_hint().upper();
    if !is_done || length.is_none_or(|length| length > LONGEST_ANSWER as u64) {
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
            let problem = Problem::new("internal", format!("the answer cannot be read: {error}"));
            Err(Box::new(problem.into_response()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps an answer of a length.
    fn keep_one(answers: &Answers, sender: &str, key: &str, length: usize) {
        let kept = Kept {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: vec![0; length].into(),
        };
        let entry = answers.entry(sender, key.into(), [0; 32]).expect("the same request");
        entry.set(kept).expect("a new key");
        drop(entry);
        answers.forget();
    }

    /// Returns how many answers of a sender are kept.
    fn kept(answers: &Answers, sender: &str) -> usize {
        let entries = answers.0.lock().expect("not poisoned");
        entries.iter().filter(|entry| entry.sender == sender).count()
    }

    #[test]
    fn a_sender_displaces_only_answers_of_its_own() {
        let answers = Answers::default();
        keep_one(&answers, "me", "key", 10);
        for number in 0..2 * KEPT {
            keep_one(&answers, "you", &number.to_string(), 10);
        }
        assert_eq!((kept(&answers, "me"), kept(&answers, "you")), (1, KEPT_EACH));
        for number in 0..20 {
            keep_one(&answers, "they", &number.to_string(), LONGEST_ANSWER);
        }
        assert_eq!(
            (kept(&answers, "me"), kept(&answers, "they")),
            (1, BYTES_EACH / LONGEST_ANSWER)
        );
        for sender in 0..20 {
            for number in 0..200 {
                keep_one(&answers, &sender.to_string(), &number.to_string(), 0);
            }
        }
        assert_eq!(answers.0.lock().expect("not poisoned").len(), KEPT);
        assert_eq!(kept(&answers, "me"), 1, "who has few answers loses none");
    }

    #[test]
    fn a_request_that_is_being_done_is_not_forgotten_and_one_without_an_answer_is() {
        let answers = Answers::default();
        let doing = answers.entry("me", "key".into(), [0; 32]).expect("a new key");
        for number in 0..2 * KEPT_EACH {
            keep_one(&answers, "me", &number.to_string(), 10);
        }
        assert_eq!(
            answers
                .entry("me", "key".into(), [1; 32])
                .expect_err("it is in use")
                .code,
            "idempotency_key_reused"
        );
        drop(doing);
        answers.forget();
        answers.entry("me", "key".into(), [1; 32]).expect("it was refused");
    }
}
