//! The table `visits`.

use std::net::Ipv4Addr;

use crate::{
    name::ServiceName,
    repo::{
        RepoError, Visit, VisitFilter,
        sql::{Columns, Sql, Value, collect},
    },
};

/// The columns that [`row`] reads.
const COLUMNS: &str =
    "id, (SELECT t.id FROM topologies t WHERE t.key = topology) AS topology_id, at, decky, service, source, entry";

fn row(row: &mut Columns<'_>) -> Result<Visit, RepoError> {
    let id = row.string()?;
    let (topology, at, decky) = (row.word()?, row.word()?, row.word()?);
    let service = row.maybe_text()?.map(ServiceName::new);
    let source = row.maybe_whole()?.map(Ipv4Addr::from_bits);
    let entry = row.string()?;
    Ok(Visit::new(topology, id, at, decky, entry)
        .service(service)
        .source(source))
}

/// Stores a visit unless its id is stored. Returns whether it was stored.
pub(in crate::repo) fn insert(sql: &mut dyn Sql, key: i64, visit: &Visit) -> Result<bool, RepoError> {
    let values = [
        key.into(),
        (&visit.id).into(),
        visit.at.into(),
        visit.decky.as_str().into(),
        visit.service.as_ref().map(ServiceName::as_str).into(),
        visit.source.map(Ipv4Addr::to_bits).into(),
        (&visit.entry).into(),
    ];
    let statement = "INSERT INTO visits (topology, id, at, decky, service, source, entry)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (topology, id) DO NOTHING";
    Ok(sql.execute(statement, &values)? > 0)
}

/// Removes the oldest visits of a topology until a number is left.
pub(in crate::repo) fn trim(sql: &mut dyn Sql, key: i64, keep: usize) -> Result<(), RepoError> {
    let statement = "DELETE FROM visits WHERE key IN (
             SELECT key FROM visits WHERE topology = ?1 ORDER BY at DESC, id DESC LIMIT ?2 OFFSET ?3)";
    let values = [key.into(), Value::limit(None), Value::count(keep)];
    sql.execute(statement, &values).map(drop)
}

/// Returns the visits that match, in order of time and id; of one topology if a key is given.
pub(in crate::repo) fn list(
    sql: &mut dyn Sql,
    key: Option<i64>,
    filter: &VisitFilter,
) -> Result<Vec<Visit>, RepoError> {
    let since = filter.since.map_or(Value::from(""), Value::from);
    let (at, id) = match &filter.after {
        Some((at, id)) => (Value::from(*at), id.as_str()),
        None => (Value::from(""), ""),
    };
    // No id is empty, so all visits of the first moment come after it.
    let (at, id) = if filter.since > filter.after.as_ref().map(|(at, _)| *at) {
        (since, "")
    } else {
        (at, id)
    };
    let mut values = vec![at, id.into(), Value::limit(filter.limit)];
    let mut terms = String::from("(at, id) > (?1, ?2)");
    // With `topology IS ?4` and similar terms, SQLite would not use its indexes.
    let wanted: [(&str, Option<Value<'_>>); 4] = [
        ("topology = ?", key.map(Value::from)),
        (
            "lower(decky) = lower(?)",
            filter.decky.as_ref().map(|decky| decky.as_str().into()),
        ),
        (
            "service = ?",
            filter.service.as_ref().map(|service| service.as_str().into()),
        ),
        ("source = ?", filter.source.map(|source| source.to_bits().into())),
    ];
    for (term, value) in wanted {
        if let Some(value) = value {
            values.push(value);
            terms.extend([" AND ", &term.replace('?', &format!("?{}", values.len()))]);
        }
    }
    let statement = format!("SELECT {COLUMNS} FROM visits WHERE {terms} ORDER BY at, id LIMIT ?3");
    collect(sql, &statement, &values, row)
}

/// Reads all visits, and returns each one, or its fault, with its number.
pub(in crate::repo) fn each(
    sql: &mut dyn Sql,
    mut visit: impl FnMut(i64, Result<Visit, RepoError>) -> Result<(), RepoError>,
) -> Result<(), RepoError> {
    let statement = format!("SELECT key, {COLUMNS} FROM visits ORDER BY key");
    sql.query(&statement, &[], &mut |found| {
        let mut columns = Columns::of(found);
        visit(columns.integer()?, row(&mut columns))
    })
}
