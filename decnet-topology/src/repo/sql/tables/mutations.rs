//! The table `mutations`.

use crate::{
    id::{MutationId, TopologyId},
    repo::{
        MutationClaim, MutationFilter, MutationPage, MutationRow, RepoError,
        sql::{
            Columns, Sql, Value, collect, one_of,
            statement::{count, first, number},
        },
    },
    version::Version,
};

/// The columns that [`row`] reads.
const COLUMNS: &str = "id, (SELECT t.id FROM topologies t WHERE t.key = topology) AS topology_id, mutation, actor, cause, state, \
                       version, attempts, enqueued_at, begun_at, stored_at, finished_at, reason, claim_token, \
                       claim_boot_id, claim_pid, claim_started, claim_label, claim_until";

/// The statement that finds the topologies with unfinished mutations.
pub(in crate::repo) const WITH_UNFINISHED: &str = "SELECT (SELECT t.id FROM topologies t WHERE t.key = topology)
                                          FROM mutations WHERE finished_at IS NULL GROUP BY topology ORDER BY min(id)";

/// Returns the statement that finds the first unfinished mutation of a topology.
pub(in crate::repo) fn first_unfinished_statement() -> String {
    format!("SELECT {COLUMNS} FROM mutations WHERE finished_at IS NULL AND topology = ?1 ORDER BY id LIMIT 1")
}

fn row(row: &mut Columns<'_>) -> Result<MutationRow, RepoError> {
    Ok(MutationRow {
        id: MutationId::new(row.whole()?),
        topology: row.word()?,
        mutation: row.json()?,
        actor: row.maybe_string()?,
        trigger: row.word()?,
        state: row.word()?,
        version: Version::new(row.whole()?),
        attempts: row.whole()?,
        enqueued_at: row.word()?,
        begun_at: row.maybe_word()?,
        stored_at: row.maybe_word()?,
        finished_at: row.maybe_word()?,
        reason: row.maybe_string()?,
        claim: match row.maybe_word()? {
            Some(token) => Some(MutationClaim {
                token,
                holder: row.holder()?,
                until: row.word()?,
                length: None,
                generation: 0,
            }),
            None => None,
        },
    })
}

/// Finds a mutation.
pub(in crate::repo) fn find(sql: &mut dyn Sql, id: MutationId) -> Result<MutationRow, RepoError> {
    lock_topology(sql, id)?;
    let statement = format!("SELECT {COLUMNS} FROM mutations WHERE id = ?1");
    first(sql, &statement, &[number_of(id)], row)?.ok_or(RepoError::MutationNotFound { id })
}

/// Locks the topology of a mutation.
fn lock_topology(sql: &mut dyn Sql, id: MutationId) -> Result<(), RepoError> {
    let Some(locks) = sql.dialect().locks else {
        return Ok(());
    };
    let statement = format!(
        "SELECT key FROM topologies WHERE key = (SELECT topology FROM mutations WHERE id = ?1){}",
        locks.wait
    );
    number(sql, &statement, &[number_of(id)]).map(drop)
}

/// Databases have no greater number than the largest signed one, so no mutation has such an id.
fn number_of(id: MutationId) -> Value<'static> {
    i64::try_from(id.get()).unwrap_or(-1).into()
}

/// Reads all mutations, and returns each one, or its fault, with its number.
pub(in crate::repo) fn each(
    sql: &mut dyn Sql,
    mut visit: impl FnMut(i64, Result<MutationRow, RepoError>) -> Result<(), RepoError>,
) -> Result<(), RepoError> {
    let statement = format!("SELECT {COLUMNS} FROM mutations ORDER BY id");
    sql.query(&statement, &[], &mut |found| {
        visit(Columns::of(found).integer()?, row(&mut Columns::of(found)))
    })
}

/// Stores a mutation, and returns it with its number.
pub(in crate::repo) fn insert(sql: &mut dyn Sql, key: i64, mutation: MutationRow) -> Result<MutationRow, RepoError> {
    let values = [
        key.into(),
        Value::json(&mutation.mutation)?,
        mutation.actor.as_ref().into(),
        mutation.state.as_str().into(),
        mutation.version.get().cast_signed().into(),
        mutation.attempts.into(),
        mutation.enqueued_at.into(),
        mutation.begun_at.into(),
        mutation.stored_at.into(),
        mutation.finished_at.into(),
        <&str>::from(mutation.trigger).into(),
    ];
    let statement = "INSERT INTO mutations (topology, mutation, actor, state, version, attempts, enqueued_at, begun_at,
                                            stored_at, finished_at, cause)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         RETURNING id";
    let id = number(sql, statement, &values)?.unwrap_or_default();
    let id = MutationId::new(id.cast_unsigned());
    Ok(MutationRow { id, ..mutation })
}

/// Writes the mutable fields of a mutation.
pub(in crate::repo) fn update(sql: &mut dyn Sql, mutation: &MutationRow) -> Result<(), RepoError> {
    let claim = mutation.claim.as_ref();
    let holder = claim.map(|claim| &claim.holder);
    let values = [
        mutation.id.get().cast_signed().into(),
        mutation.state.as_str().into(),
        mutation.attempts.into(),
        mutation.begun_at.into(),
        mutation.stored_at.into(),
        mutation.finished_at.into(),
        mutation.reason.as_ref().into(),
        claim.map(|claim| claim.token.to_string()).into(),
        claim.map(|claim| claim.until).into(),
        holder.map(|holder| &holder.boot_id).into(),
        holder.map(|holder| holder.pid).into(),
        holder.map(|holder| holder.started.cast_signed()).into(),
        holder.map(|holder| &holder.label).into(),
    ];
    let statement = "UPDATE mutations
         SET state = ?2, attempts = ?3, begun_at = ?4, stored_at = ?5, finished_at = ?6, reason = ?7, claim_token = ?8,
             claim_until = ?9, claim_boot_id = ?10, claim_pid = ?11, claim_started = ?12, claim_label = ?13
         WHERE id = ?1";
    sql.execute(statement, &values).map(drop)
}

/// Returns the matching mutations; of one topology if a key is given.
pub(in crate::repo) fn list(
    sql: &mut dyn Sql,
    key: Option<i64>,
    filter: &MutationFilter,
) -> Result<MutationPage, RepoError> {
    let unfinished = !filter.states.is_empty() && !filter.states.iter().any(|state| state.is_final());
    let mut terms = Vec::from(["TRUE".to_owned()]);
    if !filter.states.is_empty() {
        terms.push(one_of("state", filter.states.iter().map(|state| state.as_str())));
    }
    // With `topology IS ?1` and similar terms, SQLite would not use its indexes.
    terms.extend(key.map(|_| "topology = ?1".to_owned()));
    if unfinished {
        terms.push("finished_at IS NULL".to_owned());
    }
    let matching = format!("FROM mutations WHERE {}", terms.join(" AND "));
    let mut values: Vec<Value<'_>> = key.map(Value::from).into_iter().collect();
    let total = count(sql, &format!("SELECT count(*) {matching}"), &values)?;
    // The few unfinished ones are found by their index and then sorted; a scan in the order of all mutations would be slow.
    let order = if unfinished { "+id" } else { "id" };
    let (limit, offset) = (values.len() + 1, values.len() + 2);
    values.extend([Value::limit(filter.limit), Value::count(filter.offset)]);
    let page = format!("SELECT {COLUMNS} {matching} ORDER BY {order} LIMIT ?{limit} OFFSET ?{offset}");
    let rows = collect(sql, &page, &values, row)?;
    Ok(MutationPage { rows, total })
}

/// Returns the first unfinished mutation of a topology.
pub(in crate::repo) fn first_unfinished(sql: &mut dyn Sql, key: i64) -> Result<Option<MutationRow>, RepoError> {
    first(sql, &first_unfinished_statement(), &[key.into()], row)
}

/// Returns the topologies with unfinished mutations, in order of the first of each.
pub(in crate::repo) fn with_unfinished(sql: &mut dyn Sql) -> Result<Vec<TopologyId>, RepoError> {
    collect(sql, WITH_UNFINISHED, &[], |row| {
        let topology: TopologyId = row.word()?;
        Ok(topology)
    })
}
