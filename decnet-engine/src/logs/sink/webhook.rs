//! Webhooks.

use std::{
    cmp::Reverse,
    fmt::{self, Write as _},
    time::{Duration, SystemTime},
};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Request, Response, StatusCode, Uri,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER, USER_AGENT},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::time;
use url::Url;

use super::{
    LogTargetError, LogWriterOptions, WebhookHeader,
    batch::Accept,
    retry::{Fault, Policy},
    tls,
};

/// How much of an answer is read, and how much of it an error shows.
const LONGEST_ANSWER: usize = 64 << 10;
const SHOWN: usize = 200;

/// A webhook that accepts batches of lines.
pub(super) struct Webhook {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    to: Uri,
    headers: Vec<WebhookHeader>,
    content_type: &'static str,
    timeout: Duration,
    policy: Policy,
}

/// What a server did with the lines of a request.
enum Answer {
    Accepted,
    TooLarge,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The path may hold a token.
        write!(to, "Webhook({})", self.policy.target)
    }
}

impl Webhook {
    pub(super) fn new(
        url: &Url,
        content_type: &'static str,
        policy: Policy,
        options: &LogWriterOptions,
    ) -> Result<Self, LogTargetError> {
        let to = url.as_str().parse();
        let to = to.map_err(|_| LogTargetError::MalformedTarget {
            reason: "its path has a character that is not allowed".into(),
        })?;
        let tls = if url.scheme() == "https" {
            tls::client(options.ca.as_deref())?
        } else {
            tls::none()?
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            to,
            headers: options.headers.clone(),
            content_type,
            timeout: options.timeout,
            policy,
        })
    }

    async fn attempt(&self, body: Bytes, lines: usize) -> Result<Answer, Fault> {
        let late = || Fault::again(format!("no answer within {:?}", self.timeout));
        let answer = time::timeout(self.timeout, self.request(body)).await;
        let answer = answer.unwrap_or_else(|_| Err(late()))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        // An answer that is read to its end leaves the connection usable.
        let text = time::timeout(self.timeout, text(answer)).await.unwrap_or_default();
        if status.is_success() {
            return Ok(Answer::Accepted);
        }
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            return Ok(Answer::TooLarge);
        }
        let is_passing = status.is_server_error()
            || matches!(
                status,
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
            );
        if is_passing && status != StatusCode::NOT_IMPLEMENTED {
            return Err(Fault::Again {
                source: format!("status {status}").into(),
                after: pause_asked(&headers, SystemTime::now()),
            });
        }
        let answer = if status.is_redirection() {
            "redirects are not followed".into()
        } else {
            self.shown(&text)
        };
        Err(Fault::Final(LogTargetError::TargetRejected {
            target: self.policy.target.clone(),
            lines,
            status: status.as_u16(),
            answer,
        }))
    }

    async fn request(&self, body: Bytes) -> Result<Response<Incoming>, Fault> {
        let mut request = Request::post(self.to.clone())
            .header(CONTENT_TYPE, self.content_type)
            .header(USER_AGENT, concat!("decnet/", env!("CARGO_PKG_VERSION")));
        for header in &self.headers {
            request = request.header(&header.name, &header.value);
        }
        let request = request.body(Full::new(body)).map_err(Fault::again)?;
        self.client.request(request).await.map_err(|error| {
            if tls::is_distrust(&error) {
                Fault::Final(LogTargetError::UntrustedCertificate {
                    target: self.policy.target.clone(),
                    source: error.into(),
                })
            } else {
                Fault::again(error)
            }
        })
    }

    /// Returns the start of an answer in one line, without the values of headers and the path that the server repeats.
    fn shown(&self, answer: &str) -> String {
        let mut answer = answer.to_owned();
        let values = self.headers.iter().filter_map(|header| header.value.to_str().ok());
        let secrets = values.flat_map(|value| value.split_whitespace().chain([value]));
        let address = [self.to.path(), self.to.query().unwrap_or_default()].into_iter();
        let parts = address.flat_map(|part| [part].into_iter().chain(part.split(['/', '&', '='])));
        // The longest ones first, since others may be parts of them.
        let mut secrets: Vec<&str> = secrets.chain(parts).filter(|secret| secret.len() >= 4).collect();
        secrets.sort_by_key(|secret| Reverse(secret.len()));
        for secret in secrets {
            answer = answer.replace(secret, "***");
        }
        let mut start: String = answer.chars().take(SHOWN).collect();
        if start.len() < answer.len() {
            start.push('…');
        }
        decnet_topology::shown::one_line(start.trim()).into_owned()
    }
}

impl Accept<String> for Webhook {
    async fn accept(&self, lines: &[String]) -> Result<(), LogTargetError> {
        // Parts of the batch, the first one last.
        let mut parts = vec![lines];
        let mut retry = self.policy.start();
        while let Some(lines) = parts.pop() {
            match self.attempt(body(lines), lines.len()).await {
                Ok(Answer::Accepted) => {
                    retry.succeeded(&self.policy);
                    retry = self.policy.start();
                }
                Ok(Answer::TooLarge) if lines.len() > 1 => {
                    let (first, last) = lines.split_at(lines.len() / 2);
                    parts.extend([last, first]);
                }
                Ok(Answer::TooLarge) => {
                    let bytes: usize = lines.iter().map(String::len).sum();
                    tracing::warn!(
                        target = %self.policy.target,
                        bytes,
                        "the target refused a line because it is too large (status 413); the line is skipped"
                    );
                }
                Err(fault) => {
                    retry.pause(&self.policy, fault).await?;
                    parts.push(lines);
                }
            }
        }
        Ok(())
    }
}

fn body(lines: &[String]) -> Bytes {
    let mut body = String::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
    for line in lines {
        let _ = writeln!(body, "{line}");
    }
    body.into()
}

async fn text(answer: Response<Incoming>) -> String {
    let body = Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await;
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    String::from_utf8_lossy(&body).into_owned()
}

/// Reads `Retry-After`: seconds, or a date.
fn pause_asked(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(text).ok()?.duration_since(now).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_that_a_server_asks_for_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
        let date = httpdate::fmt_http_date(now + Duration::from_secs(90));
        for (text, expected) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (date.as_str(), Some(90)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", None),
            ("soon", None),
            ("-1", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            assert_eq!(pause_asked(&headers, now), expected.map(Duration::from_secs), "{text}");
        }
        assert_eq!(pause_asked(&HeaderMap::new(), now), None);
    }
}
