//! The table `decky_changes`.

use jiff::Timestamp;

use crate::{
    id::MutationId,
    repo::{
        RecordedChange, RepoError,
        sql::{Sql, Value, collect},
    },
};

/// Appends changes.
pub(in crate::repo) fn append(sql: &mut dyn Sql, key: i64, changes: &[RecordedChange]) -> Result<(), RepoError> {
    let mut rows = changes.iter().map(|RecordedChange { at, mutation, change }| {
        let mutation = mutation.map(|id| id.get().cast_signed());
        Ok(vec![key.into(), mutation.into(), (*at).into(), Value::json(change)?])
    });
    sql.execute_each(
        "INSERT INTO decky_changes (topology, mutation, at, change) VALUES (?1, ?2, ?3, ?4)",
        &mut rows,
    )
}

/// Returns the changes that were stored after some time, oldest first.
pub(in crate::repo) fn list(
    sql: &mut dyn Sql,
    key: i64,
    since: Option<Timestamp>,
) -> Result<Vec<RecordedChange>, RepoError> {
    let mut values = vec![key.into()];
    let later = if let Some(since) = since {
        values.push(Value::from(since));
        "AND at > ?2"
    } else {
        ""
    };
    let statement = format!("SELECT at, mutation, change FROM decky_changes WHERE topology = ?1 {later} ORDER BY key");
    collect(sql, &statement, &values, |row| {
        Ok(RecordedChange {
            at: row.word()?,
            mutation: row.maybe_whole()?.map(MutationId::new),
            change: row.json()?,
        })
    })
}
