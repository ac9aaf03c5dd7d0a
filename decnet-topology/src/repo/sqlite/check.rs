//! The check for damage.

use rusqlite::Transaction;

use super::{fault::Fault, statement::SqliteSql};
use crate::repo::{
    RepoError,
    sql::{self, collect},
};

/// Checks for damage that SQLite can detect, then for other damage.
pub(super) fn damage(moment: &Transaction<'_>) -> Result<Vec<String>, Fault> {
    let moment = &mut SqliteSql(moment);
    let mut found = of_file(moment)?;
    if found.is_empty() {
        sql::damage(moment, &mut found)?;
    }
    Ok(found)
}

fn of_file(moment: &mut SqliteSql<'_>) -> Result<Vec<String>, RepoError> {
    let mut found = collect(moment, "PRAGMA integrity_check", &[], |row| Ok(row.text()?.to_owned()))?;
    found.retain(|line| line != "ok");
    found.extend(collect(moment, "PRAGMA foreign_key_check", &[], |row| {
        let (child, _, parent) = (row.text()?, row.maybe_integer()?, row.text()?);
        Ok(format!("a row of {child} refers to a missing row of {parent}"))
    })?);
    Ok(found)
}
