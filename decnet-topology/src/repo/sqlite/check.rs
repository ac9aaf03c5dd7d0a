//! The check for damage.

use std::fmt::Display;

use rusqlite::Transaction;

use super::{
    columns::{collect, only},
    fault::Fault,
    tables::{change_log, decky_changes, meta, mutations, status_events, topologies, visits},
    transaction,
};
use crate::repo::{RepoError, TopologyFilter};

/// Checks for damage that SQLite can detect, then for other damage.
pub(super) fn damage(moment: &Transaction<'_>) -> Result<Vec<String>, Fault> {
    let mut found = of_file(moment)?;
    if !found.is_empty() {
        return Ok(found);
    }
    meta::instance(moment)?;
    meta::secret(moment)?;
    for row in topologies::list(moment, &TopologyFilter::default())?.rows {
        let key = topologies::key(moment, row.id)?;
        note(&mut found, row.id, transaction::maze(moment, key))?;
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
fn note<T>(found: &mut Vec<String>, part: impl Display, outcome: Result<T, Fault>) -> Result<(), Fault> {
    match outcome {
        Err(Fault::Refusal(RepoError::Corrupt { what })) => found.push(format!("{part}: {what}")),
        outcome => drop(outcome?),
    }
    Ok(())
}

fn of_file(moment: &Transaction<'_>) -> Result<Vec<String>, Fault> {
    let mut statement = moment.prepare("PRAGMA integrity_check")?;
    let mut found = collect(statement.query([])?, only)?;
    found.retain(|line| line != "ok");
    let mut statement = moment.prepare("PRAGMA foreign_key_check")?;
    found.extend(collect(statement.query([])?, |row| {
        let (child, _, parent): (String, Option<i64>, String) = (row.value()?, row.value()?, row.value()?);
        Ok(format!("a row of {child} refers to a missing row of {parent}"))
    })?);
    Ok(found)
}
