//! Retries with exponential backoff and jitter.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio::time;

use super::LogTargetError;
use crate::causes::with_causes;

/// The first and the longest pause between two attempts.
const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);

/// The longest pause that a server can ask for.
const LONGEST_ASKED: Duration = Duration::from_hours(1);

type Source = Box<dyn Error + Send + Sync>;

/// The reason why an attempt failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// It may succeed later; not before the pause that the server asked for.
    Again { source: Source, after: Option<Duration> },
    /// It will not succeed.
    Final(LogTargetError),
}

impl Fault {
    pub(super) fn again(source: impl Into<Source>) -> Self {
        Self::Again {
            source: source.into(),
            after: None,
        }
    }
}

/// How long to retry to send to a target.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) target: String,
    /// None means always.
    pub(super) retry_for: Option<Duration>,
}

/// The attempts to send one thing.
#[derive(Debug)]
pub(super) struct Retry {
    backoff: ExponentialBackoff,
    until: Option<Instant>,
    is_late: bool,
}

impl Policy {
    pub(super) fn start(&self) -> Retry {
        let backoff = ExponentialBuilder::new()
            .with_min_delay(SHORTEST)
            .with_max_delay(LONGEST)
            .with_jitter()
            .without_max_times();
        Retry {
            backoff: backoff.build(),
            // A time that is too long for the clock means always.
            until: self.retry_for.and_then(|time| Instant::now().checked_add(time)),
            is_late: false,
        }
    }
}

impl Retry {
    /// Waits before the next attempt. Returns the error if there is none.
    pub(super) async fn pause(&mut self, policy: &Policy, fault: Fault) -> Result<(), LogTargetError> {
        let (source, after) = match fault {
            Fault::Final(error) => return Err(error),
            Fault::Again { source, after } => (source, after),
        };
        let asked = after.unwrap_or_default().min(LONGEST_ASKED);
        let pause = self.backoff.next().unwrap_or(LONGEST).max(asked);
        let target = policy.target.clone();
        if self.until.is_some_and(|until| Instant::now() + pause > until) {
            return Err(LogTargetError::TargetUnavailable { target, source });
        }
        let reason = with_causes(source.as_ref());
        if self.is_late {
            tracing::info!(%target, %reason, ?pause, "the target is still not available");
        } else {
            tracing::warn!(%target, %reason, "the target is not available; lines wait, and are sent again with backoff");
        }
        self.is_late = true;
        time::sleep(pause).await;
        Ok(())
    }

    /// Reports that an attempt succeeded.
    pub(super) fn succeeded(&self, policy: &Policy) {
        if self.is_late {
            tracing::warn!(target = %policy.target, "the target is available again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_end_with_the_last_reason() {
        let policy = Policy {
            target: "syslog+tcp://logs:601".into(),
            retry_for: None,
        };
        let start = time::Instant::now();
        let mut retry = policy.start();
        for _ in 0..20 {
            retry.pause(&policy, Fault::again("closed")).await.unwrap();
        }
        let waited = start.elapsed();
        assert!(waited > LONGEST * 10 && waited < LONGEST * 40, "{waited:?}");

        let asked = Fault::Again {
            source: "busy".into(),
            after: Some(Duration::from_mins(10)),
        };
        let start = time::Instant::now();
        policy.start().pause(&policy, asked).await.unwrap();
        assert!(start.elapsed() >= Duration::from_mins(10));

        for retry_for in [None, Some(Duration::MAX)] {
            assert_eq!(
                Policy {
                    retry_for,
                    ..policy.clone()
                }
                .start()
                .until,
                None
            );
        }

        let policy = Policy {
            retry_for: Some(Duration::ZERO),
            ..policy
        };
        let error = policy.start().pause(&policy, Fault::again("closed")).await.unwrap_err();
        assert_eq!(
            (error.code(), error.to_string()),
            ("target_unavailable", "syslog+tcp://logs:601 is not available".into())
        );
        assert_eq!(error.source().unwrap().to_string(), "closed");
    }
}
