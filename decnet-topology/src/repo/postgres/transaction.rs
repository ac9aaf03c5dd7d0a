//! Runs a transaction, and runs it again after a conflict with another one or after a lost connection.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use deadpool_postgres::{Object, Pool};
use tokio::{runtime::Handle, time::Instant};
use tokio_postgres::SimpleQueryMessage;
use uuid::Uuid;

use super::{
    clock::LeaseClock,
    fault::{Again, Failure, no_connection},
    schema,
    silence::answer,
    statement::{PostgresSql, READS, WRITES, WRITES_ALONE},
};
use crate::{
    repo::{
        RepoError,
        sql::{Dialect, SqlTables},
    },
    rng,
};

/// How many times a transaction that met another one runs again.
const CONFLICTS: usize = 12;

/// Begins a transaction that reads: all its statements see the same moment. Returns the version of the layout.
const BEGIN_TO_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT version FROM decnet_layout";

/// Removes tokens of old transactions, few at a time and none that another transaction removes.
const FORGET: &str = "DELETE FROM commits WHERE token IN (
    SELECT token FROM commits WHERE at < now() - interval '1 day' ORDER BY at LIMIT 4 FOR UPDATE SKIP LOCKED)";

/// Connections to a database, for transactions.
#[derive(Debug, Clone)]
pub(super) struct Transactions {
    pub(super) pool: Pool,
    /// The address, without the password.
    pub(super) server: String,
    pub(super) timeout: Duration,
    pub(super) clock: LeaseClock,
    /// Whether the database refuses overlapping subnets by itself.
    pub(super) keeps_apart: bool,
}

/// A connection in use. It returns to the pool when its transaction has ended; otherwise, and after a panic, it is closed, which
/// rolls the transaction back.
pub(super) struct InUse(Option<Object>);

impl InUse {
    pub(super) fn of(client: Object) -> Self {
        Self(Some(client))
    }

    pub(super) fn return_to_pool(mut self) {
        drop(self.0.take());
    }

    pub(super) fn client(&self) -> &Object {
        self.0.as_ref().expect("it is there until it is returned")
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Object::take(client));
        }
    }
}

/// The pauses before a transaction runs again: none after the timeout, which counts from the first try.
pub(super) struct Pauses {
    began: Instant,
    timeout: Duration,
    conflicts: ExponentialBackoff,
    losses: ExponentialBackoff,
    /// The pause before the only retry after a read-only session; none after that retry.
    read_only: Option<Duration>,
}

impl Pauses {
    pub(super) fn new(timeout: Duration) -> Self {
        let from = |pause| ExponentialBuilder::default().with_min_delay(pause);
        Self {
            began: Instant::now(),
            timeout,
            conflicts: from(Duration::from_millis(2))
                .with_max_delay(Duration::from_millis(500))
                // Transactions that met do not meet again in step.
                .with_jitter()
                .with_max_times(CONFLICTS)
                .build(),
            losses: from(Duration::from_millis(50))
                .with_max_delay(Duration::from_secs(1))
                .without_max_times()
                .build(),
            read_only: Some(Duration::ZERO),
        }
    }

    /// Returns the pause before the next try; the error if there is none.
    pub(super) fn after(&mut self, failure: Failure) -> Result<Duration, RepoError> {
        let pause = match failure.again {
            Some(Again::Conflict) => self.conflicts.next(),
            Some(Again::Lost) => self.losses.next(),
            Some(Again::ReadOnly) => self.read_only.take(),
            None => None,
        };
        let left = self.timeout.checked_sub(self.began.elapsed());
        match (pause, left) {
            (Some(pause), Some(left)) => Ok(pause.min(left)),
            _ => Err(failure.error),
        }
    }
}

impl Transactions {
    /// Reads a snapshot. The thread may block.
    pub(super) fn read<T>(
        &self,
        runtime: &Handle,
        work: &impl Fn(&mut SqlTables<'_>) -> Result<T, RepoError>,
    ) -> Result<T, RepoError> {
        self.repeat(runtime, || {
            let client = self.connect(runtime)?;
            self.begin(runtime, &client, BEGIN_TO_READ)?;
            let outcome = self.work(runtime, client.client(), &READS, work);
            // A snapshot has nothing to commit.
            self.end(runtime, client, outcome.as_ref().err());
            outcome
        })
    }

    /// Runs a transaction that writes. The thread may block.
    pub(super) fn write<T>(
        &self,
        runtime: &Handle,
        work: &impl Fn(&mut SqlTables<'_>) -> Result<T, RepoError>,
    ) -> Result<T, RepoError> {
        let dialect = if self.keeps_apart { &WRITES } else { &WRITES_ALONE };
        self.repeat(runtime, || {
            let client = self.connect(runtime)?;
            let token = rng::transaction_token();
            self.begin(runtime, &client, &self.begin_to_write(token))?;
            let outcome = match self.work(runtime, client.client(), dialect, work) {
                Ok(outcome) => outcome,
                Err(failure) => {
                    self.end(runtime, client, Some(&failure));
                    return Err(failure);
                }
            };
            let Err(failure) = self.send(runtime, &client, "COMMIT") else {
                client.return_to_pool();
                return Ok(outcome);
            };
            drop(client);
            if failure.again != Some(Again::Lost) {
                return Err(failure);
            }
            // The others may be lost too.
            self.close_idle();
            if self.was_committed(runtime, token)? {
                Ok(outcome)
            } else {
                Err(failure)
            }
        })
    }

    /// Runs a transaction until it succeeds, or fails for a reason that lasts.
    fn repeat<T>(&self, runtime: &Handle, mut once: impl FnMut() -> Result<T, Failure>) -> Result<T, RepoError> {
        let mut pauses = Pauses::new(self.timeout);
        loop {
            match once() {
                Ok(outcome) => return Ok(outcome),
                Err(failure) => {
                    let pause = self.pause(&mut pauses, failure)?;
                    runtime.block_on(tokio::time::sleep(pause));
                }
            }
        }
    }

    /// Returns the pause before the next try; the error if there is none.
    ///
    /// If a session failed, those that are not in use are closed: they are as old, so they were lost too, or are read-only.
    fn pause(&self, pauses: &mut Pauses, failure: Failure) -> Result<Duration, RepoError> {
        if matches!(failure.again, Some(Again::Lost | Again::ReadOnly)) {
            self.close_idle();
        }
        pauses.after(failure)
    }

    /// Closes the connections that are not in use.
    pub(super) fn close_idle(&self) {
        drop(self.pool.retain(|_, _| false));
    }

    fn connect(&self, runtime: &Handle) -> Result<InUse, Failure> {
        let connected = runtime.block_on(self.pool.get());
        match connected {
            Ok(client) => Ok(InUse::of(client)),
            Err(error) => Err(no_connection(error, &self.server)),
        }
    }

    /// Waits for an answer of the server.
    pub(super) async fn answer<T>(
        &self,
        waiting: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        answer(waiting, self.timeout, &self.server).await
    }

    /// Sends a statement without values, and returns the texts of its rows.
    fn send(&self, runtime: &Handle, client: &InUse, statement: &str) -> Result<Vec<Vec<String>>, Failure> {
        let messages = runtime.block_on(self.answer(client.client().simple_query(statement)))?;
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                let texts = (0..row.len()).map(|column| row.get(column).unwrap_or_default().to_owned());
                Some(texts.collect())
            }
            _ => None,
        });
        Ok(rows.collect())
    }

    /// Begins a transaction that writes. Each statement sees what was committed before it, so what a transaction reads after it
    /// has locked a topology is current. The token is stored if, and only if, the transaction is committed.
    fn begin_to_write(&self, token: Uuid) -> String {
        let wait = self.timeout.as_millis();
        format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = {wait};
             SET LOCAL idle_in_transaction_session_timeout = 60000;
             SELECT version FROM decnet_layout; INSERT INTO commits (token) VALUES ('{token}'); {FORGET}"
        )
    }

    /// Begins a transaction. The first row of the statements is the version of the layout: a program of a newer version may have
    /// migrated it since the store was opened.
    fn begin(&self, runtime: &Handle, client: &InUse, statements: &str) -> Result<(), Failure> {
        let mut version = self.send(runtime, client, statements)?.into_iter().flatten();
        match version.next().and_then(|version| version.parse().ok()) {
            Some(found) if found > schema::latest() => Err(schema::too_new(&self.server, found)),
            _ => Ok(()),
        }
    }

    fn work<T>(
        &self,
        runtime: &Handle,
        client: &Object,
        dialect: &Dialect,
        work: &impl Fn(&mut SqlTables<'_>) -> Result<T, RepoError>,
    ) -> Result<T, Failure> {
        let mut sql = PostgresSql {
            client,
            runtime,
            server: &self.server,
            timeout: self.timeout,
            dialect,
            clock: self.clock,
            again: None,
        };
        let outcome = work(&mut SqlTables(&mut sql));
        let again = sql.again;
        outcome.map_err(|error| Failure { error, again })
    }

    /// Rolls a transaction back. A connection on which this fails is closed, and so is one that was lost.
    fn end(&self, runtime: &Handle, client: InUse, failure: Option<&Failure>) {
        let is_lost = failure.is_some_and(|failure| failure.again == Some(Again::Lost));
        if !is_lost && self.send(runtime, &client, "ROLLBACK").is_ok() {
            client.return_to_pool();
        }
    }

    /// Returns whether a transaction was committed whose connection was lost meanwhile. If it was not, it cannot be any more.
    fn was_committed(&self, runtime: &Handle, token: Uuid) -> Result<bool, Failure> {
        let mut pauses = Pauses::new(self.timeout);
        loop {
            match self.claim(runtime, token) {
                Ok(was_committed) => return Ok(was_committed),
                Err(failure) => {
                    let pause = self.pause(&mut pauses, failure).map_err(|_| self.unknown())?;
                    runtime.block_on(tokio::time::sleep(pause));
                }
            }
        }
    }

    /// Stores the token of a transaction for its client, unless the transaction has stored it. Waits while the transaction runs. The
    /// answer stays the same when it is asked for again.
    fn claim(&self, runtime: &Handle, token: Uuid) -> Result<bool, Failure> {
        let client = self.connect(runtime)?;
        let wait = self.timeout.as_millis();
        let statements = format!(
            "SET LOCAL lock_timeout = {wait}; INSERT INTO commits (token, is_committed) VALUES ('{token}', false)
             ON CONFLICT (token) DO UPDATE SET token = excluded.token RETURNING is_committed"
        );
        let row = self.send(runtime, &client, &statements)?.into_iter().flatten();
        client.return_to_pool();
        Ok(row.eq(["t"]))
    }

    fn unknown(&self) -> RepoError {
        RepoError::OutcomeUnknown {
            server: self.server.clone(),
        }
    }
}
