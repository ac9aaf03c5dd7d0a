//! The table `status_events`.

use rusqlite::{Transaction, params};

use crate::{
    repo::sqlite::{
        columns::{collect, moment as written},
        fault::Fault,
    },
    status::{Status, StatusEvent},
};

/// Returns the changes of status, oldest first.
pub(in crate::repo::sqlite) fn list(moment: &Transaction<'_>, key: i64) -> Result<Vec<StatusEvent>, Fault> {
    let mut statement = moment.prepare_cached(
        "SELECT from_status, to_status, at, reason FROM status_events WHERE topology = ?1 ORDER BY key",
    )?;
    collect(statement.query([key])?, |row| {
        Ok(StatusEvent {
            from: row.maybe_word()?,
            to: row.word()?,
            at: row.word()?,
            reason: row.value()?,
        })
    })
}

/// Appends an event.
pub(in crate::repo::sqlite) fn append(tx: &Transaction<'_>, key: i64, event: &StatusEvent) -> Result<(), Fault> {
    let mut statement = tx.prepare_cached(
        "INSERT INTO status_events (topology, from_status, to_status, at, reason) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let from = event.from.map(Status::as_str);
    statement.execute(params![key, from, event.to.as_str(), written(event.at), event.reason])?;
    Ok(())
}
