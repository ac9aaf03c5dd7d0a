//! The table `status_events`.

use crate::{
    repo::{
        RepoError,
        sql::{Sql, collect},
    },
    status::{Status, StatusEvent},
};

/// Returns the changes of status, oldest first.
pub(in crate::repo) fn list(sql: &mut dyn Sql, key: i64) -> Result<Vec<StatusEvent>, RepoError> {
    let statement = "SELECT from_status, to_status, at, reason FROM status_events WHERE topology = ?1 ORDER BY key";
    collect(sql, statement, &[key.into()], |row| {
        Ok(StatusEvent {
            from: row.maybe_word()?,
            to: row.word()?,
            at: row.word()?,
            reason: row.maybe_string()?,
        })
    })
}

/// Appends an event.
pub(in crate::repo) fn append(sql: &mut dyn Sql, key: i64, event: &StatusEvent) -> Result<(), RepoError> {
    let from = event.from.map(Status::as_str);
    let values = [
        key.into(),
        from.into(),
        event.to.as_str().into(),
        event.at.into(),
        event.reason.as_ref().into(),
    ];
    let statement = "INSERT INTO status_events (topology, from_status, to_status, at, reason)
                     VALUES (?1, ?2, ?3, ?4, ?5)";
    sql.execute(statement, &values).map(drop)
}
