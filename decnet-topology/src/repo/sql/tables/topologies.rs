//! The table `topologies`.

use crate::{
    catalog::CatalogExcerpt,
    id::{self, TopologyId},
    model::TopologyRow,
    name::TopologyName,
    repo::{
        RepoError, TopologyFilter, TopologyPage,
        sql::{
            Columns, Sql, Value, collect, one_of,
            statement::{count, first, number},
        },
    },
    status::Intent,
    version::Version,
};

/// The columns that [`row`] reads.
const COLUMNS: &str = "id, name, mode, host, status, intent, version, created_at, changed_at, \
                                  needs_resync, config, settings, catalog, placement, shuffled_until";

/// Reads the row of a topology.
fn row(columns: &mut Columns<'_>) -> Result<TopologyRow, RepoError> {
    Ok(TopologyRow {
        id: columns.word()?,
        name: columns.word()?,
        mode: columns.word()?,
        host: columns.maybe_string()?,
        status: columns.word()?,
        intent: columns.maybe_word()?,
        version: Version::new(columns.whole()?),
        created_at: columns.word()?,
        changed_at: columns.word()?,
        needs_resync: columns.flag()?,
        config: columns.maybe_json()?,
        settings: columns.json()?,
        catalog: catalog(columns)?,
        placement: columns.maybe_json()?,
        shuffled_until: columns.word()?,
    })
}

/// Reads the stored entries of a user's catalogue.
fn catalog(columns: &mut Columns<'_>) -> Result<CatalogExcerpt, RepoError> {
    Ok(columns.maybe_json()?.unwrap_or_default())
}

/// Returns the entries of a user's catalogue as they are stored; none if there are none.
fn stored(catalog: &CatalogExcerpt) -> Result<Value<'static>, RepoError> {
    if catalog.is_empty() {
        return Ok(Value::Null);
    }
    Value::json(catalog)
}

/// Finds the row of a topology.
pub(in crate::repo) fn find(sql: &mut dyn Sql, id: TopologyId) -> Result<TopologyRow, RepoError> {
    let statement = format!(
        "SELECT {COLUMNS} FROM topologies WHERE id = ?1{}",
        sql.dialect().of_topology()
    );
    first(sql, &statement, &[Value::word(&id)], row)?.ok_or(RepoError::NotFound { id })
}

/// Finds the key of a topology.
pub(in crate::repo) fn key(sql: &mut dyn Sql, id: TopologyId) -> Result<i64, RepoError> {
    let statement = format!(
        "SELECT key FROM topologies WHERE id = ?1{}",
        sql.dialect().of_topology()
    );
    number(sql, &statement, &[Value::word(&id)])?.ok_or(RepoError::NotFound { id })
}

/// Locks a topology unless another transaction has locked it. Returns whether it is locked now.
pub(in crate::repo) fn try_lock(sql: &mut dyn Sql, id: TopologyId) -> Result<bool, RepoError> {
    let Some(locks) = sql.dialect().locks else {
        return Ok(true);
    };
    let statement = format!("SELECT key FROM topologies WHERE id = ?1{}", locks.skip);
    Ok(number(sql, &statement, &[Value::word(&id)])?.is_some())
}

/// Locks the placements of all topologies.
pub(in crate::repo) fn lock_placements(sql: &mut dyn Sql) -> Result<(), RepoError> {
    match sql.dialect().locks {
        Some(locks) => sql.execute(locks.placements, &[]).map(drop),
        None => Ok(()),
    }
}

/// Locks the claims of all topologies, unless the database refuses overlapping claims by itself.
pub(in crate::repo) fn lock_claims(sql: &mut dyn Sql) -> Result<(), RepoError> {
    match sql.dialect().locks.and_then(|locks| locks.claims) {
        Some(statement) => sql.execute(statement, &[]).map(drop),
        None => Ok(()),
    }
}

/// Finds the topology, not torn down, with a name.
pub(in crate::repo) fn namesake(
    sql: &mut dyn Sql,
    name: &TopologyName,
) -> Result<Option<(TopologyName, TopologyId)>, RepoError> {
    let statement = "SELECT name, id FROM topologies WHERE name_key = ?1 AND status <> 'torn_down'";
    first(sql, statement, &[name.to_lowercase().into()], |row| {
        Ok((row.word()?, row.word()?))
    })
}

/// Returns whether a topology has these first eight hex digits of the id.
pub(in crate::repo) fn has_short_id(sql: &mut dyn Sql, id: TopologyId) -> Result<bool, RepoError> {
    let statement = "SELECT key FROM topologies WHERE substr(id, 1, 8) = ?1";
    let found = number(sql, statement, &[id::short_id(id).into()])?;
    Ok(found.is_some())
}

/// Returns the matching rows.
pub(in crate::repo) fn list(sql: &mut dyn Sql, filter: &TopologyFilter) -> Result<TopologyPage, RepoError> {
    let matching = if filter.statuses.is_empty() {
        "FROM topologies".to_owned()
    } else {
        let statuses = filter.statuses.iter().map(|status| status.as_str());
        format!("FROM topologies WHERE {}", one_of("status", statuses))
    };
    let total = count(sql, &format!("SELECT count(*) {matching}"), &[])?;
    let page = format!("SELECT {COLUMNS} {matching} ORDER BY created_at, id LIMIT ?1 OFFSET ?2");
    let values = [Value::limit(filter.limit), Value::count(filter.offset)];
    let rows = collect(sql, &page, &values, row)?;
    Ok(TopologyPage { rows, total })
}

/// Adds a row.
pub(in crate::repo) fn insert(sql: &mut dyn Sql, row: &TopologyRow) -> Result<(), RepoError> {
    let values = [
        Value::word(&row.id),
        row.name.as_str().into(),
        row.name.to_lowercase().into(),
        row.mode.as_str().into(),
        row.host.as_ref().into(),
        row.status.as_str().into(),
        row.intent.map(Intent::as_str).into(),
        row.version.get().cast_signed().into(),
        row.created_at.into(),
        row.changed_at.into(),
        row.needs_resync.into(),
        row.config.as_ref().map_or(Ok(Value::Null), Value::json)?,
        Value::json(&row.settings)?,
        stored(&row.catalog)?,
        row.placement.as_ref().map_or(Ok(Value::Null), Value::json)?,
        row.shuffled_until.into(),
    ];
    let statement = "INSERT INTO topologies (id, name, name_key, mode, host, status, intent, version, created_at,
                                             changed_at, needs_resync, config, settings, catalog, placement,
                                             shuffled_until)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
    sql.execute(statement, &values).map(drop)
}

/// Writes the mutable fields of a row except status and intent: the status is in an index that would be written too.
pub(in crate::repo) fn update(sql: &mut dyn Sql, row: &TopologyRow) -> Result<(), RepoError> {
    let values = [
        Value::word(&row.id),
        row.version.get().cast_signed().into(),
        row.changed_at.into(),
        row.needs_resync.into(),
        Value::json(&row.settings)?,
        stored(&row.catalog)?,
        row.placement.as_ref().map_or(Ok(Value::Null), Value::json)?,
        row.shuffled_until.into(),
    ];
    let statement = "UPDATE topologies
         SET version = ?2, changed_at = ?3, needs_resync = ?4, settings = ?5, catalog = ?6, placement = ?7,
             shuffled_until = ?8 WHERE id = ?1";
    sql.execute(statement, &values).map(drop)
}

/// Writes what a change of status may change of a row.
pub(in crate::repo) fn update_status(sql: &mut dyn Sql, row: &TopologyRow) -> Result<(), RepoError> {
    let values = [
        Value::word(&row.id),
        row.status.as_str().into(),
        row.intent.map(Intent::as_str).into(),
        row.changed_at.into(),
        row.needs_resync.into(),
        Value::json(&row.settings)?,
        row.shuffled_until.into(),
    ];
    let statement = "UPDATE topologies
         SET status = ?2, intent = ?3, changed_at = ?4, needs_resync = ?5, settings = ?6, shuffled_until = ?7 WHERE id = ?1";
    sql.execute(statement, &values).map(drop)
}

/// Removes a row, and all rows that refer to it.
pub(in crate::repo) fn delete(sql: &mut dyn Sql, key: i64) -> Result<(), RepoError> {
    sql.execute("DELETE FROM topologies WHERE key = ?1", &[key.into()])
        .map(drop)
}
