//! The check for damage.

use std::fmt::Display;

use rusqlite::Transaction;

use super::{fault::Fault, statement::SqliteSql};
use crate::repo::{
    RepoError, TopologyFilter,
    sql::{
        self, collect,
        tables::{change_log, decky_changes, meta, mutations, status_events, topologies, visits},
    },
};

/// Checks for damage that SQLite can detect, then for other damage.
pub(super) fn damage(moment: &Transaction<'_>) -> Result<Vec<String>, Fault> {
    let moment = &mut SqliteSql(moment);
    let mut found = of_file(moment)?;
    if !found.is_empty() {
        return Ok(found);
    }
    meta::instance(moment)?;
    meta::secret(moment)?;
    for row in topologies::list(moment, &TopologyFilter::default())?.rows {
        let key = topologies::key(moment, row.id)?;
        note(&mut found, row.id, sql::maze(moment, key))?;
        note(&mut found, row.id, status_events::list(moment, key))?;
        note(&mut found, row.id, decky_changes::list(moment, key, None))?;
    }
    mutations::each(moment, |number, mutation| {
        note(&mut found, format_args!("mutation #{number}"), mutation)
    })?;
    visits::each(moment, |number, visit| {
        note(&mut found, format_args!("visit #{number}"), visit)
    })?;
    change_log::each(moment, |number, change| {
        note(&mut found, format_args!("change {number}"), change)
    })?;
    Ok(found)
}

/// Collects the faults of a part of the store; any other error ends the check.
fn note<T>(found: &mut Vec<String>, part: impl Display, outcome: Result<T, RepoError>) -> Result<(), RepoError> {
    match outcome {
        Err(RepoError::Corrupt { what }) => found.push(format!("{part}: {what}")),
        outcome => drop(outcome?),
    }
    Ok(())
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
