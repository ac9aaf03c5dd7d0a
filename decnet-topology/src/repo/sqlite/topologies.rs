//! Topologies as a whole: storing, finding, editing, their status, deleting.

use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::{
    changes,
    fault::{Fault, corrupt},
    leases, maze,
    mutations::{self, UNNUMBERED},
    rows::{COLUMNS, Keyed, collect, first, keyed, moment, only, to_json},
};
use crate::{
    id::{self, InstanceId, TopologyId},
    model::{DeploySettings, StoredTopology, TopologyRow},
    repo::{Edit, ListFilter, NewTopology, Page, RepoError, StatusChange, rules},
    status::StatusEvent,
};

/// Returns the store's own id.
pub(super) fn instance(moment: &Transaction<'_>) -> Result<InstanceId, Fault> {
    let mut statement = moment.prepare_cached("SELECT instance FROM meta")?;
    let found = collect(statement.query([])?, |row| {
        let instance: InstanceId = row.word()?;
        Ok(instance)
    })?;
    match found[..] {
        [instance] => Ok(instance),
        _ => Err(corrupt(format!("{} instance ids", found.len()))),
    }
}

/// Finds the row of a topology.
pub(super) fn find(moment: &Transaction<'_>, id: TopologyId) -> Result<Keyed, Fault> {
    let mut statement = moment.prepare_cached(&format!("SELECT {COLUMNS} FROM topologies WHERE id = ?1"))?;
    first(statement.query([id.to_string()])?, keyed)?.ok_or_else(|| RepoError::NotFound { id }.into())
}

/// Finds the key of a topology.
pub(super) fn key(moment: &Transaction<'_>, id: TopologyId) -> Result<i64, Fault> {
    let mut statement = moment.prepare_cached("SELECT key FROM topologies WHERE id = ?1")?;
    first(statement.query([id.to_string()])?, only)?.ok_or_else(|| RepoError::NotFound { id }.into())
}

/// Stores a topology under the first id drawn that is free.
pub(super) fn create(
    tx: &Transaction<'_>,
    draw: &mut dyn FnMut() -> TopologyId,
    new: NewTopology,
    at: Timestamp,
) -> Result<StoredTopology, Fault> {
    let mut namesakes =
        tx.prepare_cached("SELECT name, id FROM topologies WHERE name_key = ?1 AND status <> 'torn_down'")?;
    let taken = first(namesakes.query([new.name.to_lowercase()])?, |row| {
        Ok(RepoError::NameTaken {
            name: row.word()?,
            id: row.word()?,
        })
    })?;
    if let Some(taken) = taken {
        return Err(taken.into());
    }
    maze::refuse(tx, None, &new.topology)?;
    let id = rules::fresh_id(new.id, draw, |drawn| {
        let mut statement = tx.prepare_cached("SELECT key FROM topologies WHERE substr(id, 1, 8) = ?1")?;
        Ok::<_, Fault>(statement.exists([id::short(drawn)])?)
    })?;
    let row = rules::first_row(id, &new, at);
    let mut insert = tx.prepare_cached(
        "INSERT INTO topologies (id, name, name_key, mode, host, status, intent, version, created_at, changed_at,
                                 needs_resync, config, settings)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    insert.execute(params![
        row.id.to_string(),
        row.name.as_str(),
        row.name.to_lowercase(),
        row.mode.as_str(),
        row.host,
        row.status.as_str(),
        row.intent.map(crate::Intent::as_str),
        row.version.get().cast_signed(),
        moment(row.created_at),
        moment(row.changed_at),
        row.needs_resync,
        row.config.as_ref().map(to_json).transpose()?,
        to_json(&row.settings)?,
    ])?;
    let key = tx.last_insert_rowid();
    append(tx, key, &rules::first_event(at))?;
    maze::write(tx, key, &new.topology)?;
    Ok(StoredTopology {
        row,
        topology: new.topology,
    })
}

/// Returns the rows that match.
pub(super) fn list(moment: &Transaction<'_>, filter: &ListFilter) -> Result<Page, Fault> {
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
    Ok(Page {
        rows: collect(rows, |row| Ok(keyed(row)?.row))?,
        total: usize::try_from(total).unwrap_or(usize::MAX),
    })
}

/// Returns a topology and its row.
pub(super) fn load(moment: &Transaction<'_>, id: TopologyId) -> Result<StoredTopology, Fault> {
    let Keyed { key, row } = find(moment, id)?;
    Ok(StoredTopology {
        row,
        topology: maze::read(moment, key)?,
    })
}

/// Puts another maze in the place of a pending one.
pub(super) fn edit(tx: &Transaction<'_>, id: TopologyId, edit: Edit, at: Timestamp) -> Result<StoredTopology, Fault> {
    let Edit {
        expected,
        topology,
        mutation,
    } = edit;
    let Keyed { key, mut row } = find(tx, id)?;
    rules::edit(&mut row, expected, at)?;
    maze::refuse(tx, Some(id), &topology)?;
    mutation.as_ref().map(rules::queue::refuse_unreadable).transpose()?;
    update(tx, key, &row)?;
    let mutation = mutation.map(|new| rules::queue::applied(UNNUMBERED, &row, new, at));
    let mutation = mutation
        .map(|mutation| mutations::insert(tx, key, mutation))
        .transpose()?;
    changes::replace(tx, key, &topology, mutation.map(|mutation| mutation.id), at)?;
    Ok(StoredTopology { row, topology })
}

/// Changes the status.
pub(super) fn set_status(
    tx: &Transaction<'_>,
    id: TopologyId,
    change: StatusChange,
    at: Timestamp,
) -> Result<TopologyRow, Fault> {
    let Keyed { key, mut row } = find(tx, id)?;
    let lease = match change.held {
        Some(_) => leases::stored(tx, key)?,
        None => None,
    };
    let event = rules::change(&mut row, lease.as_ref(), change, at)?;
    let mut statement =
        tx.prepare_cached("UPDATE topologies SET status = ?2, intent = ?3, changed_at = ?4 WHERE key = ?1")?;
    let intent = row.intent.map(crate::Intent::as_str);
    statement.execute(params![key, row.status.as_str(), intent, moment(row.changed_at)])?;
    append(tx, key, &event)?;
    mutations::dismiss(tx, key, &row, at)?;
    Ok(row)
}

/// Remembers how a topology is raised.
pub(super) fn set_settings(
    tx: &Transaction<'_>,
    id: TopologyId,
    settings: DeploySettings,
    at: Timestamp,
) -> Result<TopologyRow, Fault> {
    let Keyed { key, mut row } = find(tx, id)?;
    rules::set_settings(&mut row, settings, at)?;
    update(tx, key, &row)?;
    Ok(row)
}

/// Remembers whether Docker may differ from what is stored.
pub(super) fn set_needs_resync(
    tx: &Transaction<'_>,
    id: TopologyId,
    needs_resync: bool,
    at: Timestamp,
) -> Result<(), Fault> {
    let Keyed { key, mut row } = find(tx, id)?;
    row.needs_resync = needs_resync;
    row.changed_at = at;
    update(tx, key, &row)
}

/// Returns the changes of status, oldest first.
pub(super) fn status_events(moment: &Transaction<'_>, id: TopologyId) -> Result<Vec<StatusEvent>, Fault> {
    let key = key(moment, id)?;
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

/// Removes a topology with all that belongs to it.
pub(super) fn delete(tx: &Transaction<'_>, id: TopologyId, at: Timestamp) -> Result<(), Fault> {
    let Keyed { key, row } = find(tx, id)?;
    rules::refuse_delete(row.status, leases::stored(tx, key)?, at)?;
    maze::clear(tx, key)?;
    tx.prepare_cached("DELETE FROM topologies WHERE key = ?1")?
        .execute([key])?;
    Ok(())
}

/// Writes down what may change of a row, but for the status and the intent: an index has the status, and would be written too.
pub(super) fn update(tx: &Transaction<'_>, key: i64, row: &TopologyRow) -> Result<(), Fault> {
    let mut statement = tx.prepare_cached(
        "UPDATE topologies SET version = ?2, changed_at = ?3, needs_resync = ?4, settings = ?5 WHERE key = ?1",
    )?;
    statement.execute(params![
        key,
        row.version.get().cast_signed(),
        moment(row.changed_at),
        row.needs_resync,
        to_json(&row.settings)?,
    ])?;
    Ok(())
}

fn append(tx: &Transaction<'_>, key: i64, event: &StatusEvent) -> Result<(), Fault> {
    let mut statement = tx.prepare_cached(
        "INSERT INTO status_events (topology, from_status, to_status, at, reason) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let from = event.from.map(crate::Status::as_str);
    statement.execute(params![key, from, event.to.as_str(), moment(event.at), event.reason])?;
    Ok(())
}
