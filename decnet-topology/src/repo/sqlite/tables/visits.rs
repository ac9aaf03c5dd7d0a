//! The table `visits`.

use std::net::Ipv4Addr;

use rusqlite::{Transaction, params};

use crate::{
    name::{Name, ServiceName},
    repo::{
        Visit, VisitFilter,
        sqlite::{
            columns::{Columns, collect, moment as written},
            fault::Fault,
        },
    },
};

/// The columns that [`row`] reads.
const COLUMNS: &str =
    "id, (SELECT t.id FROM topologies t WHERE t.key = topology) AS topology_id, at, decky, service, source, entry";

fn row(row: &mut Columns<'_>) -> Result<Visit, Fault> {
    let id: String = row.value()?;
    let (topology, at, decky) = (row.word()?, row.word()?, row.word()?);
    let service = row.maybe_text()?.map(ServiceName::new);
    let source = row.maybe_whole()?.map(Ipv4Addr::from_bits);
    let entry: String = row.value()?;
    Ok(Visit::new(topology, id, at, decky, entry)
        .service(service)
        .source(source))
}

/// Stores a visit unless its id is stored. Returns whether it was stored.
pub(in crate::repo::sqlite) fn insert(tx: &Transaction<'_>, key: i64, visit: &Visit) -> Result<bool, Fault> {
    let mut statement = tx.prepare_cached(
        "INSERT INTO visits (topology, id, at, decky, service, source, entry) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (topology, id) DO NOTHING",
    )?;
    let inserted = statement.execute(params![
        key,
        visit.id,
        written(visit.at),
        visit.decky.as_str(),
        visit.service.as_ref().map(ServiceName::as_str),
        visit.source.map(Ipv4Addr::to_bits),
        visit.entry,
    ])?;
    Ok(inserted > 0)
}

/// Removes the oldest visits of a topology until a number is left.
pub(in crate::repo::sqlite) fn trim(tx: &Transaction<'_>, key: i64, keep: usize) -> Result<(), Fault> {
    let mut statement = tx.prepare_cached(
        "DELETE FROM visits WHERE key IN (
             SELECT key FROM visits WHERE topology = ?1 ORDER BY at DESC, id DESC LIMIT -1 OFFSET ?2)",
    )?;
    statement.execute(params![key, i64::try_from(keep).unwrap_or(i64::MAX)])?;
    Ok(())
}

/// Returns the visits that match, in order of time and id; of one topology if a key is given.
pub(in crate::repo::sqlite) fn list(
    moment: &Transaction<'_>,
    key: Option<i64>,
    filter: &VisitFilter,
) -> Result<Vec<Visit>, Fault> {
    // With `topology IS ?1` and similar terms, SQLite would not use its indexes.
    let of_topology = if key.is_some() { "topology = ?1" } else { "?1 IS NULL" };
    let mut statement = moment.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM visits
         WHERE {of_topology} AND (at, id) > (?2, ?3) AND (?4 IS NULL OR decky = ?4) AND (?5 IS NULL OR service = ?5)
               AND (?6 IS NULL OR source = ?6)
         ORDER BY at, id LIMIT ?7"
    ))?;
    let since = filter.since.map(written).unwrap_or_default();
    let (at, id) = match &filter.after {
        Some((at, id)) => (written(*at), id.as_str()),
        None => (String::new(), ""),
    };
    // No id is empty, so all visits of the first moment come after it.
    let (at, id) = if since > at { (since, "") } else { (at, id) };
    let limit = filter
        .limit
        .map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = statement.query(params![
        key,
        at,
        id,
        filter.decky.as_ref().map(Name::as_str),
        filter.service.as_ref().map(ServiceName::as_str),
        filter.source.map(Ipv4Addr::to_bits),
        limit,
    ])?;
    collect(rows, row)
}

/// Reads all visits, and returns each one, or its fault, with its number.
pub(in crate::repo::sqlite) fn each(
    moment: &Transaction<'_>,
    mut visit: impl FnMut(i64, Result<Visit, Fault>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut statement = moment.prepare_cached(&format!("SELECT {COLUMNS}, key FROM visits ORDER BY key"))?;
    let mut rows = statement.query([])?;
    while let Some(found) = rows.next()? {
        visit(found.get("key")?, row(&mut Columns::of(found)))?;
    }
    Ok(())
}
