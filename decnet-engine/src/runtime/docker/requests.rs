//! Requests to the daemon with a timeout.

use std::{future::Future, time::Duration};

use bollard::errors::Error as Refusal;
use futures_util::{Stream, StreamExt, stream};

use super::{
    Docker,
    failure::{Failure, as_docker, connection_error, unreachable},
};
use crate::{causes::with_causes, runtime::RuntimeError};

/// How long a ping waits for its answer, however long other requests may take.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

impl Docker {
    /// Checks that the daemon answers.
    pub(super) async fn ping(&self) -> Result<(), Failure> {
        let timeout = self.timeout.min(PING_TIMEOUT);
        match tokio::time::timeout(timeout, self.client.ping()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(refusal)) => Err(self.classify("a ping", refusal).await),
            Err(_) => Err(Failure::Plain(RuntimeError::TimedOut {
                what: "a ping".into(),
                seconds: timeout.as_secs(),
                answers: false,
            })),
        }
    }

    /// Sends a request, with a timeout for the response.
    pub(super) async fn ask<T>(
        &self,
        what: &str,
        request: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.timeout, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(refusal)) => Err(self.classify(what, refusal).await),
            Err(_) => Err(self.timed_out(what).await),
        }
    }

    /// Sends a request with a streamed response, with a timeout for each part.
    pub(super) fn follow<T>(
        &self,
        what: &str,
        pieces: impl Stream<Item = Result<T, Refusal>>,
    ) -> impl Stream<Item = Result<T, Failure>> {
        self.pieces(what.into(), Some(self.timeout), pieces)
    }

    /// Sends a request with a streamed response whose parts may come at any time.
    pub(super) fn read_on<T>(
        &self,
        what: String,
        pieces: impl Stream<Item = Result<T, Refusal>>,
    ) -> impl Stream<Item = Result<T, Failure>> {
        self.pieces(what, None, pieces)
    }

    /// Returns the parts of a response up to the first failure.
    fn pieces<T>(
        &self,
        what: String,
        limit: Option<Duration>,
        pieces: impl Stream<Item = Result<T, Refusal>>,
    ) -> impl Stream<Item = Result<T, Failure>> {
        stream::unfold(Some((Box::pin(pieces), what)), move |state| async move {
            let (mut pieces, what) = state?;
            let next = match limit {
                Some(limit) => tokio::time::timeout(limit, pieces.next()).await,
                None => Ok(pieces.next().await),
            };
            match next {
                Ok(None) => None,
                Ok(Some(Ok(piece))) => Some((Ok(piece), Some((pieces, what)))),
                Ok(Some(Err(refusal))) => Some((Err(self.classify(&what, refusal).await), None)),
                Err(_) => Some((Err(self.timed_out(&what).await), None)),
            }
        })
    }

    /// Reports a request that took too long, after a ping that finds out whether the daemon answers at all.
    async fn timed_out(&self, what: &str) -> Failure {
        let ping = tokio::time::timeout(self.timeout.min(PING_TIMEOUT), self.client.ping());
        Failure::Plain(RuntimeError::TimedOut {
            what: what.into(),
            seconds: self.timeout.as_secs(),
            answers: matches!(ping.await, Ok(Ok(_))),
        })
    }

    async fn classify(&self, what: &str, refusal: Refusal) -> Failure {
        match refusal {
            Refusal::DockerResponseServerError { status_code, message } => Failure::Status {
                status: as_docker(status_code, &message),
                message,
            },
            // Errors within a stream have no status.
            Refusal::DockerStreamError { error } => Failure::Status {
                status: 500,
                message: error,
            },
            Refusal::RequestTimeoutError => self.timed_out(what).await,
            refusal => match connection_error(&refusal) {
                Some(reason) => Failure::Plain(unreachable(&self.host, reason)),
                None => Failure::Status {
                    status: 500,
                    message: format!("unexpected response to: {what}: {}", with_causes(&refusal)),
                },
            },
        }
    }
}
