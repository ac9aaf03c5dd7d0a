//! Runs the shared statements in a transaction of PostgreSQL.

use std::{cell::OnceCell, error::Error, time::Duration};

use deadpool_postgres::ClientWrapper;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio_postgres::{
    Row, Statement,
    types::{FromSql, IsNull, ToSql, Type, private::BytesMut, to_sql_checked},
};

use super::{clock::LeaseClock, fault::Again, raw, silence::answer};
use crate::repo::{
    RepoError,
    sql::{Cells, Dialect, Locks, Rows, Sql, Value},
};

/// The first key of the advisory locks of DECNET: `DCNT`.
macro_rules! lock_key {
    () => {
        "1145261652"
    };
}
pub(super) use lock_key;

/// How many statements are sent before their answers are read.
const BATCH: usize = 500;

const LATEST_CHANGE: &str = "SELECT sequence FROM latest_change";

/// The dialect of a transaction that reads.
pub(super) const READS: Dialect = Dialect {
    latest_change: LATEST_CHANGE,
    locks: None,
};

/// The dialect of a transaction that writes to a database that keeps subnets apart by itself.
pub(super) const WRITES: Dialect = Dialect {
    latest_change: LATEST_CHANGE,
    locks: Some(LOCKS),
};

/// The dialect of a transaction that writes to a database that does not.
pub(super) const WRITES_ALONE: Dialect = Dialect {
    latest_change: LATEST_CHANGE,
    locks: Some(Locks {
        claims: Some(concat!("SELECT pg_advisory_xact_lock(", lock_key!(), ", 3)")),
        ..LOCKS
    }),
};

const LOCKS: Locks = Locks {
    wait: " FOR UPDATE",
    skip: " FOR UPDATE SKIP LOCKED",
    placements: concat!("SELECT pg_advisory_xact_lock(", lock_key!(), ", 2)"),
    claims: None,
};

/// An open transaction, used from a thread that may block.
pub(super) struct PostgresSql<'a> {
    pub(super) client: &'a ClientWrapper,
    pub(super) runtime: &'a Handle,
    pub(super) server: &'a str,
    pub(super) timeout: Duration,
    pub(super) dialect: &'a Dialect,
    pub(super) clock: LeaseClock,
    /// Why the transaction may succeed if it runs again, after an error of the server.
    pub(super) again: Option<Again>,
}

impl PostgresSql<'_> {
    /// Waits for an answer of the server.
    fn wait<T>(&mut self, waiting: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, RepoError> {
        let answered = self.runtime.block_on(answer(waiting, self.timeout, self.server));
        answered.map_err(|failure| {
            self.again = self.again.or(failure.again);
            failure.error
        })
    }

    fn prepare(&mut self, statement: &str) -> Result<Statement, RepoError> {
        let statement = statement.replace('?', "$");
        let client = self.client;
        self.wait(async { client.prepare_cached(&statement).await })
    }
}

impl Sql for PostgresSql<'_> {
    fn dialect(&self) -> &Dialect {
        self.dialect
    }

    fn execute(&mut self, statement: &str, values: &[Value<'_>]) -> Result<u64, RepoError> {
        let statement = self.prepare(statement)?;
        let client = self.client;
        self.wait(client.execute_raw(&statement, values))
    }

    fn execute_each(&mut self, statement: &str, rows: Rows<'_, '_>) -> Result<(), RepoError> {
        let statement = self.prepare(statement)?;
        let client = self.client;
        loop {
            let batch: Vec<Vec<Value<'_>>> = (&mut *rows).take(BATCH).collect::<Result<_, _>>()?;
            if batch.is_empty() {
                return Ok(());
            }
            // Futures that are polled together send their statements together.
            let sent = batch.iter().map(|values| client.execute_raw(&statement, values));
            self.wait(try_join_all(sent))?;
        }
    }

    fn query(
        &mut self,
        statement: &str,
        values: &[Value<'_>],
        visit: &mut dyn FnMut(&dyn Cells) -> Result<(), RepoError>,
    ) -> Result<(), RepoError> {
        let statement = self.prepare(statement)?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        let client = self.client;
        let rows = self.wait(client.query(&statement, &values))?;
        for row in rows {
            let restored = OnceCell::new();
            visit(&Found { row, restored })?;
        }
        Ok(())
    }

    fn now(&mut self, at: Timestamp) -> Result<Timestamp, RepoError> {
        if self.clock == LeaseClock::Caller {
            return Ok(at);
        }
        let mut now = None;
        let statement = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        self.query(statement, &[], &mut |row| {
            now = row.integer(0)?;
            Ok(())
        })?;
        Timestamp::from_microsecond(now.unwrap_or_default()).map_err(|error| RepoError::Medium { source: error.into() })
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => number.to_sql_checked(ty, out),
            Self::Real(number) => number.to_sql_checked(ty, out),
            Self::Flag(flag) => flag.to_sql_checked(ty, out),
            Self::Text(text) => (&*raw::stored(text)).to_sql_checked(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A row of a result.
struct Found {
    row: Row,
    /// The texts of the columns that differ from what is stored.
    restored: OnceCell<Vec<Option<String>>>,
}

impl Found {
    fn get<'a, T: FromSql<'a>>(&'a self, column: usize) -> Result<Option<T>, RepoError> {
        self.row.try_get(column).map_err(|error| RepoError::Corrupt {
            what: format!("{}: {error}", self.name(column)),
        })
    }
}

impl Cells for Found {
    fn integer(&self, column: usize) -> Result<Option<i64>, RepoError> {
        self.get(column)
    }

    fn real(&self, column: usize) -> Result<Option<f64>, RepoError> {
        self.get(column)
    }

    fn flag(&self, column: usize) -> Result<Option<bool>, RepoError> {
        self.get(column)
    }

    fn text(&self, column: usize) -> Result<Option<&str>, RepoError> {
        let Some(stored) = self.get::<&str>(column)? else {
            return Ok(None);
        };
        if raw::restored(stored).is_none() {
            return Ok(Some(stored));
        }
        let restored = self.restored.get_or_init(|| {
            let columns = 0..self.row.len();
            let texts = columns.map(|column| self.row.try_get::<_, Option<&str>>(column).ok().flatten());
            texts.map(|text| text.and_then(raw::restored)).collect()
        });
        Ok(Some(restored.get(column).and_then(Option::as_deref).unwrap_or(stored)))
    }

    fn name(&self, column: usize) -> &str {
        self.row.columns().get(column).map_or("", |column| column.name())
    }
}
