//! The table `decky_changes`.

use jiff::Timestamp;
use rusqlite::{Transaction, params};

use crate::{
    id::MutationId,
    repo::{
        RecordedChange,
        sqlite::{
            columns::{collect, moment as written, to_json},
            fault::Fault,
        },
    },
};

/// Appends changes.
pub(in crate::repo::sqlite) fn append(tx: &Transaction<'_>, key: i64, changes: &[RecordedChange]) -> Result<(), Fault> {
    let mut statement =
        tx.prepare_cached("INSERT INTO decky_changes (topology, mutation, at, change) VALUES (?1, ?2, ?3, ?4)")?;
    for RecordedChange { at, mutation, change } in changes {
        let mutation = mutation.map(|id| id.get().cast_signed());
        statement.execute(params![key, mutation, written(*at), to_json(change)?])?;
    }
    Ok(())
}

/// Returns the changes that were stored after some time, oldest first.
pub(in crate::repo::sqlite) fn list(
    moment: &Transaction<'_>,
    key: i64,
    since: Option<Timestamp>,
) -> Result<Vec<RecordedChange>, Fault> {
    let mut statement = moment.prepare_cached(
        "SELECT at, mutation, change FROM decky_changes
         WHERE topology = ?1 AND (?2 IS NULL OR at > ?2) ORDER BY key",
    )?;
    collect(statement.query(params![key, since.map(written)])?, |row| {
        Ok(RecordedChange {
            at: row.word()?,
            mutation: row.maybe_whole()?.map(MutationId::new),
            change: row.json()?,
        })
    })
}
