//! How statements run.

use jiff::Timestamp;

use super::{Cells, Columns, Value};
use crate::repo::RepoError;

/// The rows of values for a statement that runs once for each.
pub(in crate::repo) type Rows<'r, 'a> = &'r mut dyn Iterator<Item = Result<Vec<Value<'a>>, RepoError>>;

/// One open transaction of a database. A statement has its parameters as `?1`, `?2` and so on, and is prepared once.
pub(in crate::repo) trait Sql {
    /// Returns how this database differs from others.
    fn dialect(&self) -> &Dialect;

    /// Runs a statement, and returns how many rows it changed.
    fn execute(&mut self, statement: &str, values: &[Value<'_>]) -> Result<u64, RepoError>;

    /// Runs a statement once for each row of values.
    fn execute_each(&mut self, statement: &str, rows: Rows<'_, '_>) -> Result<(), RepoError>;

    /// Runs a statement, and visits the rows of its result.
    fn query(
        &mut self,
        statement: &str,
        values: &[Value<'_>],
        visit: &mut dyn FnMut(&dyn Cells) -> Result<(), RepoError>,
    ) -> Result<(), RepoError>;

    /// Returns the time by which leases are measured: that of the server, or `at` if the database has no clock of its own.
    fn now(&mut self, at: Timestamp) -> Result<Timestamp, RepoError> {
        Ok(at)
    }
}

/// The parts of statements that differ between databases.
#[derive(Debug, Clone, Copy)]
pub(in crate::repo) struct Dialect {
    /// The statement that returns the number of the latest change of the log, even if the change was removed.
    pub(in crate::repo) latest_change: &'static str,
    /// How a transaction locks rows; none if only one transaction writes at a time, or if this one does not write.
    pub(in crate::repo) locks: Option<Locks>,
}

/// The locks of a database in which several transactions write at the same time.
///
/// A transaction locks the row of a topology before it reads or writes anything that belongs to the topology.
#[derive(Debug, Clone, Copy)]
pub(in crate::repo) struct Locks {
    /// The end of a statement that reads rows: it waits for them, and locks them.
    pub(in crate::repo) wait: &'static str,
    /// The same, but rows that another transaction has locked are left out.
    pub(in crate::repo) skip: &'static str,
    /// The statement that locks the placements of all topologies.
    pub(in crate::repo) placements: &'static str,
    /// The statement that locks the claims of all topologies; none if the database refuses overlapping claims by itself.
    pub(in crate::repo) claims: Option<&'static str>,
}

impl Dialect {
    /// Returns the end of a statement that reads a topology or a host.
    pub(super) fn of_topology(&self) -> &'static str {
        self.locks.map_or("", |locks| locks.wait)
    }
}

/// Reads all rows of a statement.
pub(in crate::repo) fn collect<T>(
    sql: &mut dyn Sql,
    statement: &str,
    values: &[Value<'_>],
    mut read: impl FnMut(&mut Columns<'_>) -> Result<T, RepoError>,
) -> Result<Vec<T>, RepoError> {
    let mut all = Vec::new();
    sql.query(statement, values, &mut |row| {
        all.push(read(&mut Columns::of(row))?);
        Ok(())
    })?;
    Ok(all)
}

/// Reads the only row of a statement, if there is one.
pub(super) fn first<T>(
    sql: &mut dyn Sql,
    statement: &str,
    values: &[Value<'_>],
    mut read: impl FnMut(&mut Columns<'_>) -> Result<T, RepoError>,
) -> Result<Option<T>, RepoError> {
    let mut found = None;
    sql.query(statement, values, &mut |row| {
        if found.is_none() {
            found = Some(read(&mut Columns::of(row))?);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Reads the number in the only column of the only row of a statement; none without a row, or if the column is null.
pub(super) fn number(sql: &mut dyn Sql, statement: &str, values: &[Value<'_>]) -> Result<Option<i64>, RepoError> {
    let found = first(sql, statement, values, |row| Ok((row.maybe_integer()?,)))?;
    Ok(found.and_then(|(number,)| number))
}

/// Reads the number of rows that a statement counts.
pub(super) fn count(sql: &mut dyn Sql, statement: &str, values: &[Value<'_>]) -> Result<usize, RepoError> {
    let count = number(sql, statement, values)?;
    Ok(count.and_then(|count| usize::try_from(count).ok()).unwrap_or_default())
}

/// Returns the condition that a column has one of some words of the model.
pub(super) fn one_of(column: &str, words: impl IntoIterator<Item = &'static str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("'{word}'")).collect();
    format!("{column} IN ({})", words.join(", "))
}
