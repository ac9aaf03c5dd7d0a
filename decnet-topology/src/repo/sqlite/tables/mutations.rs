//! The table `mutations`.

use rusqlite::{Transaction, params};

use crate::{
    id::{MutationId, TopologyId},
    repo::{
        MutationClaim, MutationFilter, MutationPage, MutationRow, RepoError,
        sqlite::{
            columns::{Columns, collect, first, moment as written, to_json},
            fault::Fault,
        },
    },
    version::Version,
};

/// The columns that [`row`] reads.
const COLUMNS: &str = "id, (SELECT t.id FROM topologies t WHERE t.key = topology) AS topology_id, mutation, actor, state, \
                       version, attempts, enqueued_at, begun_at, stored_at, finished_at, reason, claim_token, \
                       claim_boot_id, claim_pid, claim_started, claim_label, claim_until";

/// The statement that finds the topologies with unfinished mutations.
pub(in crate::repo::sqlite) const WITH_UNFINISHED: &str =
    "SELECT (SELECT t.id FROM topologies t WHERE t.key = topology)
                                          FROM mutations WHERE finished_at IS NULL GROUP BY topology ORDER BY min(id)";

/// Returns the statement that finds the first unfinished mutation of a topology.
pub(in crate::repo::sqlite) fn first_unfinished_statement() -> String {
    format!("SELECT {COLUMNS} FROM mutations WHERE finished_at IS NULL AND topology = ?1 ORDER BY id LIMIT 1")
}

fn row(row: &mut Columns<'_>) -> Result<MutationRow, Fault> {
    Ok(MutationRow {
        id: MutationId::new(row.whole()?),
        topology: row.word()?,
        mutation: row.json()?,
        actor: row.value()?,
        state: row.word()?,
        version: Version::new(row.whole()?),
        attempts: row.whole()?,
        enqueued_at: row.word()?,
        begun_at: row.maybe_word()?,
        stored_at: row.maybe_word()?,
        finished_at: row.maybe_word()?,
        reason: row.value()?,
        claim: match row.maybe_word()? {
            Some(token) => Some(MutationClaim {
                token,
                holder: row.holder()?,
                until: row.word()?,
                length: None,
            }),
            None => None,
        },
    })
}

/// Finds a mutation.
pub(in crate::repo::sqlite) fn find(moment: &Transaction<'_>, id: MutationId) -> Result<MutationRow, Fault> {
    let mut statement = moment.prepare_cached(&format!("SELECT {COLUMNS} FROM mutations WHERE id = ?1"))?;
    // SQLite has no greater number, so no mutation has this id.
    let number = i64::try_from(id.get()).unwrap_or(-1);
    first(statement.query([number])?, row)?.ok_or_else(|| RepoError::MutationNotFound { id }.into())
}

/// Reads all mutations, and returns each one, or its fault, with its number.
pub(in crate::repo::sqlite) fn each(
    moment: &Transaction<'_>,
    mut visit: impl FnMut(i64, Result<MutationRow, Fault>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut statement = moment.prepare_cached(&format!("SELECT {COLUMNS} FROM mutations ORDER BY id"))?;
    let mut rows = statement.query([])?;
    while let Some(found) = rows.next()? {
        visit(found.get(0)?, row(&mut Columns::of(found)))?;
    }
    Ok(())
}

/// Stores a mutation, and returns it with its number.
pub(in crate::repo::sqlite) fn insert(
    tx: &Transaction<'_>,
    key: i64,
    mutation: MutationRow,
) -> Result<MutationRow, Fault> {
    let mut statement = tx.prepare_cached(
        "INSERT INTO mutations (topology, mutation, actor, state, version, attempts, enqueued_at, begun_at, stored_at,
                                finished_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    statement.execute(params![
        key,
        to_json(&mutation.mutation)?,
        mutation.actor,
        mutation.state.as_str(),
        mutation.version.get().cast_signed(),
        mutation.attempts,
        written(mutation.enqueued_at),
        mutation.begun_at.map(written),
        mutation.stored_at.map(written),
        mutation.finished_at.map(written),
    ])?;
    let id = MutationId::new(tx.last_insert_rowid().cast_unsigned());
    Ok(MutationRow { id, ..mutation })
}

/// Writes the mutable fields of a mutation.
pub(in crate::repo::sqlite) fn update(tx: &Transaction<'_>, mutation: &MutationRow) -> Result<(), Fault> {
    let mut statement = tx.prepare_cached(
        "UPDATE mutations
         SET state = ?2, attempts = ?3, begun_at = ?4, stored_at = ?5, finished_at = ?6, reason = ?7, claim_token = ?8,
             claim_until = ?9, claim_boot_id = ?10, claim_pid = ?11, claim_started = ?12, claim_label = ?13
         WHERE id = ?1",
    )?;
    let claim = mutation.claim.as_ref();
    let holder = claim.map(|claim| &claim.holder);
    statement.execute(params![
        mutation.id.get().cast_signed(),
        mutation.state.as_str(),
        mutation.attempts,
        mutation.begun_at.map(written),
        mutation.stored_at.map(written),
        mutation.finished_at.map(written),
        mutation.reason,
        claim.map(|claim| claim.token.to_string()),
        claim.map(|claim| written(claim.until)),
        holder.map(|holder| &holder.boot_id),
        holder.map(|holder| holder.pid),
        holder.map(|holder| holder.started.cast_signed()),
        holder.map(|holder| &holder.label),
    ])?;
    Ok(())
}

/// Returns the matching mutations; of one topology if a key is given.
pub(in crate::repo::sqlite) fn list(
    moment: &Transaction<'_>,
    key: Option<i64>,
    filter: &MutationFilter,
) -> Result<MutationPage, Fault> {
    let mut matching = "FROM mutations WHERE (?1 = '[]' OR state IN (SELECT value FROM json_each(?1)))".to_owned();
    // With `topology IS ?2` and similar terms, SQLite would not use its indexes.
    matching += if key.is_some() {
        " AND topology = ?2"
    } else {
        " AND ?2 IS NULL"
    };
    let unfinished = !filter.states.is_empty() && !filter.states.iter().any(|state| state.is_final());
    if unfinished {
        matching += " AND finished_at IS NULL";
    }
    // The few unfinished ones are found by their index and then sorted; a scan in the order of all mutations would be slow.
    let order = if unfinished { "+id" } else { "id" };
    let states = to_json(&filter.states)?;
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let mut statement = moment.prepare_cached(&format!("SELECT count(*) {matching}"))?;
    let total: i64 = statement.query_row(params![states, key], |row| row.get(0))?;
    let mut statement = moment.prepare_cached(&format!(
        "SELECT {COLUMNS} {matching} ORDER BY {order} LIMIT ?3 OFFSET ?4"
    ))?;
    let limit = filter.limit.map_or(-1, count);
    let rows = statement.query(params![states, key, limit, count(filter.offset)])?;
    Ok(MutationPage {
        rows: collect(rows, row)?,
        total: usize::try_from(total).unwrap_or(usize::MAX),
    })
}

/// Returns the first unfinished mutation of a topology.
pub(in crate::repo::sqlite) fn first_unfinished(
    moment: &Transaction<'_>,
    key: i64,
) -> Result<Option<MutationRow>, Fault> {
    let mut statement = moment.prepare_cached(&first_unfinished_statement())?;
    first(statement.query([key])?, row)
}

/// Returns the topologies with unfinished mutations, in order of the first of each.
pub(in crate::repo::sqlite) fn with_unfinished(moment: &Transaction<'_>) -> Result<Vec<TopologyId>, Fault> {
    let mut statement = moment.prepare_cached(WITH_UNFINISHED)?;
    collect(statement.query([])?, |row| {
        let topology: TopologyId = row.word()?;
        Ok(topology)
    })
}
