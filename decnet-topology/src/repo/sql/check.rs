//! The check for damage.

use std::fmt::Display;

use super::{
    statement::Sql,
    tables::{change_log, decky_changes, hosts, meta, mutations, status_events, topologies, visits},
    transaction::maze,
};
use crate::repo::{RepoError, TopologyFilter};

/// Reads the whole store, and collects one line for each row that cannot be read.
pub(in crate::repo) fn damage(sql: &mut dyn Sql, found: &mut Vec<String>) -> Result<(), RepoError> {
    meta::instance(sql)?;
    meta::secret(sql)?;
    for row in topologies::list(sql, &TopologyFilter::default())?.rows {
        let key = topologies::key(sql, row.id)?;
        note(found, row.id, maze(sql, key))?;
        note(found, row.id, status_events::list(sql, key))?;
        note(found, row.id, decky_changes::list(sql, key, None))?;
    }
    note(found, "the authority of the fleet", hosts::authority(sql))?;
    note(found, "the hosts", hosts::list(sql))?;
    mutations::each(sql, |number, mutation| {
        note(found, format_args!("mutation #{number}"), mutation)
    })?;
    visits::each(sql, |number, visit| note(found, format_args!("visit #{number}"), visit))?;
    change_log::each(sql, |number, change| {
        note(found, format_args!("change {number}"), change)
    })
}

/// Collects the faults of a part of the store; any other error ends the check.
fn note<T>(found: &mut Vec<String>, part: impl Display, outcome: Result<T, RepoError>) -> Result<(), RepoError> {
    match outcome {
        Err(RepoError::Corrupt { what }) => found.push(format!("{part}: {what}")),
        outcome => drop(outcome?),
    }
    Ok(())
}
