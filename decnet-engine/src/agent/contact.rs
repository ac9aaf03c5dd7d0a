//! How long no master has answered.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{sync::Notify, time::Instant};

use crate::pki;

/// How often the time of the last answer is written.
const WRITE_EVERY: Duration = Duration::from_mins(1);

/// How long no master may be silent.
#[derive(Debug, Clone, Copy)]
pub(super) struct SilenceLimit {
    /// How long.
    pub(super) after: Duration,
    /// The period of heartbeats.
    pub(super) every: Duration,
}

/// The last answer of a master, or the last request of one.
///
/// While the agent runs, its monotonic clock counts, which nobody can set. Only the time before its start is that of the wall clock.
#[derive(Debug)]
pub(super) struct Contact {
    state: Mutex<Silence>,
    limit: Option<SilenceLimit>,
    path: Option<PathBuf>,
    overdue: Notify,
}

#[derive(Debug)]
struct Silence {
    /// How long the silence had lasted when it began to count.
    before: Duration,
    since: Instant,
    /// When the time of the last answer was written.
    written: Option<Instant>,
    /// When the first heartbeat failed after the limit.
    failed_since: Option<Instant>,
    is_warned: bool,
}

impl Silence {
    fn lasted(&self, now: Instant) -> Duration {
        self.before + now.duration_since(self.since)
    }
}

impl Contact {
    /// Reads the time of the last answer. If there is none, the silence begins now.
    pub(super) fn open(path: Option<PathBuf>, limit: Option<SilenceLimit>, now: Timestamp) -> Self {
        let last = path.as_deref().and_then(|path| match read(path) {
            Ok(last) => last,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the time of the last answer of a master is not known; it counts from now");
                None
            }
        });
        // A clock that was set back has seen no silence.
        let before = last.and_then(|last| Duration::try_from(now.duration_since(last)).ok());
        let contact = Self {
            state: Mutex::new(Silence {
                before: before.unwrap_or_default(),
                since: Instant::now(),
                written: None,
                failed_since: None,
                is_warned: false,
            }),
            limit,
            path,
            overdue: Notify::new(),
        };
        if last.is_none() {
            contact.write(now);
        }
        contact
    }

    fn state(&self) -> MutexGuard<'_, Silence> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A master answered, or asked for something.
    pub(super) fn answered(&self) {
        let now = Instant::now();
        let mut state = self.state();
        state.before = Duration::ZERO;
        state.since = now;
        state.failed_since = None;
        state.is_warned = false;
        let is_due = |written: Instant| now.duration_since(written) >= WRITE_EVERY;
        if state.written.is_none_or(is_due) {
            state.written = Some(now);
            drop(state);
            self.write(Timestamp::now());
        }
    }

    /// A heartbeat failed.
    pub(super) fn failed(&self) {
        let Some(SilenceLimit { after, every }) = self.limit else {
            return;
        };
        let now = Instant::now();
        let mut state = self.state();
        let lasted = state.lasted(now);
        if lasted >= after / 2 && !state.is_warned {
            state.is_warned = true;
            let (silent, left) = (rounded(lasted), rounded(after.saturating_sub(lasted)));
            tracing::warn!(
                ?silent,
                ?left,
                "no master answers; when the time is over, everything that masters made on this host is removed"
            );
        }
        if lasted < after {
            return;
        }
        // The wall clock may have been set while the agent did not run, so the limit alone does not count.
        let failed_since = *state.failed_since.get_or_insert(now);
        if now > failed_since && now.duration_since(failed_since) >= every {
            drop(state);
            self.overdue.notify_one();
        }
    }

    /// Waits until no master has answered for too long.
    pub(super) async fn overdue(&self) {
        loop {
            self.overdue.notified().await;
            if self.is_overdue() {
                return;
            }
        }
    }

    /// Returns whether no master has answered for too long.
    pub(super) fn is_overdue(&self) -> bool {
        let state = self.state();
        let lasted = state.lasted(Instant::now());
        state.failed_since.is_some() && self.limit.is_some_and(|limit| lasted >= limit.after)
    }

    /// Returns how long masters may still be silent; none without a limit.
    pub(super) fn left(&self) -> Option<Duration> {
        let limit = self.limit?;
        Some(rounded(limit.after.saturating_sub(self.silent())))
    }

    /// Returns how long no master has answered.
    pub(super) fn silent(&self) -> Duration {
        rounded(self.state().lasted(Instant::now()))
    }

    fn write(&self, at: Timestamp) {
        let Some(path) = &self.path else { return };
        if let Err(error) = pki::write_file(path, &format!("{at}\n"), 0o600) {
            tracing::warn!(path = %path.display(), %error, "the time of the last answer of a master is not written");
        }
    }
}

fn rounded(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

fn read(path: &Path) -> io::Result<Option<Timestamp>> {
    let text = pki::read_file_if_any(path)?;
    let parsed = text.map(|text| text.trim().parse()).transpose();
    parsed.map_err(|error: jiff::Error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use tokio::time;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);
    const EVERY: Duration = Duration::from_secs(10);
    const LIMIT: Option<SilenceLimit> = Some(SilenceLimit {
        after: DAY,
        every: EVERY,
    });

    fn at(hours: i64) -> Timestamp {
        let start: Timestamp = "2026-11-28T16:00:00Z".parse().expect("a time");
        start + SignedDuration::from_hours(hours)
    }

    #[tokio::test(start_paused = true)]
    async fn a_master_that_is_silent_for_the_limit_and_a_period_is_overdue() {
        let contact = Contact::open(None, LIMIT, at(0));
        let mut overdue = std::pin::pin!(contact.overdue());
        let mut waits = async || time::timeout(Duration::from_millis(1), &mut overdue).await.is_err();
        time::advance(DAY.saturating_sub(EVERY)).await;
        contact.failed();
        assert!(!contact.is_overdue() && waits().await, "the limit has not passed");
        time::advance(EVERY).await;
        contact.failed();
        assert!(waits().await, "one failure is not enough");
        time::advance(EVERY).await;
        contact.failed();
        assert!(!waits().await && contact.is_overdue());
        contact.answered();
        assert!(!contact.is_overdue());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_or_a_missing_limit_means_that_nothing_is_due() {
        let contact = Contact::open(None, LIMIT, at(0));
        for _ in 0..10 {
            time::advance(DAY / 2 + EVERY).await;
            contact.failed();
            contact.answered();
        }
        let never = Contact::open(None, None, at(0));
        for _ in 0..4 {
            time::advance(DAY).await;
            never.failed();
        }
        assert!(!contact.is_overdue() && !never.is_overdue());
    }

    #[tokio::test(start_paused = true)]
    async fn a_restart_continues_the_silence_and_waits_for_a_period_of_failures() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("answered");
        drop(Contact::open(Some(path.clone()), LIMIT, at(0)));
        // The clock may have been set forward by years meanwhile.
        let contact = Contact::open(Some(path.clone()), LIMIT, at(24 * 365));
        contact.failed();
        let mut overdue = std::pin::pin!(contact.overdue());
        let mut waits = async || time::timeout(Duration::from_millis(1), &mut overdue).await.is_err();
        assert!(waits().await, "a period of failures has not passed");
        time::advance(EVERY).await;
        contact.failed();
        assert!(!waits().await);
        // It may have been set back as well.
        let back = Contact::open(Some(path.clone()), LIMIT, at(-100));
        assert_eq!(back.silent(), Duration::ZERO);
        std::fs::write(&path, "yesterday").expect("written");
        let unknown = Contact::open(Some(path.clone()), LIMIT, at(48));
        assert_eq!(unknown.silent(), Duration::ZERO);
        let known = Contact::open(Some(path), LIMIT, at(60));
        assert_eq!(known.silent(), DAY / 2, "the unknown time was replaced");
    }
}
