//! The table `change_log`.

use crate::{
    id::Sequence,
    repo::{
        ChangeFilter, RepoError, StoreChange,
        rules::changes::LogBounds,
        sql::{Columns, Sql, Value, collect, statement::number},
    },
    version::Version,
};

/// The columns that [`row`] reads.
const COLUMNS: &str = "sequence, at, topology, name, version, change";

fn row(row: &mut Columns<'_>) -> Result<StoreChange, RepoError> {
    Ok(StoreChange {
        sequence: Sequence::new(row.whole()?),
        at: row.word()?,
        topology: row.word()?,
        name: row.word()?,
        version: Version::new(row.whole()?),
        what: row.json()?,
    })
}

/// Appends a change, and returns its number.
pub(in crate::repo) fn append(sql: &mut dyn Sql, change: &StoreChange) -> Result<Sequence, RepoError> {
    let values = [
        change.at.into(),
        Value::word(&change.topology),
        change.name.as_str().into(),
        change.version.get().cast_signed().into(),
        Value::json(&change.what)?,
    ];
    let statement = "INSERT INTO change_log (at, topology, name, version, change) VALUES (?1, ?2, ?3, ?4, ?5)
                     RETURNING sequence";
    let number = number(sql, statement, &values)?.unwrap_or_default();
    Ok(Sequence::new(number.cast_unsigned()))
}

/// Returns the numbers of the latest change and of the last one that was removed.
pub(in crate::repo) fn bounds(sql: &mut dyn Sql) -> Result<LogBounds, RepoError> {
    let latest = sql.dialect().latest_change;
    let latest = number(sql, latest, &[])?.unwrap_or_default();
    let oldest = number(sql, "SELECT min(sequence) FROM change_log", &[])?;
    let sequence = |number: i64| Sequence::new(number.cast_unsigned());
    Ok(LogBounds {
        forgotten: sequence(oldest.map_or(latest, |oldest| oldest - 1)),
        latest: sequence(latest),
    })
}

/// Returns the changes after a number that match, in order.
pub(in crate::repo) fn list(
    sql: &mut dyn Sql,
    after: Sequence,
    filter: &ChangeFilter,
) -> Result<Vec<StoreChange>, RepoError> {
    let mut values = vec![stored(after), Value::limit(filter.limit)];
    // With `?3 IS NULL OR topology = ?3`, SQLite would not use the index.
    let of_topology = match filter.topology {
        Some(id) => {
            values.push(Value::word(&id));
            "AND topology = ?3"
        }
        None => "",
    };
    let statement =
        format!("SELECT {COLUMNS} FROM change_log WHERE sequence > ?1 {of_topology} ORDER BY sequence LIMIT ?2");
    collect(sql, &statement, &values, row)
}

/// Removes the changes up to a number.
pub(in crate::repo) fn trim(sql: &mut dyn Sql, last: Sequence) -> Result<(), RepoError> {
    sql.execute("DELETE FROM change_log WHERE sequence <= ?1", &[stored(last)])
        .map(drop)
}

/// Databases have no greater number than the largest signed one.
fn stored(sequence: Sequence) -> Value<'static> {
    i64::try_from(sequence.get()).unwrap_or(i64::MAX).into()
}

/// Reads all changes, and returns each one, or its fault, with its number.
pub(in crate::repo) fn each(
    sql: &mut dyn Sql,
    mut visit: impl FnMut(i64, Result<StoreChange, RepoError>) -> Result<(), RepoError>,
) -> Result<(), RepoError> {
    let statement = format!("SELECT {COLUMNS} FROM change_log ORDER BY sequence");
    sql.query(&statement, &[], &mut |found| {
        visit(Columns::of(found).integer()?, row(&mut Columns::of(found)))
    })
}
