//! Runs the shared statements in a transaction of SQLite.

use rusqlite::{
    Row, Transaction, params_from_iter,
    types::{FromSqlError, ToSql, ToSqlOutput, ValueRef},
};

use super::fault::read;
use crate::repo::{
    RepoError,
    sql::{Cells, Dialect, Rows, Sql, Value},
};

const DIALECT: Dialect = Dialect {
    latest_change: "SELECT seq FROM sqlite_sequence WHERE name = 'change_log'",
    locks: None,
};

/// A transaction of SQLite. Its connection keeps the prepared statements.
#[derive(Clone, Copy)]
pub(super) struct SqliteSql<'a>(pub(super) &'a Transaction<'a>);

impl Sql for SqliteSql<'_> {
    fn dialect(&self) -> &Dialect {
        &DIALECT
    }

    fn execute(&mut self, statement: &str, values: &[Value<'_>]) -> Result<u64, RepoError> {
        let mut statement = self.0.prepare_cached(statement).map_err(read)?;
        let changed = statement.execute(params_from_iter(values)).map_err(read)?;
        Ok(changed as u64)
    }

    fn execute_each(&mut self, statement: &str, rows: Rows<'_, '_>) -> Result<(), RepoError> {
        let mut statement = self.0.prepare_cached(statement).map_err(read)?;
        for values in rows {
            statement.execute(params_from_iter(&values?)).map_err(read)?;
        }
        Ok(())
    }

    fn query(
        &mut self,
        statement: &str,
        values: &[Value<'_>],
        visit: &mut dyn FnMut(&dyn Cells) -> Result<(), RepoError>,
    ) -> Result<(), RepoError> {
        let mut statement = self.0.prepare_cached(statement).map_err(read)?;
        let mut rows = statement.query(params_from_iter(values)).map_err(read)?;
        while let Some(row) = rows.next().map_err(read)? {
            visit(row)?;
        }
        Ok(())
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Flag(flag) => ValueRef::Integer((*flag).into()),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

impl Cells for Row<'_> {
    fn integer(&self, column: usize) -> Result<Option<i64>, RepoError> {
        self.get(column).map_err(read)
    }

    fn real(&self, column: usize) -> Result<Option<f64>, RepoError> {
        self.get(column).map_err(read)
    }

    fn flag(&self, column: usize) -> Result<Option<bool>, RepoError> {
        self.get(column).map_err(read)
    }

    fn text(&self, column: usize) -> Result<Option<&str>, RepoError> {
        let value = self.get_ref(column).map_err(read)?;
        value.as_str_or_null().map_err(|error| {
            read(match error {
                FromSqlError::Utf8Error(error) => rusqlite::Error::Utf8Error(column, error),
                _ => rusqlite::Error::InvalidColumnType(column, self.name(column).into(), value.data_type()),
            })
        })
    }

    fn name(&self, column: usize) -> &str {
        self.as_ref().column_name(column).unwrap_or_default()
    }
}
