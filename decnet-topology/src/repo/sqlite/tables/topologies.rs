//! The table `topologies`.

use rusqlite::{Transaction, params};

use crate::{
    catalog::CatalogExcerpt,
    id::{self, TopologyId},
    model::TopologyRow,
    name::TopologyName,
    repo::{
        RepoError, TopologyFilter, TopologyPage,
        sqlite::{
            columns::{Columns, collect, first, moment as written, only, to_json},
            fault::Fault,
        },
    },
    status::Intent,
    version::Version,
};

/// The columns that [`row`] reads.
const COLUMNS: &str = "id, name, mode, host, status, intent, version, created_at, changed_at, \
                                  needs_resync, config, settings, catalog, placement";

/// Reads the row of a topology.
fn row(columns: &mut Columns<'_>) -> Result<TopologyRow, Fault> {
    Ok(TopologyRow {
        id: columns.word()?,
        name: columns.word()?,
        mode: columns.word()?,
        host: columns.value()?,
        status: columns.word()?,
        intent: columns.maybe_word()?,
        version: Version::new(columns.whole()?),
        created_at: columns.word()?,
        changed_at: columns.word()?,
        needs_resync: columns.value()?,
        config: columns.maybe_json()?,
        settings: columns.json()?,
        catalog: catalog(columns)?,
        placement: columns.maybe_json()?,
    })
}

/// Reads the stored entries of a user's catalogue.
fn catalog(columns: &mut Columns<'_>) -> Result<CatalogExcerpt, Fault> {
    Ok(columns.maybe_json()?.unwrap_or_default())
}

/// Returns the entries of a user's catalogue as they are stored; none if there are none.
fn stored(catalog: &CatalogExcerpt) -> Result<Option<String>, Fault> {
    let catalog = (!catalog.is_empty()).then_some(catalog);
    catalog.map(to_json).transpose()
}

/// Finds the row of a topology.
pub(in crate::repo::sqlite) fn find(moment: &Transaction<'_>, id: TopologyId) -> Result<TopologyRow, Fault> {
    let mut statement = moment.prepare_cached(&format!("SELECT {COLUMNS} FROM topologies WHERE id = ?1"))?;
    first(statement.query([id.to_string()])?, row)?.ok_or_else(|| RepoError::NotFound { id }.into())
}

/// Finds the key of a topology.
pub(in crate::repo::sqlite) fn key(moment: &Transaction<'_>, id: TopologyId) -> Result<i64, Fault> {
    let mut statement = moment.prepare_cached("SELECT key FROM topologies WHERE id = ?1")?;
    first(statement.query([id.to_string()])?, only)?.ok_or_else(|| RepoError::NotFound { id }.into())
}

/// Finds the topology, not torn down, with a name.
pub(in crate::repo::sqlite) fn namesake(
    moment: &Transaction<'_>,
    name: &TopologyName,
) -> Result<Option<(TopologyName, TopologyId)>, Fault> {
    let mut statement =
        moment.prepare_cached("SELECT name, id FROM topologies WHERE name_key = ?1 AND status <> 'torn_down'")?;
    first(statement.query([name.to_lowercase()])?, |row| {
        Ok((row.word()?, row.word()?))
    })
}

/// Returns whether a topology has these first eight hex digits of the id.
pub(in crate::repo::sqlite) fn has_short_id(moment: &Transaction<'_>, id: TopologyId) -> Result<bool, Fault> {
    let mut statement = moment.prepare_cached("SELECT key FROM topologies WHERE substr(id, 1, 8) = ?1")?;
    Ok(statement.exists([id::short_id(id)])?)
}

/// Returns the matching rows.
pub(in crate::repo::sqlite) fn list(moment: &Transaction<'_>, filter: &TopologyFilter) -> Result<TopologyPage, Fault> {
    const MATCHING: &str = "FROM topologies
                            WHERE ?1 = '[]' OR status IN (SELECT value FROM json_each(?1))";
    let statuses = to_json(&filter.statuses)?;
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let mut statement = moment.prepare_cached(&format!("SELECT count(*) {MATCHING}"))?;
    let total: i64 = statement.query_row([&statuses], |row| row.get(0))?;
    let page = format!("SELECT {COLUMNS} {MATCHING} ORDER BY created_at, id LIMIT ?2 OFFSET ?3");
    let mut statement = moment.prepare_cached(&page)?;
    let (limit, offset) = (filter.limit.map_or(-1, count), count(filter.offset));
    let rows = statement.query(params![statuses, limit, offset])?;
    Ok(TopologyPage {
        rows: collect(rows, row)?,
        total: usize::try_from(total).unwrap_or(usize::MAX),
    })
}

/// Adds a row.
pub(in crate::repo::sqlite) fn insert(tx: &Transaction<'_>, row: &TopologyRow) -> Result<(), Fault> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO topologies (id, name, name_key, mode, host, status, intent, version, created_at, changed_at,
                                 needs_resync, config, settings, catalog, placement)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?;
    insert.execute(params![
        row.id.to_string(),
        row.name.as_str(),
        row.name.to_lowercase(),
        row.mode.as_str(),
        row.host,
        row.status.as_str(),
        row.intent.map(Intent::as_str),
        row.version.get().cast_signed(),
        written(row.created_at),
        written(row.changed_at),
        row.needs_resync,
        row.config.as_ref().map(to_json).transpose()?,
        to_json(&row.settings)?,
        stored(&row.catalog)?,
        row.placement.as_ref().map(to_json).transpose()?,
    ])?;
    Ok(())
}

/// Writes the mutable fields of a row except status and intent: the status is in an index that would be written too.
pub(in crate::repo::sqlite) fn update(tx: &Transaction<'_>, row: &TopologyRow) -> Result<(), Fault> {
    let mut statement = tx.prepare_cached(
        "UPDATE topologies SET version = ?2, changed_at = ?3, needs_resync = ?4, settings = ?5, catalog = ?6, placement = ?7
         WHERE id = ?1",
    )?;
    statement.execute(params![
        row.id.to_string(),
        row.version.get().cast_signed(),
        written(row.changed_at),
        row.needs_resync,
        to_json(&row.settings)?,
        stored(&row.catalog)?,
        row.placement.as_ref().map(to_json).transpose()?,
    ])?;
    Ok(())
}

/// Writes what a change of status may change of a row.
pub(in crate::repo::sqlite) fn update_status(tx: &Transaction<'_>, row: &TopologyRow) -> Result<(), Fault> {
    let mut statement = tx.prepare_cached(
        "UPDATE topologies SET status = ?2, intent = ?3, changed_at = ?4, needs_resync = ?5, settings = ?6 WHERE id = ?1",
    )?;
    let intent = row.intent.map(Intent::as_str);
    statement.execute(params![
        row.id.to_string(),
        row.status.as_str(),
        intent,
        written(row.changed_at),
        row.needs_resync,
        to_json(&row.settings)?,
    ])?;
    Ok(())
}

/// Removes a row, and all rows that refer to it.
pub(in crate::repo::sqlite) fn delete(tx: &Transaction<'_>, key: i64) -> Result<(), Fault> {
    tx.prepare_cached("DELETE FROM topologies WHERE key = ?1")?
        .execute([key])?;
    Ok(())
}
