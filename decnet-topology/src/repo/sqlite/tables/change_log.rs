//! The table `change_log`.

use rusqlite::{Transaction, params};

use crate::{
    id::Sequence,
    repo::{
        ChangeFilter, StoreChange,
        rules::changes::LogBounds,
        sqlite::{
            columns::{Columns, collect, first, moment as written, only, to_json},
            fault::Fault,
        },
    },
    version::Version,
};

/// The columns that [`row`] reads.
const COLUMNS: &str = "sequence, at, topology, name, version, change";

fn row(row: &mut Columns<'_>) -> Result<StoreChange, Fault> {
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
pub(in crate::repo::sqlite) fn append(tx: &Transaction<'_>, change: &StoreChange) -> Result<Sequence, Fault> {
    let mut statement =
        tx.prepare_cached("INSERT INTO change_log (at, topology, name, version, change) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    let number = statement.insert(params![
        written(change.at),
        change.topology.to_string(),
        change.name.as_str(),
        change.version.get().cast_signed(),
        to_json(&change.what)?,
    ])?;
    Ok(Sequence::new(number.cast_unsigned()))
}

/// Returns the numbers of the latest change and of the last one that was removed.
pub(in crate::repo::sqlite) fn bounds(moment: &Transaction<'_>) -> Result<LogBounds, Fault> {
    let mut statement = moment.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'change_log'")?;
    let latest: i64 = first(statement.query([])?, only)?.unwrap_or_default();
    let mut statement = moment.prepare_cached("SELECT min(sequence) FROM change_log")?;
    let oldest: Option<i64> = first(statement.query([])?, only)?.flatten();
    let number = |number: i64| Sequence::new(number.cast_unsigned());
    Ok(LogBounds {
        forgotten: number(oldest.map_or(latest, |oldest| oldest - 1)),
        latest: number(latest),
    })
}

/// Returns the changes after a number that match, in order.
pub(in crate::repo::sqlite) fn list(
    moment: &Transaction<'_>,
    after: Sequence,
    filter: &ChangeFilter,
) -> Result<Vec<StoreChange>, Fault> {
    // With `?1 IS NULL OR topology = ?1`, SQLite would not use the index.
    let of_topology = match filter.topology {
        Some(_) => "topology = ?1",
        None => "?1 IS NULL",
    };
    let mut statement = moment.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM change_log WHERE {of_topology} AND sequence > ?2 ORDER BY sequence LIMIT ?3"
    ))?;
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let limit = filter.limit.map_or(-1, |limit| number(limit as u64));
    let topology = filter.topology.map(|id| id.to_string());
    collect(statement.query(params![topology, number(after.get()), limit])?, row)
}

/// Removes the changes up to a number.
pub(in crate::repo::sqlite) fn trim(tx: &Transaction<'_>, last: Sequence) -> Result<(), Fault> {
    let mut statement = tx.prepare_cached("DELETE FROM change_log WHERE sequence <= ?1")?;
    statement.execute([i64::try_from(last.get()).unwrap_or(i64::MAX)])?;
    Ok(())
}

/// Reads all changes, and returns each one, or its fault, with its number.
pub(in crate::repo::sqlite) fn each(
    moment: &Transaction<'_>,
    mut visit: impl FnMut(i64, Result<StoreChange, Fault>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut statement = moment.prepare_cached(&format!("SELECT {COLUMNS} FROM change_log ORDER BY sequence"))?;
    let mut rows = statement.query([])?;
    while let Some(found) = rows.next()? {
        visit(found.get(0)?, row(&mut Columns::of(found)))?;
    }
    Ok(())
}
